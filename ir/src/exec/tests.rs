//! Devices whose integers have 32 bits, in the place of which the CPU stands with half of its own;
//! and what becomes of values that nobody reads.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use kiln_core::{AnyTensor, Kind};

use super::{ExecError, MAX_NODES, Schedule, Session, Values, schedule::Step, width::Width};
use crate::{ElemType, Model, Weights, parse, pass, program::ValueId, validate};

fn session(text: &str, weight: Option<i64>) -> Result<Session, ExecError> {
    let mut weights = Weights::new();
    if let Some(value) = weight {
        weights
            .insert("w", ElemType::I64, vec![1], value.to_le_bytes().to_vec())
            .expect("a weight of one integer");
    }
    let program = validate(parse(text).expect("a program")).expect("a valid program");
    let model = Model::new(program, weights).expect("a model");
    let (device, passes) = (Device::flex(), &pass::EXECUTION);
    Session::with_width(&model, &device, passes, MAX_NODES, Width::Narrow)
}

fn ints(values: &[i64], dtype: DType) -> AnyTensor {
    let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
    Tensor::<1, Int>::from_data(data, (&Device::flex(), dtype)).into()
}

/// A program of integers `a` and `b` (`%0` and `%1`) and floats `x` (`%2`), whose result is its
/// last value.
fn program(result: &str, lines: &[&str]) -> String {
    let body = format!("  {}\n", lines.join("\n  "));
    let params = "a: i64[$N], b: i64[$N], x: f32[$N]";
    let inputs = "a %0: i64[$N], b %1: i64[$N], x %2: f32[$N]";
    let last = lines.len() + 2;
    format!(
        "kiln 1\nsymbols $N\nmodule @ = Net {{\n  method forward({params}) -> {result} {{\n    \
         case () -> @forward\n  }}\n}}\nfn @forward({inputs}) -> (%{last}) {{\n{body}}}\n"
    )
}

fn run(result: &str, lines: &[&str], [a, b]: [&[i64]; 2], x: &[f32]) -> Result<Vec<i64>, String> {
    let session = session(&program(result, lines), None).map_err(|error| error.to_string())?;
    let x = Tensor::<1>::from_data(TensorData::new(x.to_vec(), [x.len()]), &Device::flex());
    let inputs = || {
        BTreeMap::from([
            ("a".to_owned(), ints(a, DType::I64)),
            ("b".to_owned(), ints(b, DType::I32)),
            ("x".to_owned(), x.clone().into()),
        ])
    };
    let mut outputs = session
        .run("forward", inputs())
        .map_err(|error| error.to_string())?;
    let output = outputs.remove(0).1;
    let mut call = session
        .prepare("forward", inputs())
        .map_err(|error| error.to_string())?;
    let again = call
        .run_with(inputs())
        .map_err(|error| error.to_string())?
        .remove(0)
        .1;
    assert_eq!(values(again), values(output.clone()));
    Ok(values(output))
}

fn values(tensor: AnyTensor) -> Vec<i64> {
    match tensor.kind() {
        Kind::Int => tensor.int::<1>().into_data().iter::<i64>().collect(),
        Kind::Bool => tensor.bool::<1>().into_data().iter::<i64>().collect(),
        Kind::Float => panic!("no integers"),
    }
}

/// Runs one operation.
fn op(op: &str, a: &[i64], b: &[i64]) -> Result<Vec<i64>, String> {
    let x = vec![0.0; a.len()];
    run("i64[$N]", &[&format!("%3: i64[$N] = {op}")], [a, b], &x)
}

const BITS: &str = "but this device computes with integers of 32 bits";

/// Requires an error that says what the operation has, or may give.
#[track_caller]
fn assert_refused(text: &str, a: &[i64], b: &[i64], verb: &str, value: i128) {
    let expected = format!("%3: i64[$N] = {text} {verb} {value}, {BITS}");
    assert_eq!(op(text, a, b), Err(expected));
}

#[test]
fn inputs_and_weights_that_do_not_fit_are_named() {
    let got = op("add(%0, %1)", &[3_000_000_000], &[1]);
    assert_eq!(got, Err(format!("input \"a\" has 3000000000, {BITS}")));
    let got = op("add(%0, %1)", &[2_000_000_000], &[1]);
    assert_eq!(got, Ok(vec![2_000_000_001]));

    let text = "kiln 1
symbols $N
weight @w: buffer i64[1]
module @ = Net {
  weight @w
  method forward(a: i64[$N]) -> i64[1] {
    case () -> @forward
  }
}
fn @forward(a %0: i64[$N]) -> (%1) {
  %1: i64[1] = weight @w
}
";
    assert!(session(text, Some(-5)).is_ok());
    let error = session(text, Some(-3_000_000_000)).expect_err("too small");
    assert_eq!(
        error.to_string(),
        format!("weight \"w\" has -3000000000, {BITS}")
    );
}

#[test]
fn computed_integers_are_bounded() {
    let [low, high] = [i64::from(i32::MIN), i64::from(i32::MAX)];
    let least = i128::from(low);
    assert_eq!(
        op("add(%0, %1)", &[high - 1, 1], &[1, 1]),
        Ok(vec![high, 2])
    );
    assert_refused("add(%0, %1)", &[high, 1], &[1, 1], "may give", -least);
    assert_refused("sub(%0, %1)", &[low, 1], &[1, 1], "may give", least - 1);
    assert_refused("mul(%0, %1)", &[65_536], &[65_536], "may give", 1 << 32);
    assert_refused("mul(%0, %1)", &[65_536], &[-65_536], "may give", -1 << 32);
    let rows = "scatter{reduce=sum, size=$N}(%0, %1)";
    assert_eq!(op(rows, &[7, 8], &[1, 1]), Ok(vec![0, 15]));
    assert_refused(rows, &[high, 1], &[0, 1], "may give", 2 * i128::from(high));
    let elements = "scatter_elements{dim=0, reduce=sum}(%0, %1, %0)";
    assert_eq!(op(elements, &[7, 8], &[1, 1]), Ok(vec![7, 23]));
    assert_refused(
        elements,
        &[high, 1],
        &[1, 1],
        "may give",
        3 * i128::from(high),
    );
    let sum = "cumsum{dim=0}(%0)";
    assert_eq!(
        op(sum, &[high - 5, -5, 3], &[0; 3]),
        Err(format!(
            "%3: i64[$N] = {sum} may give {}, {BITS}",
            3 * (i128::from(high) - 5)
        ))
    );
    assert_eq!(op(sum, &[1000, -5, 3], &[0; 3]), Ok(vec![1000, 995, 998]));
    assert_eq!(
        op("searchsorted{right=true}(%0, %1)", &[low, high], &[high, 0]),
        Ok(vec![2, 1])
    );
    assert_refused("neg(%0)", &[low], &[0], "may give", -least);
    assert_refused("abs(%0)", &[low], &[0], "may give", -least);
    assert_refused("div_scalar{rhs=-1}(%0)", &[low], &[0], "may give", -least);
    assert_refused(
        "pow_scalar{rhs=21}(%0)",
        &[3],
        &[0],
        "may give",
        10_460_353_203,
    );
    assert_refused("pow(%0, %1)", &[3, 2], &[1, 40], "may give", 3_i128.pow(40));
    let power = op("pow_scalar{rhs=19}(%0)", &[-3], &[0]);
    assert_eq!(power, Ok(vec![-1_162_261_467]));
    assert_eq!(op("pow(%0, %1)", &[3, -2], &[4, 5]), Ok(vec![81, -32]));
    assert_eq!(op("div(%0, %1)", &[low, 7], &[2, 1]), Ok(vec![low / 2, 7]));
    assert_eq!(op("rem(%0, %1)", &[high, -7], &[2, 4]), Ok(vec![1, 1]));
    assert_eq!(op("sign(%0)", &[low, 7], &[0, 0]), Ok(vec![-1, 1]));
    assert_eq!(op("add(%0, %1)", &[], &[]), Ok(vec![]));
}

#[test]
fn constants_and_scalars_must_fit() {
    assert_refused(
        "add_scalar{rhs=3000000000}(%0)",
        &[-5],
        &[0],
        "has",
        3_000_000_000,
    );
    assert_refused(
        "clamp{min=none, max=3000000000}(%0)",
        &[5],
        &[0],
        "has",
        3_000_000_000,
    );
    assert_refused(
        "full{value=-3000000000, elem=i64, dims=[$N]}()",
        &[5],
        &[0],
        "may give",
        -3_000_000_000,
    );
    let line = "%3: i64[2] = arange{start=2147483647, end=2147483649}()";
    let got = run("i64[2]", &[line], [&[0], &[0]], &[0.0]);
    assert_eq!(got, Err(format!("{line} may give 2147483648, {BITS}")));
    let line = "%3: i64[1] = arange{start=2147483647, end=2147483648}()";
    let got = run("i64[1]", &[line], [&[0], &[0]], &[0.0]);
    assert_eq!(got, Ok(vec![2_147_483_647]));
    // A scalar that wraps would be another number.
    let line = "%3: bool[$N] = lower_scalar{rhs=4294967297}(%0)";
    let got = run("bool[$N]", &[line], [&[5], &[0]], &[0.0]);
    assert_eq!(got, Err(format!("{line} has 4294967297, {BITS}")));
    let lines = [
        "%3: bool[$N] = lower(%0, %1)",
        "%4: i64[$N] = mask_fill{value=3000000000}(%0, %3)",
    ];
    let got = run("i64[$N]", &lines, [&[5], &[0]], &[0.0]);
    assert_eq!(got, Err(format!("{} has 3000000000, {BITS}", lines[1])));
    // By sizes: 1,500,000,000 times the number of nodes.
    let text = "add_scalar{rhs=1500000000*$N}(%0)";
    assert_eq!(op(text, &[1], &[0]), Ok(vec![1_500_000_001]));
    assert_refused(text, &[1, 1], &[0, 0], "has", 3_000_000_000);
}

#[test]
fn reductions_and_casts_are_bounded() {
    let run_one = |line: &str, a: &[i64]| {
        run(
            "i64[1]",
            &[line],
            [a, &vec![0; a.len()]],
            &vec![0.0; a.len()],
        )
    };
    let line = "%3: i64[1] = reduce_sum{axes=[0]}(%0)";
    assert_eq!(run_one(line, &[1_000_000_000, -5]), Ok(vec![999_999_995]));
    let got = run_one(line, &[2_000_000_000, 2_000_000_000]);
    assert_eq!(got, Err(format!("{line} may give 4000000000, {BITS}")));
    let line = "%3: i64[1] = reduce_prod{axes=[0]}(%0)";
    assert_eq!(run_one(line, &[40_000, 40_000]), Ok(vec![1_600_000_000]));
    let got = run_one(line, &[50_000, -50_000]);
    assert_eq!(got, Err(format!("{line} may give -2500000000, {BITS}")));
    assert_eq!(
        run_one("%3: i64[1] = reduce_max{axes=[0]}(%0)", &[5, 9]),
        Ok(vec![9])
    );

    let line = "%3: i64[$N] = cast{elem=i64}(%2)";
    let cast = |x: &[f32]| {
        run(
            "i64[$N]",
            &[line],
            [&vec![0; x.len()], &vec![0; x.len()]],
            x,
        )
    };
    assert_eq!(cast(&[-2.5, 2.0e9]), Ok(vec![-2, 2_000_000_000]));
    assert_eq!(
        cast(&[0.0, 4.0e9]),
        Err(format!("{line} may give 4000000000, {BITS}"))
    );
}

/// The key of a pair of nodes: as many as fit, and no more. Bounds of a value follow from those it
/// is computed from.
#[test]
fn keys_of_edges() {
    let lines = [
        "%3: i64[$N] = mul_scalar{rhs=46340}(%0)",
        "%4: i64[$N] = add(%3, %1)",
    ];
    let keys = |a: i64, b: i64| run("i64[$N]", &lines, [&[a], &[b]], &[0.0]);
    assert_eq!(keys(46_339, 46_339), Ok(vec![46_339 * 46_340 + 46_339]));
    assert_eq!(keys(46_340, 46_339), Ok(vec![46_340 * 46_340 + 46_339]));
    let got = keys(46_341, 46_339);
    assert_eq!(
        got,
        Err(format!("{} may give 2147488279, {BITS}", lines[1]))
    );
}

/// Programs that read indices only are run without a question.
#[test]
fn message_passing_runs() {
    let text = "kiln 1
symbols $N, $E
module @ = Net {
  method forward(x: f32[$N, 1], edge_index: i64[2, $E]) -> (f32[$N, 1], i64[$E + $N]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 1], edge_index %1: i64[2, $E]) -> (%9, %7) {
  %2: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)
  %3: i64[$E] = reshape{dims=[$E]}(%2)
  %4: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)
  %5: i64[$E] = reshape{dims=[$E]}(%4)
  %6: i64[$N] = arange{start=0, end=$N}()
  %7: i64[$E + $N] = cat{dim=0}(%3, %6)
  %8: i64[$E + $N] = cat{dim=0}(%5, %6)
  %9: f32[$N, 1] = spmm{reduce=sum, size=$N}(%0, %7, %8)
}
";
    let session = session(text, None).expect("a session");
    let device = Device::flex();
    for dtype in [DType::I32, DType::I64] {
        let x = Tensor::<2>::from_data(TensorData::from([[1.0_f32], [2.0], [3.0]]), &device);
        let data = TensorData::from([[0_i64, 1], [1, 2]]).convert_dtype(dtype);
        let edges = Tensor::<2, Int>::from_data(data, (&device, dtype));
        let inputs = BTreeMap::from([
            ("x".to_owned(), AnyTensor::from(x)),
            ("edge_index".to_owned(), edges.into()),
        ]);
        let mut outputs = session.run("forward", inputs).expect("a run").into_iter();
        let x = outputs.next().expect("rows").1.float::<2>().into_data();
        assert_eq!(x.iter::<f32>().collect::<Vec<_>>(), [1.0, 3.0, 5.0]);
        let src = outputs.next().expect("indices").1;
        assert_eq!(src.dtype(), DType::I32);
        assert_eq!(values(src), [0, 1, 0, 1, 2]);
    }
}

/// As an output of `coo_to_csr` of which only the other is used.
#[test]
fn values_live_until_they_are_read_for_the_last_time() {
    let text = "kiln 1
symbols $N, $E
module @ = Net {
}
fn @forward(unread %0: i64[$N], index %1: i64[$E]) -> (%5) {
  %2: i64[$N + 1], %3: i64[$E] = coo_to_csr{size=$N}(%1)
  %4: i64[$E] = add(%3, %3)
  %5: i64[$E] = add(%3, %4)
}
";
    let function = &parse(text).expect("a program").functions[0];
    let schedule = Schedule::whole(function);
    let tensor = || ints(&[1, 2], DType::I64).into_dispatch();
    let [unread, index, pointers, order, sum, _] = [0, 1, 2, 3, 4, 5].map(ValueId);
    let mut values = Values::new(&schedule, vec![Some(tensor()), Some(tensor())]);
    let is_there = |values: &Values<'_>, id: ValueId| values.tensors[id.index()].is_some();
    assert!(!is_there(&values, unread));
    let take = |values: &mut Values<'_>, step: &Step| {
        let mut freed = Vec::new();
        let operands = values.operands(step, |id| freed.push(id));
        (operands.len(), freed)
    };
    let [sort, twice, last] = &schedule.steps[..] else {
        panic!("three nodes");
    };
    assert_eq!(take(&mut values, sort), (1, vec![index]));
    values.define(pointers, tensor());
    assert!(!is_there(&values, pointers));
    values.define(order, tensor());
    assert_eq!(take(&mut values, twice), (2, vec![]));
    assert!(is_there(&values, order));
    values.define(sum, tensor());
    assert_eq!(take(&mut values, last), (2, vec![order, sum]));
    assert!(!is_there(&values, order));
}

/// For each input of a program, the sizes that its integers are below, as text.
fn bounds(params: &str, lines: &[&str], results: &str) -> Vec<Option<Vec<String>>> {
    let body = format!("  {}\n", lines.join("\n  "));
    let inputs = params.split(", ").enumerate().map(|(at, param)| {
        let (name, ty) = param.split_once(": ").expect("a name and a type");
        format!("{name} %{at}: {}", ty.replace(';', ", "))
    });
    let inputs: Vec<String> = inputs.collect();
    let (result, outputs) = results.split_once(" = ").expect("a type and values");
    let text = format!(
        "kiln 1\nsymbols $N, $E\nmodule @ = Net {{\n  method forward({}) -> {result} {{\n    \
         case () -> @forward\n  }}\n}}\nfn @forward({}) -> ({outputs}) {{\n{body}}}\n",
        params.replace(';', ", "),
        inputs.join(", "),
    );
    let program = validate(parse(&text).expect("a program")).expect("a valid program");
    let words = crate::text::Words(&program);
    let inputs = super::indices::inputs(&program, &program.functions[0]).into_iter();
    let text = |bounds: Vec<crate::Size>| {
        let mut text: Vec<String> = bounds.iter().map(|size| words.size(size)).collect();
        text.sort();
        text
    };
    inputs.map(|bounds| bounds.map(text)).collect()
}

#[test]
fn inputs_that_are_indices_are_found() {
    let ends = [
        "%2: i64[1, $E] = slice{ranges=[0..1, 0..$E]}(%1)",
        "%3: i64[$E] = reshape{dims=[$E]}(%2)",
        "%4: i64[1, $E] = slice{ranges=[1..2, 0..$E]}(%1)",
        "%5: i64[$E] = reshape{dims=[$E]}(%4)",
    ];
    let params = "x: f32[$N;2], edges: i64[2;$E]";
    let found =
        |lines: &[&str], results: &str| bounds(params, &[&ends, lines].concat(), results).remove(1);
    let of_nodes = Some(vec!["$N".to_owned(), "$N".to_owned()]);
    let spmm = "%6: f32[$N, 2] = spmm{reduce=sum, size=$N}(%0, %3, %5)";
    assert_eq!(found(&[spmm], "f32[$N, 2] = %6"), of_nodes);
    // Keys and comparisons of what is an index elsewhere.
    let keys = [
        spmm,
        "%7: i64[$E] = mul_scalar{rhs=$N}(%3)",
        "%8: i64[$E] = add(%7, %5)",
        "%9: bool[$E] = equal(%3, %5)",
    ];
    assert_eq!(
        found(&keys, "(f32[$N, 2], i64[$E], bool[$E]) = %6, %8, %9"),
        of_nodes
    );
    // The second row may have any numbers, such as times.
    let times = [
        "%6: f32[$E, 2] = gather(%0, %3)",
        "%7: i64[$E] = mul_scalar{rhs=2}(%5)",
    ];
    assert_eq!(found(&times, "(f32[$E, 2], i64[$E]) = %6, %7"), None);
    // Nothing is said of numbers of nodes that are no self loop.
    let loops = [
        "%6: i64[$N] = self_loop_position{size=$N}(%3, %5)",
        "%7: i64[$E] = mul_scalar{rhs=2}(%5)",
    ];
    assert_eq!(found(&loops, "(i64[$N], i64[$E]) = %6, %7"), None);
    let of_edges = ["$E", "$E", "$N", "$N"].map(str::to_owned);
    assert_eq!(found(&loops[..1], "i64[$N] = %6"), Some(of_edges.to_vec()));
    // A result is what came.
    assert_eq!(found(&[], "i64[$E] = %3"), None);
    // Some of the integers leave, and then all are read as indices.
    let masked = [
        "%6: bool[$E] = lower(%3, %5)",
        "%7: i64[$E] = mask_fill{value=0}(%3, %6)",
        "%8: f32[$E, 2] = gather(%0, %7)",
    ];
    assert_eq!(found(&masked, "f32[$E, 2] = %8"), None);
    let joined = [
        "%6: i64[$N] = arange{start=0, end=$N}()",
        "%7: i64[$E + $N] = cat{dim=0}(%3, %6)",
        "%8: f32[$E + $N, 2] = gather(%0, %7)",
    ];
    assert_eq!(
        found(&joined, "f32[$N + $E, 2] = %8"),
        Some(vec!["$N".to_owned()])
    );
}
