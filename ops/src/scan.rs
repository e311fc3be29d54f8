//! Loops that a recording holds as loops: recurrent layers, and layers applied a number of times.

use burn::{
    backend::{
        Dispatch,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{Bool, Int, Shape, Slice, Tensor, TensorData},
};
use kiln_core::{AnyTensor, Kind, Leaves};

use crate::scope;

/// Tensors with a row for each step of a loop, `[T, ..]`: a tensor of 2 to 5 axes, a tuple of such,
/// or nothing.
pub trait Sequences {
    /// What a step gets: the same with an axis less.
    type Row;

    /// Adds the tensors to a list.
    fn push(self, tensors: &mut Vec<AnyTensor>);

    /// A row from its tensors.
    fn row(tensors: &mut dyn Iterator<Item = AnyTensor>) -> Self::Row;
}

/// What each step of a loop leaves, and what the rows of all steps are together: for a tensor of 1
/// to 4 axes, one with an axis more; for a tuple, a tuple; for nothing, nothing.
pub trait Rows {
    /// All rows, `[T, ..]`.
    type Stacked;

    /// Number of its tensors.
    const TENSORS: usize;

    /// Adds the tensors to a list.
    fn push(self, tensors: &mut Vec<AnyTensor>);

    /// All rows from their tensors.
    fn stacked(tensors: &mut dyn Iterator<Item = AnyTensor>) -> Self::Stacked;
}

/// Runs a step for each row of sequences: it gets what the step before left, and its row, and
/// leaves what the next step gets, and a row of the result.
///
/// Returns what the last step left (`first` if there is none) and the rows of all steps. A
/// recording holds a loop with one body, so that the number of steps may be another each time; it
/// calls `step` once. Otherwise `step` is called for each row. If there are no rows and the result
/// has some, it is called once with rows of zeros, since nothing else shows how long these are.
///
/// # Panics
/// If a sequence has not `times` rows.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_ops::scan;
///
/// // Sums of the rows before each row.
/// let x = Tensor::<2>::from_floats([[1.0], [2.0], [4.0]], &Device::flex());
/// let zero = Tensor::<1>::zeros([1], &x.device());
/// let (sum, before) = scan(3, zero, x, |sum, row: Tensor<1>| (sum.clone() + row, sum));
/// assert_eq!(sum.into_scalar::<f32>(), 7.0);
/// assert_eq!(before.into_data().try_to_vec::<f32>().unwrap(), [0.0, 1.0, 3.0]);
/// ```
pub fn scan<C: Leaves + Clone, X: Sequences, Y: Rows>(
    times: usize,
    first: C,
    sequences: X,
    step: impl FnMut(C, X::Row) -> (C, Y),
) -> (C, Y::Stacked) {
    run(times, first, sequences, false, step)
}

/// As [`scan`], from the last row to the first. The rows of the result stand where those of the
/// sequences do.
///
/// # Panics
/// As [`scan`].
pub fn scan_reversed<C: Leaves + Clone, X: Sequences, Y: Rows>(
    times: usize,
    first: C,
    sequences: X,
    step: impl FnMut(C, X::Row) -> (C, Y),
) -> (C, Y::Stacked) {
    run(times, first, sequences, true, step)
}

/// Runs a step a number of times, each on what the step before left; `first` if there is none. A
/// recording holds a loop with one body.
pub fn repeat<C: Leaves + Clone>(times: usize, first: C, mut step: impl FnMut(C) -> C) -> C {
    run(times, first, (), false, |value, ()| (step(value), ())).0
}

fn run<C: Leaves + Clone, X: Sequences, Y: Rows>(
    times: usize,
    first: C,
    sequences: X,
    reverse: bool,
    mut step: impl FnMut(C, X::Row) -> (C, Y),
) -> (C, Y::Stacked) {
    let mut tensors = Vec::new();
    sequences.push(&mut tensors);
    for tensor in &tensors {
        let shape: Vec<usize> = tensor.shape().iter().copied().collect();
        assert!(
            shape[0] == times,
            "expected {times} rows, one for each step of a loop, got shape {shape:?}"
        );
    }
    if scope::is_recording() {
        return record::<C, X, Y>(times, first, tensors, reverse, step);
    }
    let mut stacked: Vec<Vec<AnyTensor>> = vec![Vec::with_capacity(times); Y::TENSORS];
    let mut value = first;
    for position in 0..times {
        let position = if reverse {
            times - 1 - position
        } else {
            position
        };
        let mut rows = tensors.iter().map(|tensor| row(tensor.clone(), position));
        let (next, rows) = step(value, X::row(&mut rows));
        value = next;
        for (all, row) in stacked.iter_mut().zip(leaves(rows)) {
            all.push(row);
        }
    }
    let mut joined = Vec::with_capacity(Y::TENSORS);
    if times == 0 && Y::TENSORS > 0 {
        let mut rows = tensors.iter().map(zero_row);
        let (_, rows) = step(value.clone(), X::row(&mut rows));
        joined.extend(leaves(rows).iter().map(no_rows));
    }
    for mut rows in stacked.into_iter().filter(|_| times > 0) {
        if reverse {
            rows.reverse();
        }
        joined.push(join(rows));
    }
    (value, Y::stacked(&mut joined.into_iter()))
}

fn record<C: Leaves + Clone, X: Sequences, Y: Rows>(
    times: usize,
    first: C,
    tensors: Vec<AnyTensor>,
    reverse: bool,
    mut step: impl FnMut(C, X::Row) -> (C, Y),
) -> (C, Y::Stacked) {
    scope::scan_begin(times, reverse);
    let [mut got, mut left] = [0; 2];
    let value = first.map_leaves("", &mut |_, tensor| {
        got += 1;
        scope::scan_carry(tensor)
    });
    let mut rows = tensors.into_iter().map(scope::scan_row);
    let (value, rows) = step(value, X::row(&mut rows));
    let value = value.map_leaves("", &mut |_, tensor| {
        left += 1;
        scope::scan_next(tensor)
    });
    assert!(
        got == left,
        "a step of a loop gets {got} tensors and leaves {left} for the next"
    );
    let stack = |row| scope::scan_stack(times, row);
    let stacked: Vec<AnyTensor> = leaves(rows).into_iter().map(stack).collect();
    scope::scan_end();
    (value, Y::stacked(&mut stacked.into_iter()))
}

fn leaves<Y: Rows>(rows: Y) -> Vec<AnyTensor> {
    let mut tensors = Vec::with_capacity(Y::TENSORS);
    rows.push(&mut tensors);
    tensors
}

/// A row of a tensor.
fn row(tensor: AnyTensor, position: usize) -> AnyTensor {
    let (kind, shape) = (tensor.kind(), tensor.shape());
    let mut slices: Vec<Slice> = shape.iter().map(|&size| Slice::from(0..size)).collect();
    slices[0] = Slice::from(position..position + 1);
    let tensor = tensor.into_dispatch();
    let row = match kind {
        Kind::Float => Dispatch::float_slice(tensor, &slices),
        Kind::Int => Dispatch::int_slice(tensor, &slices),
        Kind::Bool => Dispatch::bool_slice(tensor, &slices),
    };
    reshape(AnyTensor::from_dispatch(row), kind, row_shape(&shape))
}

fn row_shape(shape: &Shape) -> Shape {
    Shape::from(shape.iter().skip(1).copied().collect::<Vec<_>>())
}

fn reshape(tensor: AnyTensor, kind: Kind, shape: Shape) -> AnyTensor {
    let tensor = tensor.into_dispatch();
    AnyTensor::from_dispatch(match kind {
        Kind::Float => Dispatch::float_reshape(tensor, shape),
        Kind::Int => Dispatch::int_reshape(tensor, shape),
        Kind::Bool => Dispatch::bool_reshape(tensor, shape),
    })
}

/// A row of zeros like those that a tensor without rows would have.
fn zero_row(tensor: &AnyTensor) -> AnyTensor {
    zeros(tensor, row_shape(&tensor.shape()))
}

/// No rows like a row.
fn no_rows(row: &AnyTensor) -> AnyTensor {
    let mut dims = vec![0];
    dims.extend(row.shape().iter());
    zeros(row, Shape::from(dims))
}

fn zeros(like: &AnyTensor, shape: Shape) -> AnyTensor {
    let (device, dtype) = (like.device(), like.dtype());
    let device = device.as_dispatch();
    if shape.num_elements() == 0 {
        // From the host: Burn 0.22 joins operations on GPUs, and one without elements disturbs
        // the others.
        let data = TensorData::from_bytes_vec(Vec::new(), shape, dtype);
        return AnyTensor::from_dispatch(match like.kind() {
            Kind::Float => Dispatch::float_from_data(data, device),
            Kind::Int => Dispatch::int_from_data(data, device),
            Kind::Bool => Dispatch::bool_from_data(data, device),
        });
    }
    AnyTensor::from_dispatch(match like.kind() {
        Kind::Float => Dispatch::float_zeros(shape, device, dtype.into()),
        Kind::Int => Dispatch::int_zeros(shape, device, dtype.into()),
        Kind::Bool => Dispatch::bool_zeros(shape, device, dtype.into()),
    })
}

/// Rows as one tensor.
fn join(rows: Vec<AnyTensor>) -> AnyTensor {
    let Some(first) = rows.first() else {
        unreachable!("there is a row for each of the steps")
    };
    let kind = first.kind();
    let mut dims = vec![1];
    dims.extend(first.shape().iter());
    if dims.contains(&0) {
        // Burn 0.22 cannot join tensors without elements.
        dims[0] = rows.len();
        return zeros(first, Shape::from(dims));
    }
    let shape = Shape::from(dims);
    let rows = rows.into_iter();
    let rows = rows.map(|row| reshape(row, kind, shape.clone()).into_dispatch());
    let rows = rows.collect();
    AnyTensor::from_dispatch(match kind {
        Kind::Float => Dispatch::float_cat(rows, 0),
        Kind::Int => Dispatch::int_cat(rows, 0),
        Kind::Bool => Dispatch::bool_cat(rows, 0),
    })
}

/// The next tensor of a value.
fn next(tensors: &mut dyn Iterator<Item = AnyTensor>) -> AnyTensor {
    tensors
        .next()
        .unwrap_or_else(|| panic!("a tensor for each that the value has"))
}

macro_rules! tensors {
    ($($kind:ty, $of_kind:ident: $($less:literal $more:literal),+;)+) => {
        $($(
            impl Sequences for Tensor<$more, $kind> {
                type Row = Tensor<$less, $kind>;

                fn push(self, tensors: &mut Vec<AnyTensor>) {
                    tensors.push(self.into());
                }

                fn row(tensors: &mut dyn Iterator<Item = AnyTensor>) -> Self::Row {
                    next(tensors).$of_kind()
                }
            }

            impl Rows for Tensor<$less, $kind> {
                type Stacked = Tensor<$more, $kind>;

                const TENSORS: usize = 1;

                fn push(self, tensors: &mut Vec<AnyTensor>) {
                    tensors.push(self.into());
                }

                fn stacked(tensors: &mut dyn Iterator<Item = AnyTensor>) -> Self::Stacked {
                    next(tensors).$of_kind()
                }
            }
        )+)+
    };
}

tensors! {
    burn::tensor::Float, float: 1 2, 2 3, 3 4, 4 5;
    Int, int: 1 2, 2 3, 3 4, 4 5;
    Bool, bool: 1 2, 2 3, 3 4, 4 5;
}

macro_rules! tuples {
    ($(($($ty:ident $field:tt),*));+ $(;)?) => {
        $(
            impl<$($ty: Sequences),*> Sequences for ($($ty,)*) {
                type Row = ($($ty::Row,)*);

                fn push(self, tensors: &mut Vec<AnyTensor>) {
                    $(self.$field.push(tensors);)*
                }

                fn row(tensors: &mut dyn Iterator<Item = AnyTensor>) -> Self::Row {
                    ($($ty::row(tensors),)*)
                }
            }

            impl<$($ty: Rows),*> Rows for ($($ty,)*) {
                type Stacked = ($($ty::Stacked,)*);

                const TENSORS: usize = 0 $(+ $ty::TENSORS)*;

                fn push(self, tensors: &mut Vec<AnyTensor>) {
                    $(self.$field.push(tensors);)*
                }

                fn stacked(tensors: &mut dyn Iterator<Item = AnyTensor>) -> Self::Stacked {
                    ($($ty::stacked(tensors),)*)
                }
            }
        )+
    };
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
}

impl Sequences for () {
    type Row = ();

    fn push(self, _: &mut Vec<AnyTensor>) {}

    fn row(_: &mut dyn Iterator<Item = AnyTensor>) {}
}

impl Rows for () {
    type Stacked = ();

    const TENSORS: usize = 0;

    fn push(self, _: &mut Vec<AnyTensor>) {}

    fn stacked(_: &mut dyn Iterator<Item = AnyTensor>) {}
}
