//! What the text form cannot express: broken tables, sizes out of normal form, growth. All other
//! invariants have files in `tests/files/validate`.

use super::*;
use crate::{
    op::Op,
    parse,
    program::{Type, ValueId, ValueType, WeightId},
    size::Term,
};

const TEXT: &str = "kiln 1
symbols $N
weight @w: parameter f32[4]
module @ = Net {
  weight @w
  method forward(x: f32[$N, 4]) -> f32[$N, 4] {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 4]) -> (%2) {
  %1: f32[4] = weight @w
  %2: f32[$N, 4] = layer_norm{epsilon=1e-5}(%0, %1)
}
";

fn broken(change: impl FnOnce(&mut Program)) -> Vec<(u8, String)> {
    let mut program = parse(TEXT).unwrap();
    change(&mut program);
    let Invalid(found) = validate(program).unwrap_err();
    found
        .into_iter()
        .map(|one| (one.invariant, one.kind.to_string()))
        .collect()
}

#[test]
fn the_unchanged_program_is_valid() {
    let valid = validate(parse(TEXT).unwrap()).unwrap();
    assert!(valid.needs(FunctionId(0)).is_empty());
    assert!(valid.binds(FunctionId(0)).is_empty());
}

#[test]
fn values_are_defined_once_and_in_order() {
    let found = broken(|program| program.functions[0].nodes[1].outputs = vec![ValueId(1)]);
    assert_eq!(
        found[0],
        (9, "expected the definition of %2, got %1".to_owned())
    );
    let found = broken(|program| program.functions[0].inputs = vec![ValueId(2)]);
    assert_eq!(
        found[0],
        (9, "expected the definition of %0, got %2".to_owned())
    );
    let extra = ValueType::Tensor(TensorType {
        elem: crate::program::ElemType::F32,
        dims: vec![],
    });
    let found = broken(|program| program.functions[0].values.push(extra));
    assert_eq!(found, [(9, "expected 3 types of values, got 4".to_owned())]);
}

#[test]
fn ids_name_entries() {
    let found = broken(|program| program.functions[0].nodes[0].op = Op::Weight(WeightId(7)));
    assert_eq!(found, [(11, "there is no weight 7".to_owned())]);
    let found = broken(|program| program.functions[0].nodes[0].op = Op::Call(FunctionId(7)));
    assert_eq!(found, [(11, "there is no function 7".to_owned())]);
    let found = broken(|program| program.functions[0].nodes[0].op = Op::Symbol(SymbolId(7)));
    assert_eq!(found, [(11, "there is no symbol 7".to_owned())]);
    let found = broken(|program| program.functions[0].module = ModuleId(7));
    assert_eq!(found[0], (8, "there is no module 7".to_owned()));
    let found = broken(|program| program.modules[0].children.push(ModuleId(7)));
    assert_eq!(found, [(4, "there is no module 7".to_owned())]);
    let found = broken(|program| program.modules[0].weights.push(WeightId(7)));
    assert_eq!(found, [(5, "there is no weight 7".to_owned())]);
    let found = broken(|program| program.modules[0].methods[0].cases[0].function = FunctionId(7));
    assert_eq!(found, [(7, "there is no function 7".to_owned())]);
    let found = broken(|program| program.modules.clear());
    assert_eq!(found[0], (4, "expected a root module, got none".to_owned()));
    let found = broken(|program| {
        program.modules[0].methods[0]
            .defaults
            .push((SymbolId(7), SymbolId(0)));
    });
    assert_eq!(found, [(12, "there is no symbol 7".to_owned())]);
}

#[test]
fn sizes_are_in_normal_form() {
    let size = Size::as_read;
    let term = |symbols: &[u32], coefficient| {
        Term::new(symbols.iter().copied().map(SymbolId), coefficient)
    };
    let change = |size: Size| {
        broken(|program| {
            let ValueType::Tensor(ty) = &mut program.functions[0].values[0] else {
                unreachable!()
            };
            ty.dims[0] = size;
        })
    };
    let twice = change(size(vec![term(&[0], 1), term(&[0], 1)]));
    assert_eq!(twice[0], (12, "a size is not in normal form".to_owned()));
    let zero = change(size(vec![term(&[0], 0)]));
    assert_eq!(zero[0], (12, "a size is not in normal form".to_owned()));
    let unknown = change(size(vec![term(&[9], 1)]));
    assert_eq!(unknown[0], (12, "there is no symbol 9".to_owned()));
    let degree = change(size(vec![term(&[0; 9], 1)]));
    assert_eq!(
        degree[0],
        (1, "degree 9 is above the limit of 8".to_owned())
    );
    let long = change(size((0..65).map(|_| term(&[0], 1)).collect()));
    assert_eq!(
        long[0],
        (1, "number of terms 65 is above the limit of 64".to_owned())
    );
}

#[test]
fn types_nest_within_the_limit() {
    let found = broken(|program| {
        let mut ty = Type::Flag;
        for _ in 0..1000 {
            ty = Type::Optional(Box::new(ty));
        }
        program.modules[0].methods[0].params[0].ty = ty;
    });
    assert_eq!(
        found,
        [(1, "depth of a type 17 is above the limit of 16".to_owned())]
    );
}

#[test]
fn inlining_stays_within_the_limit() {
    let mut text = String::from("kiln 1\nsymbols $N\nmodule @ = Net {\n}\n");
    text += "fn @f0(x %0: f32[$N]) -> (%1) {\n  %1: f32[$N] = exp(%0)\n}\n";
    for level in 1..=40 {
        let below = level - 1;
        let function = format!(
            "fn @f{level}(x %0: f32[$N]) -> (%2) {{\n  %1: f32[$N] = call @f{below}(%0)\n  \
             %2: f32[$N] = call @f{below}(%1)\n}}\n"
        );
        text += &function;
    }
    let Invalid(found) = validate(parse(&text).unwrap()).unwrap_err();
    assert!(found.iter().all(|one| one.invariant == 1));
    assert_eq!(found[0].at, "@f20");
}

#[test]
fn diagnostics_are_limited() {
    let mut text = String::from("kiln 1\nmodule @ = Net {\n}\nfn @f(x %0: f32[4]) -> (%0) {\n");
    for value in 1..500 {
        let node = format!("  %{value}: f32[5] = exp(%0)\n");
        text += &node;
    }
    let Invalid(found) = validate(parse(&(text + "}\n")).unwrap()).unwrap_err();
    assert_eq!(found.len(), MAX_DIAGNOSTICS);
}

/// A method whose sizes are shown by a sum, an axis, two integers and a default.
const BINDING: &str = "kiln 1
symbols $N, $M, $K, $B
module @ = Net {
  method forward(a: f32[$N + $M], n: int $N?, x: f32[$K], b: int $B) -> f32[$K] {
    default $M = $K
    case () -> @f
  }
}
fn @f(a %0: f32[$N + $M], x %1: f32[$K], n %2: int $N) -> (%1) {
}
";

#[test]
fn symbols_get_their_values_in_steps() {
    let program = validate(parse(BINDING).unwrap()).unwrap();
    let binding = program.binding(ModuleId(0), 0, 0).unwrap();
    let steps = |given: [bool; 2]| {
        let steps = binding.steps(&|size| given[size]).into_iter();
        let step = |step: Step<'_>| {
            let source = match step.source {
                Source::Axis(axis) => format!("axis {} of {}", axis.axis, axis.input),
                Source::Solved(solution) => {
                    let rest = Words(&program).size(&solution.rest);
                    format!("input {} less {rest}", solution.axis.input)
                }
                Source::Given(integer) => format!("integer {}", integer.size),
                Source::Default(other) => format!("as {}", program.symbol_name(other)),
            };
            format!("{}: {source}", program.symbol_name(step.symbol))
        };
        steps.map(step).collect::<Vec<_>>()
    };
    assert_eq!(
        steps([false, true]),
        [
            "K: axis 0 of 1",
            "B: integer 1",
            "M: as K",
            "N: input 0 less $M"
        ]
    );
    // An integer goes before a default, and one that is always given before one that is not.
    assert_eq!(
        steps([true, true]),
        [
            "K: axis 0 of 1",
            "B: integer 1",
            "N: integer 0",
            "M: input 0 less $N"
        ]
    );
}

#[test]
fn sizes_that_do_not_agree_are_refused() {
    let program = validate(parse(BINDING).unwrap()).unwrap();
    let binding = program.binding(ModuleId(0), 0, 0).unwrap();
    let bind = |a: i64, k: i64, n: Option<i64>| {
        let size_of = |axis: Axis| if axis.input == 0 { a } else { k };
        let sizes = [n.map(|n| vec![n]), Some(vec![7])];
        let values = binding.bind(&size_of, &sizes)?;
        Ok((0..4)
            .map(|symbol| values.get(SymbolId(symbol)).unwrap())
            .collect::<Vec<_>>())
    };
    assert_eq!(bind(5, 2, None), Ok(vec![3, 2, 2, 7]));
    assert_eq!(bind(5, 2, Some(1)), Ok(vec![1, 4, 2, 7]));
    let axis = |expected, got| BindError::Axis {
        axis: Axis { input: 0, axis: 0 },
        expected,
        got,
    };
    // N would be -1.
    assert_eq!(bind(1, 2, None), Err(axis(None, 1)));
    assert_eq!(bind(1, 2, Some(2)), Err(axis(None, 1)));
    let given = BindError::Given {
        size: 0,
        part: 0,
        expected: 0,
        got: -1,
    };
    assert_eq!(bind(5, 2, Some(-1)), Err(given));
}
