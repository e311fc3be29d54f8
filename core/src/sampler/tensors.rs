//! Graphs from a device to the host.

use super::HostCsr;
use crate::{EdgeIndex, GraphError};

impl HostCsr {
    /// The edges of an edge index, read back from its device and sorted by target. An edge's
    /// number is its position in the edge index.
    ///
    /// # Errors
    /// If an index is out of range, as after [`EdgeIndex::new_unchecked`], or there are `2^32`
    /// edges or more.
    pub fn from_edge_index(edges: &EdgeIndex) -> Result<Self, GraphError> {
        let (num_src, num_dst) = (edges.num_src(), edges.num_dst());
        let data = edges.tensor().into_data();
        if let Ok(ends) = data.as_slice::<i32>() {
            let (src, dst) = ends.split_at(edges.num_edges());
            return Self::from_coo(src, dst, num_src, num_dst);
        }
        let ends: Vec<i64> = data.iter::<i64>().collect();
        let (src, dst) = ends.split_at(edges.num_edges());
        Self::from_coo(src, dst, num_src, num_dst)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Int, Tensor, TensorData};

    use super::*;

    #[test]
    fn both_integer_widths_are_read() {
        let device = Device::flex();
        for dtype in [DType::I32, DType::I64] {
            let data = TensorData::from([[2, 0, 1], [0, 1, 0]]);
            let tensor = Tensor::<2, Int>::from_data(data, (&device, dtype));
            let graph = HostCsr::from_edge_index(&EdgeIndex::new_unchecked(tensor.clone(), 3, 2));
            let graph = graph.unwrap();
            assert_eq!((graph.num_src(), graph.num_dst()), (3, 2));
            assert_eq!(graph.rowptr(), [0, 2, 3]);
            assert_eq!(graph.col(), [2, 1, 0]);
            let wrong = HostCsr::from_edge_index(&EdgeIndex::new_unchecked(tensor, 2, 2));
            assert!(wrong.is_err());
        }
    }
}
