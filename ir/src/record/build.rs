//! Functions from a merged recording: one for the method, one for each layer scope in it.
//!
//! Scopes nest, so the steps are read once with a stack of frames. When a scope closes, its frame
//! becomes a function and the frame around it gets a call. What a scope uses without having it
//! passed (a tensor computed outside, a size that none of its tensors shows) becomes a further
//! input.

use std::collections::{BTreeSet, HashMap, HashSet};

use kiln_core::size_to_i64;
use kiln_ops::scope::ScopeInfo;

use super::{
    merge::{Constant, Merged, MergedStep, MergedTensor},
    tree::Tree,
};
use crate::{
    op::{DenseOp, ElementwiseOp, Op, Scan, ShapeOp},
    program::{
        Arguments, ElemType, Function, FunctionId, ModuleId, Node, Program, SymbolId, TensorType,
        ValueId, ValueType, WeightId,
    },
    size::Size,
};

/// A function for one case of a method, and the structure of its result.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) function: FunctionId,
    pub(super) outputs: Vec<TensorType>,
}

/// A function under construction. Its values are numbered in order of definition; `finish` puts
/// inputs first.
#[derive(Debug)]
struct Frame {
    module: ModuleId,
    name: String,
    arguments: Arguments,
    values: Vec<ValueType>,
    inputs: Vec<(String, ValueId)>,
    /// What the caller passes for each input: tensors of the recording.
    operands: Vec<usize>,
    nodes: Vec<Node>,
    /// Value of each tensor of the recording in this frame.
    known: HashMap<usize, ValueId>,
    outputs: Vec<ValueId>,
    /// The tensors of the caller that the outputs become.
    results: Vec<usize>,
    /// Names that the layer gave to its arguments.
    names: Vec<String>,
    /// The loop that runs it, without its body.
    scan: Option<Scan>,
}

impl Frame {
    fn new(module: ModuleId, name: &str, arguments: Arguments) -> Self {
        Self {
            module,
            name: name.to_owned(),
            arguments,
            values: Vec::new(),
            inputs: Vec::new(),
            operands: Vec::new(),
            nodes: Vec::new(),
            known: HashMap::new(),
            outputs: Vec::new(),
            results: Vec::new(),
            names: Vec::new(),
            scan: None,
        }
    }

    fn value(&mut self, ty: ValueType) -> ValueId {
        let id = ValueId::from_index(self.values.len());
        self.values.push(ty);
        id
    }

    fn input(&mut self, name: String, ty: TensorType) -> ValueId {
        let id = self.value(ValueType::Tensor(ty));
        self.inputs.push((name, id));
        id
    }

    fn node(
        &mut self,
        op: impl Into<Op>,
        inputs: Vec<ValueId>,
        types: Vec<ValueType>,
    ) -> Vec<ValueId> {
        let outputs: Vec<ValueId> = types.into_iter().map(|ty| self.value(ty)).collect();
        self.nodes.push(Node {
            op: op.into(),
            inputs,
            outputs: outputs.clone(),
        });
        outputs
    }

    fn tensor_type(&self, value: ValueId) -> TensorType {
        match &self.values[value.index()] {
            ValueType::Tensor(ty) => ty.clone(),
            ValueType::Int(_) => unreachable!("tensors of a recording are tensors"),
        }
    }
}

/// Builds functions into a program.
pub(super) struct Builder<'a> {
    program: &'a mut Program,
    tree: &'a mut Tree,
    frames: Vec<Frame>,
    /// Tensors that are other tensors: arguments and results of scopes that are inlined.
    same: HashMap<usize, usize>,
    /// Weight of a tensor, and whether the program holds it transposed.
    weights: HashMap<usize, (WeightId, bool)>,
    aranges: HashMap<usize, Size>,
    /// How many modules without parameters have been placed, by the path of the first.
    unplaced: HashMap<String, usize>,
    /// Symbols that operations define: sizes that depend on data.
    fresh: &'a [SymbolId],
}

impl<'a> Builder<'a> {
    /// A builder that adds to a program and a module tree. `fresh` are the symbols of sizes that
    /// depend on data.
    pub(super) fn new(program: &'a mut Program, tree: &'a mut Tree, fresh: &'a [SymbolId]) -> Self {
        Self {
            program,
            tree,
            fresh,
            frames: Vec::new(),
            same: HashMap::new(),
            weights: HashMap::new(),
            aranges: HashMap::new(),
            unplaced: HashMap::new(),
        }
    }

    /// Builds the function of one case. `inputs` are the names and types of its tensor inputs.
    ///
    /// `None` would mean that the recording contradicts itself: a defect of the recorder.
    pub(super) fn build(
        mut self,
        name: &str,
        inputs: Vec<(String, TensorType)>,
        merged: Merged,
    ) -> Option<Built> {
        let kept = kept_layout(&merged.steps);
        for (tensor, param) in &merged.params {
            if kept.contains(tensor) {
                self.tree.keep_layout(param.id);
            }
        }
        for (tensor, param) in &merged.params {
            if let Some(weight) = self.tree.param(param.id, param.occurrence) {
                self.weights.insert(*tensor, weight);
            }
        }
        for (tensor, constant) in &merged.constants {
            match constant {
                Constant::Data(data) => {
                    let weight = self.tree.constant(data)?;
                    self.weights.insert(*tensor, (weight, false));
                }
                Constant::Arange(end) => {
                    self.aranges.insert(*tensor, end.clone());
                }
            }
        }
        self.frames
            .push(Frame::new(ModuleId(0), name, Arguments::Plain));
        let mut declared = inputs.into_iter();
        // For each open scope, whether it has a frame of its own.
        let mut open = Vec::new();
        for step in merged.steps {
            match step {
                MergedStep::Data => {}
                MergedStep::Input { tensor } => {
                    let (name, ty) = declared.next()?;
                    let frame = self.frames.last_mut()?;
                    let value = frame.input(name, ty);
                    frame.known.insert(tensor, value);
                }
                MergedStep::Output { tensor } => {
                    let value = self.resolve(self.frames.len() - 1, tensor)?;
                    self.frames.last_mut()?.outputs.push(value);
                }
                MergedStep::Op {
                    op,
                    inputs,
                    outputs,
                } => self.op(op, &inputs, outputs)?,
                MergedStep::Begin { scope } => open.push(self.begin(merged.scopes.get(scope)?)),
                MergedStep::Enter { outer, inner } if *open.last()? => self.enter(outer, inner)?,
                MergedStep::Enter { outer, inner } => {
                    self.same.insert(inner, outer);
                }
                MergedStep::Leave { inner, outer } if *open.last()? => self.leave(inner, outer)?,
                MergedStep::Leave { inner, outer } => {
                    self.same.insert(outer, inner);
                }
                MergedStep::End => {
                    if open.pop()? {
                        self.end()?;
                    }
                }
                MergedStep::ScanBegin { times, reverse } => self.begin_loop(times, reverse)?,
                MergedStep::Carry { outer, inner } => {
                    self.enter(outer, inner)?;
                    self.frames.last_mut()?.scan.as_mut()?.carried += 1;
                }
                MergedStep::Row { outer, inner } => self.row(outer, inner)?,
                MergedStep::Next { inner, outer } | MergedStep::Stack { inner, outer } => {
                    self.leave(inner, outer)?;
                }
                MergedStep::ScanEnd => self.end()?,
            }
        }
        let frame = self.frames.pop()?;
        let outputs = frame
            .outputs
            .iter()
            .map(|&value| frame.tensor_type(value))
            .collect();
        let finished = self.finish(frame);
        Some(Built {
            function: finished.function,
            outputs,
        })
    }

    /// Opens a scope and tells whether it gets a frame of its own. The scope of the method that is
    /// being recorded does not.
    fn begin(&mut self, scope: &ScopeInfo) -> bool {
        let Some(around) = self.frames.last().map(|frame| frame.module) else {
            return false;
        };
        let module = match self.tree.instance(&scope.params) {
            Some(path) => self.tree.module(&path, scope.kind),
            None => self.without_parameters(around, scope.kind),
        };
        for [name, with] in &scope.tied {
            let path = &self.tree.modules[module.index()].path;
            let [name, with] = [name, with].map(|name| kiln_core::leaf_name(path, name));
            self.tree.tie_module(&name, &with);
        }
        let arguments = if let Some(record) = &scope.record {
            Arguments::Record(record.clone())
        } else {
            scope
                .kind
                .clone_into(&mut self.tree.modules[module.index()].kind);
            if module == around {
                return false;
            }
            Arguments::Plain
        };
        let mut frame = Frame::new(module, scope.method, arguments);
        frame.names.clone_from(&scope.inputs);
        self.frames.push(frame);
        true
    }

    /// The module of a scope that no parameters place: the one around it if it is of the same kind,
    /// or a child of that, which is named after the kind.
    fn without_parameters(&mut self, around: ModuleId, kind: &str) -> ModuleId {
        let parent = &self.tree.modules[around.index()];
        if parent.kind == kind {
            return around;
        }
        let path = kiln_core::leaf_name(&parent.path, snake_case(kind));
        let number = self.unplaced.entry(path.clone()).or_insert(0);
        let path = match *number {
            0 => path,
            number => format!("{path}_{number}"),
        };
        *number += 1;
        self.tree.module(&path, kind)
    }

    /// Opens the body of a loop, a function of the module around.
    fn begin_loop(&mut self, times: Size, reverse: bool) -> Option<()> {
        let module = self.frames.last()?.module;
        let mut frame = Frame::new(module, "step", Arguments::Plain);
        frame.scan = Some(Scan {
            body: FunctionId(u32::MAX),
            times,
            carried: 0,
            scanned: 0,
            reverse,
        });
        self.frames.push(frame);
        Some(())
    }

    /// Passes a row of a sequence into the body of a loop.
    fn row(&mut self, outer: usize, inner: usize) -> Option<()> {
        let around = self.frames.len().checked_sub(2)?;
        let value = self.resolve(around, outer)?;
        let mut ty = self.frames[around].tensor_type(value);
        ty.dims.remove(0);
        let frame = self.frames.last_mut()?;
        let scan = frame.scan.as_mut()?;
        let name = format!("row_{}", scan.scanned);
        scan.scanned += 1;
        let value = frame.input(name, ty);
        frame.operands.push(outer);
        frame.known.insert(inner, value);
        Some(())
    }

    /// Passes a result out of the frame.
    fn leave(&mut self, inner: usize, outer: usize) -> Option<()> {
        let value = self.resolve(self.frames.len() - 1, inner)?;
        let frame = self.frames.last_mut()?;
        frame.outputs.push(value);
        frame.results.push(outer);
        Some(())
    }

    fn enter(&mut self, outer: usize, inner: usize) -> Option<()> {
        let around = self.frames.len().checked_sub(2)?;
        let value = self.resolve(around, outer)?;
        let ty = self.frames[around].tensor_type(value);
        let frame = self.frames.last_mut()?;
        let name = frame.names.get(frame.inputs.len()).cloned();
        let label = if frame.scan.is_some() {
            "carried"
        } else {
            "input"
        };
        let name = name.unwrap_or_else(|| format!("{label}_{}", frame.inputs.len()));
        let value = frame.input(name, ty);
        frame.operands.push(outer);
        frame.known.insert(inner, value);
        Some(())
    }

    fn end(&mut self) -> Option<()> {
        let frame = self.frames.pop()?;
        let results = frame.results.clone();
        let scan = frame.scan.clone();
        let ty = |(position, value): (usize, &ValueId)| {
            let mut ty = frame.tensor_type(*value);
            if let Some(scan) = scan.as_ref().filter(|scan| !scan.is_carried(position)) {
                ty.dims.insert(0, scan.times.clone());
            }
            ValueType::Tensor(ty)
        };
        let types = frame.outputs.iter().enumerate().map(ty).collect();
        let Finished {
            function,
            operands,
            symbols,
        } = self.finish(frame);
        let around = self.frames.len().checked_sub(1)?;
        let mut inputs = Vec::with_capacity(operands.len() + symbols.len());
        for operand in operands {
            inputs.push(self.resolve(around, operand)?);
        }
        let caller = self.frames.last_mut()?;
        for symbol in symbols {
            inputs.extend(caller.node(Op::Symbol(symbol), vec![], vec![ValueType::Int(symbol)]));
        }
        let op = match scan {
            Some(scan) => Op::Scan(Scan {
                body: function,
                ..scan
            }),
            None => Op::Call(function),
        };
        let outputs = caller.node(op, inputs, types);
        caller.known.extend(results.into_iter().zip(outputs));
        Some(())
    }

    fn op(&mut self, op: Op, inputs: &[usize], outputs: Vec<MergedTensor>) -> Option<()> {
        let current = self.frames.len().checked_sub(1)?;
        let mut values = Vec::with_capacity(inputs.len());
        for &input in inputs {
            values.push(self.resolve(current, input)?);
        }
        let frame = self.frames.last_mut()?;
        let is_transpose = |op: &Op| match op {
            Op::Shape(ShapeOp::Permute { axes }) => axes.as_slice() == [1, 0],
            _ => false,
        };
        if is_transpose(&op)
            && let [value] = values.as_slice()
            && let Some(before) = frame.nodes.iter().find(|node| node.outputs.contains(value))
            && is_transpose(&before.op)
        {
            // The transpose of a transpose: the layout that the weight is stored in.
            let original = *before.inputs.first()?;
            frame.known.insert(outputs.first()?.number, original);
            return Some(());
        }
        let numbers: Vec<usize> = outputs.iter().map(|output| output.number).collect();
        let types = outputs
            .into_iter()
            .map(|output| {
                ValueType::Tensor(TensorType {
                    elem: output.elem,
                    dims: output.dims,
                })
            })
            .collect();
        let defined = frame.node(op, values, types);
        frame.known.extend(numbers.into_iter().zip(defined));
        Some(())
    }

    /// The value of a tensor in a frame; what is defined outside comes in as a further input.
    fn resolve(&mut self, depth: usize, tensor: usize) -> Option<ValueId> {
        let mut tensor = tensor;
        while let Some(&other) = self.same.get(&tensor) {
            tensor = other;
        }
        if let Some(&value) = self.frames.get(depth)?.known.get(&tensor) {
            return Some(value);
        }
        let value = if let Some(&(weight, transposed)) = self.weights.get(&tensor) {
            let described = self.tree.weights.get(weight.index())?;
            let fixed = |&n: &u64| Size::fixed(size_to_i64(n));
            let mut dims: Vec<Size> = described.shape.iter().map(fixed).collect();
            let elem = described.elem;
            let frame = self.frames.get_mut(depth)?;
            let ty = |dims| vec![ValueType::Tensor(TensorType { elem, dims })];
            let value = *frame
                .node(Op::Weight(weight), vec![], ty(dims.clone()))
                .first()?;
            if transposed {
                dims.reverse();
                *frame
                    .node(ShapeOp::Permute { axes: vec![1, 0] }, vec![value], ty(dims))
                    .first()?
            } else {
                value
            }
        } else if let Some(end) = self.aranges.get(&tensor) {
            let op = ElementwiseOp::Arange {
                start: Size::fixed(0),
                end: end.clone(),
            };
            let ty = TensorType {
                elem: ElemType::I64,
                dims: vec![end.clone()],
            };
            let frame = self.frames.get_mut(depth)?;
            *frame
                .node(op, vec![], vec![ValueType::Tensor(ty)])
                .first()?
        } else {
            let around = depth.checked_sub(1)?;
            let outside = self.resolve(around, tensor)?;
            let ty = self.frames[around].tensor_type(outside);
            let frame = self.frames.get_mut(depth)?;
            let name = format!("captured_{}", frame.inputs.len());
            frame.operands.push(tensor);
            frame.input(name, ty)
        };
        self.frames.get_mut(depth)?.known.insert(tensor, value);
        Some(value)
    }

    /// Turns a frame into a function: drops what nothing uses, adds sizes that its tensors do not
    /// show as inputs, numbers inputs first. An equal function of the module is used again.
    fn finish(&mut self, frame: Frame) -> Finished {
        let dims_of = |value: ValueId| match &frame.values[value.index()] {
            ValueType::Tensor(ty) => ty.dims.as_slice(),
            ValueType::Int(_) => &[],
        };
        let symbols_of = |&value: &ValueId| dims_of(value).iter().flat_map(Size::symbols);
        let mut live: HashSet<ValueId> = frame.outputs.iter().copied().collect();
        // A size that data makes may be all that is used of a node.
        let mut sizes: HashSet<SymbolId> = HashSet::new();
        let mut nodes = Vec::with_capacity(frame.nodes.len());
        for node in frame.nodes.into_iter().rev() {
            let is_live = |output: &ValueId| {
                let makes_size = node.op.effects().makes_size;
                live.contains(output)
                    || makes_size && symbols_of(output).any(|symbol| sizes.contains(&symbol))
            };
            if node.outputs.iter().any(is_live) {
                live.extend(&node.inputs);
                sizes.extend(node.op.sizes().into_iter().flat_map(Size::symbols));
                sizes.extend(node.outputs.iter().flat_map(symbols_of));
                if let Op::Symbol(symbol) = node.op {
                    sizes.insert(symbol);
                }
                nodes.push(node);
            }
        }
        nodes.reverse();

        let mut used = BTreeSet::new();
        let mut shown = BTreeSet::new();
        for (_, input) in &frame.inputs {
            used.extend(symbols_of(input));
            shown.extend(dims_of(*input).iter().filter_map(Size::as_symbol));
        }
        for node in &nodes {
            used.extend(node.op.sizes().into_iter().flat_map(Size::symbols));
            if let Op::Symbol(symbol) = node.op {
                used.insert(symbol);
            }
            for output in &node.outputs {
                used.extend(symbols_of(output));
                let defined = dims_of(*output).iter().filter_map(Size::as_symbol);
                if matches!(node.op, Op::Call(_)) || node.op.effects().makes_size {
                    shown.extend(defined.filter(|symbol| self.fresh.contains(symbol)));
                }
            }
        }
        let symbols: Vec<SymbolId> = used.difference(&shown).copied().collect();

        let mut values = Vec::new();
        let mut renamed = HashMap::new();
        let mut rename = |old: Option<ValueId>, ty: ValueType, values: &mut Vec<ValueType>| {
            let new = ValueId::from_index(values.len());
            values.push(ty);
            if let Some(old) = old {
                renamed.insert(old, new);
            }
            new
        };
        let mut input_names = Vec::new();
        let mut inputs = Vec::new();
        for (name, value) in &frame.inputs {
            let ty = frame.values[value.index()].clone();
            inputs.push(rename(Some(*value), ty, &mut values));
            input_names.push(name.clone());
        }
        for &symbol in &symbols {
            inputs.push(rename(None, ValueType::Int(symbol), &mut values));
            input_names.push(self.program.symbol_name(symbol).into_owned());
        }
        for node in &nodes {
            for &output in &node.outputs {
                rename(
                    Some(output),
                    frame.values[output.index()].clone(),
                    &mut values,
                );
            }
        }
        for value in nodes
            .iter_mut()
            .flat_map(|node| node.inputs.iter_mut().chain(&mut node.outputs))
        {
            *value = renamed[value];
        }
        let outputs = frame.outputs.iter().map(|value| renamed[value]).collect();
        let function = Function {
            name: frame.name,
            module: frame.module,
            arguments: frame.arguments,
            input_names,
            inputs,
            values,
            nodes,
            outputs,
        };
        Finished {
            function: self.add(function),
            operands: frame.operands,
            symbols,
        }
    }

    fn add(&mut self, mut function: Function) -> FunctionId {
        let id = |position: usize| FunctionId::from_index(position);
        let base = function.name.clone();
        let mut number = 0;
        loop {
            let existing =
                self.program.functions.iter().position(|other| {
                    other.module == function.module && other.name == function.name
                });
            match existing {
                Some(position) if self.program.functions[position] == function => {
                    return id(position);
                }
                Some(_) => {
                    number += 1;
                    function.name = format!("{base}_{number}");
                }
                None => {
                    self.program.functions.push(function);
                    return id(self.program.functions.len() - 1);
                }
            }
        }
    }
}

/// Matrices that the forward pass itself transposes, and never passes to a linear layer of Burn's:
/// a weight among them is `[out, in]` already, whatever its module is called.
fn kept_layout(steps: &[MergedStep]) -> HashSet<usize> {
    let mut maps = HashSet::new();
    let mut transposed = Vec::new();
    for step in steps {
        let MergedStep::Op {
            op,
            inputs,
            outputs,
        } = step
        else {
            continue;
        };
        match (op, inputs.as_slice(), outputs.as_slice()) {
            (Op::Dense(DenseOp::Linear), [_, weight, ..], _) => {
                maps.insert(*weight);
            }
            (Op::Shape(ShapeOp::Permute { axes }), [matrix], [out])
                if axes.as_slice() == [1, 0] =>
            {
                transposed.push((*matrix, out.number));
            }
            _ => {}
        }
    }
    // A linear layer's weight is transposed by the recorder, right before it.
    let of_layers: HashSet<usize> = transposed
        .iter()
        .filter(|(_, out)| maps.contains(out))
        .map(|(matrix, _)| *matrix)
        .collect();
    let own = transposed.into_iter().map(|(matrix, _)| matrix);
    own.filter(|matrix| !of_layers.contains(matrix)).collect()
}

/// A function in the program, what its callers pass, and the symbols whose values follow.
struct Finished {
    function: FunctionId,
    operands: Vec<usize>,
    symbols: Vec<SymbolId>,
}

/// `PairNorm` as `pair_norm`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    let mut before = None;
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_some_and(char::is_lowercase) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
        before = Some(letter);
    }
    out
}
