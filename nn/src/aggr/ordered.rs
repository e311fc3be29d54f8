//! Elements in the order of their sets.

use burn::tensor::{Int, Tensor};
use kiln_ops::group_argsort;

use super::elements::Elements;
use crate::{dense_batch::Places, shape::expand};

/// The elements of sets, each set in order.
pub(super) struct Ordered {
    /// A row of zeros, and the elements.
    rows: Tensor<2>,
    /// For each place in the order its row, behind the number of the row of zeros; for all columns
    /// or each by itself.
    order: Tensor<2, Int>,
    /// Where the elements of each set begin and end.
    pub(super) places: Places,
}

impl Ordered {
    /// Elements in the order of keys: `[E, 1]`, or `[E, F]` for each column by itself.
    pub(super) fn by(
        keys: Tensor<2>,
        x: Tensor<2>,
        elements: &Elements<'_>,
        descending: bool,
    ) -> Self {
        let order = group_argsort(keys, elements.index(), descending);
        let ([_, columns], [_, width]) = (order.dims(), x.dims());
        let none = Tensor::zeros([1, columns], (&order.device(), order.dtype()));
        let zeros = Tensor::zeros([1, width], (&x.device(), x.dtype()));
        Self {
            rows: Tensor::cat(vec![zeros, x], 0),
            order: Tensor::cat(vec![none, order.add_scalar(1)], 0),
            places: elements.places(),
        }
    }

    /// The elements at positions `[n, Q]` of their sets, zeros behind the last. `[n Q, F]`
    pub(super) fn at(&self, position: Tensor<2, Int>) -> Tensor<2> {
        let ([sets, positions], [_, width]) = (position.dims(), self.rows.dims());
        let row = self.order.clone().select(0, self.places.at(position));
        let row = expand(row, [sets * positions, width]);
        self.rows.clone().gather(0, row)
    }
}
