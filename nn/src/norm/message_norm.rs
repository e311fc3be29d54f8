//! Normalisation of aggregated messages.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use crate::utils::unit_rows;

/// Scales the aggregated messages of each node to the length of its features times a number.
///
/// ```text
/// m_i' = s · ‖x_i‖ · m_i / ‖m_i‖
/// ```
///
/// Source: Li et al., DeeperGCN: All You Need to Train Deeper GCNs, 2020, arXiv:2006.07739. Matches
/// `torch_geometric.nn.MessageNorm` (2.8) with the Euclidean norm.
#[derive(Module, Debug)]
pub struct MessageNorm {
    /// The number `s`, `[1]`.
    pub scale: Param<Tensor<1>>,
}

impl MessageNorm {
    /// A normalisation with `s = 1`, which is learned or not.
    pub fn new(learn_scale: bool, device: &Device) -> Self {
        let scale = Param::from_tensor(Tensor::ones([1], device));
        Self {
            scale: scale.set_require_grad(learn_scale),
        }
    }

    /// Normalises messages.
    ///
    /// # Shapes
    /// x: `[N, F]` · messages: `[N, F']` · output: `[N, F']`
    ///
    /// # Panics
    /// If the numbers of rows differ.
    pub fn forward(&self, x: Tensor<2>, messages: Tensor<2>) -> Tensor<2> {
        let squares = (x.clone() * x).sum_dim(1);
        // The gradient of the length of a zero row is zero.
        let is_zero = squares.clone().equal_elem(0.0);
        let length = squares.mask_fill(is_zero.clone(), 1.0).sqrt();
        let length = length.mask_fill(is_zero, 0.0);
        unit_rows(messages) * length * self.scale.val().unsqueeze_dim(1)
    }
}
