//! The executor: runs the methods of a model on any Burn device.
//!
//! A [`Session`] prepares once: it inlines calls, merges common nodes, drops dead nodes, uploads
//! each weight that is left, and schedules the nodes of each case (`schedule.rs`). A run binds the
//! symbols from the inputs, evaluates the sizes, and executes node by node; a value is freed after
//! its last use.
//!
//! Before a node is executed, its positions are checked (`positions.rs`) and the memory of its
//! results is counted (`memory.rs`), so that programs and inputs of others do no harm.
//!
//! Operations run on Burn's run-time backend without ranks in types. What each does is in one file
//! a family: elementwise, shape, reduce, dense, graph. Floats keep the program's element type, and
//! so do integers on devices that have theirs; `integers.rs` has the details. Booleans have the
//! device's type.
//!
//! Many runs with inputs of the same shapes are for [`Prepared`]: it does what depends on the graph
//! alone once, and has the device repeat the rest.

mod argument;
mod arithmetic;
mod call;
mod cumulative;
mod dense;
mod elementwise;
mod empty;
mod error;
mod eval;
mod graph;
mod indices;
mod inputs;
mod integers;
mod memory;
mod order;
mod plan;
mod positions;
mod prepared;
mod reduce;
mod repeat;
mod replay;
mod scan;
mod scatter;
mod schedule;
mod shape;
mod signature;
mod site;
#[cfg(test)]
mod tests;
mod upload;
mod width;

use std::collections::{BTreeMap, HashMap};

use burn::{backend::DispatchTensor, tensor::Device};
use kiln_core::AnyTensor;

use crate::{
    model::Model,
    op::Op,
    pass,
    pass::Pass,
    program::{ElemType, Function, FunctionId, Method},
    validate::Valid,
};

pub use argument::Argument;
pub use error::ExecError;
pub use positions::BoundsPolicy;
pub use prepared::Prepared;

use eval::Eval;
use graph::Graphs;
use plan::Parts;
use schedule::{Schedule, Values, tensor_type};
use signature::Signature;
use site::Site;
use width::Width;

/// Most nodes and operands of a program that [`Session::new`] takes, once calls are inlined.
pub const MAX_NODES: u64 = 1 << 20;

/// Most operations that a run executes in the steps of loops, unless the session
/// [permits others](Session::with_loops).
pub const MAX_LOOPED: u64 = 1 << 24;

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
/// let outputs = session.run("forward", BTreeMap::from([("x".to_owned(), x)]))?;
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
    /// For each method of the root, what is known of its calls before they are made.
    signatures: Vec<Signature>,
    /// How the steps of loops are executed, by the body and the number of operands that differ.
    loops: HashMap<(FunctionId, usize), Parts>,
    policy: BoundsPolicy,
    /// Most bytes of the values of a run.
    memory: Option<u64>,
    /// Most operations in the steps of loops.
    looped: u64,
}

impl Session {
    /// Prepares a model for a device.
    ///
    /// # Errors
    /// If the program has more than [`MAX_NODES`] nodes and operands once calls are inlined; if the
    /// device has integers of 32 bits and one of a weight does not fit; or if a pass fails, which
    /// would be a mistake in this crate.
    pub fn new(model: &Model, device: &Device) -> Result<Self, ExecError> {
        Self::with_passes(model, device, &pass::EXECUTION, MAX_NODES)
    }

    /// The same by other passes, one of which is [`INLINE`](pass::INLINE), and for programs of at
    /// most so many nodes and operands.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_passes(
        model: &Model,
        device: &Device,
        passes: &[Pass],
        max_nodes: u64,
    ) -> Result<Self, ExecError> {
        Self::with_width(model, device, passes, max_nodes, Width::of(device))
    }

    fn with_width(
        model: &Model,
        device: &Device,
        passes: &[Pass],
        max_nodes: u64,
        width: Width,
    ) -> Result<Self, ExecError> {
        let nodes = model.program.inlined_nodes();
        if nodes > max_nodes {
            let limit = max_nodes;
            return Err(ExecError::Nodes { nodes, limit });
        }
        let program = pass::run(model.program.clone(), passes)?;
        let weights = upload::weights(&program, &model.weights, device, width)?;
        let signatures = signature::all(&program);
        Ok(Self {
            weights,
            device: device.clone(),
            width,
            signatures,
            loops: plan::loops(&program),
            program,
            policy: BoundsPolicy::default(),
            memory: None,
            looped: MAX_LOOPED,
        })
    }

    /// The session with a limit on the memory of a run: an operation whose results would exceed it
    /// together with the other values of the run is an error, before anything is allocated for it.
    ///
    /// Counted are the values that are still read, by their sizes; inputs, weights, and what
    /// kernels need while they run come on top.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        let memory = Some(bytes);
        Self { memory, ..self }
    }

    /// The session with another limit than [`MAX_LOOPED`] on the operations that a run executes in
    /// the steps of loops, each as often as it is executed. A loop that would exceed it is an error
    /// before its first step, so a program of others takes no longer than this permits.
    #[must_use]
    pub fn with_loops(self, looped: u64) -> Self {
        Self { looped, ..self }
    }

    /// The session with another policy for indices out of range.
    #[must_use]
    pub fn with_bounds(self, policy: BoundsPolicy) -> Self {
        Self { policy, ..self }
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
    /// type `size(..)` is an integer tensor of two elements, and optional; one of type `int` is an
    /// integer, or an integer tensor of one element, and of type `float` a float, or a tensor of
    /// one. Results are `output`, or `output.0`, `output.1`, ... for a tuple, `output.paper`, ...
    /// for a dictionary; an optional one that is absent is left out.
    ///
    /// `forward` also stands for `forward__0`, `forward__1`, ...: the first that takes inputs of
    /// these names, kinds and ranks runs. A parameter that is a boolean or a text, which selects
    /// among variants, must then be given; otherwise it may be left out.
    ///
    /// ```no_run
    /// # use std::collections::BTreeMap;
    /// # use burn::tensor::{Device, Tensor};
    /// # use kiln_ir::{Argument, Model, Session};
    /// # let device = Device::flex();
    /// # let session = Session::new(&Model::load("net.kiln")?, &device)?;
    /// let x = Tensor::<2>::zeros([34, 16], &device);
    /// let inputs: [(&str, Argument); 3] =
    ///     [("x", x.into()), ("num_graphs", 2_i64.into()), ("mode", "mean".into())];
    /// session.run("forward", inputs.map(|(name, input)| (name.to_owned(), input)).into())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Integers have the bits that the program says, whatever the type of the inputs, and wrap
    /// beyond them as PyTorch's do. A device without integers of 64 bits (WGSL) has 32; there, a
    /// run that may need more is an error. Results of type `u8` have 32 bits on devices without it.
    ///
    /// # Errors
    /// If there is no such method, or inputs are missing, unknown, or of other types or sizes; if
    /// an operation has no result, such as a quotient of integers by 0; if an index is out of range
    /// (see [`BoundsPolicy`]); if an integer does not fit the device; or if values do not fit the
    /// [memory](Self::with_memory).
    ///
    /// # Panics
    /// Where indices are [trusted](BoundsPolicy::Trust) and are not within range, as kernels do.
    pub fn run<A: Into<Argument>>(
        &self,
        method: &str,
        inputs: BTreeMap<String, A>,
    ) -> Result<Vec<(String, AnyTensor)>, ExecError> {
        self.run_arguments(method, argument::arguments(inputs))
    }

    fn run_arguments(
        &self,
        method: &str,
        inputs: BTreeMap<String, Argument>,
    ) -> Result<Vec<(String, AnyTensor)>, ExecError> {
        let (method, signature) = self.method(method, &inputs)?;
        let (case, call) = inputs::bind(self, method, signature, inputs)?;
        let Some(function) = self.program.functions.get(call.function.index()) else {
            return Ok(Vec::new());
        };
        let mut eval = Eval::new(self, &method.name, &call);
        let mut graphs = Graphs::default();
        let schedule = &case.schedule;
        let outputs = self.execute(function, schedule, call.arguments, &mut eval, &mut graphs)?;
        let outputs = case.results.iter().zip(outputs.into_iter().flatten());
        let outputs = outputs.map(|((name, elem), tensor)| {
            let tensor = self.width.result(tensor, *elem);
            (name.clone(), AnyTensor::from_dispatch(tensor))
        });
        Ok(outputs.collect())
    }

    /// The method of the name, or the first variant of it that takes the inputs.
    fn method(
        &self,
        name: &str,
        inputs: &BTreeMap<String, Argument>,
    ) -> Result<(&Method, &Signature), ExecError> {
        let methods = || self.methods().iter().zip(&self.signatures);
        if let Some(found) = methods().find(|(method, _)| method.name == name) {
            return Ok(found);
        }
        let variants: Vec<(&Method, &Signature)> = methods()
            .filter(|(method, _)| method.is_variant_of(name))
            .collect();
        if variants.is_empty() {
            let known = methods().map(|(method, _)| method.name.clone()).collect();
            return Err(ExecError::UnknownMethod {
                name: name.to_owned(),
                known,
            });
        }
        variants
            .iter()
            .find(|(_, signature)| inputs::accepts(signature, inputs))
            .copied()
            .ok_or_else(|| {
                let words = crate::text::Words(&self.program);
                ExecError::NoOverload {
                    name: name.to_owned(),
                    given: inputs::describe(inputs),
                    known: variants
                        .iter()
                        .map(|(method, _)| words.signature(method))
                        .collect(),
                }
            })
    }

    /// Executes nodes in order and returns the results; each value is freed after its last use.
    /// `values` has those that are there before, by number.
    fn execute(
        &self,
        function: &Function,
        schedule: &Schedule,
        values: Vec<Option<DispatchTensor>>,
        eval: &mut Eval<'_>,
        graphs: &mut Graphs,
    ) -> Result<Vec<Option<DispatchTensor>>, ExecError> {
        let mut values = Values::new(schedule, values);
        for step in &schedule.steps {
            let Some(node) = step.node(function) else {
                continue;
            };
            let site = Site { function, node };
            integers::prepare(eval, site, &mut values.tensors)?;
            eval.reserve(site)?;
            let mut freed = Vec::new();
            let mut operands = values.operands(step, |id| freed.push(id));
            positions::apply(eval, site, step, &mut operands)?;
            let outputs =
                empty::around(eval, site, |eval| self.node(eval, graphs, site, operands))?;
            positions::follow(eval, site, &outputs);
            let makes_size = node.op.effects().makes_size;
            for (output, mut tensor) in node.outputs.iter().zip(outputs) {
                if let Some(ty) = tensor_type(function, *output) {
                    if makes_size {
                        eval.bind(ty, &tensor);
                    }
                    if integers::leaves_type(&node.op) {
                        tensor = width::wrap(tensor, ty.elem);
                    }
                }
                values.define(*output, tensor);
            }
            if makes_size {
                eval.reserve(site)?;
            }
            let unread = node.outputs.iter().filter(|id| !values.is_read(**id));
            for id in freed.iter().chain(unread) {
                eval.memory.free(*id);
            }
        }
        Ok(values.results())
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
            Op::Scan(op) => scan::eval(self, eval, graphs, site, op, operands),
            Op::Elementwise(op) => one(elementwise::eval(eval, site, op, operands)?),
            Op::Shape(op) => one(shape::eval(eval, site, op, operands)?),
            Op::Reduce(op) => reduce::eval(eval, site, op, operands),
            Op::Dense(op) => one(dense::eval(op, operands)),
            Op::Graph(op) => graph::eval(eval, graphs, site, op, operands),
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
