//! Which inputs are indices, and what they must stay below.
//!
//! Nothing in the type `i64[2, E]` says that the values are nodes; the program says it where it
//! gathers rows by them. [`bounds`] follows the integers of each input through slices, joins and
//! calls to every operation that uses them as positions, and notes the size that bounds them there.
//! With that, a graph with an edge to a node that does not exist is an error before anything runs.
//!
//! The analysis is exact in one direction: each bound that it gives is one that the program needs.
//! It loses track of integers that are computed with or chosen by data, and says nothing of them.

use std::collections::BTreeSet;

use kiln::ir::{
    ElementwiseOp, FunctionId, GraphOp, Node, Op, Program, ShapeOp, Size, TensorType, ValueId,
    ValueType, op::IndexRule,
};

/// Deepest nesting of calls that is followed.
const MAX_DEPTH: usize = 128;

/// What the values of a part of an input must satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Position among the function's inputs.
    pub(crate) input: usize,
    /// First element of the part, in row-major order.
    pub(crate) start: Size,
    /// First element behind it.
    pub(crate) end: Size,
    /// What the values are.
    pub(crate) rule: IndexRule,
}

/// A contiguous part of an input, and whether the value still holds it in its order.
#[derive(Clone, Debug)]
struct Part {
    input: usize,
    start: Size,
    end: Size,
    is_ordered: bool,
}

/// Where the integers of a value come from.
#[derive(Clone, Debug, Default)]
struct Origin {
    /// Every element of these parts is in the value.
    parts: Vec<Part>,
    /// Whether the value is the permutation that sorts an index.
    is_permutation: bool,
}

/// All bounds that running a function puts on its inputs.
pub(crate) fn bounds(program: &Program, function: FunctionId) -> Vec<Bound> {
    let Some(entry) = program.functions.get(function.index()) else {
        return Vec::new();
    };
    let origins = entry
        .inputs
        .iter()
        .enumerate()
        .map(|(input, id)| match entry.values.get(id.index()) {
            Some(ValueType::Tensor(ty)) => {
                let end = product(&ty.dims);
                let start = Size::default();
                let parts = end.map(|end| Part {
                    input,
                    start,
                    end,
                    is_ordered: true,
                });
                Origin {
                    parts: parts.into_iter().collect(),
                    is_permutation: false,
                }
            }
            _ => Origin::default(),
        })
        .collect();
    let mut analysis = Analysis {
        program,
        found: Vec::new(),
        seen: BTreeSet::new(),
        depth: 0,
    };
    analysis.function(function, origins);
    analysis.found
}

struct Analysis<'p> {
    program: &'p Program,
    found: Vec<Bound>,
    seen: BTreeSet<String>,
    /// How many calls deep the analysis is.
    depth: usize,
}

impl Analysis<'_> {
    /// Follows the inputs through a function and gives the origins of its results.
    fn function(&mut self, id: FunctionId, inputs: Vec<Origin>) -> Vec<Origin> {
        let program = self.program;
        let Some(function) = program.functions.get(id.index()) else {
            return Vec::new();
        };
        let mut origins = vec![Origin::default(); function.values.len()];
        for (&id, origin) in function.inputs.iter().zip(inputs) {
            set(&mut origins, id, origin);
        }
        for node in &function.nodes {
            let of = |position: usize| -> Origin {
                let id = node.inputs.get(position);
                id.and_then(|id| origins.get(id.index()))
                    .cloned()
                    .unwrap_or_default()
            };
            let types = |id: &ValueId| match function.values.get(id.index()) {
                Some(ValueType::Tensor(ty)) => Some(ty),
                _ => None,
            };
            let operands: Vec<&TensorType> = node.inputs.iter().filter_map(types).collect();
            self.bound(node, &of, &operands);
            let results = match &node.op {
                Op::Call(callee) => {
                    let arguments = (0..node.inputs.len()).map(of).collect();
                    self.call(*callee, arguments)
                }
                op => follow(op, &of, &operands),
            };
            for (&id, origin) in node.outputs.iter().zip(results) {
                set(&mut origins, id, origin);
            }
        }
        let of = |id: &ValueId| origins.get(id.index()).cloned().unwrap_or_default();
        function.outputs.iter().map(of).collect()
    }

    /// Follows a call, unless calls nest deeper than in any model.
    fn call(&mut self, callee: FunctionId, arguments: Vec<Origin>) -> Vec<Origin> {
        if self.depth == MAX_DEPTH {
            return Vec::new();
        }
        self.depth += 1;
        let results = self.function(callee, arguments);
        self.depth -= 1;
        results
    }

    /// Notes what a node asks of its inputs.
    fn bound(&mut self, node: &Node, of: &dyn Fn(usize) -> Origin, operands: &[&TensorType]) {
        for (position, rule) in node.op.index_rules(operands) {
            for Part {
                input,
                start,
                end,
                is_ordered,
            } in of(position).parts
            {
                if matches!(rule, IndexRule::Pointer(_)) && !is_ordered {
                    continue;
                }
                let bound = Bound {
                    input,
                    start,
                    end,
                    rule: rule.clone(),
                };
                if self.seen.insert(format!("{bound:?}")) {
                    self.found.push(bound);
                }
            }
        }
    }
}

fn set(origins: &mut [Origin], id: ValueId, origin: Origin) {
    if let Some(place) = origins.get_mut(id.index()) {
        *place = origin;
    }
}

/// The origins of an operation's results.
fn follow(op: &Op, of: &dyn Fn(usize) -> Origin, operands: &[&TensorType]) -> Vec<Origin> {
    let unordered = |origin: Origin| Origin {
        parts: origin
            .parts
            .into_iter()
            .map(|part| Part {
                is_ordered: false,
                ..part
            })
            .collect(),
        is_permutation: false,
    };
    match op {
        Op::Shape(ShapeOp::Reshape { .. }) | Op::Elementwise(ElementwiseOp::Cast { .. }) => {
            vec![Origin {
                is_permutation: false,
                ..of(0)
            }]
        }
        Op::Shape(ShapeOp::Permute { .. } | ShapeOp::Expand { .. } | ShapeOp::RepeatDim { .. }) => {
            vec![unordered(of(0))]
        }
        Op::Shape(ShapeOp::Cat { .. }) => {
            let parts = (0..operands.len())
                .flat_map(|input| unordered(of(input)).parts)
                .collect();
            vec![Origin {
                parts,
                is_permutation: false,
            }]
        }
        Op::Shape(ShapeOp::Slice { ranges }) => vec![
            operands
                .first()
                .and_then(|x| slice(&of(0), ranges, &x.dims))
                .unwrap_or_default(),
        ],
        // Rows in the order of a permutation are the same rows.
        Op::Graph(GraphOp::Gather) | Op::Shape(ShapeOp::Select { dim: 0 })
            if of(1).is_permutation =>
        {
            vec![unordered(of(0))]
        }
        Op::Graph(GraphOp::CooToCsr { size: _ }) => {
            vec![
                Origin::default(),
                Origin {
                    parts: Vec::new(),
                    is_permutation: true,
                },
            ]
        }
        _ => Vec::new(),
    }
}

/// A slice of whole rows of one part is again a part.
fn slice(origin: &Origin, ranges: &[(Size, Size)], dims: &[Size]) -> Option<Origin> {
    let [part] = origin.parts.as_slice() else {
        return None;
    };
    let (rows, others) = ranges.split_first()?;
    let (_, inner) = dims.split_first()?;
    let is_whole =
        |((start, end), dim): (&(Size, Size), &Size)| start.as_fixed() == Some(0) && end == dim;
    let elements = part.end.checked_sub(&part.start)?;
    // A value that repeats its part has more elements than it.
    if !part.is_ordered || product(dims)? != elements || !others.iter().zip(inner).all(is_whole) {
        return None;
    }
    let inner = product(inner)?;
    let at = |row: &Size| part.start.checked_add(&row.checked_mul(&inner)?);
    let part = Part {
        start: at(&rows.0)?,
        end: at(&rows.1)?,
        ..part.clone()
    };
    Some(Origin {
        parts: vec![part],
        is_permutation: false,
    })
}

fn product(dims: &[Size]) -> Option<Size> {
    dims.iter()
        .try_fold(Size::fixed(1), |product, dim| product.checked_mul(dim))
}

/// Looks for the first value of a part that breaks a rule; sizes as `value_of` gives them. Rules
/// with a size that depends on data are passed over.
pub(crate) fn violation(
    bound: &Bound,
    values: &[i64],
    value_of: &dyn Fn(&Size) -> Option<i64>,
) -> Option<Violation> {
    let position = |size: &Size| value_of(size).and_then(|value| usize::try_from(value).ok());
    let start = position(&bound.start)?;
    let part = values.get(start..position(&bound.end)?)?;
    match &bound.rule {
        IndexRule::Below(size) => {
            let size = value_of(size)?;
            let offset = part.iter().position(|&value| value < 0 || value >= size)?;
            let expected = if size == 0 {
                "no value at all, as there is nothing to point to".to_owned()
            } else {
                format!("a value in 0..{size}")
            };
            Some(Violation {
                position: start + offset,
                got: *part.get(offset)?,
                expected,
            })
        }
        IndexRule::Pointer(size) => {
            let size = value_of(size)?;
            let mut last = 0;
            for (offset, &got) in part.iter().enumerate() {
                let expected = if offset == 0 && got != 0 {
                    "0 at the start of a row pointer".to_owned()
                } else if got < last {
                    format!("a row pointer that does not decrease, at least {last}")
                } else if offset + 1 == part.len() && got != size {
                    format!("{size} at the end of a row pointer, the number of entries")
                } else {
                    last = got;
                    continue;
                };
                return Some(Violation {
                    position: start + offset,
                    got,
                    expected,
                });
            }
            None
        }
    }
}

/// A value that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Position in the input, in row-major order.
    pub(crate) position: usize,
    /// The value.
    pub(crate) got: i64,
    /// What it should be.
    pub(crate) expected: String,
}

#[cfg(test)]
mod tests {
    use kiln::ir;

    use super::*;

    fn first_function(text: &str) -> (Program, Vec<Bound>) {
        let program = ir::parse(text).unwrap();
        ir::validate(program.clone()).unwrap();
        let last = u32::try_from(program.functions.len() - 1).unwrap();
        let bounds = bounds(&program, FunctionId(last));
        (program, bounds)
    }

    const CONV: &str = r"kiln 1

symbols $N, $E

module @ = Net {
  method forward(x: f32[$N, 4], edge_index: i64[2, $E]) -> f32[$N, 4] {
    case () -> @forward
  }
}

fn @propagate(x %0: f32[$N, 4], src %1: i64[$E], dst %2: i64[$E]) -> (%5) {
  %3: i64[$N] = arange{start=0, end=$N}()
  %4: i64[$E + $N] = cat{dim=0}(%1, %3)
  %5: f32[$N, 4] = spmm{reduce=sum, size=$N}(%0, %1, %2)
}

fn @forward(x %0: f32[$N, 4], edge_index %1: i64[2, $E]) -> (%6) {
  %2: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %3: i64[$E] = reshape{dims=[$E]}(%2)
  %4: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %5: i64[$E] = reshape{dims=[$E]}(%4)
  %6: f32[$N, 4] = call @propagate(%0, %3, %5)
}
";

    #[test]
    fn ends_of_edges_are_bounded_by_every_operation_along_edges() {
        let operations = [
            "spmm_normalized{self_loop=1.0}(%0, %4, %6, %2)",
            "spmm_with_loops(%0, %4, %6, %7, %2)",
            "edge_attention{slope=0.2, self_loops=true, dropout=0.0, size=$N}(%8, %4, %6, %0, %0)",
        ];
        for operation in operations {
            let dims = if operation.starts_with("edge") {
                "$N, 4, 1"
            } else {
                "$N, 4"
            };
            let (_, bounds) = first_function(&format!(
                r"kiln 1

symbols $N, $E

module @ = Net {{
  method forward(x: f32[$N, 4], edge_index: i64[2, $E]) -> f32[{dims}] {{
    case () -> @forward
  }}
}}

fn @forward(x %0: f32[$N, 4], edge_index %1: i64[2, $E]) -> (%9) {{
  %2: f32[$N] = full{{value=1.0, elem=f32, dims=[$N]}}()
  %3: i64[1, $E] = slice{{ranges=[0..1, 0..$E]}}(%1)
  %4: i64[$E] = reshape{{dims=[$E]}}(%3)
  %5: i64[1, $E] = slice{{ranges=[1..2, 0..$E]}}(%1)
  %6: i64[$E] = reshape{{dims=[$E]}}(%5)
  %7: f32[$E] = full{{value=1.0, elem=f32, dims=[$E]}}()
  %8: f32[$N, 4, 1] = reshape{{dims=[$N, 4, 1]}}(%0)
  %9: f32[{dims}] = {operation}
}}
"
            ));
            let rules: Vec<_> = bounds.iter().map(|bound| &bound.rule).collect();
            let [IndexRule::Below(src), IndexRule::Below(dst)] = rules[..] else {
                panic!("{operation}: {rules:?}");
            };
            assert_eq!(src, dst, "{operation}");
        }
    }

    #[test]
    fn rows_of_an_edge_index_are_bounded_through_calls() {
        let (program, bounds) = first_function(CONV);
        let value = |size: &Size| {
            size.evaluate(|symbol| match program.symbol_name(symbol).as_ref() {
                "N" => Some(3),
                _ => Some(2),
            })
        };
        let parts: Vec<_> = bounds
            .iter()
            .map(|bound| (bound.input, value(&bound.start), value(&bound.end)))
            .collect();
        assert_eq!(parts, [(1, Some(0), Some(2)), (1, Some(2), Some(4))]);
        let found: Vec<_> = bounds
            .iter()
            .filter_map(|bound| violation(bound, &[0, 2, 1, 3], &value))
            .collect();
        let expected = "a value in 0..3".to_owned();
        assert_eq!(
            found,
            [Violation {
                position: 3,
                got: 3,
                expected
            }]
        );
    }

    #[test]
    fn row_pointers_start_at_zero_rise_and_end_with_the_number_of_entries() {
        let bound = Bound {
            input: 0,
            start: 0.into(),
            end: 4.into(),
            rule: IndexRule::Pointer(5.into()),
        };
        let position = |values: &[i64]| {
            violation(&bound, values, &Size::as_fixed).map(|violation| violation.position)
        };
        assert_eq!(position(&[0, 2, 2, 5]), None);
        assert_eq!(position(&[1, 2, 2, 5]), Some(0));
        assert_eq!(position(&[0, 2, 1, 5]), Some(2));
        assert_eq!(position(&[0, 2, 2, 4]), Some(3));
    }
}
