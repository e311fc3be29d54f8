//! The executor: runs the methods of a model on any Burn device.
//!
//! A [`Session`] prepares once: it inlines calls, merges common nodes, drops dead nodes, and
//! uploads each weight that is left. A run binds the symbols from the inputs, evaluates the sizes,
//! and executes node by node; a value is freed after its last use.
//!
//! Operations run on Burn's run-time backend without ranks in types. What each does is in one file
//! a family: elementwise, shape, reduce, dense, graph. Floats keep the program's element type, and
//! so do integers on devices that have theirs; `integers.rs` has the details. Booleans have the
//! device's type.
//!
//! Many runs with inputs of the same shapes are for [`Prepared`]: it does what depends on the graph
//! alone once, and has the device repeat the rest.

mod arithmetic;
mod cumulative;
mod dense;
mod elementwise;
mod error;
mod eval;
mod graph;
mod indices;
mod inputs;
mod integers;
mod order;
mod plan;
mod prepared;
mod reduce;
mod repeat;
mod replay;
mod scatter;
mod shape;
#[cfg(test)]
mod tests;
mod upload;
mod width;

use std::collections::BTreeMap;

use burn::{backend::DispatchTensor, tensor::Device};
use kiln_core::AnyTensor;

use crate::{
    model::Model,
    op::Op,
    pass,
    program::{ElemType, Function, Method, Node, ValueId, ValueType},
    size::Size,
    validate::Valid,
};

pub use error::ExecError;
pub use prepared::Prepared;

use eval::{Eval, Site};
use graph::Graphs;
use width::Width;

/// A model on a device, ready to run.
///
/// ```no_run
/// use std::collections::BTreeMap;
///
/// use burn::tensor::{Device, Tensor};
/// use kiln_ir::{Model, Session};
///
/// let device = Device::flex();
/// let session = Session::new(&Model::load("net.kiln")?, &device)?;
/// let x = Tensor::<2>::zeros([34, 16], &device);
/// let outputs = session.run("forward", BTreeMap::from([("x".to_owned(), x.into())]))?;
/// for (name, tensor) in outputs {
///     println!("{name}: {:?}", tensor.shape());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    program: Valid,
    /// By number of the weight; those that no method of the root uses stay away.
    weights: Vec<Option<DispatchTensor>>,
    device: Device,
    width: Width,
    /// For each function and each of its inputs, the sizes that its integers are below.
    indices: Vec<Vec<Option<Vec<Size>>>>,
}

impl Session {
    /// Prepares a model for a device.
    ///
    /// # Errors
    /// If the device has integers of 32 bits and one of a weight does not fit; or if a pass fails,
    /// which would be a mistake in this crate.
    pub fn new(model: &Model, device: &Device) -> Result<Self, ExecError> {
        Self::with_width(model, device, Width::of(device))
    }

    fn with_width(model: &Model, device: &Device, width: Width) -> Result<Self, ExecError> {
        let program = pass::run(model.program.clone(), &pass::EXECUTION)?;
        let weights = upload::weights(&program, &model.weights, device, width)?;
        let indices = program.functions.iter().map(indices::inputs).collect();
        Ok(Self {
            program,
            weights,
            device: device.clone(),
            width,
            indices,
        })
    }

    /// The methods that can be run.
    pub fn methods(&self) -> &[Method] {
        self.program.root().map_or(&[], |root| &root.methods)
    }

    /// The program as it is executed: calls inlined, dead and common nodes removed.
    pub fn program(&self) -> &Valid {
        &self.program
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs a method. Inputs have the names of the [leaves](crate::leaf) of its parameters: `x`,
    /// `x.0`, `edge_index`, `edge_index.rowptr`, ...; optional ones may be left out. A parameter of
    /// type `size(..)` is an integer tensor of two elements, and optional. Results are `output`, or
    /// `output.0`, `output.1`, ... for a tuple, `output.paper`, ... for a dictionary.
    ///
    /// `forward` also stands for `forward__0`, `forward__1`, ...: the first that takes inputs of
    /// these names, kinds and ranks runs.
    ///
    /// Integers have the bits that the program says, whatever the type of the inputs, and wrap
    /// beyond them as PyTorch's do. A device without integers of 64 bits (WGSL) has 32; there, a
    /// run that may need more is an error. Results of type `u8` have 32 bits on devices without it.
    ///
    /// # Errors
    /// If there is no such method, or inputs are missing, unknown, or of other types or sizes; if
    /// an operation has no result, such as a quotient of integers by 0; or if an integer does not
    /// fit the device.
    ///
    /// # Panics
    /// As the operations do, where an index is outside its range.
    pub fn run(
        &self,
        method: &str,
        inputs: BTreeMap<String, AnyTensor>,
    ) -> Result<Vec<(String, AnyTensor)>, ExecError> {
        let method = self.method(method, &inputs)?;
        let call = inputs::bind(self, method, inputs)?;
        let Some(function) = self.program.functions.get(call.function.index()) else {
            return Ok(Vec::new());
        };
        let outputs = self.execute(
            function,
            function.nodes.iter(),
            &function.outputs,
            call.arguments,
            &mut Eval::new(&self.program, &self.device, self.width, call.symbols),
            &mut Graphs::default(),
        )?;
        let leaves = method.result_leaves().into_iter();
        let outputs = leaves.zip(outputs.into_iter().flatten());
        let outputs = outputs.map(|(leaf, tensor)| {
            let tensor = self.width.result(tensor, leaf.ty.elem);
            (leaf.name, AnyTensor::from_dispatch(tensor))
        });
        Ok(outputs.collect())
    }

    /// The method of the name, or the first variant of it that takes the inputs.
    fn method(
        &self,
        name: &str,
        inputs: &BTreeMap<String, AnyTensor>,
    ) -> Result<&Method, ExecError> {
        if let Some(method) = self.methods().iter().find(|method| method.name == name) {
            return Ok(method);
        }
        let variants: Vec<&Method> = self
            .methods()
            .iter()
            .filter(|method| method.is_variant_of(name))
            .collect();
        if variants.is_empty() {
            let known = self
                .methods()
                .iter()
                .map(|method| method.name.clone())
                .collect();
            return Err(ExecError::UnknownMethod {
                name: name.to_owned(),
                known,
            });
        }
        variants
            .iter()
            .find(|method| inputs::accepts(method, inputs))
            .copied()
            .ok_or_else(|| {
                let words = crate::text::Words(&self.program);
                ExecError::NoOverload {
                    name: name.to_owned(),
                    given: inputs::describe(inputs),
                    known: variants
                        .iter()
                        .map(|method| words.signature(method))
                        .collect(),
                }
            })
    }

    /// Executes nodes in order and returns the results; each value is freed after its last use.
    /// `values` has those that are there before, by number.
    fn execute<'n>(
        &self,
        function: &Function,
        nodes: impl Iterator<Item = &'n Node> + Clone,
        results: &[ValueId],
        mut values: Vec<Option<DispatchTensor>>,
        eval: &mut Eval<'_>,
        graphs: &mut Graphs,
    ) -> Result<Vec<Option<DispatchTensor>>, ExecError> {
        values.resize(function.values.len(), None);
        let reads = nodes.clone().flat_map(|node| &node.inputs);
        let mut values = Values::new(values, reads.chain(results));
        for node in nodes {
            let site = Site { function, node };
            integers::prepare(eval, site, &mut values.tensors)?;
            let mut operands = Vec::with_capacity(node.inputs.len());
            for input in &node.inputs {
                let Some(ValueType::Tensor(ty)) = function.values.get(input.index()) else {
                    continue;
                };
                if let Some(tensor) = values.take(*input) {
                    operands.push((tensor, ty.elem));
                }
            }
            let outputs = self.node(eval, graphs, site, operands)?;
            for (output, mut tensor) in node.outputs.iter().zip(outputs) {
                if let Some(ValueType::Tensor(ty)) = function.values.get(output.index()) {
                    if node.op.effects().makes_size {
                        eval.bind(ty, &tensor);
                    }
                    if integers::leaves_type(&node.op) {
                        tensor = width::wrap(tensor, ty.elem);
                    }
                }
                values.define(*output, tensor);
            }
        }
        Ok(results.iter().map(|&id| values.take(id)).collect())
    }

    /// Executes one node. Operands come with their element types.
    fn node(
        &self,
        eval: &mut Eval<'_>,
        graphs: &mut Graphs,
        site: Site<'_>,
        operands: Vec<Operand>,
    ) -> Result<Vec<DispatchTensor>, ExecError> {
        let one = |tensor| Ok(vec![tensor]);
        match site.op() {
            Op::Weight(id) => {
                if let Some(Some(tensor)) = self.weights.get(self.program.stored(*id).index()) {
                    return one(tensor.clone());
                }
                let name = crate::text::Words(&self.program).weight(*id);
                Err(ExecError::MissingWeight { name })
            }
            // Integers have no tensors; sizes are evaluated where they are used. Calls are inlined.
            Op::Symbol(_) | Op::Call(_) => Ok(Vec::new()),
            Op::Elementwise(op) => one(elementwise::eval(eval, site, op, operands)?),
            Op::Shape(op) => one(shape::eval(eval, site, op, operands)?),
            Op::Reduce(op) => reduce::eval(eval, site, op, operands),
            Op::Dense(op) => one(dense::eval(op, operands)),
            Op::Graph(op) => graph::eval(eval, graphs, site, op, operands),
        }
    }
}

/// The values of a function that are there, each until it has been read for the last time.
struct Values {
    /// By number.
    tensors: Vec<Option<DispatchTensor>>,
    /// How often each is still read.
    reads: Vec<usize>,
}

impl Values {
    fn new<'a>(
        tensors: Vec<Option<DispatchTensor>>,
        reads: impl Iterator<Item = &'a ValueId>,
    ) -> Self {
        let mut values = Self {
            reads: vec![0; tensors.len()],
            tensors,
        };
        for id in reads {
            values.reads[id.index()] += 1;
        }
        for (tensor, &reads) in values.tensors.iter_mut().zip(&values.reads) {
            tensor.take_if(|_| reads == 0);
        }
        values
    }

    fn define(&mut self, id: ValueId, tensor: DispatchTensor) {
        if self.reads[id.index()] > 0 {
            self.tensors[id.index()] = Some(tensor);
        }
    }

    fn take(&mut self, id: ValueId) -> Option<DispatchTensor> {
        let reads = &mut self.reads[id.index()];
        *reads -= 1;
        let tensor = &mut self.tensors[id.index()];
        if *reads == 0 {
            tensor.take()
        } else {
            tensor.clone()
        }
    }
}

/// A tensor and its element type in the program.
type Operand = (DispatchTensor, ElemType);

/// Which of Burn's three kinds of tensors an element type belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Float,
    Int,
    Bool,
}

impl Kind {
    fn of(elem: ElemType) -> Self {
        match elem {
            ElemType::F32 | ElemType::F64 | ElemType::F16 | ElemType::BF16 => Self::Float,
            ElemType::I64 | ElemType::I32 | ElemType::U8 => Self::Int,
            ElemType::Bool => Self::Bool,
        }
    }
}

/// Why a well-typed node cannot reach an arm: the validator has refused it.
const VALIDATED: &str = "the program is validated";
