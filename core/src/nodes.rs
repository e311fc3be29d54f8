//! Features of one or two node sets.

use burn::tensor::{Int, Tensor};

use crate::{
    any_tensor::AnyTensor,
    leaves::{Leaves, part},
};

/// The node features that a layer takes: one node set, or sources and targets of a bipartite graph
/// (PyG's `Union[Tensor, Tuple[Tensor, Optional[Tensor]]]`).
///
/// Features are floats `[N, F]` for most layers. A layer may also take features of another rank,
/// numbers of nodes or of categories `[N]`, or none at all.
#[derive(Clone, Debug)]
pub struct Nodes {
    src: Option<AnyTensor>,
    dst: Option<AnyTensor>,
    pair: bool,
}

impl Nodes {
    /// Features of one node set, `[N, ..]`.
    pub fn single(x: impl Into<AnyTensor>) -> Self {
        let x = x.into();
        Self {
            src: Some(x.clone()),
            dst: Some(x),
            pair: false,
        }
    }

    /// Features of sources, `[N, ..]`, and of targets, `[M, ..]`.
    pub fn pair(src: impl Into<AnyTensor>, dst: Option<AnyTensor>) -> Self {
        Self {
            src: Some(src.into()),
            dst,
            pair: true,
        }
    }

    /// Features of targets, `[M, ..]`, beside sources without.
    pub fn targets(dst: impl Into<AnyTensor>) -> Self {
        Self {
            src: None,
            dst: Some(dst.into()),
            pair: true,
        }
    }

    /// Nodes without features.
    pub fn none() -> Self {
        Self {
            src: None,
            dst: None,
            pair: false,
        }
    }

    /// Whether sources and targets are two node sets.
    pub fn is_pair(&self) -> bool {
        self.pair
    }

    /// Features of the sources.
    pub fn src(&self) -> Option<&AnyTensor> {
        self.src.as_ref()
    }

    /// Features of the targets; those of one node set are its own.
    pub fn dst(&self) -> Option<&AnyTensor> {
        self.dst.as_ref()
    }

    /// Features of sources and targets as floats of rank `D`.
    ///
    /// # Panics
    /// If the sources have none, or features are of another rank or kind.
    pub fn floats<const D: usize>(self) -> (Tensor<D>, Option<Tensor<D>>) {
        let src = self
            .src
            .unwrap_or_else(|| panic!("expected node features, got none"));
        (src.float(), self.dst.map(AnyTensor::float))
    }

    /// Features of sources and targets as integers of rank `D`.
    ///
    /// # Panics
    /// If the sources have none, or features are of another rank or kind.
    pub fn ints<const D: usize>(self) -> (Tensor<D, Int>, Option<Tensor<D, Int>>) {
        let src = self
            .src
            .unwrap_or_else(|| panic!("expected numbers of nodes, got none"));
        (src.int(), self.dst.map(AnyTensor::int))
    }
}

impl<T: Into<AnyTensor>> From<T> for Nodes {
    fn from(x: T) -> Self {
        Self::single(x)
    }
}

impl<S: Into<AnyTensor>, T: Into<AnyTensor>> From<(S, T)> for Nodes {
    fn from((src, dst): (S, T)) -> Self {
        Self::pair(src, Some(dst.into()))
    }
}

impl<S: Into<AnyTensor>> From<(S, Option<S>)> for Nodes {
    fn from((src, dst): (S, Option<S>)) -> Self {
        Self::pair(src, dst.map(Into::into))
    }
}

impl Leaves for AnyTensor {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, Self) -> Self) -> Self {
        f(name.to_owned(), self)
    }
}

impl Leaves for Nodes {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        if self.pair {
            Self {
                src: self.src.map_leaves(&part(name, 0), f),
                dst: self.dst.map_leaves(&part(name, 1), f),
                pair: true,
            }
        } else {
            let x = self.src.map_leaves(name, f);
            Self {
                src: x.clone(),
                dst: x,
                pair: false,
            }
        }
    }
}
