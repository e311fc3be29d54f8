//! Valid programs: operations one by one on values that are there, each kept if the rules of types
//! take it.

use kiln_ir::{
    Arguments, Case, DenseOp, ElemType, ElementwiseOp, Float, Function, FunctionId, GraphOp,
    Method, Module, ModuleId, Node, Op, Param, Program, Scalar, Scan, Size, Symbol, SymbolId,
    TensorType, Type, ValueId, ValueType, Weight, WeightId, WeightRole,
    op::{Class, Count, Spec, attribute::Value},
    validate,
};

use crate::choices::Choices;

mod attributes;

/// Symbols of the inputs: number of source nodes, target nodes, and edges.
pub(crate) const SYMBOLS: [&str; 3] = ["N", "M", "E"];

const N: SymbolId = SymbolId(0);
const M: SymbolId = SymbolId(1);
const E: SymbolId = SymbolId(2);

/// Most operations of a function.
const NODES: usize = 16;

/// Most operations of the body of a loop, and most loops in each other.
const BODY_NODES: usize = 6;
const MOST_LOOPS: usize = 2;

/// Most bits of integers, and those of sizes, of which there are at most as many as fit in memory.
/// Integers wrap as PyTorch's do; but where overflow is checked, Flex 0.22.1 panics instead.
const MOST_BITS: u32 = 62;
const SIZE_BITS: u32 = 20;

/// How names of bodies of loops begin.
const BODY: &str = "step_";

/// Attempts at an operation.
const ATTEMPTS: usize = 8;

/// A program that is likely to be valid: inputs over a few symbols, weights, and functions of
/// operations of all kinds, of which later ones call earlier ones.
pub fn program(choices: &mut Choices<'_>) -> Program {
    let mut program = Program {
        symbols: SYMBOLS.iter().map(|name| symbol(name)).collect(),
        weights: weights(),
        ..Program::default()
    };
    let inputs = inputs(choices);
    for number in 0..choices.below(3) {
        let function = function(choices, &mut program, format!("part_{number}"), &inputs);
        program.functions.push(function);
    }
    let main = function(choices, &mut program, "forward".to_owned(), &inputs);
    let results = main
        .outputs
        .iter()
        .filter_map(|id| match &main.values[id.index()] {
            ValueType::Tensor(ty) => Some(Type::Tensor(ty.clone())),
            ValueType::Int(_) => None,
        });
    let method = Method {
        name: "forward".to_owned(),
        params: params(choices, inputs),
        result: Type::Tuple(results.collect()),
        cases: vec![Case {
            present: Vec::new(),
            results: Vec::new(),
            function: FunctionId(u32::try_from(program.functions.len()).unwrap_or(u32::MAX)),
        }],
        defaults: Vec::new(),
    };
    program.functions.push(main);
    program.modules.push(Module {
        path: String::new(),
        kind: "Net".to_owned(),
        children: Vec::new(),
        weights: (0_u32..)
            .map(WeightId)
            .take(program.weights.len())
            .collect(),
        methods: vec![method],
    });
    program
}

fn symbol(name: &str) -> Symbol {
    Symbol {
        name: name.to_owned(),
    }
}

fn tensor(elem: ElemType, dims: Vec<Size>) -> TensorType {
    TensorType { elem, dims }
}

fn weights() -> Vec<Weight> {
    let weight = |name: &str, role, elem, shape: &[u64]| Weight {
        name: name.to_owned(),
        role,
        elem,
        shape: shape.to_vec(),
        tied: None,
    };
    vec![
        weight("weight", WeightRole::Parameter, ElemType::F32, &[2, 3]),
        weight("bias", WeightRole::Parameter, ElemType::F32, &[2]),
        weight("scale", WeightRole::Parameter, ElemType::F32, &[3]),
        weight("mean", WeightRole::Buffer, ElemType::F32, &[3]),
        weight("variance", WeightRole::Buffer, ElemType::F32, &[3]),
        weight("order", WeightRole::Buffer, ElemType::I64, &[2]),
        weight("mask", WeightRole::Buffer, ElemType::Bool, &[3]),
    ]
}

/// Inputs that show every symbol, and some of others.
fn inputs(choices: &mut Choices<'_>) -> Vec<(&'static str, TensorType)> {
    use ElemType::{BF16, Bool, F16, F32, F64, I32, I64, U8};
    let [n, m, e] = [N, M, E].map(Size::symbol);
    let fixed = Size::fixed;
    let twice = &n + &n;
    let mut inputs = vec![
        ("x", tensor(F32, vec![n.clone(), fixed(3)])),
        ("y", tensor(F32, vec![m.clone(), fixed(3)])),
        ("src", tensor(I64, vec![e.clone()])),
        ("dst", tensor(I64, vec![e.clone()])),
        ("mask", tensor(Bool, vec![n.clone()])),
    ];
    for other in [
        ("edge_weight", tensor(F32, vec![e.clone()])),
        ("rowptr", tensor(I64, vec![&n + &fixed(1)])),
        ("degree", tensor(F32, vec![n.clone()])),
        ("heads", tensor(F32, vec![n.clone(), fixed(2), fixed(3)])),
        ("scores", tensor(F32, vec![n.clone(), fixed(2)])),
        ("count", tensor(I64, Vec::new())),
        ("batch", tensor(I64, vec![n.clone()])),
        ("edge_index", tensor(I64, vec![fixed(2), e])),
        ("wide", tensor(F64, vec![m.clone(), fixed(3)])),
        ("half", tensor(F16, vec![n.clone()])),
        ("brain", tensor(BF16, vec![n.clone()])),
        ("short", tensor(I32, vec![n.clone()])),
        ("bytes", tensor(U8, vec![n])),
        ("t", tensor(F32, vec![fixed(1)])),
        ("pairs", tensor(F32, vec![twice, m])),
        ("many", tensor(I64, vec![fixed(2), fixed(3)])),
    ] {
        if choices.once_in(3) {
            inputs.push(other);
        }
    }
    inputs
}

fn params(choices: &mut Choices<'_>, inputs: Vec<(&'static str, TensorType)>) -> Vec<Param> {
    let param = |(name, ty): (&str, TensorType)| Param {
        name: name.to_owned(),
        ty: Type::Tensor(ty),
    };
    let mut params: Vec<Param> = inputs.into_iter().map(param).collect();
    if let Some(float) = params.iter_mut().find(|param| param.name == "t") {
        float.ty = Type::float(ElemType::F32);
    }
    let features = || params[..2].iter().map(|param| param.ty.clone());
    let features = match choices.below(4) {
        1 => Some(Type::Tuple(features().collect())),
        2 => {
            let keys = ["node", "node type"].map(str::to_owned);
            Some(Type::Dict(keys.into_iter().zip(features()).collect()))
        }
        3 => Some(Type::List(features().collect())),
        _ => None,
    };
    if let Some(ty) = features {
        let name = "features".to_owned();
        params.splice(..2, [Param { name, ty }]);
    }
    if choices.once_in(4) {
        params.push(Param {
            name: "num_nodes".to_owned(),
            ty: Type::Int(N),
        });
    }
    if choices.once_in(4) {
        params.push(Param {
            name: "mode".to_owned(),
            ty: Type::Literal("mean".into()),
        });
    }
    if choices.once_in(4) {
        params.push(Param {
            name: "size".to_owned(),
            ty: Type::Size([N, M]),
        });
    }
    params
}

fn function(
    choices: &mut Choices<'_>,
    program: &mut Program,
    name: String,
    inputs: &[(&'static str, TensorType)],
) -> Function {
    let ids = (0_u32..).map(ValueId);
    let mut builder = Builder {
        choices,
        program,
        function: Function {
            name,
            module: ModuleId(0),
            arguments: Arguments::Plain,
            input_names: inputs.iter().map(|(name, _)| (*name).to_owned()).collect(),
            inputs: ids.take(inputs.len()).collect(),
            values: inputs
                .iter()
                .map(|(_, ty)| ValueType::Tensor(ty.clone()))
                .collect(),
            nodes: Vec::new(),
            outputs: Vec::new(),
        },
        sizes: [N, M, E].map(Size::symbol).to_vec(),
        called: Vec::new(),
        bits: Vec::new(),
        loops: 0,
    };
    while builder.function.nodes.len() < NODES && !builder.choices.is_empty() {
        if builder.node().is_some() && builder.choices.once_in(NODES) {
            break;
        }
    }
    // Tensors, the last ones first.
    let tensors = builder.values(|_| true);
    for _ in 0..=builder.choices.below(3) {
        // The last values more often than the first.
        let mut chosen = || builder.choices.below(tensors.len());
        let back = chosen().min(chosen());
        builder.function.outputs.push(tensors[back].0);
    }
    builder.function
}

struct Builder<'c, 'b> {
    choices: &'c mut Choices<'b>,
    program: &'c mut Program,
    function: Function,
    /// Symbols whose values are known.
    sizes: Vec<Size>,
    /// Functions that are called.
    called: Vec<FunctionId>,
    /// By value: bits of its integers at most; [`SIZE_BITS`] where nothing is said.
    bits: Vec<u32>,
    /// How many loops the function is the body of, one in the other.
    loops: usize,
}

impl Builder<'_, '_> {
    /// Adds an operation, if the choices make one.
    fn node(&mut self) -> Option<()> {
        match self.choices.below(24) {
            1 if self.loops == 0 => return self.call(),
            2 => {
                let weights = self.program.weights.len();
                let id = u32::try_from(self.choices.below(weights)).ok()?;
                let op = Op::Weight(WeightId(id));
                let types = validate::infer(self.program, &op, &[]).ok()?;
                self.push(op, Vec::new(), types);
                return Some(());
            }
            3 if self.loops == 0 => return self.particular(),
            4 | 5 if self.loops < MOST_LOOPS => return self.scan(),
            _ => {}
        }
        let specs: Vec<&'static Spec> = Op::specs().collect();
        let spec = self.choices.pick(&specs)?;
        (0..ATTEMPTS).find_map(|_| self.operation(spec))
    }

    /// Adds an operation of a declaration.
    fn operation(&mut self, spec: &'static Spec) -> Option<()> {
        let (ids, types): (Vec<_>, Vec<_>) = self.operands(spec)?.into_iter().unzip();
        let kinds = spec.attributes.iter().map(|attribute| attribute.kind);
        let values: Vec<Value> = kinds.map(|kind| self.value(kind, &types)).collect();
        let op = Op::new(spec, &values)?;
        let bits = self.bits_of(spec, &op, &values, &ids, &types);
        if cfg!(debug_assertions) && bits > MOST_BITS {
            return None;
        }
        let types: Vec<&TensorType> = types.iter().collect();
        let mut results = validate::infer(self.program, &op, &types).ok()?;
        if op.effects().makes_size {
            let id = SymbolId(u32::try_from(self.program.symbols.len()).ok()?);
            let name = format!("K{}", self.program.symbols.len());
            self.program.symbols.push(symbol(&name));
            self.sizes.push(Size::symbol(id));
            results = vec![tensor(ElemType::I64, vec![Size::symbol(id)])];
        }
        let first = self.push(op, ids, results);
        self.bits.resize(first.index(), SIZE_BITS);
        self.bits.resize(self.function.values.len(), bits);
        Some(())
    }

    /// Bits that integers of an operation's results may have, at most.
    fn bits_of(
        &self,
        spec: &Spec,
        op: &Op,
        values: &[Value],
        ids: &[ValueId],
        types: &[TensorType],
    ) -> u32 {
        let word = values.iter().find_map(|value| match value {
            Value::Word(word) => Some(*word),
            _ => None,
        });
        let own = |id: &ValueId| self.bits.get(id.index()).copied().unwrap_or(SIZE_BITS);
        let of_size = |size: &Size| match size.as_fixed() {
            Some(fixed) => 64 - fixed.unsigned_abs().leading_zeros(),
            None => 3 * SIZE_BITS,
        };
        let attributes = op.sizes().into_iter().map(of_size);
        let is_integer = types.first().is_some_and(|ty| ty.elem.is_int());
        match op {
            Op::Elementwise(ElementwiseOp::Cast { elem }) if elem.is_int() && !is_integer => 64,
            _ if is_integer && spec.effects.widens.holds(word) => {
                let is_product = matches!(word, Some("pow" | "prod"))
                    || word == Some("mul") && !spec.name.starts_with('*');
                let factors = ids.iter().map(own).chain(attributes);
                let sum = factors.sum::<u32>() + SIZE_BITS;
                if is_product { 2 * MOST_BITS } else { sum }
            }
            _ => {
                let all = ids.iter().map(own).chain(attributes);
                all.max().unwrap_or(0).clamp(SIZE_BITS, MOST_BITS)
            }
        }
    }

    /// Adds an operation whose operands are seldom there by chance.
    fn particular(&mut self) -> Option<()> {
        use ElemType::{F32, I64};
        let [n, e] = [N, E].map(Size::symbol);
        let [two, three] = [2, 3].map(Size::fixed);
        let x = tensor(F32, vec![n.clone(), three.clone()]);
        let rows = tensor(F32, vec![n.clone()]);
        let edges = tensor(I64, vec![e.clone()]);
        let channels = tensor(F32, vec![three.clone()]);
        let probability = if self.choices.below(2) == 0 { 0.0 } else { 0.5 };
        let (op, types): (Op, Vec<TensorType>) = match self.choices.below(5) {
            0 => {
                let heads = tensor(F32, vec![n.clone(), two.clone(), three]);
                let scores = tensor(F32, vec![n.clone(), two]);
                let op = GraphOp::EdgeAttention {
                    slope: self.float(),
                    self_loops: self.choices.below(2) == 1,
                    dropout: Float(probability),
                    size: n,
                };
                (
                    op.into(),
                    vec![heads, edges.clone(), edges, scores.clone(), scores],
                )
            }
            1 => {
                let self_loop = (self.choices.below(2) == 1).then_some(Float(1.0));
                let op = GraphOp::SpmmNormalized { self_loop };
                (op.into(), vec![x, edges.clone(), edges, rows])
            }
            2 => {
                let weight = tensor(F32, vec![e]);
                let op = GraphOp::SpmmWithLoops;
                (op.into(), vec![x, edges.clone(), edges, weight, rows])
            }
            3 => {
                let op = DenseOp::BatchNorm {
                    epsilon: Float(1e-5),
                    momentum: (self.choices.below(2) == 1).then_some(Float(0.1)),
                };
                let mut types = vec![channels; 5];
                types[0] = x;
                (op.into(), types)
            }
            _ => {
                let right = tensor(F32, vec![three, n]);
                (DenseOp::Matmul.into(), vec![x, right])
            }
        };
        let ids: Vec<ValueId> = types.iter().map(|ty| self.value_of(ty)).collect();
        let types: Vec<&TensorType> = types.iter().collect();
        let results = validate::infer(self.program, &op, &types).ok()?;
        self.push(op, ids, results);
        Some(())
    }

    /// A value of the type: one that is there, or a constant.
    fn value_of(&mut self, ty: &TensorType) -> ValueId {
        let there = self.values(|other| other == ty);
        if let Some((id, _)) = self.choices.pick(&there) {
            return *id;
        }
        let value = match ty.elem {
            ElemType::I64 | ElemType::I32 | ElemType::U8 => Scalar::Int(Size::fixed(0)),
            ElemType::Bool => Scalar::Bool(true),
            _ => Scalar::Float(self.float()),
        };
        let (elem, dims) = (ty.elem, ty.dims.clone());
        let full = ElementwiseOp::Full { value, elem, dims };
        self.push(full.into(), Vec::new(), vec![ty.clone()])
    }

    /// Adds an operation; its first result.
    fn push(&mut self, op: Op, inputs: Vec<ValueId>, results: Vec<TensorType>) -> ValueId {
        let values = &mut self.function.values;
        let first = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let outputs = (first..).map(ValueId).take(results.len()).collect();
        values.extend(results.into_iter().map(ValueType::Tensor));
        self.function.nodes.push(Node {
            op,
            inputs,
            outputs,
        });
        ValueId(first)
    }

    /// Calls an earlier function with this one's inputs; each once, as sizes that it makes must be
    /// new.
    fn call(&mut self) -> Option<()> {
        let callees = u32::try_from(self.program.functions.len()).ok()?;
        let id = FunctionId(u32::from(self.choices.byte()).checked_rem(callees)?);
        let is_body = |function: &Function| function.name.starts_with(BODY);
        let mut later = self.program.functions.iter().skip(id.index());
        let is_last = later.next().is_some_and(|one| !is_body(one)) && later.all(is_body);
        if self.called.contains(&id) || !is_last {
            return None;
        }
        self.called.push(id);
        let callee = &self.program.functions[id.index()];
        let mut types = Vec::new();
        for output in &callee.outputs {
            if let ValueType::Tensor(ty) = &callee.values[output.index()] {
                types.push(ty.clone());
            }
        }
        let inputs = self.function.inputs.clone();
        for ty in &types {
            for dim in &ty.dims {
                if dim.as_symbol().is_some() && !self.sizes.contains(dim) {
                    self.sizes.push(dim.clone());
                }
            }
        }
        let first = self.push(Op::Call(id), inputs, types);
        self.bits.resize(first.index(), SIZE_BITS);
        self.bits.resize(self.function.values.len(), MOST_BITS);
        Some(())
    }

    /// Adds a loop and its body.
    fn scan(&mut self) -> Option<()> {
        let sequences = self.values(|ty| !ty.dims.is_empty());
        let mut scanned: Vec<(ValueId, TensorType)> = Vec::new();
        for _ in 0..self.choices.below(3) {
            let first = scanned.first().map(|(_, ty)| ty.dims[0].clone());
            let fits = sequences.iter();
            let fits = fits.filter(|(_, ty)| first.as_ref().is_none_or(|rows| *rows == ty.dims[0]));
            let fits: Vec<_> = fits.cloned().collect();
            scanned.extend(self.choices.pick(&fits).cloned());
        }
        let times = match scanned.first() {
            Some((_, ty)) => ty.dims[0].clone(),
            None if self.choices.below(2) == 0 => {
                Size::fixed(i64::try_from(self.choices.below(4)).unwrap_or_default())
            }
            None => self.choices.pick(&self.sizes)?.clone(),
        };
        let mut picked = |most: usize, fits: &dyn Fn(&TensorType) -> bool| {
            let all = self.values(fits);
            let count = self.choices.below(most);
            let chosen = (0..count).filter_map(|_| self.choices.pick(&all).cloned());
            chosen.collect::<Vec<_>>()
        };
        // Integers that grow from step to step would have more bits than are counted.
        let carried = picked(3, &|ty| !ty.elem.is_int());
        let captured = picked(5, &|_| true);
        let row = |(id, ty): &(ValueId, TensorType)| {
            (
                *id,
                tensor(ty.elem, ty.dims.iter().skip(1).cloned().collect()),
            )
        };
        let rows: Vec<_> = scanned.iter().map(row).collect();
        let inputs: Vec<_> = [&carried, &rows, &captured].into_iter().flatten().collect();
        let dims = inputs.iter().flat_map(|(_, ty)| &ty.dims);
        let mut symbols: Vec<SymbolId> = dims.flat_map(Size::symbols).chain([N, M, E]).collect();
        symbols.sort_unstable();
        symbols.dedup();

        let mut operands: Vec<ValueId> = inputs.iter().map(|(id, _)| *id).collect();
        let mut types: Vec<ValueType> = inputs
            .iter()
            .map(|(_, ty)| ValueType::Tensor(ty.clone()))
            .collect();
        let own = |id: &ValueId| self.bits.get(id.index()).copied().unwrap_or(SIZE_BITS);
        let bits = operands.iter().map(own).collect();
        for &symbol in &symbols {
            let ty = ValueType::Int(symbol);
            let output = ValueId(u32::try_from(self.function.values.len()).ok()?);
            self.function.values.push(ty.clone());
            self.function.nodes.push(Node {
                op: Op::Symbol(symbol),
                inputs: Vec::new(),
                outputs: vec![output],
            });
            operands.push(output);
            types.push(ty);
        }
        let known = self.program.symbols.len();
        let names = (0..types.len()).map(|number| format!("x_{number}"));
        let body = Function {
            name: String::new(),
            module: ModuleId(0),
            arguments: Arguments::Plain,
            input_names: names.collect(),
            inputs: (0_u32..).map(ValueId).take(types.len()).collect(),
            values: types,
            nodes: Vec::new(),
            outputs: Vec::new(),
        };
        let sizes = symbols.into_iter().map(Size::symbol).collect();
        let (mut body, bits) = self.body(body, sizes, bits, &carried, known);
        let all_steps = |(position, id): (usize, &ValueId)| match &body.values[id.index()] {
            ValueType::Tensor(ty) if position >= carried.len() => {
                let rows = [times.clone()].into_iter();
                tensor(ty.elem, rows.chain(ty.dims.iter().cloned()).collect())
            }
            ValueType::Tensor(ty) => ty.clone(),
            ValueType::Int(_) => tensor(ElemType::I64, Vec::new()),
        };
        let results = body.outputs.iter().enumerate().map(all_steps).collect();
        let scan = Scan {
            body: FunctionId(u32::try_from(self.program.functions.len()).ok()?),
            times,
            carried: u32::try_from(carried.len()).ok()?,
            scanned: u32::try_from(scanned.len()).ok()?,
            reverse: self.choices.below(2) == 1,
        };
        body.name = format!("{BODY}{}", self.program.functions.len());
        self.program.functions.push(body);
        let first = self.push(Op::Scan(scan), operands, results);
        self.bits.resize(first.index(), SIZE_BITS);
        self.bits.resize(self.function.values.len(), bits);
        Some(())
    }

    /// A body with operations and results: one for each carried value, and some rows of sizes that
    /// are known outside, by symbols of which there are so many. Most bits of integers in it, too.
    fn body(
        &mut self,
        body: Function,
        sizes: Vec<Size>,
        bits: Vec<u32>,
        carried: &[(ValueId, TensorType)],
        known: usize,
    ) -> (Function, u32) {
        let mut inner = Builder {
            choices: self.choices,
            program: self.program,
            function: body,
            sizes,
            called: Vec::new(),
            bits,
            loops: self.loops + 1,
        };
        for _ in 0..inner.choices.below(BODY_NODES) {
            let _ = inner.node();
        }
        for (_, ty) in carried {
            let there = inner.values(|other| other == ty);
            // The value of the step before is one of these.
            let chosen = inner.choices.pick(&there).map(|(id, _)| *id);
            inner.function.outputs.extend(chosen);
        }
        let is_known = |symbol: SymbolId| symbol.index() < known;
        let rows = inner.values(|ty| {
            let mut symbols = ty.dims.iter().flat_map(Size::symbols);
            ty.dims.len() < 4 && symbols.all(is_known)
        });
        for _ in 0..inner.choices.below(3) {
            let chosen = inner.choices.pick(&rows).map(|(id, _)| *id);
            inner.function.outputs.extend(chosen);
        }
        let bits = inner.bits.iter().copied().max().unwrap_or(SIZE_BITS);
        (inner.function, bits.max(SIZE_BITS))
    }

    /// Values of the element types that the operation takes.
    fn operands(&mut self, spec: &Spec) -> Option<Vec<(ValueId, TensorType)>> {
        let mut chosen: Vec<(ValueId, TensorType)> = Vec::new();
        for operand in spec.operands {
            let count = match operand.count {
                Count::One => 1,
                Count::Optional => self.choices.below(2),
                Count::Many => 1 + self.choices.below(3),
            };
            if count == 0 {
                break;
            }
            for _ in 0..count {
                let first = chosen.first().map(|(_, ty)| ty.clone());
                let fits = |ty: &TensorType| match operand.class {
                    Class::Float => ty.elem.is_float(),
                    Class::Number => ty.elem != ElemType::Bool,
                    Class::Int => ty.elem == ElemType::I64,
                    Class::Bool => ty.elem == ElemType::Bool,
                    Class::Any => true,
                    Class::Same => first.as_ref().is_none_or(|first| first.elem == ty.elem),
                };
                let all: Vec<(ValueId, TensorType)> = self.values(fits);
                // Shapes that are alike, or at least as many rows, fit more often.
                let of_rank = |(_, ty): &&(ValueId, TensorType)| {
                    first.as_ref().is_some_and(|first| first.dims == ty.dims)
                };
                let alike: Vec<_> = all.iter().filter(of_rank).cloned().collect();
                let all = if !alike.is_empty() && self.choices.below(2) == 0 {
                    alike
                } else {
                    all
                };
                chosen.push(self.choices.pick(&all)?.clone());
            }
        }
        Some(chosen)
    }

    fn values(&self, fits: impl Fn(&TensorType) -> bool) -> Vec<(ValueId, TensorType)> {
        // The newest first, so that operations build on each other.
        let values = (0_u32..).map(ValueId).zip(&self.function.values);
        let mut found: Vec<_> = values
            .filter_map(|(id, ty)| match ty {
                ValueType::Tensor(ty) if fits(ty) => Some((id, ty.clone())),
                ValueType::Tensor(_) | ValueType::Int(_) => None,
            })
            .collect();
        found.reverse();
        found
    }
}
