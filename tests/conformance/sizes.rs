//! What a forward pass computes from sizes: recorded exactly, or refused with its place; never
//! something else.

use std::collections::BTreeMap;

use kiln::{
    burn::{
        self,
        module::Module,
        nn::{Linear, LinearConfig},
        tensor::{Device, Float, Int, Tensor, TensorData},
    },
    core::AnyTensor,
    ir::{Model, RecordError, Recorder, Session, record::TensorInput, tensor},
    ops::nonzero,
};

use crate::{call, execute};

/// A module with a parameter, whose forward pass is the test's.
#[derive(Module, Debug)]
struct Plain {
    lin: Linear,
}

fn plain() -> Plain {
    Plain {
        lin: LinearConfig::new(2, 2).init(&Device::flex()),
    }
}

/// Numbers of nodes on both sides and of edges: none of them, nor their order or their divisors,
/// are those of recordings.
const SIZES: [[usize; 3]; 12] = [
    [1, 1, 1],
    [1, 2, 3],
    [2, 1, 7],
    [3, 9, 2],
    [9, 4, 36],
    [12, 12, 12],
    [16, 5, 4],
    [31, 33, 500],
    [33, 31, 10],
    [100, 7, 3],
    [128, 300, 64],
    [257, 64, 6000],
];

fn nodes_and_edges() -> (
    TensorInput<2, Float>,
    TensorInput<2, Float>,
    TensorInput<1, Int>,
) {
    (
        tensor!(f32["N", 2]).named("x"),
        tensor!(f32["M", 2]).named("y"),
        tensor!(i64["E"]),
    )
}

/// Records `zeros([size(n, m, e)])`.
fn record(
    size: impl Fn(usize, usize, usize) -> usize + Send + Sync + 'static,
) -> Result<Model, RecordError> {
    let plain = plain();
    Recorder::new(&plain)
        .overload(
            "forward",
            nodes_and_edges(),
            move |_: &Plain, (x, y, index)| {
                let ([n, _], [m, _], [e]) = (x.dims(), y.dims(), index.dims());
                Tensor::<1>::zeros([size(n, m, e)], &x.device())
            },
        )
        .finish()
}

fn inputs([n, m, e]: [usize; 3], device: &Device) -> BTreeMap<String, AnyTensor> {
    BTreeMap::from([
        ("x".to_owned(), Tensor::<2>::ones([n, 2], device).into()),
        ("y".to_owned(), Tensor::<2>::ones([m, 2], device).into()),
        (
            "index".to_owned(),
            Tensor::<1, Int>::zeros([e], device).into(),
        ),
    ])
}

/// The size is recorded, and the program has it for every graph for which it is one.
#[track_caller]
fn exact(name: &str, size: fn(usize, usize, usize) -> usize) {
    let device = Device::flex();
    let model = record(size).unwrap_or_else(|error| panic!("{name}: {error}"));
    let session = Session::new(&model, &device).unwrap();
    for sizes @ [n, m, e] in SIZES {
        if size(n, m, e) == 0 {
            continue; // Burn makes no empty tensors of this shape.
        }
        let output = session
            .run("forward", inputs(sizes, &device))
            .unwrap()
            .remove(0)
            .1;
        let expected = size(n, m, e);
        assert_eq!(output.shape().as_slice(), [expected], "{name} at {sizes:?}");
    }
}

/// The size is refused, with its operation.
#[track_caller]
fn refused(name: &str, size: fn(usize, usize, usize) -> usize) {
    let error = record(size).expect_err(name);
    let text = error.to_string();
    assert!(
        matches!(
            error,
            RecordError::SizeNotFound { .. } | RecordError::SizeDependent { .. }
        ),
        "{name}: {text}"
    );
    assert!(
        text.contains("in `forward`") && text.contains("Full"),
        "{name}: {text}"
    );
}

#[test]
fn sums_and_products_are_exact() {
    exact("n", |n, _, _| n);
    exact("n + m + e + 1", |n, m, e| n + m + e + 1);
    exact("2 * n + 3 * e", |n, _, e| 2 * n + 3 * e);
    exact("(n + 1)^2", |n, _, _| (n + 1) * (n + 1));
    exact("n * m + e + 1", |n, m, e| n * m + e + 1);
    exact("n * (n + 1) / 2", |n, _, _| n * (n + 1) / 2);
    exact("n * m * 4", |n, m, _| n * m * 4);
    exact("(n + m) * 7", |n, m, _| (n + m) * 7);
    exact("(n + 1) * (m + 1)", |n, m, _| (n + 1) * (m + 1));
}

#[test]
fn minima_and_maxima_are_exact() {
    exact("n.min(2)", |n, _, _| n.min(2));
    exact("n.min(32)", |n, _, _| n.min(32));
    exact("n.max(32)", |n, _, _| n.max(32));
    exact("n.min(m)", |n, m, _| n.min(m));
    exact("n.max(m)", |n, m, _| n.max(m));
    exact("e.saturating_sub(n) + 1", |n, _, e| e.saturating_sub(n) + 1);
    exact("n.saturating_sub(e) + 1", |n, _, e| n.saturating_sub(e) + 1);
    exact("n.abs_diff(e) + 1", |n, _, e| n.abs_diff(e) + 1);
    exact("n.clamp(1, 100)", |n, _, _| n.clamp(1, 100));
}

#[test]
fn quotients_and_remainders_are_exact() {
    exact("n % 2 + 1", |n, _, _| n % 2 + 1);
    exact("2 * (n / 2) + 1", |n, _, _| 2 * (n / 2) + 1);
    exact("(n & !1) + 1", |n, _, _| (n & !1) + 1);
    exact("2 * n.div_ceil(2)", |n, _, _| 2 * n.div_ceil(2));
    exact("n.next_multiple_of(2)", |n, _, _| n.next_multiple_of(2));
    exact("n.next_multiple_of(8)", |n, _, _| n.next_multiple_of(8));
    exact("n | 1", |n, _, _| n | 1);
    exact("n ^ 1", |n, _, _| (n ^ 1) + 1);
    exact("n.div_ceil(3)", |n, _, _| n.div_ceil(3));
    exact("e / n + 1", |n, _, e| e / n + 1);
    exact("e % n + 1", |n, _, e| e % n + 1);
}

#[test]
fn what_sizes_cannot_say_is_refused() {
    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    refused("gcd(n, e)", |n, _, e| gcd(n, e));
    refused("lcm(n, e)", |n, _, e| n / gcd(n, e) * e);
    refused("n.isqrt()", |n, _, _| n.isqrt());
    refused("n.ilog2() + 1", |n, _, _| n.ilog2() as usize + 1);
    refused("n.next_power_of_two()", |n, _, _| n.next_power_of_two());
    refused("n.min(m).min(e)", |n, m, e| n.min(m).min(e));
    refused("n * m / e + 1", |n, m, e| n * m / e + 1);
}

/// Branches on sizes that recordings take both ways.
#[test]
fn branches_on_sizes_are_refused() {
    let branch = |taken: fn(usize, usize, usize) -> bool| {
        let plain = plain();
        let error = Recorder::new(&plain)
            .overload(
                "forward",
                nodes_and_edges(),
                move |plain: &Plain, (x, y, index)| {
                    let ([n, _], [m, _], [e]) = (x.dims(), y.dims(), index.dims());
                    if taken(n, m, e) {
                        x.exp()
                    } else {
                        plain.lin.forward(x)
                    }
                },
            )
            .finish()
            .unwrap_err();
        assert!(
            matches!(error, RecordError::SizeDependent { .. }),
            "{error}"
        );
    };
    branch(|n, _, _| n.is_multiple_of(2));
    branch(|n, _, _| n.is_multiple_of(4));
    branch(|n, _, _| n > 100);
    branch(|n, _, _| n < 10);
    branch(|n, _, _| n == 1);
    branch(|n, m, _| n < m);
    branch(|n, m, _| n == m);
    branch(|n, _, e| e >= n);
    branch(|n, _, e| e > 10 * n);
}

/// The program with silently different numbers: one row more for an even number of nodes.
#[test]
fn a_row_more_for_odd_numbers_is_exact() {
    let (plain, device) = (plain(), Device::flex());
    let model = Recorder::new(&plain)
        .overload("forward", (tensor!(f32["N", 2]),), |_: &Plain, (x,)| {
            let ([n, f], device) = (x.dims(), x.device());
            Tensor::cat(vec![x, Tensor::zeros([n % 2 + 1, f], &device)], 0)
        })
        .finish()
        .unwrap();
    let session = Session::new(&model, &device).unwrap();
    for n in [1, 2, 5, 8] {
        let x = Tensor::<2>::ones([n, 2], &device);
        let inputs = BTreeMap::from([("x".to_owned(), x)]);
        let output = session.run("forward", inputs).unwrap().remove(0).1;
        assert_eq!(output.shape().as_slice(), [n + n % 2 + 1, 2]);
    }
}

/// As many rows as were selected: fewer than there are, or all of them.
#[test]
fn the_number_of_selected_rows_bounds_other_sizes() {
    let (plain, device) = (plain(), Device::flex());
    let forward = |x: Tensor<2>| {
        let ([n, _], device) = (x.dims(), x.device());
        let first = x.clone().slice([0..n, 0..1]).squeeze_dim::<1>(1);
        let kept = nonzero(first.greater_elem(0.0));
        let [k] = kept.dims();
        let rows = x.clone().narrow(0, 0, k) + x.select(0, kept);
        Tensor::cat(vec![rows, Tensor::zeros([n - k + k.min(n), 2], &device)], 0)
    };
    let model = Recorder::new(&plain)
        .overload(
            "forward",
            (tensor!(f32["K0", 2]),),
            move |_: &Plain, (x,)| forward(x),
        )
        .finish()
        .unwrap();
    let session = Session::new(&model, &device).unwrap();
    for rows in [
        vec![[1.0, 2.0], [-3.0, 4.0], [5.0, 6.0]],
        vec![[1.0, 2.0]],
        vec![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]],
    ] {
        let values: Vec<f32> = rows.concat();
        let x = Tensor::<2>::from_data(TensorData::new(values, [rows.len(), 2]), &device);
        let inputs = BTreeMap::from([("x".to_owned(), x.clone())]);
        let output = session.run("forward", inputs).unwrap().remove(0).1;
        assert_eq!(call::download(output), forward(x).into_data());
    }
}

/// Rows of many node types side by side.
#[test]
fn sums_over_many_node_types_are_exact() {
    let (plain, device) = (plain(), Device::flex());
    let inputs = (
        tensor!(f32["A", 2]).named("a"),
        tensor!(f32["B", 2]).named("b"),
        tensor!(f32["C", 2]).named("c"),
        tensor!(f32["D", 2]).named("d"),
        tensor!(f32["F", 2]).named("e"),
    );
    let model = Recorder::new(&plain)
        .overload("forward", inputs, |plain: &Plain, (a, b, c, d, e)| {
            let all = Tensor::cat(vec![a, b, c, d, e], 0);
            let [rows, _] = all.dims();
            plain.lin.forward(all).reshape([rows * 2])
        })
        .finish()
        .unwrap();
    let session = Session::new(&model, &device).unwrap();
    let rows = [1, 4, 2, 7, 3];
    let inputs = ["a", "b", "c", "d", "e"]
        .iter()
        .zip(rows)
        .map(|(name, rows)| {
            let tensor = Tensor::<2>::ones([rows, 2], &device);
            ((*name).to_owned(), tensor)
        });
    let output = session
        .run("forward", inputs.collect())
        .unwrap()
        .remove(0)
        .1;
    assert_eq!(output.shape().as_slice(), [34]);
}

/// None of the rows, or all of them, on both sides of a choice: what has no elements leaves the
/// others as they are.
#[test]
fn selections_of_nothing_stand_beside_others() {
    let (plain, (device, _)) = (plain(), execute::device());
    let forward = |x: Tensor<2>| {
        let [n, _] = x.dims();
        let first = x.clone().slice([0..n, 0..1]).squeeze_dim::<1>(1);
        let positive = nonzero(first.clone().greater_elem(0.0));
        let others = nonzero(first.lower_equal_elem(0.0));
        let count = others.clone().mul_scalar(2).add_scalar(1);
        (
            Tensor::cat(vec![positive.clone(), others], 0),
            count,
            positive.add_scalar(3),
        )
    };
    let model = Recorder::new(&plain)
        .overload(
            "forward",
            (tensor!(f32["N", 2]),),
            move |_: &Plain, (x,)| forward(x),
        )
        .finish()
        .unwrap();
    let session = Session::new(&model, &device).unwrap();
    for signs in [[1.0, -1.0, 1.0], [1.0; 3], [-1.0; 3]] {
        let values: Vec<f32> = signs.iter().flat_map(|&sign| [sign, 0.0]).collect();
        let x = Tensor::<2>::from_data(TensorData::new(values, [3, 2]), &device);
        let inputs = BTreeMap::from([("x".to_owned(), x)]);
        let outputs = session.run("forward", inputs).unwrap().into_iter();
        let got: Vec<Vec<i64>> = outputs
            .map(|(_, output)| call::download(output).iter().collect())
            .collect();
        let those = |wanted: f32| {
            (0..3).filter(move |&i| signs[usize::try_from(i).unwrap()] * wanted > 0.0)
        };
        let order: Vec<i64> = those(1.0).chain(those(-1.0)).collect();
        let count: Vec<i64> = those(-1.0).map(|i| 2 * i + 1).collect();
        let positive: Vec<i64> = those(1.0).map(|i| i + 3).collect();
        assert_eq!(got, [order, count, positive], "{signs:?}");
    }
}
