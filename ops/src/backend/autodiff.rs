//! Gradients on top of any backend. Indices, counts and positions have none.

use burn::backend::{
    AutodiffBackend as _,
    autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;

use super::table::operations;
use crate::{
    CsrTensors, GraphOps, OptionalTensor, Reduce, SavedAttention, Score, Terms, batch_norm,
    dropout, linear, relu,
};

impl<B: GraphOps, C: CheckpointStrategy> CsrTensors<Autodiff<B, C>> {
    /// The same on the backend below, since indices have no gradients.
    fn inner(self) -> CsrTensors<B> {
        CsrTensors {
            ptr: self.ptr,
            col: self.col,
            edge: self.edge,
            chunk: self.chunk,
            hub: self.hub,
        }
    }
}

impl<B: GraphOps, C: CheckpointStrategy> SavedAttention<Autodiff<B, C>> {
    /// The same on the backend below.
    fn inner(self) -> SavedAttention<B> {
        let [out, lse, grad] = [self.out, self.lse, self.grad].map(Autodiff::<B, C>::inner);
        let seed = self.seed;
        SavedAttention {
            out,
            lse,
            grad,
            seed,
        }
    }
}

impl<B: GraphOps, C: CheckpointStrategy> GraphOps for Autodiff<B, C> {
    operations! { gradients }

    fn nonzero(mask: BoolTensor<Self>) -> IntTensor<Self> {
        B::nonzero(mask)
    }

    fn positions_below(size: IntTensor<Self>) -> IntTensor<Self> {
        B::positions_below(size)
    }

    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        dropout::backward::dropout::<B, C>(x, prob)
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu::backward::rectify::<B, C>(x)
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::matmul::<B, C>(lhs, rhs)
    }

    fn heads_dot(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::heads_dot::<B, C>(x, weight)
    }

    fn add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        linear::backward::add_bias::<B, C>(x, bias)
    }

    fn standardize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        batch_norm::backward::standardize::<B, C>(x, gamma, beta, epsilon)
    }
}
