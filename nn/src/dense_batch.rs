//! Rows of groups as one tensor with an axis for the groups.

use burn::tensor::{Bool, Int, Tensor};
use kiln_core::Groups;
use kiln_ops::{arange, coo_to_csr, gather, size_of};

use crate::shape::{expand, flatten, reshape};

/// The rows of each group side by side, with zeros behind the last up to the length of the longest
/// group, or up to `max_num_nodes`, behind which rows are left out; and which of them are rows.
///
/// Matches `torch_geometric.utils.to_dense_batch` (2.8). Departs: rows need not be sorted by group;
/// those of a group keep their order.
///
/// # Shapes
/// x: `[N, F]` · output: `[groups, longest, F]`, and a mask `[groups, longest]`
///
/// # Panics
/// If there is not one row for each row of the groups.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::Groups;
/// use kiln_nn::utils::{from_dense_batch, to_dense_batch};
///
/// let device = Device::flex();
/// let groups = Groups::from_array(&[1, 0, 1], 2, &device).unwrap();
/// let x = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &device);
/// let (dense, mask) = to_dense_batch(x.clone(), &groups, None);
/// assert_eq!(dense.to_data().as_slice::<f32>().unwrap(), [2.0, 0.0, 1.0, 3.0]);
/// assert_eq!(mask.into_data().iter::<bool>().filter(|is_row| *is_row).count(), 3);
/// from_dense_batch(dense, &groups).into_data().assert_eq(&x.into_data(), true);
/// ```
pub fn to_dense_batch(
    x: Tensor<2>,
    groups: &Groups,
    max_num_nodes: Option<usize>,
) -> (Tensor<3>, Tensor<2, Bool>) {
    let ([rows, _], expected) = (x.dims(), groups.num_rows());
    assert!(
        rows == expected,
        "expected one row for each of the {expected} rows of the groups, got {rows}"
    );
    let places = Places::of(groups.owner(), groups.num_groups());
    let length = max_num_nodes.unwrap_or_else(|| size_of(places.max_count()));
    (places.dense(x, length), places.mask(length))
}

/// The rows that [`to_dense_batch`] has put side by side, in the order that they had before; zeros
/// for rows that it has left out.
///
/// # Shapes
/// x: `[groups, length, F]` · output: `[N, F]`
///
/// # Panics
/// If the first axis is not that of the groups.
pub fn from_dense_batch(x: Tensor<3>, groups: &Groups) -> Tensor<2> {
    let ([sets, length, width], expected) = (x.dims(), groups.num_groups());
    assert!(
        sets == expected,
        "expected {expected} groups, got shape {:?}",
        x.dims()
    );
    let owner = groups.owner();
    let places = Places::of(owner.clone(), sets);
    let (_, position) = coo_to_csr(places.order, groups.num_rows());
    let first = places.first.squeeze_dim::<1>(1);
    let position = position - first.select(0, owner.clone());
    // Each group with a row of zeros behind its last.
    let zeros = Tensor::zeros([sets, 1, width], (&x.device(), x.dtype()));
    let rows = Tensor::cat(vec![x, zeros], 1);
    let rows = reshape(rows, [sets * (length + 1), width]);
    let last = arange(length..length + 1, &owner.device()).cast(owner.dtype());
    let last = expand(last, [groups.num_rows()]);
    let is_left_out = position.clone().greater(last.clone());
    let position = position.mask_where(is_left_out, last.clone());
    gather(rows, owner * last.add_scalar(1) + position)
}

/// Where the elements of sets stand when they are put side by side.
#[derive(Debug)]
pub(crate) struct Places {
    /// The elements by set; those of a set keep their order. `[E]`
    order: Tensor<1, Int>,
    /// Place of the first element of each set. `[n, 1]`
    pub(crate) first: Tensor<2, Int>,
    /// Number of elements of each set. `[n, 1]`
    pub(crate) count: Tensor<2, Int>,
}

impl Places {
    /// Of elements whose sets are `index`, of `sets` sets.
    pub(crate) fn of(index: Tensor<1, Int>, sets: usize) -> Self {
        let (ptr, order) = coo_to_csr(index, sets);
        let [first, end] =
            [0, 1].map(|start| ptr.clone().slice(start..start + sets).unsqueeze_dim(1));
        Self {
            order,
            count: end - first.clone(),
            first,
        }
    }

    /// Number of elements of the largest set, `[1]`.
    pub(crate) fn max_count(&self) -> Tensor<1, Int> {
        let [sets, _] = self.count.dims();
        let none = Tensor::zeros([1], (&self.count.device(), self.count.dtype()));
        let counts = self.count.clone().reshape([sets]);
        Tensor::cat(vec![none, counts], 0).max_dim(0)
    }

    /// Which of the first places of each set have an element. `[n, length]`
    pub(crate) fn mask(&self, length: usize) -> Tensor<2, Bool> {
        let positions = self.positions(length);
        let shape = positions.dims();
        positions.lower(expand(self.count.clone(), shape))
    }

    /// The elements of each set side by side, zeros behind the last. `[n, length, F]`
    pub(crate) fn dense(&self, x: Tensor<2>, length: usize) -> Tensor<3> {
        let ([sets, _], [_, width]) = (self.count.dims(), x.dims());
        let place = self.at(self.positions(length));
        let none = Tensor::zeros([1], (&self.order.device(), self.order.dtype()));
        let order = Tensor::cat(vec![none, self.order.clone().add_scalar(1)], 0);
        let zeros = Tensor::zeros([1, width], (&x.device(), x.dtype()));
        let rows = Tensor::cat(vec![zeros, x], 0);
        let rows = gather(rows, order.select(0, place));
        reshape(rows, [sets, length, width])
    }

    /// For positions `[n, Q]` within sets the places in the order of all elements plus one, 0
    /// behind the last element of a set. `[n Q]`
    pub(crate) fn at(&self, position: Tensor<2, Int>) -> Tensor<1, Int> {
        let shape = position.dims();
        let is_none = position
            .clone()
            .greater_equal(expand(self.count.clone(), shape));
        let place = (expand(self.first.clone(), shape) + position).add_scalar(1);
        flatten(place.mask_fill(is_none, 0))
    }

    /// The first positions of each set. `[n, length]`
    fn positions(&self, length: usize) -> Tensor<2, Int> {
        let [sets, _] = self.count.dims();
        let positions = arange(0..length, &self.count.device()).cast(self.count.dtype());
        expand(positions, [sets, length])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn x(rows: usize, device: &Device) -> Tensor<2> {
        let last = i64::try_from(rows).unwrap() * 2;
        let x = Tensor::<1, Int>::arange(0..last, device).float();
        x.reshape([rows, 2])
    }

    #[test]
    fn rows_beyond_a_given_number_are_left_out() {
        let device = Device::flex();
        let groups = Groups::from_array(&[2, 0, 2, 2], 3, &device).unwrap();
        let (dense, mask) = to_dense_batch(x(4, &device), &groups, Some(2));
        assert_eq!(
            dense.to_data().as_slice::<f32>().unwrap(),
            [2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 5.0]
        );
        assert_eq!(
            mask.into_data().iter::<bool>().collect::<Vec<_>>(),
            [true, false, false, false, true, true]
        );
        let back = from_dense_batch(dense, &groups).into_data();
        assert_eq!(
            back.as_slice::<f32>().unwrap(),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0]
        );
        let (dense, _) = to_dense_batch(x(4, &device), &groups, Some(5));
        assert_eq!(dense.dims(), [3, 5, 2]);
    }

    #[test]
    fn groups_and_rows_may_be_absent() {
        let device = Device::flex();
        for (rows, sets) in [(0, 3), (0, 0)] {
            let groups = Groups::from_array(&[], sets, &device).unwrap();
            let (dense, mask) = to_dense_batch(x(rows, &device), &groups, None);
            assert_eq!((dense.dims(), mask.dims()), ([sets, 0, 2], [sets, 0]));
            assert_eq!(from_dense_batch(dense, &groups).dims(), [rows, 2]);
        }
    }

    #[test]
    fn gradients_reach_the_rows_that_are_there() {
        let device = Device::flex().autodiff();
        let groups = Groups::from_array(&[1, 1, 0], 2, &device).unwrap();
        let x = x(3, &device).require_grad();
        let (dense, _) = to_dense_batch(x.clone(), &groups, Some(1));
        let gradients = (dense.clone() * dense).sum().backward();
        let gradient = x.grad(&gradients).unwrap().into_data();
        assert_eq!(
            gradient.as_slice::<f32>().unwrap(),
            [0.0, 2.0, 0.0, 0.0, 8.0, 10.0]
        );
    }
}
