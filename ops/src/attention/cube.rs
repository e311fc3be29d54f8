//! Attention on GPUs: the kernel of each [`Score`].

use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use super::{
    gat, pairwise,
    score::{SavedAttention, Score},
};
use crate::CsrTensors;

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn edge_attention(
    first: CubeTensor,
    second: CubeTensor,
    third: CubeTensor,
    seed: CubeTensor,
    csr: CsrTensors<CubeBackend>,
    score: Score,
) -> (CubeTensor, CubeTensor) {
    let inputs = [first, second, third];
    match score {
        Score::Gat(options) => gat::cube::attention(inputs, seed, csr, options),
        Score::GatV2(options) => pairwise::cube::edge_attention_v2(inputs, seed, csr, options),
        Score::Dot(options) => pairwise::cube::dot_attention(inputs, seed, csr, options),
    }
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn edge_attention_backward(
    first: CubeTensor,
    second: CubeTensor,
    third: CubeTensor,
    saved: SavedAttention<CubeBackend>,
    csr: CsrTensors<CubeBackend>,
    transposed: CsrTensors<CubeBackend>,
    score: Score,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let (inputs, csrs) = ([first, second, third], [csr, transposed]);
    match score {
        Score::Gat(options) => gat::cube::attention_backward(inputs, saved, csrs, options),
        Score::GatV2(options) => {
            pairwise::cube::edge_attention_v2_backward(inputs, saved, csrs, options)
        }
        Score::Dot(options) => pairwise::cube::dot_attention_backward(inputs, saved, csrs, options),
    }
}
