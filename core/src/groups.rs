//! Rows that belong to groups, such as the nodes of the graphs of a batch.

use burn::tensor::{Device, Int, Tensor};

use crate::{
    Batch, EdgeIndex, GraphError, any_tensor::AnyTensor, integers::size_to_i64, leaves::Leaves,
};

/// Which group each row of a tensor belongs to: PyG's `batch` with the number of graphs.
///
/// As an edge index does, groups are checked once, and rows are sorted by group once: keep them for
/// a batch and clone them. Groups may be empty.
///
/// ```
/// use burn::tensor::Device;
/// use kiln_core::Groups;
///
/// let groups = Groups::from_array(&[0, 0, 2], 3, &Device::flex()).unwrap();
/// assert_eq!((groups.num_rows(), groups.num_groups()), (3, 3));
/// ```
#[derive(Clone, Debug)]
pub struct Groups {
    /// An edge from each row to its group.
    edges: EdgeIndex,
    owner: Tensor<1, Int>,
    is_one: bool,
}

impl Groups {
    /// Groups of rows.
    ///
    /// # Shapes
    /// - owner: `[N]`, in `0..num_groups`, in any order
    ///
    /// # Errors
    /// If there is no such group. Reads the tensor.
    pub fn new(owner: Tensor<1, Int>, num_groups: usize) -> Result<Self, GraphError> {
        let [rows] = owner.dims();
        let edges = EdgeIndex::new(edges(&owner, num_groups).tensor(), rows, num_groups)?;
        Ok(Self {
            edges,
            owner,
            is_one: false,
        })
    }

    /// Groups that are known to be in range, for owners that a kernel made, and for recordings.
    pub fn new_unchecked(owner: Tensor<1, Int>, num_groups: usize) -> Self {
        Self {
            edges: edges(&owner, num_groups),
            owner,
            is_one: false,
        }
    }

    /// Groups from a list.
    ///
    /// # Errors
    /// If there is no such group.
    pub fn from_array(
        owner: &[i64],
        num_groups: usize,
        device: &Device,
    ) -> Result<Self, GraphError> {
        Self::new(Tensor::from_data(owner, device), num_groups)
    }

    /// One group of all rows.
    pub fn one(num_rows: usize, device: &Device) -> Self {
        Self {
            is_one: true,
            ..Self::new_unchecked(Tensor::zeros([num_rows], device), 1)
        }
    }

    /// Whether the groups are known to be one, from [`one`](Self::one); then rows need not be told
    /// apart.
    pub fn is_one(&self) -> bool {
        self.is_one
    }

    /// Group of each row, `[N]`.
    pub fn owner(&self) -> Tensor<1, Int> {
        self.owner.clone()
    }

    /// Number of groups.
    pub fn num_groups(&self) -> usize {
        self.edges.num_dst()
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.edges.num_src()
    }

    /// An edge from each row to its group, in order of the rows: reducing what edges carry reduces
    /// the rows of each group, and sorted edges are sorted groups.
    pub fn edges(&self) -> &EdgeIndex {
        &self.edges
    }
}

/// An edge from each row to its group.
fn edges(owner: &Tensor<1, Int>, num_groups: usize) -> EdgeIndex {
    let [rows] = owner.dims();
    let last = size_to_i64(rows);
    let row = Tensor::arange(0..last, &owner.device()).cast(owner.dtype());
    EdgeIndex::from_ends_unchecked(row, owner.clone(), rows, num_groups)
}

impl From<&Batch> for Groups {
    fn from(batch: &Batch) -> Self {
        Self::new_unchecked(batch.batch(), batch.num_graphs())
    }
}

impl Leaves for Groups {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let owner = self.owner.clone().map_leaves(name, f);
        Self {
            is_one: self.is_one,
            ..Self::new_unchecked(owner, self.num_groups())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_may_have_no_rows() {
        let owner = Tensor::<1, Int>::empty([0], &Device::flex());
        let groups = Groups::new_unchecked(owner, 3);
        assert_eq!((groups.edges().num_edges(), groups.num_groups()), (0, 3));
    }
}
