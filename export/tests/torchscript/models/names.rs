//! Names that are words of TorchScript, and such as become equal where they are made identifiers.

use std::collections::BTreeMap;

use super::Matrix;
use crate::{
    builder::Builder,
    expectation::{Arg, Call, Data},
};

const TEXT: &str = "kiln 1
symbols $in, $in_, $self, $K0
weight @lin: parameter f32[2]
weight @in_.weight: parameter f32[2]
weight @in_._weight_1: buffer f32[2]
weight @in_.in_: buffer f32[2]
module @ = Module {
  weight @lin
  child @in_
  child @0
  method forward__0(in: f32[$in, 2], in_: f32[$in, 2], out_: f32[2], out: f32[2]) -> f32[$in, 2] {
    case () -> @in
  }
  method forward__1(in: (f32[$in, 2], f32[$in, 2]), out_: f32[2]?) -> (f32[$in, 2], f32[$in, 2]) {
    case (absent) -> @in_
    case (present) -> @_in_
  }
  method encode(self: f32[$in], args: f32[$self], torch: f32[$in_]) -> f32[$in] {
    case () -> @training
  }
}
module @in_ = NamedTuple {
  weight @in_.weight
  weight @in_._weight_1
  weight @in_.in_
}
module @0 = ops {
}
fn @in_.__getstate__ record in_(_x %0: f32[$in, 2], count %1: f32[$in, 2], in %2: f32[2], in_ %3: f32[2]) -> (%12) {
  %4: f32[2] = weight @in_.weight
  %5: f32[2] = weight @in_._weight_1
  %6: f32[2] = weight @in_.in_
  %7: f32[2] = mul(%4, %2)
  %8: f32[2] = mul(%5, %3)
  %9: f32[2] = add(%7, %8)
  %10: f32[1, 2] = reshape{dims=[1, 2]}(%9)
  %11: f32[$in, 2] = add(%1, %10)
  %12: f32[$in, 2] = sub(%0, %11)
}
fn @0._modules(in %0: f32[$in, 2]) -> (%1) {
  %1: f32[$in, 2] = mul_scalar{rhs=3.0}(%0)
}
fn @in(in %0: f32[$in, 2], in_ %1: f32[$in, 2], out_ %2: f32[2], out %3: f32[2]) -> (%5) {
  %4: f32[2] = weight @lin
  %5: f32[$in, 2] = call @in_.__getstate__(%0, %1, %2, %3)
}
fn @in_(in_ %0: f32[$in, 2], in %1: f32[$in, 2]) -> (%2, %1) {
  %2: f32[$in, 2] = call @0._modules(%0)
}
fn @_in_(in_ %0: f32[$in, 2], in %1: f32[$in, 2], x %2: f32[2]) -> (%5, %0) {
  %3: f32[2] = weight @lin
  %4: f32[1, 2] = reshape{dims=[1, 2]}(%3)
  %5: f32[$in, 2] = add(%1, %4)
}
fn @training(self %0: f32[$in], args %1: f32[$self], torch %2: f32[$in_]) -> (%4) {
  %3: f32[$in] = add_scalar{rhs=$self}(%0)
  %4: f32[$in] = mul_scalar{rhs=$in_}(%3)
}
";

/// The program and its calls.
pub(crate) fn names() -> (Builder, Vec<Call>) {
    let mut builder = Builder::parse(TEXT);
    let weight = |values: [f32; 2]| Data::float(&[2], &values);
    builder.values = BTreeMap::from([
        ("lin".to_owned(), weight([10.0, 20.0])),
        ("in_.weight".to_owned(), weight([2.0, 3.0])),
        ("in_._weight_1".to_owned(), weight([5.0, 7.0])),
        ("in_.in_".to_owned(), weight([0.0, 0.0])),
    ]);
    let (x, y) = (Matrix::sample(3, 2, 1), Matrix::sample(3, 2, 5));
    let pick = |column: usize, two: [f32; 2]| two[column % 2];
    let sum = x
        .add(&y.map(|_, value| -value))
        .map(|column, value| value - pick(column, [2.0 * 0.5 + 5.0 * 4.0, 3.0 * 0.25 + 7.0 * 8.0]));
    let pair = || Arg::Tuple(vec![x.data().into(), y.data().into()]);
    let call = |method, args, out| Call { method, args, out };
    let calls = vec![
        call(
            "forward__0",
            vec![
                ("in__1", x.data().into()),
                ("in_", y.data().into()),
                ("out_", weight([0.5, 0.25]).into()),
                ("out", weight([4.0, 8.0]).into()),
            ],
            sum.data().into(),
        ),
        call(
            "forward__1",
            vec![("in__1", pair())],
            Arg::Tuple(vec![
                x.map(|_, value| 3.0 * value).data().into(),
                y.data().into(),
            ]),
        ),
        call(
            "forward__1",
            vec![("in__1", pair()), ("out_", weight([0.0, 0.0]).into())],
            Arg::Tuple(vec![
                y.map(|column, value| value + pick(column, [10.0, 20.0]))
                    .data()
                    .into(),
                x.data().into(),
            ]),
        ),
        call(
            "encode",
            vec![
                ("self_", Data::float(&[2], &[1.0, 2.0]).into()),
                ("args", Data::float(&[5], &[0.0; 5]).into()),
                ("torch_", Data::float(&[3], &[0.0; 3]).into()),
            ],
            Data::float(&[2], &[18.0, 21.0]).into(),
        ),
    ];
    (builder, calls)
}
