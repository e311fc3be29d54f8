//! Invariant 25: loops and their bodies.

use super::{Check, Kind, Symbols};
use crate::{
    op::{Scan, ScanOperand},
    program::{Function, Node, TensorType, ValueId, ValueType},
    size::Size,
    text::Words,
};

impl Check<'_> {
    pub(super) fn scan(
        &self,
        function: &Function,
        node: &Node,
        scan: &Scan,
        callees: &[Symbols],
    ) -> Vec<(u8, Kind)> {
        let Some(body) = self.program.functions.get(scan.body.index()) else {
            return Vec::new();
        };
        let pair = Pair {
            words: Words(self.program),
            function,
            body,
            scan,
        };
        let mut problems = pair.counts(node);
        if problems.is_empty() {
            problems = pair.types(node);
        }
        if scan.times.as_fixed().is_some_and(|times| times < 0) {
            problems.push(Kind::Attribute {
                what: "the number of steps",
                expected: "at least 0",
                got: pair.words.size(&scan.times),
            });
        }
        let of_one_step = |symbol| {
            let symbols = callees.get(scan.body.index());
            symbols.is_some_and(|symbols| symbols.data.contains(&symbol))
        };
        let results = body.outputs.iter().filter_map(|id| pair.of_body(*id));
        let symbols = results.flat_map(|ty| ty.dims.iter().flat_map(Size::symbols));
        let mut symbols: Vec<_> = symbols.filter(|symbol| of_one_step(*symbol)).collect();
        symbols.dedup();
        problems.extend(symbols.into_iter().map(|symbol| Kind::StepSize {
            symbol: self.program.symbol_name(symbol).into_owned(),
        }));
        problems.into_iter().map(|kind| (25, kind)).collect()
    }
}

/// A loop and its body.
struct Pair<'a> {
    words: Words<'a>,
    function: &'a Function,
    body: &'a Function,
    scan: &'a Scan,
}

impl Pair<'_> {
    fn of_body(&self, id: ValueId) -> Option<&TensorType> {
        match self.body.values.get(id.index())? {
            ValueType::Tensor(ty) => Some(ty),
            ValueType::Int(_) => None,
        }
    }

    fn counts(&self, node: &Node) -> Vec<Kind> {
        let [carried, scanned] = [self.scan.carried, self.scan.scanned].map(|count| count as usize);
        let [inputs, outputs] = [&self.body.inputs, &self.body.outputs].map(Vec::len);
        let own = carried.saturating_add(scanned);
        let least = |what, least: usize, got| {
            let expected = format!("at least {least}");
            (got < least).then_some(Kind::Count {
                what,
                expected,
                got,
            })
        };
        let equal = |what, expected: usize, got| {
            (got != expected).then(|| Kind::Count {
                what,
                expected: expected.to_string(),
                got,
            })
        };
        let problems = [
            least("inputs of the body", own, inputs),
            least("results of the body", carried, outputs),
            equal("inputs", inputs, node.inputs.len()),
            equal("outputs", outputs, node.outputs.len()),
        ];
        problems.into_iter().flatten().collect()
    }

    /// A type with an axis for the steps in front.
    fn all_steps(&self, ty: &ValueType) -> ValueType {
        match ty {
            ValueType::Tensor(ty) => {
                let mut dims = vec![self.scan.times.clone()];
                dims.extend(ty.dims.iter().cloned());
                let elem = ty.elem;
                ValueType::Tensor(TensorType { elem, dims })
            }
            ValueType::Int(_) => ty.clone(),
        }
    }

    fn types(&self, node: &Node) -> Vec<Kind> {
        let own = |id: &ValueId| self.function.values.get(id.index());
        let theirs = |id: &ValueId| self.body.values.get(id.index());
        let differs = |what: String, expected: &ValueType, got: &ValueType| {
            (expected != got).then(|| Kind::Type {
                what,
                expected: self.words.value_type(expected),
                got: self.words.value_type(got),
            })
        };
        let mut problems = Vec::new();
        let inputs = node.inputs.iter().zip(&self.body.inputs);
        for (position, (value, input)) in inputs.enumerate() {
            let (Some(got), Some(expected)) = (own(value), theirs(input)) else {
                continue;
            };
            let operand = self.scan.operand(position);
            if operand != ScanOperand::Captured && matches!(got, ValueType::Int(_)) {
                problems.push(Kind::IntValue { value: *value });
                continue;
            }
            let (what, expected) = match operand {
                ScanOperand::Carried => ("carried", expected.clone()),
                ScanOperand::Scanned => ("scanned", self.all_steps(expected)),
                ScanOperand::Captured => ("captured", expected.clone()),
            };
            problems.extend(differs(format!("{what} %{}", value.0), &expected, got));
        }
        let results = node.outputs.iter().zip(&self.body.outputs);
        for (position, (value, output)) in results.enumerate() {
            let (Some(got), Some(left)) = (own(value), theirs(output)) else {
                continue;
            };
            let expected = if self.scan.is_carried(position) {
                let input = self.body.inputs.get(position).and_then(theirs);
                let what = format!("result {position} of the body, which is carried");
                problems.extend(input.and_then(|input| differs(what, input, left)));
                left.clone()
            } else {
                self.all_steps(left)
            };
            problems.extend(differs(format!("result %{}", value.0), &expected, got));
        }
        problems
    }
}
