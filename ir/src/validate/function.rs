//! Invariants 1 and 12 to 21: types and symbols inside functions.

use std::collections::{BTreeSet, HashSet};

use super::{Check, Kind, MAX_INLINED_NODES, MAX_LOOPS, Place, Symbols, as_u64, ids, infer::Infer};
use crate::{
    op::Op,
    program::{ElemType, Function, FunctionId, Node, SymbolId, TensorType, ValueId, ValueType},
    size::Size,
    text::Words,
};

/// What is known of the symbols of a function while its nodes are walked.
#[derive(Default)]
struct Scope<'a> {
    /// Dimensions of the values so far.
    shown: HashSet<&'a Size>,
    /// Symbols whose values they, and integer inputs, show.
    bound: HashSet<SymbolId>,
    /// Symbols that anything mentioned, other than those in `data`.
    used: HashSet<SymbolId>,
    needs: BTreeSet<SymbolId>,
    data: BTreeSet<SymbolId>,
    nodes: u64,
    is_random: bool,
    /// How many loops are in each other.
    loops: usize,
}

impl Check<'_> {
    /// Types and symbols of all functions; gives what each does to symbols.
    pub(super) fn bodies(&mut self) -> Vec<Symbols> {
        let program = self.program;
        let mut all: Vec<Symbols> = Vec::with_capacity(program.functions.len());
        let mut total = 0_u64;
        for (id, function) in ids(&program.functions) {
            let symbols = self.body(FunctionId(id), function, &all);
            total = total.saturating_add(symbols.nodes);
            all.push(symbols);
            if total > MAX_INLINED_NODES {
                let what = "size after inlining";
                let kind = Kind::Limit {
                    what,
                    limit: MAX_INLINED_NODES,
                    got: total,
                };
                self.report(Place::Function(FunctionId(id)), 1, kind);
                break;
            }
            if self.is_full() {
                break;
            }
        }
        all
    }

    fn body(&mut self, id: FunctionId, function: &Function, callees: &[Symbols]) -> Symbols {
        if !self.value_types(id, function) {
            return Symbols::default();
        }
        let mut scope = Scope::default();
        for input in &function.inputs {
            scope.define(function.values.get(input.index()));
        }
        for (position, node) in function.nodes.iter().enumerate() {
            let place = Place::Node(id, position);
            self.node(place, function, node, callees);
            self.flow(place, function, node, callees, &mut scope);
            if self.is_full() {
                break;
            }
        }
        Symbols {
            needs: scope.needs.into_iter().collect(),
            data: scope.data.into_iter().collect(),
            nodes: scope.nodes,
            is_random: scope.is_random,
            loops: scope.loops,
        }
    }

    /// Invariants 1, 12 and 13 of the type table and of the attributes.
    fn value_types(&mut self, id: FunctionId, function: &Function) -> bool {
        let before = self.found.len();
        let is_symbol = |node: &&Node| matches!(node.op, Op::Symbol(_));
        let symbols = function
            .nodes
            .iter()
            .filter(is_symbol)
            .flat_map(|node| &node.outputs);
        let symbols: HashSet<ValueId> = symbols.copied().collect();
        for ((position, ty), number) in ids(&function.values).zip(0_usize..) {
            let value = ValueId(position);
            let place = Place::Value(id, value);
            match ty {
                ValueType::Tensor(ty) => {
                    self.tensor_type(place, ty);
                }
                ValueType::Int(symbol) => {
                    if symbol.index() >= self.program.symbols.len() {
                        self.report(
                            place,
                            12,
                            Kind::Missing {
                                what: "symbol",
                                id: symbol.0,
                            },
                        );
                    }
                    if number >= function.inputs.len() && !symbols.contains(&value) {
                        self.report(place, 13, Kind::IntValue { value });
                    }
                }
            }
            if self.is_full() {
                return false;
            }
        }
        for (position, node) in function.nodes.iter().enumerate() {
            for size in node.op.sizes() {
                self.size(Place::Node(id, position), size, false);
            }
        }
        for &value in &function.outputs {
            if let Some(ValueType::Int(_)) = function.values.get(value.index()) {
                self.report(Place::Function(id), 13, Kind::IntValue { value });
            }
        }
        self.found.len() == before
    }

    /// Invariants 13 to 19, and 25, of one node.
    fn node(&mut self, place: Place, function: &Function, node: &Node, callees: &[Symbols]) {
        let problems = match &node.op {
            Op::Call(callee) => self.call(function, node, *callee),
            Op::Symbol(symbol) => self.symbol_value(function, node, *symbol),
            Op::Scan(scan) => self.scan(function, node, scan, callees),
            _ => self.operation(function, node),
        };
        for (invariant, kind) in problems {
            self.report(place, invariant, kind);
        }
    }

    fn operation(&self, function: &Function, node: &Node) -> Vec<(u8, Kind)> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &value in &node.inputs {
            match function.values.get(value.index()) {
                Some(ValueType::Tensor(ty)) => inputs.push(ty),
                Some(ValueType::Int(_)) | None => return vec![(13, Kind::IntValue { value })],
            }
        }
        let results = node.op.spec().map_or(1, |spec| spec.results);
        if node.outputs.len() != results {
            let expected = results.to_string();
            return vec![(
                14,
                Kind::Count {
                    what: "outputs",
                    expected,
                    got: node.outputs.len(),
                },
            )];
        }
        let inferred = match Infer(self.program).op(&node.op, &inputs) {
            Ok(inferred) => inferred,
            Err(problem) => return vec![problem.into_parts()],
        };
        let declared = || {
            node.outputs
                .iter()
                .map(|value| (value, function.values.get(value.index())))
        };
        let words = Words(self.program);
        if node.op.effects().makes_size {
            let symbol = declared().find_map(|(_, ty)| data_symbol(ty?));
            return match symbol {
                Some(_) => Vec::new(),
                None => vec![(
                    18,
                    Kind::Type {
                        what: "the result".to_owned(),
                        expected: "i64 with a symbol of its own as its size".to_owned(),
                        got: declared()
                            .find_map(|(_, ty)| Some(words.value_type(ty?)))
                            .unwrap_or_default(),
                    },
                )],
            };
        }
        let differs =
            |((value, ty), expected): ((&ValueId, Option<&ValueType>), TensorType)| match ty {
                Some(ValueType::Tensor(ty)) if *ty == expected => None,
                Some(ty) => Some((
                    18,
                    Kind::Type {
                        what: format!("%{}", value.0),
                        expected: words.tensor_type(&expected),
                        got: words.value_type(ty),
                    },
                )),
                None => Some((10, Kind::Undefined { value: *value })),
            };
        declared().zip(inferred).filter_map(differs).collect()
    }

    fn symbol_value(&self, function: &Function, node: &Node, symbol: SymbolId) -> Vec<(u8, Kind)> {
        let count = |what, got| Kind::Count {
            what,
            expected: "1".to_owned(),
            got,
        };
        if !node.inputs.is_empty() {
            let expected = "0".to_owned();
            return vec![(
                14,
                Kind::Count {
                    what: "inputs",
                    expected,
                    got: node.inputs.len(),
                },
            )];
        }
        let [output] = node.outputs.as_slice() else {
            return vec![(14, count("outputs", node.outputs.len()))];
        };
        match function.values.get(output.index()) {
            Some(ty) if *ty != ValueType::Int(symbol) => {
                let words = Words(self.program);
                let expected = words.value_type(&ValueType::Int(symbol));
                let (what, got) = (format!("%{}", output.0), words.value_type(ty));
                vec![(
                    18,
                    Kind::Type {
                        what,
                        expected,
                        got,
                    },
                )]
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn call(&self, function: &Function, node: &Node, callee: FunctionId) -> Vec<(u8, Kind)> {
        let Some(target) = self.program.functions.get(callee.index()) else {
            return Vec::new();
        };
        let words = Words(self.program);
        let mut problems = Vec::new();
        let sides = [
            ("inputs", "argument", 19, &node.inputs, &target.inputs),
            ("outputs", "result", 18, &node.outputs, &target.outputs),
        ];
        for (plural, what, invariant, own, theirs) in sides {
            if own.len() != theirs.len() {
                let expected = theirs.len().to_string();
                problems.push((
                    14,
                    Kind::Count {
                        what: plural,
                        expected,
                        got: own.len(),
                    },
                ));
                continue;
            }
            for (value, other) in own.iter().zip(theirs) {
                let got = function.values.get(value.index());
                let expected = target.values.get(other.index());
                if let (Some(got), Some(expected)) = (got, expected)
                    && got != expected
                {
                    let what = format!("{what} %{}", value.0);
                    let expected = words.value_type(expected);
                    let got = words.value_type(got);
                    problems.push((
                        invariant,
                        Kind::Type {
                            what,
                            expected,
                            got,
                        },
                    ));
                }
            }
        }
        problems
    }

    /// Invariants 20 and 21: what a node needs, binds and shows.
    fn flow<'a>(
        &mut self,
        place: Place,
        function: &'a Function,
        node: &'a Node,
        callees: &[Symbols],
        scope: &mut Scope<'a>,
    ) {
        let operands = node.inputs.len().saturating_add(node.outputs.len());
        scope.nodes = scope
            .nodes
            .saturating_add(as_u64(operands))
            .saturating_add(1);
        let own = match &node.op {
            Op::Symbol(symbol) => Some(Size::symbol(*symbol)),
            _ => None,
        };
        for size in node.op.sizes().into_iter().chain(&own) {
            scope.need(size.symbols());
            if let Some(symbol) = scope.unknown(size) {
                let symbol = self.program.symbol_name(symbol).into_owned();
                self.report(place, 20, Kind::Unbound { symbol });
            }
        }
        let types = || {
            node.outputs
                .iter()
                .map(|output| function.values.get(output.index()))
        };
        scope.is_random |= node.op.is_random();
        let loops = scope.loops;
        let callee = node.op.callee().and_then(|id| callees.get(id.index()));
        let fresh = match &node.op {
            Op::Call(_) | Op::Scan(_) => match callee {
                Some(symbols) => {
                    scope.nodes = scope.nodes.saturating_add(symbols.nodes);
                    scope.is_random |= symbols.is_random;
                    let own = usize::from(matches!(node.op, Op::Scan(_)));
                    scope.loops = scope.loops.max(symbols.loops.saturating_add(own));
                    scope.need(symbols.needs.iter().copied());
                    symbols.data.clone()
                }
                None => Vec::new(),
            },
            op if op.effects().makes_size => types().flatten().filter_map(data_symbol).collect(),
            _ => Vec::new(),
        };
        if scope.loops > MAX_LOOPS && loops <= MAX_LOOPS {
            let kind = Kind::Limit {
                what: "number of loops in each other",
                limit: as_u64(MAX_LOOPS),
                got: as_u64(scope.loops),
            };
            self.report(place, 1, kind);
        }
        for symbol in fresh {
            if scope.used.contains(&symbol) || !scope.data.insert(symbol) {
                let symbol = self.program.symbol_name(symbol).into_owned();
                self.report(place, 21, Kind::Rebound { symbol });
            }
        }
        types().for_each(|ty| scope.define(ty));
    }
}

/// The first node of a function of which a size is unknown where it stands (invariant 20), and by
/// its position.
pub(crate) fn first_unknown(function: &Function) -> Option<usize> {
    let mut scope = Scope::default();
    for input in &function.inputs {
        scope.define(function.values.get(input.index()));
    }
    function.nodes.iter().position(|node| {
        let own = match &node.op {
            Op::Symbol(symbol) => Some(Size::symbol(*symbol)),
            _ => None,
        };
        let mut sizes = node.op.sizes().into_iter().chain(&own);
        let is_unknown = sizes.any(|size| scope.unknown(size).is_some());
        for output in &node.outputs {
            scope.define(function.values.get(output.index()));
        }
        is_unknown
    })
}

impl<'a> Scope<'a> {
    fn define(&mut self, ty: Option<&'a ValueType>) {
        match ty {
            Some(ValueType::Tensor(ty)) => {
                for dim in &ty.dims {
                    if self.shown.insert(dim) {
                        self.bound.extend(dim.as_symbol());
                        self.mention(dim.symbols());
                    }
                }
            }
            Some(ValueType::Int(symbol)) => {
                self.bound.insert(*symbol);
                self.mention([*symbol]);
            }
            None => {}
        }
    }

    fn mention(&mut self, symbols: impl IntoIterator<Item = SymbolId>) {
        let data = &self.data;
        self.used
            .extend(symbols.into_iter().filter(|symbol| !data.contains(symbol)));
    }

    fn need(&mut self, symbols: impl IntoIterator<Item = SymbolId>) {
        for symbol in symbols {
            if !self.data.contains(&symbol) {
                self.used.insert(symbol);
                self.needs.insert(symbol);
            }
        }
    }

    /// A symbol of the size that nothing shows. Each round binds one of at most `MAX_SYMBOLS`.
    fn unknown(&mut self, size: &Size) -> Option<SymbolId> {
        if self.shown.contains(size) {
            return None;
        }
        loop {
            let missing = size
                .symbols()
                .into_iter()
                .find(|symbol| !self.bound.contains(symbol))?;
            let bound = &self.bound;
            let solve = |dim: &&Size| dim.solvable(|symbol| bound.contains(&symbol));
            // The order in which dimensions are looked at does not change what can be solved.
            let solved = self.shown.iter().find_map(solve);
            match solved {
                Some((symbol, _)) => self.bound.insert(symbol),
                None => return Some(missing),
            };
        }
    }
}

/// The symbol of `i64[$K]`.
fn data_symbol(ty: &ValueType) -> Option<SymbolId> {
    match ty {
        ValueType::Tensor(TensorType {
            elem: ElemType::I64,
            dims,
        }) => match dims.as_slice() {
            [dim] => dim.as_symbol(),
            _ => None,
        },
        ValueType::Tensor(_) | ValueType::Int(_) => None,
    }
}
