//! Order of elements, on the host: sorting, the first elements in order, and search in sequences.
//!
//! Burn sorts on the host too, where a backend has no kernel, but not stably. Only positions are
//! made here: elements are gathered by them on the device, with gradients.

use burn::{
    backend::{
        Dispatch, DispatchTensor, TensorMetadata,
        ops::{FloatTensorOps, IntTensorOps},
    },
    tensor::{Int, Shape, Tensor, TensorData},
};
use kiln_ops::float_key;

use super::{ExecError, Kind, eval::Eval, site::Site};

/// The first elements of each lane along an axis in order, and their positions. Equal elements stay
/// as they stand.
pub(super) fn first(
    eval: &Eval<'_>,
    site: Site<'_>,
    (x, kind): (DispatchTensor, Kind),
    dim: usize,
    count: usize,
    descending: bool,
) -> Result<Vec<DispatchTensor>, ExecError> {
    let mut shape = x.shape();
    let sizes: Vec<usize> = shape.iter().copied().collect();
    // Without elements, the sizes of the other axes may be anything.
    let (length, inner) = if shape.num_elements() == 0 {
        (0, 0)
    } else {
        (sizes[dim], sizes[dim + 1..].iter().product::<usize>())
    };
    shape[dim] = count;
    let keys = keys(&x, kind);
    let mut positions = vec![0; shape.num_elements()];
    let mut lane = Vec::with_capacity(length);
    for (lanes, out) in
        chunks(&keys, length * inner).zip(positions.chunks_mut((count * inner).max(1)))
    {
        for at in 0..inner {
            let keys = lanes.iter().skip(at).step_by(inner);
            lane.clear();
            lane.extend(
                keys.map(|&key| if descending { !key } else { key })
                    .zip(0_i64..),
            );
            if 0 < count && count < length {
                lane.select_nth_unstable(count - 1);
            }
            lane.truncate(count);
            lane.sort_unstable();
            for (place, &(_, position)) in out.iter_mut().skip(at).step_by(inner).zip(&lane) {
                *place = position;
            }
        }
    }
    let positions = eval.upload(site, positions, shape)?;
    let elements = match kind {
        Kind::Int => Dispatch::int_gather(dim, x, positions.clone()),
        Kind::Float | Kind::Bool => Dispatch::float_gather(dim, x, positions.clone()),
    };
    Ok(vec![elements, positions])
}

/// Parts of equal lengths, none if that is 0.
fn chunks(keys: &[i64], length: usize) -> impl Iterator<Item = &[i64]> {
    keys.chunks(length.max(1))
}

/// For each value the position at which it keeps the order of a sorted sequence.
pub(super) fn search(
    eval: &Eval<'_>,
    site: Site<'_>,
    kind: Kind,
    sequence: DispatchTensor,
    values: DispatchTensor,
    right: bool,
) -> Result<DispatchTensor, ExecError> {
    let shape = values.shape();
    let (sequence, values) = (data(sequence, kind), data(values, kind));
    let positions = match kind {
        Kind::Int => places::<i64>(&sequence, &values, right),
        Kind::Float | Kind::Bool => places::<f64>(&sequence, &values, right),
    };
    eval.upload(site, positions, shape)
}

fn places<T: PartialOrd + burn::tensor::Element>(
    sequence: &TensorData,
    values: &TensorData,
    right: bool,
) -> Vec<i64> {
    let sequence: Vec<T> = sequence.iter::<T>().collect();
    let place = |value: T| {
        // As in PyTorch, also where NaN is compared or the sequence is not sorted.
        let (mut start, mut end) = (0, sequence.len());
        while start < end {
            let middle = usize::midpoint(start, end);
            let is_before = if right {
                sequence[middle] > value
            } else {
                sequence[middle] >= value
            };
            if is_before {
                end = middle;
            } else {
                start = middle + 1;
            }
        }
        i64::try_from(start).unwrap_or(i64::MAX)
    };
    values.iter::<T>().map(place).collect()
}

/// An integer for each element, in the order of the elements.
fn keys(x: &DispatchTensor, kind: Kind) -> Vec<i64> {
    let data = data(x.clone(), kind);
    match kind {
        Kind::Int => data.iter::<i64>().collect(),
        Kind::Float | Kind::Bool => data.iter::<f64>().map(float_key).collect(),
    }
}

/// The elements of a tensor on the host, in row-major order.
fn data(x: DispatchTensor, kind: Kind) -> TensorData {
    let shape = Shape::new([x.shape().num_elements()]);
    match kind {
        Kind::Int => Tensor::<1, Int>::from_dispatch(Dispatch::int_reshape(x, shape)).into_data(),
        Kind::Float | Kind::Bool => {
            Tensor::<1>::from_dispatch(Dispatch::float_reshape(x, shape)).into_data()
        }
    }
}
