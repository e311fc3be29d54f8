//! Attention on the CPU: the kernel of each [`Score`].

use burn::backend::Flex;
use burn_flex::FlexTensor;

use super::{
    gat, pairwise,
    score::{SavedAttention, Score},
};
use crate::CsrTensors;

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn edge_attention(
    first: &FlexTensor,
    second: &FlexTensor,
    third: &FlexTensor,
    seed: &FlexTensor,
    csr: &CsrTensors<Flex>,
    score: Score,
) -> (FlexTensor, FlexTensor) {
    let inputs = [first, second, third];
    match score {
        Score::Gat(options) => gat::flex::attention(inputs, seed, csr, options),
        Score::GatV2(options) => pairwise::flex::edge_attention_v2(inputs, seed, csr, options),
        Score::Dot(options) => pairwise::flex::dot_attention(inputs, seed, csr, options),
    }
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn edge_attention_backward(
    first: &FlexTensor,
    second: &FlexTensor,
    third: &FlexTensor,
    saved: &SavedAttention<Flex>,
    csr: &CsrTensors<Flex>,
    transposed: &CsrTensors<Flex>,
    score: Score,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (inputs, csrs) = ([first, second, third], [csr, transposed]);
    match score {
        Score::Gat(options) => gat::flex::attention_backward(inputs, saved, csrs, options),
        Score::GatV2(options) => {
            pairwise::flex::edge_attention_v2_backward(inputs, saved, csrs, options)
        }
        Score::Dot(options) => pairwise::flex::dot_attention_backward(inputs, saved, csrs, options),
    }
}
