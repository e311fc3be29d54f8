//! Features of one or two node sets.

use burn::tensor::Tensor;

use crate::{
    leaves::{Leaves, part},
    value::AnyTensor,
};

/// The node features that a layer takes: one node set, or sources and destinations of a bipartite
/// graph (PyG's `Union[Tensor, Tuple[Tensor, Optional[Tensor]]]`).
#[derive(Clone, Debug)]
pub struct Nodes {
    /// Features of the sources, `[N, F]`.
    pub src: Tensor<2>,
    /// Features of the destinations, `[M, F']`; of one node set, the same tensor as `src`.
    pub dst: Option<Tensor<2>>,
    pair: bool,
}

impl Nodes {
    /// Features of one node set, `[N, F]`.
    pub fn single(x: Tensor<2>) -> Self {
        Self {
            dst: Some(x.clone()),
            src: x,
            pair: false,
        }
    }

    /// Features of sources `[N, F]` and destinations `[M, F']`.
    pub fn pair(src: Tensor<2>, dst: Option<Tensor<2>>) -> Self {
        Self {
            src,
            dst,
            pair: true,
        }
    }

    /// Whether sources and destinations are two node sets.
    pub fn is_pair(&self) -> bool {
        self.pair
    }
}

impl From<Tensor<2>> for Nodes {
    fn from(x: Tensor<2>) -> Self {
        Self::single(x)
    }
}

impl From<(Tensor<2>, Tensor<2>)> for Nodes {
    fn from((src, dst): (Tensor<2>, Tensor<2>)) -> Self {
        Self::pair(src, Some(dst))
    }
}

impl From<(Tensor<2>, Option<Tensor<2>>)> for Nodes {
    fn from((src, dst): (Tensor<2>, Option<Tensor<2>>)) -> Self {
        Self::pair(src, dst)
    }
}

impl Leaves for Nodes {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        if self.pair {
            let src = self.src.map_leaves(&part(name, 0), f);
            Self::pair(src, self.dst.map_leaves(&part(name, 1), f))
        } else {
            Self::single(self.src.map_leaves(name, f))
        }
    }
}
