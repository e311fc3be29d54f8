//! Integers beyond 32 bits through every operation that takes or makes them.
//!
//! The device is that of `KILN_TEST_BACKEND`. One without integers of 64 bits must say so; what it
//! does then is tested in the crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use kiln_core::AnyTensor;
use kiln_ir::{ExecError, Session};

use crate::{
    exec::model,
    support::{Inputs, backend_name, device, floats, one},
};

const BIG: i64 = 3_000_000_000;
/// `2^40`, beyond what a float of 32 bits tells from its neighbours.
const HUGE: i64 = 1_099_511_627_777;

/// Integers by names, in a tensor of the type.
fn ints(values: &[i64], dtype: DType, device: &Device) -> AnyTensor {
    let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
    Tensor::<1, Int>::from_data(data, (device, dtype)).into()
}

fn values(tensor: AnyTensor) -> Vec<i64> {
    let count = tensor.shape().num_elements();
    assert_eq!(tensor.dtype(), DType::I64);
    let flat = match tensor.shape().num_dims() {
        1 => tensor.int::<1>(),
        2 => tensor.int::<2>().reshape([count]),
        rank => panic!("no such test output: rank {rank}"),
    };
    flat.into_data().as_slice::<i64>().unwrap().to_vec()
}

/// A program with one result, the last value of the lines, and inputs `a` and `b` (`%0` and `%1`).
fn program(result: &str, lines: &[&str]) -> String {
    let body = format!("  {}\n", lines.join("\n  "));
    let results = lines.iter().map(|line| line.matches(": ").count());
    let last = results.sum::<usize>() + 1;
    format!(
        "kiln 1\nsymbols $N, $K\nmodule @ = Net {{\n  \
         method forward(a: i64[$N], b: i64[$N]) -> {result} {{\n    case () -> @forward\n  }}\n}}\n\
         fn @forward(a %0: i64[$N], b %1: i64[$N]) -> (%{last}) {{\n{body}}}\n"
    )
}

fn inputs(a: &[i64], b: &[i64], dtype: DType, device: &Device) -> Inputs {
    Inputs::from([
        ("a".to_owned(), ints(a, dtype, device)),
        ("b".to_owned(), ints(b, dtype, device)),
    ])
}

/// Runs a program on inputs of 64 bits, and of 32 if they fit, once and prepared.
#[track_caller]
fn outputs(text: &str, a: &[i64], b: &[i64]) -> Vec<AnyTensor> {
    let (device, _guard) = device();
    let session = Session::new(&model(text), &device).unwrap();
    let is_narrow = a.iter().chain(b).all(|&value| i32::try_from(value).is_ok());
    let mut outputs = Vec::new();
    for dtype in [DType::I64, DType::I32] {
        if dtype == DType::I32 && !is_narrow {
            continue;
        }
        let inputs = inputs(a, b, dtype, &device);
        outputs.push(session.run("forward", inputs.clone()).unwrap().remove(0).1);
        let mut call = session.prepare("forward", inputs.clone()).unwrap();
        outputs.push(call.run().unwrap().remove(0).1);
        let changed = Inputs::from([("a".to_owned(), inputs["a"].clone())]);
        outputs.push(call.run_with(changed).unwrap().remove(0).1);
    }
    outputs
}

#[track_caller]
fn assert_ints(result: &str, lines: &[&str], a: &[i64], b: &[i64], expected: &[i64]) {
    for output in outputs(&program(result, lines), a, b) {
        assert_eq!(values(output), expected, "{lines:?}");
    }
}

#[track_caller]
fn assert_bools(line: &str, a: &[i64], b: &[i64], expected: &[bool]) {
    let line = format!("%2: bool[$N] = {line}");
    for output in outputs(&program("bool[$N]", &[&line]), a, b) {
        let data = output.bool::<1>().into_data();
        assert_eq!(data.iter::<bool>().collect::<Vec<_>>(), expected, "{line}");
    }
}

/// One operation of the type of `a`.
#[track_caller]
fn assert_op(op: &str, a: &[i64], b: &[i64], expected: &[i64]) {
    assert_ints("i64[$N]", &[&format!("%2: i64[$N] = {op}")], a, b, expected);
}

#[test]
fn arithmetic() {
    let small = [2_000_000_000, -2_000_000_000, 46_341, 7];
    assert_op(
        "add(%0, %1)",
        &small,
        &small,
        &[4_000_000_000, -4_000_000_000, 92_682, 14],
    );
    assert_op(
        "sub(%0, %1)",
        &small,
        &[-small[0], BIG, 1, 8],
        &[4_000_000_000, -5_000_000_000, 46_340, -1],
    );
    assert_op(
        "mul(%0, %1)",
        &small,
        &[3, 3, 46_341, -BIG],
        &[6_000_000_000, -6_000_000_000, 2_147_488_281, -7 * BIG],
    );
    assert_op(
        "mul(%0, %1)",
        &small,
        &[3, 3, 46_341, -1],
        &[6_000_000_000, -6_000_000_000, 2_147_488_281, -7],
    );
    let (a, b) = ([HUGE, -HUGE, 7, -7], [3, 3, BIG, -2]);
    assert_op(
        "div(%0, %1)",
        &a,
        &b,
        &[366_503_875_925, -366_503_875_925, 0, 3],
    );
    // Of the divisor's sign.
    assert_op("rem(%0, %1)", &a, &b, &[2, 1, 7, -1]);
    assert_op("div(%0, %1)", &[i64::MIN, 8], &[-1, -1], &[i64::MIN, -8]);
    assert_op("rem(%0, %1)", &[i64::MIN, 8], &[-1, -1], &[0, 0]);
    let least = i64::from(i32::MIN);
    assert_op("div(%0, %1)", &[least, least], &[-1, 1], &[-least, least]);
    assert_op("neg(%0)", &[least, BIG], &[0, 0], &[-least, -BIG]);
    assert_op("abs(%0)", &[least, -BIG], &[0, 0], &[-least, BIG]);
    assert_op("neg(%0)", &[least, 5], &[0, 0], &[-least, -5]);
    assert_op("sign(%0)", &[-BIG, BIG, 0], &[0; 3], &[-1, 1, 0]);
    assert_op(
        "add_scalar{rhs=3000000000}(%0)",
        &[1, -1],
        &[0; 2],
        &[BIG + 1, BIG - 1],
    );
    assert_op(
        "sub_scalar{rhs=2000000000}(%0)",
        &[-2_000_000_000],
        &[0],
        &[-4_000_000_000],
    );
    assert_op(
        "mul_scalar{rhs=65536}(%0)",
        &[40_000, -40_000],
        &[0; 2],
        &[2_621_440_000, -2_621_440_000],
    );
    assert_op(
        "div_scalar{rhs=-1}(%0)",
        &[least, i64::MIN],
        &[0; 2],
        &[-least, i64::MIN],
    );
    assert_op(
        "div_scalar{rhs=1000}(%0)",
        &[BIG, -BIG],
        &[0; 2],
        &[3_000_000, -3_000_000],
    );
    assert_op(
        "rem_scalar{rhs=3000000001}(%0)",
        &[-1, 5],
        &[0; 2],
        &[BIG, 5],
    );
}

#[test]
fn rows_and_elements_by_index() {
    let x = [HUGE << 20, (HUGE << 20) + 1, -HUGE, 2_000_000_000];
    let to = [1, 1, 0, 0];
    assert_op(
        "gather(%0, %1)",
        &x,
        &[1, 0, 3, 2],
        &[x[1], x[0], x[3], x[2]],
    );
    let scatter = |reduce: &str| format!("scatter{{reduce={reduce}, size=$N}}(%0, %1)");
    let zeros = [0; 4];
    assert_op(
        &scatter("sum"),
        &x[2..],
        &to[..2],
        &[0, 2_000_000_000 - HUGE],
    );
    assert_op(
        &scatter("sum"),
        &[2_000_000_000; 4],
        &zeros,
        &[8_000_000_000, 0, 0, 0],
    );
    assert_op(&scatter("max"), &x, &to, &[x[3], x[1], 0, 0]);
    assert_op(&scatter("min"), &x, &to, &[x[2], x[0], 0, 0]);
    assert_op(
        &scatter("max"),
        &[-5, -7, i64::from(i32::MIN)],
        &[0, 0, 2],
        &[-5, 0, i64::from(i32::MIN)],
    );
    assert_op(&scatter("max"), &[i64::MIN, 1], &[1, 0], &[1, i64::MIN]);
    assert_op(
        &scatter("mul"),
        &[100_000, 100_000, 3],
        &[2, 2, 0],
        &[3, 1, 10_000_000_000],
    );
    let elements = |reduce: &str| format!("scatter_elements{{dim=0, reduce={reduce}}}(%0, %1, %0)");
    assert_op(&elements("sum"), &x[..2], &[1, 1], &[x[0], 3 * x[0] + 2]);
    assert_op(
        &elements("sum"),
        &[2_000_000_000; 2],
        &[1, 0],
        &[4_000_000_000; 2],
    );
    assert_op(&elements("max"), &x, &to, &[x[0], x[1], -HUGE, x[3]]);
    assert_op(
        &elements("mul"),
        &[100_000, 3],
        &[0, 0],
        &[30_000_000_000, 3],
    );
}

#[test]
fn sums_and_order_along_axes() {
    assert_op(
        "cumsum{dim=0}(%0)",
        &[2_000_000_000; 3],
        &[0; 3],
        &[2_000_000_000, 4_000_000_000, 6_000_000_000],
    );
    assert_op(
        "cumsum{dim=0}(%0)",
        &[HUGE, 1, -HUGE],
        &[0; 3],
        &[HUGE, HUGE + 1, 1],
    );
    // More than a block, and the last one not full.
    let many: Vec<i64> = (1..=1500).map(|at| at * BIG).collect();
    let sums: Vec<i64> = (1..=1500).map(|at| at * (at + 1) / 2 * BIG).collect();
    assert_op("cumsum{dim=0}(%0)", &many, &many, &sums);
    // Neighbours that are one float.
    let near = [HUGE << 20, (HUGE << 20) + 1, i64::MIN, i64::MAX, HUGE << 20];
    let ascending = [i64::MIN, HUGE << 20, HUGE << 20, (HUGE << 20) + 1, i64::MAX];
    let order = |which: &str, op: &str, expected: &[i64]| {
        let line = format!("%2: i64[$N], %3: i64[$N] = {op}(%0)");
        let line = [
            line.as_str(),
            &format!("%4: i64[$N] = gather_elements{{dim=0}}({which}, %3)"),
        ];
        assert_ints("i64[$N]", &line, &near, &[0, 1, 2, 3, 4], expected);
    };
    order("%0", "sort{dim=0, descending=false}", &ascending);
    order("%1", "sort{dim=0, descending=false}", &[2, 0, 4, 1, 3]);
    order("%1", "sort{dim=0, descending=true}", &[3, 1, 0, 4, 2]);
    order("%1", "top_k{dim=0, k=$N, largest=true}", &[3, 1, 0, 4, 2]);
    assert_op(
        "searchsorted{right=false}(%0, %1)",
        &ascending,
        &near,
        &[1, 3, 0, 4, 1],
    );
    assert_op(
        "searchsorted{right=true}(%0, %1)",
        &ascending,
        &near,
        &[3, 4, 1, 5, 3],
    );
    assert_op(
        "searchsorted{right=true}(%0, %1)",
        &[1, 2],
        &[HUGE, -HUGE],
        &[2, 0],
    );
}

#[test]
fn powers_are_exact() {
    let a = [3, -3, 2, 1, 0, -1];
    assert_op(
        "pow_scalar{rhs=20}(%0)",
        &a,
        &[0; 6],
        &[3_486_784_401, 3_486_784_401, 1_048_576, 1, 0, 1],
    );
    assert_op("pow_scalar{rhs=0}(%0)", &a, &[0; 6], &[1; 6]);
    assert_op("pow_scalar{rhs=1}(%0)", &[HUGE], &[0], &[HUGE]);
    assert_op(
        "pow_scalar{rhs=3}(%0)",
        &[2_000_001, -5],
        &[0; 2],
        &[8_000_012_000_006_000_001, -125],
    );
    assert_op(
        "pow(%0, %1)",
        &[3, -3, 2, 10, 0, -1, 5],
        &[20, 21, 62, 18, 0, 1_000_001, 1],
        &[
            3_486_784_401,
            -10_460_353_203,
            1 << 62,
            1_000_000_000_000_000_000,
            1,
            -1,
            5,
        ],
    );
    // As in PyTorch: the reciprocal, rounded towards 0.
    assert_op(
        "pow(%0, %1)",
        &[1, -1, -1, 2, 0, 3],
        &[-5, -5, -4, -1, -1, 2],
        &[1, -1, 1, 0, 0, 9],
    );
}

#[test]
fn comparisons() {
    let (a, b) = ([BIG, -BIG, 1 << 32, 5], [BIG, BIG, 0, 5 - (1 << 32)]);
    assert_bools("equal(%0, %1)", &a, &b, &[true, false, false, false]);
    assert_bools("not_equal(%0, %1)", &a, &b, &[false, true, true, true]);
    assert_bools("greater(%0, %1)", &a, &b, &[false, false, true, true]);
    assert_bools("greater_equal(%0, %1)", &a, &b, &[true, false, true, true]);
    assert_bools("lower(%0, %1)", &a, &b, &[false, true, false, false]);
    assert_bools("lower_equal(%0, %1)", &a, &b, &[true, true, false, false]);
    for (op, expected) in [
        ("equal", [false, false, true]),
        ("not_equal", [true, true, false]),
        ("greater", [false, false, false]),
        ("greater_equal", [false, false, true]),
        ("lower", [true, true, false]),
        ("lower_equal", [true, true, true]),
    ] {
        assert_bools(
            &format!("{op}_scalar{{rhs=4294967297}}(%0)"),
            &[1, -BIG, (1 << 32) + 1],
            &[0; 3],
            &expected,
        );
        // With 32 bits on the left, too.
        let expected = [expected[0], expected[1]];
        assert_bools(
            &format!("{op}_scalar{{rhs=4294967297}}(%0)"),
            &[1, -1],
            &[0; 2],
            &expected,
        );
    }
}

#[test]
fn limits_and_masks() {
    assert_op(
        "clamp{min=-3000000000, max=3000000000}(%0)",
        &[-HUGE, 5, HUGE],
        &[0; 3],
        &[-BIG, 5, BIG],
    );
    assert_op(
        "clamp{min=3000000000, max=none}(%0)",
        &[-5, 5],
        &[0; 2],
        &[BIG, BIG],
    );
    assert_op(
        "clamp{min=none, max=-3000000000}(%0)",
        &[-5, 5],
        &[0; 2],
        &[-BIG, -BIG],
    );
    // The upper bound holds where the bounds cross.
    assert_op(
        "clamp{min=7, max=3}(%0)",
        &[1, 5, HUGE],
        &[0; 3],
        &[3, 3, 3],
    );
    let mask = "%2: bool[$N] = greater_scalar{rhs=0}(%1)";
    assert_ints(
        "i64[$N]",
        &[mask, "%3: i64[$N] = mask_fill{value=-3000000000}(%0, %2)"],
        &[1, 2],
        &[0, 1],
        &[1, -BIG],
    );
    assert_ints(
        "i64[$N]",
        &[mask, "%3: i64[$N] = mask_where(%0, %2, %1)"],
        &[-BIG, 2],
        &[0, BIG],
        &[-BIG, BIG],
    );
    // Values of two widths.
    assert_ints(
        "i64[$N]",
        &[
            mask,
            "%3: i64[$N] = full{value=-3000000000, elem=i64, dims=[$N]}()",
            "%4: i64[$N] = mask_where(%0, %2, %3)",
        ],
        &[1, 2],
        &[0, 1],
        &[1, -BIG],
    );
}

#[test]
fn constants_and_sizes() {
    assert_ints(
        "i64[4]",
        &["%2: i64[4] = arange{start=2999999998, end=3000000002}()"],
        &[0],
        &[0],
        &[BIG - 2, BIG - 1, BIG, BIG + 1],
    );
    assert_ints(
        "i64[2]",
        &["%2: i64[2] = arange{start=-3000000000, end=-2999999998}()"],
        &[0],
        &[0],
        &[-BIG, -BIG + 1],
    );
    assert_ints(
        "i64[1]",
        &["%2: i64[1] = arange{start=2147483647, end=2147483648}()"],
        &[0],
        &[0],
        &[2_147_483_647],
    );
    let constant = "%2: i64[2] = full{value=-3000000000, elem=i64, dims=[2]}()";
    assert_ints("i64[2]", &[constant], &[0], &[0], &[-BIG; 2]);
    // A size that is computed: 1,500,000,000 times two nodes.
    assert_op(
        "add_scalar{rhs=1500000000*$N}(%0)",
        &[1, 2],
        &[0; 2],
        &[BIG + 1, BIG + 2],
    );
    let text = "kiln 1
symbols $N
weight @index: buffer i64[3]
module @ = Net {
  weight @index
  method forward(a: i64[$N], b: i64[$N]) -> i64[3] {
    case () -> @forward
  }
}
fn @forward(a %0: i64[$N], b %1: i64[$N]) -> (%2) {
  %2: i64[3] = weight @index
}
; weight index = 3000000000 -3000000000 1099511627777
";
    for output in outputs(text, &[0], &[0]) {
        assert_eq!(values(output), [BIG, -BIG, HUGE]);
    }
}

#[test]
fn casts() {
    let floats_of = "%2: f64[$N] = cast{elem=f64}(%0)";
    assert_ints(
        "i64[$N]",
        &[floats_of, "%3: i64[$N] = cast{elem=i64}(%2)"],
        &[BIG, -BIG, HUGE],
        &[0; 3],
        &[BIG, -BIG, HUGE],
    );
    let mask_of = "%2: bool[$N] = cast{elem=bool}(%0)";
    assert_ints(
        "i64[$N]",
        &[
            mask_of,
            "%3: i64[$N] = cast{elem=i64}(%2)",
            "%4: i64[$N] = mul(%3, %1)",
        ],
        &[1 << 32, 0],
        &[BIG, BIG],
        &[BIG, 0],
    );
    let (device, _guard) = device();
    let text = "kiln 1
symbols $N
module @ = Net {
  method forward(x: f32[$N]) -> i64[$N] {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N]) -> (%2) {
  %1: f32[$N] = mul_scalar{rhs=4294967296.0}(%0)
  %2: i64[$N] = cast{elem=i64}(%1)
}
";
    let session = Session::new(&model(text), &device).unwrap();
    let output = session
        .run("forward", one("x", floats([3], 0, &device)))
        .unwrap()
        .remove(0)
        .1;
    assert_eq!(values(output), [-(1 << 32), 3 << 30, -3 << 29]);
}

#[test]
fn moved_values() {
    let pair = [BIG, -BIG];
    assert_ints(
        "i64[2*$N]",
        &["%2: i64[2*$N] = cat{dim=0}(%0, %1)"],
        &pair,
        &[1, 2],
        &[BIG, -BIG, 1, 2],
    );
    // Parts of two widths.
    assert_ints(
        "i64[$N + 2]",
        &[
            "%2: i64[2] = arange{start=3000000000, end=3000000002}()",
            "%3: i64[$N + 2] = cat{dim=0}(%0, %2)",
        ],
        &[1],
        &[0],
        &[1, BIG, BIG + 1],
    );
    assert_ints(
        "i64[1]",
        &["%2: i64[1] = slice{ranges=[1..2]}(%0)"],
        &pair,
        &[0; 2],
        &[-BIG],
    );
    assert_op("select{dim=0}(%0, %1)", &pair, &[1, 0], &[-BIG, BIG]);
    assert_op(
        "gather_elements{dim=0}(%0, %1)",
        &pair,
        &[1, 0],
        &[-BIG, BIG],
    );
    assert_ints(
        "i64[2*$N]",
        &["%2: i64[2*$N] = repeat_dim{dim=0, times=2}(%0)"],
        &pair,
        &[0; 2],
        &[BIG, -BIG, BIG, -BIG],
    );
    assert_ints(
        "i64[2, $N]",
        &[
            "%2: i64[1, $N] = reshape{dims=[1, $N]}(%0)",
            "%3: i64[2, $N] = expand{dims=[2, $N]}(%2)",
            "%4: i64[$N, 2] = permute{axes=[1, 0]}(%3)",
            "%5: i64[2, $N] = permute{axes=[1, 0]}(%4)",
        ],
        &pair,
        &[0; 2],
        &[BIG, -BIG, BIG, -BIG],
    );
    // An input that is a result.
    assert_ints(
        "i64[$N]",
        &["%2: i64[$N] = reshape{dims=[$N]}(%0)"],
        &pair,
        &[0; 2],
        &pair,
    );
    assert_ints(
        "i64[$N]",
        &["%2: i64[$N] = reshape{dims=[$N]}(%0)"],
        &[1, 2],
        &[0; 2],
        &[1, 2],
    );
}

#[test]
fn reductions() {
    let reduce = |name: &str, a: &[i64], expected: i64| {
        let line = format!("%2: i64[1] = reduce_{name}{{axes=[0]}}(%0)");
        assert_ints("i64[1]", &[&line], a, &vec![0; a.len()], &[expected]);
    };
    reduce("sum", &[2_000_000_000; 4], 8_000_000_000);
    reduce("sum", &[BIG, -HUGE, 1], BIG - HUGE + 1);
    reduce("prod", &[2_000_000_000, -3], -6_000_000_000);
    reduce("max", &[BIG, 5, 1 << 32], 1 << 32);
    reduce("min", &[-BIG, 5, -(1 << 32)], -(1 << 32));
    // The largest of 32 bits is another.
    let line = "%2: i64[1] = arg_max{dim=0}(%0)";
    assert_ints("i64[1]", &[line], &[5, (1 << 32) + 1, 7], &[0; 3], &[1]);
}

/// The key of a pair of nodes, from 46,341 nodes on.
#[test]
fn keys_of_edges() {
    let nodes = 50_000;
    let (row, col) = ([49_999, 0, 46_340], [49_999, 3, 46_340]);
    let expected: Vec<i64> = row
        .iter()
        .zip(col)
        .map(|(row, col)| row * nodes + col)
        .collect();
    let lines = [
        "%2: i64[$N] = mul_scalar{rhs=50000}(%0)",
        "%3: i64[$N] = add(%2, %1)",
    ];
    assert_ints("i64[$N]", &lines, &row, &col, &expected);
}

/// Edges of both widths in one graph.
#[test]
fn indices_of_both_widths() {
    let (device, _guard) = device();
    let text = "kiln 1
symbols $N, $E
module @ = Net {
  method forward(x: f32[$N, 2], src: i64[$E], dst: i64[$E]) -> (f32[$N, 2], f32[$N], i64[$N + 1], i64[$E], i64[$E], i64[$N], f32[$N, 2], f32[$E, 2], f32[$N, 2]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 2], src %1: i64[$E], dst %2: i64[$E]) -> (%3, %4, %5, %6, %7, %8, %9, %10, %11) {
  %3: f32[$N, 2] = spmm{reduce=sum, size=$N}(%0, %1, %2)
  %4: f32[$N] = degree{size=$N, elem=f32}(%2)
  %5: i64[$N + 1], %6: i64[$E] = coo_to_csr{size=$N}(%2)
  %7: i64[$E] = ptr_to_index{entries=$E}(%5)
  %8: i64[$N] = self_loop_position{size=$N}(%1, %2)
  %9: f32[$N, 2] = spmm_csr{reduce=sum}(%0, %5, %1)
  %10: f32[$E, 2] = gather(%0, %1)
  %11: f32[$N, 2] = spmm{reduce=mul, size=$N}(%0, %1, %2)
}
";
    let session = Session::new(&model(text), &device).unwrap();
    let run = |src: DType, dst: DType| {
        let inputs = Inputs::from([
            ("x".to_owned(), floats([3, 2], 0, &device)),
            ("src".to_owned(), ints(&[0, 1, 2, 2], src, &device)),
            ("dst".to_owned(), ints(&[1, 1, 0, 1], dst, &device)),
        ]);
        let outputs = session.run("forward", inputs).unwrap().into_iter();
        let data = |tensor: AnyTensor| match (tensor.dtype(), tensor.shape().num_dims()) {
            (DType::I64, 1) => tensor.int::<1>().into_data(),
            (DType::F32, 1) => tensor.float::<1>().into_data(),
            (DType::F32, 2) => tensor.float::<2>().into_data(),
            other => panic!("no such output: {other:?}"),
        };
        outputs.map(|(_, tensor)| data(tensor)).collect::<Vec<_>>()
    };
    let expected = run(DType::I64, DType::I64);
    let (wide, narrow) = (DType::I64, DType::I32);
    for (src, dst) in [(wide, narrow), (narrow, wide), (narrow, narrow)] {
        assert_eq!(run(src, dst), expected, "{src:?}, {dst:?}");
    }
}

/// Integers of other types than those of programs.
#[test]
fn inputs_of_every_type() {
    let (device, _guard) = device();
    let session = Session::new(
        &model(&program("i64[$N]", &["%2: i64[$N] = add(%0, %1)"])),
        &device,
    )
    .unwrap();
    let b = |value: i64| ints(&[value], DType::I64, &device);
    for (dtype, value) in [
        (DType::I8, -128),
        (DType::I16, -32_768),
        (DType::I32, -2_147_483_648),
        (DType::I64, -HUGE),
        (DType::U8, 255),
        (DType::U16, 65_535),
        (DType::U32, 4_294_967_295),
        (DType::U64, HUGE),
    ] {
        if !device.supports_dtype(dtype) {
            continue;
        }
        let a = ints(&[value], dtype, &device);
        let inputs = Inputs::from([("a".to_owned(), a), ("b".to_owned(), b(1))]);
        let output = session.run("forward", inputs).unwrap().remove(0).1;
        assert_eq!(values(output), [value + 1], "{dtype:?}");
    }
    let data = TensorData::new(vec![u64::MAX], [1]);
    let a: AnyTensor = Tensor::<1, Int>::from_data(data, (&device, DType::U64)).into();
    let inputs = Inputs::from([("a".to_owned(), a), ("b".to_owned(), b(1))]);
    let error = session.run("forward", inputs).unwrap_err();
    assert!(matches!(error, ExecError::Integer { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "input \"a\" has 18446744073709551615, but this device computes with integers of 64 bits"
    );
}

/// A mask's positions as numbers that are computed with.
#[test]
fn positions_are_numbers() {
    let lines = [
        "%2: bool[$N] = greater_scalar{rhs=0}(%0)",
        "%3: i64[$K] = nonzero(%2)",
        "%4: i64[$K] = mul_scalar{rhs=3000000000}(%3)",
    ];
    assert_ints("i64[$K]", &lines, &[0, 1, 5], &[0; 3], &[BIG, 2 * BIG]);
    let (device, _guard) = device();
    let text = "kiln 1
symbols $N
module @ = Net {
  method forward(x: f32[$N], mask: bool[$N], at: i64[$N]) -> (i64[1], i64[1], bool[$N]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N], mask %1: bool[$N], at %2: i64[$N]) -> (%4, %6, %7) {
  %3: i64[1] = arg_max{dim=0}(%0)
  %4: i64[1] = mul_scalar{rhs=3000000000}(%3)
  %5: i64[$N] = cast{elem=i64}(%1)
  %6: i64[1] = reduce_sum{axes=[0]}(%5)
  %7: bool[$N] = select{dim=0}(%1, %2)
}
";
    let session = Session::new(&model(text), &device).unwrap();
    let mask = Tensor::<1, Bool>::from_data([true, false, true], &device);
    let inputs = Inputs::from([
        ("x".to_owned(), floats([3], 0, &device)),
        ("mask".to_owned(), mask.into()),
        ("at".to_owned(), ints(&[2, 2, 1], DType::I64, &device)),
    ]);
    let mut outputs = session
        .run("forward", inputs)
        .unwrap()
        .into_iter()
        .map(|(_, tensor)| tensor);
    assert_eq!(values(outputs.next().unwrap()), [BIG]);
    assert_eq!(values(outputs.next().unwrap()), [2]);
    let taken = outputs.next().unwrap().bool::<1>().into_data();
    assert_eq!(
        taken.iter::<bool>().collect::<Vec<_>>(),
        [true, true, false]
    );
}

/// An index that 32 bits would cut to one in range is out of range, and times beside indices stay.
#[test]
fn indices_beyond_32_bits_are_not_cut() {
    let (device, _guard) = device();
    let text = "kiln 1
symbols $N, $E
module @ = Net {
  method forward(x: f32[$N, 2], events: i64[2, $E]) -> (f32[$E, 2], i64[$E]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 2], events %1: i64[2, $E]) -> (%6, %7) {
  %2: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %3: i64[$E] = reshape{dims=[$E]}(%2)
  %4: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %5: i64[$E] = reshape{dims=[$E]}(%4)
  %6: f32[$E, 2] = gather(%0, %3)
  %7: i64[$E] = add_scalar{rhs=1}(%5)
}
";
    let session = Session::new(&model(text), &device).unwrap();
    let run = |events: [[i64; 2]; 2]| {
        let data = TensorData::from(events);
        let events = Tensor::<2, Int>::from_data(data, (&device, DType::I64));
        let inputs = Inputs::from([
            ("x".to_owned(), floats([2, 2], 0, &device)),
            ("events".to_owned(), events.into()),
        ]);
        session.run("forward", inputs).unwrap().remove(1).1
    };
    assert_eq!(values(run([[0, 1], [BIG, -BIG]])), [BIG + 1, 1 - BIG]);
    if backend_name() == "flex" {
        for index in [BIG, (1 << 32) + 1, -(1 << 32)] {
            let run = || run([[0, index], [5, 6]]);
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{index}");
        }
    }
}
