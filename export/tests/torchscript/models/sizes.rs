//! Methods whose arguments show sizes by sums and multiples of them.

use super::Matrix;
use crate::{
    builder::Builder,
    expectation::{Arg, Call, Data, Refusal},
};

const TEXT: &str = "kiln 1
symbols $N, $E, $M
module @ = Sizes {
  method pairs(x: f32[2*$N, 4]) -> f32[$N, 4] {
    case () -> @pairs
  }
  method later(a: f32[$N + $E], x: f32[$N], y: f32[$E]) -> f32[$E] {
    case () -> @later
  }
  method rest(a: f32[$N + $M], x: f32[$N]) -> f32[$M] {
    case () -> @rest
  }
  method given(a: f32[$N + $M], size: size($N, $M)) -> f32[$M] {
    case () -> @given
  }
  method product(a: f32[$N*$M], x: f32[$N], y: f32[$M]) -> f32[$N] {
    case () -> @product
  }
  method unseen(a: f32[3*$N + 1]) -> f32[3*$N + 1] {
    case () -> @unseen
  }
}
fn @pairs(x %0: f32[2*$N, 4]) -> (%1) {
  %1: f32[$N, 4] = slice{ranges=[0..$N, 0..4]}(%0)
}
fn @later(a %0: f32[$N + $E], x %1: f32[$N], y %2: f32[$E]) -> (%3) {
  %3: f32[$E] = mul_scalar{rhs=2.0}(%2)
}
fn @rest(a %0: f32[$N + $M], x %1: f32[$N]) -> (%2) {
  %2: f32[$M] = slice{ranges=[$N..$N + $M]}(%0)
}
fn @given(a %0: f32[$N + $M], n %1: int $N, m %2: int $M) -> (%3) {
  %3: f32[$M] = slice{ranges=[$N..$N + $M]}(%0)
}
fn @product(a %0: f32[$N*$M], x %1: f32[$N], y %2: f32[$M]) -> (%1) {
}
fn @unseen(a %0: f32[3*$N + 1]) -> (%1) {
  %1: f32[3*$N + 1] = exp(%0)
}
";

fn vector(length: usize) -> Arg {
    Matrix::sample(length, 1, 3).row_data().into()
}

/// The program, its calls, and calls that it must refuse.
pub(crate) fn sizes() -> (Builder, Vec<Call>, Vec<Refusal>) {
    let builder = Builder::parse(TEXT);
    let x = Matrix::sample(6, 4, 1);
    let half = Matrix {
        width: 4,
        values: x.values[..12].to_vec(),
    };
    let values = |from: usize, to: usize, scale: f32| {
        let values = &Matrix::sample(to, 1, 3).values[from..to];
        let values: Vec<f32> = values.iter().map(|value| value * scale).collect();
        Arg::from(Data::float(&[to - from], &values))
    };
    let exp = |length: usize| {
        let values = Matrix::sample(length, 1, 3).values;
        let values: Vec<f32> = values.iter().map(|value| value.exp()).collect();
        Arg::from(Data::float(&[length], &values))
    };
    let call = |method, args, out| Call { method, args, out };
    let calls = vec![
        call("pairs", vec![("x", x.data().into())], half.data().into()),
        call(
            "later",
            vec![("a", vector(5)), ("x", vector(2)), ("y", vector(3))],
            values(0, 3, 2.0),
        ),
        call(
            "later",
            vec![("a", vector(2)), ("x", vector(2)), ("y", vector(0))],
            values(0, 0, 2.0),
        ),
        call(
            "rest",
            vec![("a", vector(5)), ("x", vector(2))],
            values(2, 5, 1.0),
        ),
        call(
            "rest",
            vec![("a", vector(2)), ("x", vector(2))],
            values(2, 2, 1.0),
        ),
        call(
            "given",
            vec![("a", vector(5)), ("size", Arg::Ints(vec![1, 4]))],
            values(1, 5, 1.0),
        ),
        call(
            "product",
            vec![("a", vector(6)), ("x", vector(2)), ("y", vector(3))],
            values(0, 2, 1.0),
        ),
        call("unseen", vec![("a", vector(7))], exp(7)),
    ];
    let refuse = |method, args, error| Refusal {
        method,
        args,
        error,
    };
    let odd = Matrix::sample(7, 4, 1);
    let refused = vec![
        refuse(
            "pairs",
            vec![("x", odd.data().into())],
            "expected size 6 in dimension 0 of x",
        ),
        refuse(
            "later",
            vec![("a", vector(6)), ("x", vector(2)), ("y", vector(3))],
            "expected size 5 in dimension 0 of a",
        ),
        refuse(
            "rest",
            vec![("a", vector(1)), ("x", vector(2))],
            "leave M at least 0, got -1",
        ),
        refuse(
            "given",
            vec![("a", vector(5)), ("size", Arg::Ints(vec![1, 3]))],
            "expected size to be (1, 4) as the inputs show",
        ),
        refuse(
            "given",
            vec![("a", vector(5)), ("size", Arg::None)],
            "size is needed",
        ),
        refuse(
            "product",
            vec![("a", vector(7)), ("x", vector(2)), ("y", vector(3))],
            "expected size 6 in dimension 0 of a",
        ),
        refuse(
            "unseen",
            vec![("a", vector(6))],
            "expected size 4 in dimension 0 of a",
        ),
        refuse("unseen", vec![("a", vector(0))], "dimension 0 of a"),
    ];
    (builder, calls, refused)
}
