//! Elements in the order of their sets.

use burn::tensor::{Int, Tensor};
use kiln_ops::{coo_to_csr, group_argsort};

use super::elements::Elements;

/// The elements of sets, each set in order.
pub(super) struct Ordered {
    /// A row of zeros, and the elements.
    rows: Tensor<2>,
    /// For each place in the order its row, behind the number of the row of zeros; for all columns
    /// or each by itself.
    order: Tensor<2, Int>,
    /// Place of the first element of each set. `[n, 1]`
    pub(super) first: Tensor<2, Int>,
    /// Number of elements of each set. `[n, 1]`
    pub(super) count: Tensor<2, Int>,
}

impl Ordered {
    /// Elements in the order of keys: `[E, 1]`, or `[E, F]` for each column by itself.
    pub(super) fn by(
        keys: Tensor<2>,
        x: Tensor<2>,
        elements: &Elements<'_>,
        descending: bool,
    ) -> Self {
        let sets = elements.num_sets();
        let order = group_argsort(keys, elements.index(), descending);
        let (ptr, _) = coo_to_csr(elements.index(), sets);
        let [first, end] = [0, 1].map(|start| ptr.clone().narrow(0, start, sets).unsqueeze_dim(1));
        let ([_, columns], [_, width]) = (order.dims(), x.dims());
        let none = Tensor::zeros([1, columns], (&order.device(), order.dtype()));
        let zeros = Tensor::zeros([1, width], (&x.device(), x.dtype()));
        Self {
            rows: Tensor::cat(vec![zeros, x], 0),
            order: Tensor::cat(vec![none, order.add_scalar(1)], 0),
            count: end - first.clone(),
            first,
        }
    }

    /// The elements at positions `[n, Q]` of their sets, zeros behind the last. `[n Q, F]`
    pub(super) fn at(&self, position: Tensor<2, Int>) -> Tensor<2> {
        let ([sets, positions], [_, width]) = (position.dims(), self.rows.dims());
        let count = self.count.clone().expand([sets, positions]);
        let is_none = position.clone().greater_equal(count);
        let first = self.first.clone().expand([sets, positions]);
        let place = (first + position).add_scalar(1).mask_fill(is_none, 0);
        let row = self
            .order
            .clone()
            .select(0, place.reshape([sets * positions]));
        let row = row.expand([sets * positions, width]);
        self.rows.clone().gather(0, row)
    }
}
