//! What a session refuses: programs, memory and indices beyond its limits.

use std::{collections::BTreeMap, fmt::Write as _};

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_core::AnyTensor;
use kiln_ir::{ExecError, Session, exec::BoundsPolicy, pass};

use crate::{
    exec::model,
    support::{Inputs, device, values},
};

fn ints(values: &[i64], device: &Device) -> AnyTensor {
    Tensor::<1, Int>::from_data(TensorData::from(values), device).into()
}

fn floats(values: &[f32], device: &Device) -> AnyTensor {
    Tensor::<1>::from_data(TensorData::from(values), device).into()
}

/// A program of floats `x`, rows `h`, and integers `index`, whose result is one operation.
fn program(result: &str, node: &str) -> String {
    format!(
        "kiln 1
symbols $N, $E
module @ = Net {{
  method forward(x: f32[$N], h: f32[$N, 1], index: i64[$E]) -> {result} {{
    case () -> @forward
  }}
}}
fn @forward(x %0: f32[$N], h %1: f32[$N, 1], index %2: i64[$E]) -> (%3) {{
  %3: {result} = {node}
}}
"
    )
}

/// Of three nodes.
fn inputs(index: &[i64], device: &Device) -> Inputs {
    let h = Tensor::<2>::from_data([[1.0], [2.0], [3.0]], device);
    BTreeMap::from([
        ("x".to_owned(), floats(&[1.0, 2.0, 3.0], device)),
        ("h".to_owned(), h.into()),
        ("index".to_owned(), ints(index, device)),
    ])
}

/// Every operation with indices below a size, and one for which there is no rule by family.
const INDEXED: [(&str, &str); 6] = [
    ("f32[$E]", "gather(%0, %2)"),
    ("f32[$E]", "select{dim=0}(%0, %2)"),
    ("f32[$E]", "gather_elements{dim=0}(%0, %2)"),
    ("f32[$N]", "degree{size=$N, elem=f32}(%2)"),
    ("f32[$N, 1]", "spmm{reduce=sum, size=$N}(%1, %2, %2)"),
    ("f32[$N, 1]", "spmm{reduce=mul, size=$N}(%1, %2, %2)"),
];

#[test]
fn indices_out_of_range_are_errors_that_name_operation_and_tensor() {
    let (device, _alone) = device();
    for (result, node) in INDEXED {
        let session = Session::new(&model(&program(result, node)), &device).unwrap();
        for (index, got, position) in [([0, 1, 3], 3, 2), ([0, -1, 2], -1, 1)] {
            let expected = Err(ExecError::Index {
                node: format!("%3: {result} = {node}"),
                tensor: "\"index\"".to_owned(),
                expected: "an index of at least 0 and below 3".to_owned(),
                got,
                position,
            });
            let run = session.run("forward", inputs(&index, &device));
            assert_eq!(run.map(|_| ()), expected);
            let call = session.prepare("forward", inputs(&index, &device));
            assert_eq!(call.map(|_| ()), expected);
        }
        let mut call = session
            .prepare("forward", inputs(&[0, 1, 2], &device))
            .unwrap();
        let outside = BTreeMap::from([("index".to_owned(), ints(&[0, 1, 3], &device))]);
        let run = call.run_with(outside);
        assert!(
            matches!(run, Err(ExecError::Index { got: 3, .. })),
            "{node}"
        );
        let within = BTreeMap::from([("index".to_owned(), ints(&[2, 1, 0], &device))]);
        call.run_with(within).unwrap();
    }
}

#[test]
fn indices_may_be_clamped_or_trusted() {
    let (device, _alone) = device();
    for (result, node) in INDEXED {
        let model = model(&program(result, node));
        let session = || Session::new(&model, &device).unwrap();
        let run = |session: &Session, index: &[i64]| {
            let mut outputs = session.run("forward", inputs(index, &device)).unwrap();
            values(outputs.remove(0).1)
        };
        let expected = run(&session(), &[0, 2, 2, 1]);
        let clamping = session().with_bounds(BoundsPolicy::Clamp);
        assert_eq!(run(&clamping, &[-5, 2, 7, 1]), expected, "{node}");
        let trusting = session().with_bounds(BoundsPolicy::Trust);
        assert_eq!(run(&trusting, &[0, 2, 2, 1]), expected, "{node}");
    }
}

/// The index is also a result, and stays as it came.
#[test]
fn clamping_changes_no_other_use() {
    let (device, _alone) = device();
    let text = program("f32[$E]", "gather(%0, %2)")
        .replace("-> f32[$E]", "-> (f32[$E], i64[$E])")
        .replace("(%3)", "(%3, %2)");
    let session = Session::new(&model(&text), &device).unwrap();
    let session = session.with_bounds(BoundsPolicy::Clamp);
    let outputs = session.run("forward", inputs(&[9, 1], &device)).unwrap();
    let outputs: Vec<Vec<f64>> = outputs.into_iter().map(|(_, one)| values(one).1).collect();
    assert_eq!(outputs, [[3.0, 2.0], [9.0, 1.0]]);
}

#[test]
fn nothing_points_into_an_empty_tensor() {
    let (device, _alone) = device();
    let session = Session::new(&model(&program("f32[$E]", "gather(%0, %2)")), &device).unwrap();
    let empty = |index: &[i64]| {
        BTreeMap::from([
            ("x".to_owned(), floats(&[], &device)),
            ("h".to_owned(), Tensor::<2>::zeros([0, 1], &device).into()),
            ("index".to_owned(), ints(index, &device)),
        ])
    };
    let clamping = Session::new(&model(&program("f32[$E]", "gather(%0, %2)")), &device);
    for session in [session, clamping.unwrap().with_bounds(BoundsPolicy::Clamp)] {
        let error = session.run("forward", empty(&[0])).unwrap_err();
        assert!(matches!(error, ExecError::Index { got: 0, .. }), "{error}");
        session.run("forward", empty(&[])).unwrap();
    }
}

#[test]
fn row_pointers_are_checked() {
    let (device, _alone) = device();
    let node = "segment_reduce{reduce=sum}(%0, %2)";
    let text = program("f32[$E]", node).replace("index: i64[$E]", "index: i64[$E + 1]");
    let text = text.replace("index %2: i64[$E]", "index %2: i64[$E + 1]");
    let session = Session::new(&model(&text), &device).unwrap();
    session
        .run("forward", inputs(&[0, 1, 1, 3], &device))
        .unwrap();
    for (index, expected) in [
        ([1, 1, 3], "0 at the start of a row pointer"),
        ([0, 4, 3], "a row pointer that never decreases"),
        ([0, 1, 2], "3 at the end of a row pointer"),
    ] {
        let error = session.run("forward", inputs(&index, &device)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn values_beyond_the_memory_of_a_session_are_errors() {
    let (device, _alone) = device();
    let text = "kiln 1
symbols $N, $K
module @ = Net {
  method forward(x: f32[$N, 4], repeats: i64[$N]) -> (f32[$N, 4], i64[$K]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 4], repeats %1: i64[$N]) -> (%4, %5) {
  %2: f32[$N, 4] = exp(%0)
  %3: f32[$N, 4] = exp(%2)
  %4: f32[$N, 4] = exp(%3)
  %5: i64[$K] = repeat_interleave(%1)
}
";
    let model = model(text);
    let inputs = |repeats: &[i64]| {
        let x = Tensor::<2>::zeros([10, 4], &device);
        BTreeMap::from([
            ("x".to_owned(), x.into()),
            ("repeats".to_owned(), ints(repeats, &device)),
        ])
    };
    let few = inputs(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let many = inputs(&[1 << 30, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let session = |bytes| Session::new(&model, &device).unwrap().with_memory(bytes);
    // Two of the matrices, of 160 bytes, are there at a time, and in prepared calls the position.
    session(320).run("forward", few.clone()).unwrap();
    let session_of_two = session(328);
    session_of_two.run("forward", few.clone()).unwrap();
    let mut call = session_of_two.prepare("forward", few.clone()).unwrap();
    for _ in 0..3 {
        call.run().unwrap();
    }
    let error = session(319).run("forward", few).map(|_| ());
    let expected = ExecError::Memory {
        method: "forward".to_owned(),
        node: "%3: f32[$N, 4] = exp(%2)".to_owned(),
        bytes: 160,
        used: 160,
        limit: 319,
    };
    assert_eq!(error, Err(expected));
    // The number of positions is data.
    let error = session(320).run("forward", many).unwrap_err();
    assert!(
        matches!(error, ExecError::Memory { bytes, used: 160, .. } if bytes == 8 << 30),
        "{error}"
    );
}

#[test]
fn huge_constants_do_not_abort() {
    let (device, _alone) = device();
    let node = "full{value=1.0, elem=f32, dims=[1099511627776]}()";
    let session = Session::new(&model(&program("f32[1099511627776]", node)), &device).unwrap();
    let session = session.with_memory(1 << 30);
    let error = session.run("forward", inputs(&[0], &device)).unwrap_err();
    assert!(matches!(error, ExecError::Memory { .. }), "{error}");
}

/// Each of these functions calls the one before it twice.
#[test]
fn programs_that_are_huge_once_inlined_are_refused() {
    let (device, _alone) = device();
    let mut text = "kiln 1\nsymbols $N\nmodule @ = Net {\n  method forward(x: f32[$N]) -> f32[$N] \
                    {\n    case () -> @f18\n  }\n}\n\
                    fn @f0(x %0: f32[$N]) -> (%1) {\n  %1: f32[$N] = exp(%0)\n}\n"
        .to_owned();
    for number in 1..19 {
        write!(
            text,
            "fn @f{number}(x %0: f32[$N]) -> (%2) {{\n  %1: f32[$N] = call @f{}(%0)\n  \
             %2: f32[$N] = call @f{}(%1)\n}}\n",
            number - 1,
            number - 1
        )
        .unwrap();
    }
    let model = model(&text);
    let nodes = model.program.inlined_nodes();
    let limit = kiln_ir::exec::MAX_NODES;
    let error = Session::new(&model, &device).map(|_| ());
    assert_eq!(error, Err(ExecError::Nodes { nodes, limit }));
    let few = Session::with_passes(&model, &device, &pass::EXECUTION, nodes - 1);
    assert!(matches!(few, Err(ExecError::Nodes { .. })));
}

/// The result of one operation on floats `x`, rows `h` and positions, within 1 MiB.
fn run(result: &str, node: &str) -> Result<Vec<f64>, ExecError> {
    let (device, _alone) = device();
    let session = Session::new(&model(&program(result, node)), &device)?;
    let mut outputs = session
        .with_memory(1 << 20)
        .run("forward", inputs(&[0, 1], &device))?;
    Ok(values(outputs.remove(0).1).1)
}

/// An empty tensor stays so, however often it is repeated.
#[test]
fn repeating_takes_no_time_for_nothing_and_no_more_memory_than_there_is() {
    let (device, _alone) = device();
    let node = "repeat_dim{dim=0, times=1125899906842624}(%0)";
    let text = program("f32[1125899906842624*$N]", node);
    let session = Session::new(&model(&text), &device).unwrap();
    let mut empty = inputs(&[0], &device);
    empty.insert("x".to_owned(), floats(&[], &device));
    empty.insert("h".to_owned(), Tensor::<2>::zeros([0, 1], &device).into());
    let outputs = session.run("forward", empty).unwrap();
    assert_eq!(outputs[0].1.shape().num_elements(), 0);
    let text = text.replace("1125899906842624", "4611686018427387904");
    let session = Session::new(&model(&text), &device).unwrap();
    let error = session.run("forward", inputs(&[0], &device)).unwrap_err();
    assert!(matches!(error, ExecError::Attribute { .. }), "{error}");
}

/// What kernels need for rows counts, also where no result has them as its size.
#[test]
fn rows_that_are_only_sorted_by_take_memory() {
    let node = "segment_softmax{size=274877906944}(%0, %2)";
    let text = program("f32[$E]", node).replace("x: f32[$N]", "x: f32[$E]");
    let text = text.replace("x %0: f32[$N]", "x %0: f32[$E]");
    let (device, _alone) = device();
    let session = Session::new(&model(&text), &device).unwrap();
    let session = session.with_memory(1 << 20);
    let error = session
        .run("forward", inputs(&[0, 1, 2], &device))
        .unwrap_err();
    assert!(matches!(error, ExecError::Memory { .. }), "{error}");
}

#[test]
fn weights_may_have_no_axes() {
    let text = "; weight s = 2.5
; weight k = 3
kiln 1
symbols $N
weight @s: parameter f32[]
weight @k: buffer i64[]
module @ = Net {
  weight @s
  weight @k
  method forward(x: f32[$N]) -> (f32[$N], i64[1]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N]) -> (%3, %5) {
  %1: f32[] = weight @s
  %2: f32[1] = reshape{dims=[1]}(%1)
  %3: f32[$N] = mul(%0, %2)
  %4: i64[] = weight @k
  %5: i64[1] = reshape{dims=[1]}(%4)
}
";
    let (device, _alone) = device();
    let session = Session::new(&model(text), &device).unwrap();
    let x = BTreeMap::from([("x".to_owned(), floats(&[1.0, 2.0], &device))]);
    let outputs = session.run("forward", x).unwrap();
    let outputs: Vec<_> = outputs.into_iter().map(|(_, one)| values(one).1).collect();
    assert_eq!(outputs, [vec![2.5, 5.0], vec![3.0]]);
}

/// Also where the maximum of NaN and a number is the number, and a number is itself.
#[test]
fn nan_stays_nan() {
    let x = |device: &Device| floats(&[f32::NAN, -1.0, 3.0], device);
    for (node, expected) in [
        ("relu(%0)", [f64::NAN, 0.0, 3.0]),
        ("sigmoid(%0)", [f64::NAN, 0.268_941_42, 0.952_574_13]),
        ("clamp{min=0.0, max=2.0}(%0)", [f64::NAN, 0.0, 2.0]),
        ("clamp{min=0.0, max=none}(%0)", [f64::NAN, 0.0, 3.0]),
        ("clamp{min=none, max=2.0}(%0)", [f64::NAN, -1.0, 2.0]),
        ("clamp{min=3.0, max=2.0}(%0)", [f64::NAN, 2.0, 2.0]),
        ("pow_scalar{rhs=3.0}(%0)", [f64::NAN, -1.0, 27.0]),
        ("pow_scalar{rhs=0.0}(%0)", [1.0; 3]),
        ("pow(%0, %0)", [f64::NAN, -1.0, 27.0]),
    ] {
        let (device, _alone) = device();
        let session = Session::new(&model(&program("f32[$N]", node)), &device).unwrap();
        let mut all = inputs(&[0, 1], &device);
        all.insert("x".to_owned(), x(&device));
        let result = values(session.run("forward", all).unwrap().remove(0).1).1;
        for (got, expected) in result.iter().zip(expected) {
            let same = (got - expected).abs() < 1e-6 || got.is_nan() && expected.is_nan();
            assert!(same, "{node}: {result:?}");
        }
    }
    for (node, expected) in [("not_equal", [1.0, 0.0, 0.0]), ("equal", [0.0, 1.0, 1.0])] {
        let (device, _alone) = device();
        let text = program("bool[$N]", &format!("{node}(%0, %0)"));
        let session = Session::new(&model(&text), &device).unwrap();
        let mut all = inputs(&[0, 1], &device);
        all.insert("x".to_owned(), x(&device));
        let result = values(session.run("forward", all).unwrap().remove(0).1).1;
        assert_eq!(result, expected, "{node}");
    }
}

#[test]
fn exponents_may_be_infinite() {
    for (exponent, expected) in [
        ("inf", [1.0, f64::INFINITY, f64::INFINITY]),
        ("-inf", [1.0, 0.0, 0.0]),
        ("1e30", [1.0, f64::INFINITY, f64::INFINITY]),
    ] {
        let result = run("f32[$N]", &format!("pow_scalar{{rhs={exponent}}}(%0)"));
        assert_eq!(result, Ok(expected.to_vec()));
    }
}

/// Also the sources, of which only those that are loops matter.
#[test]
fn degrees_have_sources_within_range() {
    let (device, _alone) = device();
    let node = "inverse_sqrt_degree{self_loop=none, size=$N, elem=f32}(%2, %3)";
    let text = program("f32[$N]", node)
        .replace(
            "  %3:",
            "  %3: i64[$E] = full{value=0, elem=i64, dims=[$E]}()\n  %4:",
        )
        .replace("(%3) {", "(%4) {");
    let session = Session::new(&model(&text), &device).unwrap();
    let error = session.run("forward", inputs(&[7], &device)).unwrap_err();
    assert!(matches!(error, ExecError::Index { got: 7, .. }), "{error}");
}

/// As in PyTorch; of floats with bounds that are integers, too.
#[test]
fn bounds_of_a_clamp_may_cross_or_be_nan() {
    for (bounds, expected) in [
        ("min=inf, max=2", [2.0; 3]),
        ("min=3, max=2.0", [2.0; 3]),
        ("min=$N, max=2", [2.0; 3]),
        ("min=2, max=$N", [2.0, 2.0, 3.0]),
    ] {
        let result = run("f32[$N]", &format!("clamp{{{bounds}}}(%0)"));
        assert_eq!(result, Ok(expected.to_vec()), "{bounds}");
    }
    for bounds in ["min=nan, max=2", "min=0.0, max=nan", "min=nan, max=none"] {
        let result = run("f32[$N]", &format!("clamp{{{bounds}}}(%0)")).unwrap();
        assert!(result.iter().all(|value| value.is_nan()), "{bounds}");
    }
}

/// An empty tensor is sorted at once, however long its other axes.
#[test]
fn sorting_nothing_takes_no_memory() {
    let (device, _alone) = device();
    let long = "f32[$N, 1099511627776]";
    let text = program(long, "expand{dims=[$N, 1099511627776]}(%1)").replace("(%3) {", "(%4) {");
    let text = format!(
        "{}  %4: {long}, %5: i64[$N, 1099511627776] = sort{{dim=1, descending=true}}(%3)\n}}\n",
        text.trim_end().trim_end_matches('}')
    );
    let mut empty = inputs(&[], &device);
    empty.insert("x".to_owned(), floats(&[], &device));
    empty.insert("h".to_owned(), Tensor::<2>::zeros([0, 1], &device).into());
    let session = Session::new(&model(&text), &device).unwrap();
    let outputs = session.run("forward", empty).unwrap();
    assert_eq!(outputs[0].1.shape().as_slice(), [0, 1 << 40]);
}

/// Sizes that no number of 64 bits holds are beyond any memory.
#[test]
fn sizes_beyond_64_bits_take_too_much_memory() {
    let (device, _alone) = device();
    let node = "full{value=1.0, elem=f32, dims=[4611686018427387904*$N]}()";
    let text = program("f32[4611686018427387904*$N]", node);
    let session = Session::new(&model(&text), &device).unwrap();
    let session = session.with_memory(1 << 30);
    let error = session.run("forward", inputs(&[0], &device)).unwrap_err();
    assert!(
        matches!(
            error,
            ExecError::Memory {
                bytes: u64::MAX,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn linear_maps_may_have_no_outputs() {
    let (device, _alone) = device();
    let text = program("f32[$N, $E]", "linear(%1, %2, %0)")
        .replace("x: f32[$N]", "x: f32[$E]")
        .replace("x %0: f32[$N]", "x %0: f32[$E]")
        .replace("index: i64[$E]", "index: f32[$E, 1]")
        .replace("index %2: i64[$E]", "index %2: f32[$E, 1]");
    let session = Session::new(&model(&text), &device).unwrap();
    let inputs = BTreeMap::from([
        ("x".to_owned(), floats(&[], &device)),
        ("h".to_owned(), Tensor::<2>::zeros([3, 1], &device).into()),
        (
            "index".to_owned(),
            Tensor::<2>::zeros([0, 1], &device).into(),
        ),
    ]);
    let outputs = session.run("forward", inputs).unwrap();
    assert_eq!(outputs[0].1.shape().as_slice(), [3, 0]);
}

/// Columns of no rows have no elements, wherever they start.
#[test]
fn operands_may_start_behind_the_last_element() {
    let (device, _alone) = device();
    for (elem, op) in [
        ("f32", "add(%1, %1)"),
        ("f32", "exp(%1)"),
        ("f32", "mul_scalar{rhs=2.0}(%1)"),
        ("bool", "greater(%1, %1)"),
        ("bool", "lower_scalar{rhs=2.0}(%1)"),
    ] {
        let text = format!(
            "kiln 1
symbols $N
module @ = Net {{
  method forward(x: f32[$N, 8]) -> {elem}[$N, 4] {{
    case () -> @forward
  }}
}}
fn @forward(x %0: f32[$N, 8]) -> (%2) {{
  %1: f32[$N, 4] = slice{{ranges=[0..$N, 4..8]}}(%0)
  %2: {elem}[$N, 4] = {op}
}}
"
        );
        for (device, nodes) in [
            (device.clone(), 0),
            (device.clone(), 2),
            (device.clone().autodiff(), 0),
            (device.clone().autodiff(), 2),
        ] {
            let session = Session::new(&model(&text), &device).unwrap();
            let x = Tensor::<2>::ones([nodes, 8], &device);
            let x = if device.is_autodiff() {
                x.require_grad()
            } else {
                x
            };
            let inputs = Inputs::from([("x".to_owned(), x.into())]);
            let outputs = session.run("forward", inputs).unwrap();
            assert_eq!(outputs[0].1.shape().as_slice(), [nodes, 4], "{op}");
        }
    }
}

/// A tensor without elements may have other axes, as long as their product is a number.
#[test]
fn empty_tensors_of_sizes_beyond_64_bits_are_refused() {
    let (device, _alone) = device();
    for limit in [None, Some(1 << 30)] {
        let long = "f32[8, 4611686018427387904, $N]";
        let node = "expand{dims=[8, 4611686018427387904, $N]}(%0)";
        let session = Session::new(&model(&program(long, node)), &device).unwrap();
        let session = match limit {
            Some(bytes) => session.with_memory(bytes),
            None => session,
        };
        let mut empty = inputs(&[], &device);
        empty.insert("x".to_owned(), floats(&[], &device));
        empty.insert("h".to_owned(), Tensor::<2>::zeros([0, 1], &device).into());
        let error = session.run("forward", empty).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("4611686018427387904, too large"), "{text}");
    }
}

/// Reductions over axes of which some have no entries, whatever the others have.
#[test]
fn reductions_of_nothing_are_neutral_along_any_axes() {
    let (device, _alone) = device();
    for (reduction, elem, neutral) in [
        ("any", "bool", 0.0),
        ("all", "bool", 1.0),
        ("sum", "f32", 0.0),
        ("prod", "f32", 1.0),
        ("mean", "f32", f64::NAN),
        ("sum", "i64", 0.0),
        ("prod", "i64", 1.0),
    ] {
        for (axes, shape) in [
            ("0, 1", "1, 1, $E"),
            ("1, 0", "1, 1, $E"),
            ("0, 1, 2", "1, 1, 1"),
            ("2, 1, 0", "1, 1, 1"),
            ("1", "$N, 1, $E"),
        ] {
            let text = format!(
                "kiln 1
symbols $N, $E
module @ = Net {{
  method forward(x: {elem}[$N, 3, $E]) -> {elem}[{shape}] {{
    case () -> @forward
  }}
}}
fn @forward(x %0: {elem}[$N, 3, $E]) -> (%1) {{
  %1: {elem}[{shape}] = reduce_{reduction}{{axes=[{axes}]}}(%0)
}}
"
            );
            let session = Session::new(&model(&text), &device).unwrap();
            for dims in [[0, 3, 2], [2, 3, 0], [0, 3, 0]] {
                let x = Tensor::<3>::zeros(dims, &device);
                let x: AnyTensor = match elem {
                    "bool" => x.bool().into(),
                    "i64" => x.int().into(),
                    _ => x.into(),
                };
                let run = session.run("forward", BTreeMap::from([("x".to_owned(), x)]));
                let output = run.unwrap().remove(0).1;
                let place = format!("{reduction} of {elem}{dims:?} along {axes}");
                let data = match elem {
                    "bool" => output.bool::<3>().int().into_data(),
                    "i64" => output.int::<3>().into_data(),
                    _ => output.float::<3>().into_data(),
                };
                let got = data.iter::<f64>();
                for value in got {
                    let same =
                        value.total_cmp(&neutral).is_eq() || value.is_nan() && neutral.is_nan();
                    assert!(same, "{place}: {value}");
                }
                let wanted = shape.replace("$N", &dims[0].to_string());
                let wanted = wanted.replace("$E", &dims[2].to_string());
                assert_eq!(
                    format!("{:?}", data.shape().as_slice()),
                    format!("[{wanted}]"),
                    "{place}"
                );
            }
        }
    }
}
