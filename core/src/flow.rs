//! The direction of messages.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::Nodes;

/// Which way messages run along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// From the first row of the edge index to the second.
    #[default]
    SourceToTarget,
    /// From the second row to the first.
    TargetToSource,
}

impl Flow {
    /// The float features at both ends of messages: `x_j` where they start, and `x_i`, which may be
    /// absent, where they arrive.
    ///
    /// # Panics
    /// If features are no floats of rank 2, or messages run from target to source and a pair lacks
    /// the targets' features.
    pub fn ends(self, x: Nodes) -> (Tensor<2>, Option<Tensor<2>>) {
        let (src, dst) = x.floats();
        match self {
            Self::SourceToTarget => (src, dst),
            Self::TargetToSource => {
                let x_j = dst.unwrap_or_else(|| {
                    panic!("messages run from target to source: expected features of the targets")
                });
                (x_j, Some(src))
            }
        }
    }
}
