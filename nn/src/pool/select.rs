//! Nodes with the greatest scores.

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};
use kiln_ops::{
    Reduce, arange, clamp, coo_to_csr, gather, group_argsort, nonzero, ptr_to_index, scatter,
    segment_softmax,
};

use crate::{activation::Activation, config::ConfigError, init};

/// What PyG subtracts from the greatest score, so that no graph loses all nodes.
const TOLERANCE: f64 = 1e-7;

/// Nodes by graph, and the nodes of a graph in order.
struct ByGraph {
    /// The nodes.
    order: Tensor<1, Int>,
    /// Where the nodes of each graph that has some start, and where the last ones end. `[G + 1]`
    ptr: Tensor<1, Int>,
    /// For each node in order its graph, counting those that have nodes.
    graph: Tensor<1, Int>,
}

impl ByGraph {
    /// Nodes by graph and by key, the greatest first.
    fn new(key: Tensor<1>, batch: Tensor<1, Int>) -> Self {
        let ([nodes], dtype) = (key.dims(), batch.dtype());
        let order = group_argsort(key.unsqueeze_dim(1), batch.clone(), true);
        let order: Tensor<1, Int> = order.squeeze_dim(1);
        let sorted = batch.select(0, order.clone());
        let place = arange(0..nodes, &order.device()).cast(dtype);
        let before = place.clone().sub_scalar(1).clamp_min(0);
        let differs = sorted.clone().not_equal(sorted.select(0, before));
        let first = nonzero(place.equal_elem(0).bool_or(differs)).cast(dtype);
        let end = arange(nodes..nodes + 1, &order.device()).cast(dtype);
        let ptr = Tensor::cat(vec![first, end], 0);
        let graph = ptr_to_index(ptr.clone(), nodes);
        Self { order, ptr, graph }
    }

    /// Number of graphs.
    fn num_graphs(&self) -> usize {
        self.ptr.dims()[0] - 1
    }

    /// Where the nodes of each graph start, `[G]`.
    fn first(&self) -> Tensor<1, Int> {
        self.ptr.clone().narrow(0, 0, self.num_graphs())
    }

    /// The first nodes of each graph, as many as a function makes of their numbers.
    fn first_of_each(self, keep: impl FnOnce(Tensor<1, Int>) -> Tensor<1, Int>) -> Tensor<1, Int> {
        let [nodes] = self.order.dims();
        let first = self.first();
        let number = self.ptr.clone().narrow(0, 1, self.num_graphs()) - first.clone();
        let keep = keep(number).select(0, self.graph.clone());
        let place = arange(0..nodes, &first.device()).cast(first.dtype());
        let within = place - first.select(0, self.graph);
        self.order.select(0, nonzero(within.lower(keep)))
    }
}

/// The graph of each node, counting those that have nodes, and a number that they are not more
/// than.
fn graphs(batch: Option<Tensor<1, Int>>, like: &Tensor<1>) -> (Tensor<1, Int>, usize) {
    let [nodes] = like.dims();
    // A recording has the same sizes that depend on data with and without `batch`.
    let batch = batch.unwrap_or_else(|| one_graph(nodes, &like.device()));
    let by_graph = ByGraph::new(like.zeros_like(), batch);
    let (_, place) = coo_to_csr(by_graph.order, nodes);
    (by_graph.graph.select(0, place), nodes)
}

fn one_graph(nodes: usize, device: &Device) -> Tensor<1, Int> {
    arange(0..nodes, device).mul_scalar(0)
}

/// Numbers of the nodes with the greatest scores in each graph.
///
/// With `min_score` those whose score is above it, or is the graph's greatest, in the order of
/// their numbers. Otherwise `⌈ratio · n⌉` of a graph's `n` nodes, or, of a ratio of 1 and above,
/// as many as its integral part; by graph, and in a graph the greatest first. Equal scores stay in
/// the order of their nodes, which PyG leaves open, and NaN counts as greater than all numbers.
///
/// Matches `torch_geometric.nn.pool.select.topk` (2.8).
///
/// # Shapes
/// score: `[N]` · batch: the graph of each node, `[N]`, in any order; without it there is one ·
/// output: `[K]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_nn::pool::topk;
///
/// let score = Tensor::<1>::from_floats([0.5, 2.0, 1.0], &Device::flex());
/// let perm = topk(score, 0.5, None, None).into_data();
/// assert_eq!(perm.iter::<i64>().collect::<Vec<_>>(), [1, 2]);
/// ```
pub fn topk(
    score: Tensor<1>,
    ratio: f64,
    batch: Option<Tensor<1, Int>>,
    min_score: Option<f64>,
) -> Tensor<1, Int> {
    if let Some(min_score) = min_score {
        let (graph, size) = graphs(batch, &score);
        let most = scatter(score.clone(), graph.clone(), size, Reduce::Max);
        let bound = gather(most, graph).sub_scalar(TOLERANCE);
        return nonzero(score.greater(clamp(bound, None, Some(min_score))));
    }
    let [nodes] = score.dims();
    let batch = batch.unwrap_or_else(|| one_graph(nodes, &score.device()));
    let float = score.dtype();
    ByGraph::new(score, batch).first_of_each(|number| {
        let dtype = number.dtype();
        if ratio >= 1.0 {
            return number.full_like(ratio.trunc());
        }
        let number = number.float().cast(float);
        number.mul_scalar(ratio).ceil().int().cast(dtype)
    })
}

/// The nodes that a layer selects, and their scores.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Numbers of the nodes, `[K]`.
    pub perm: Tensor<1, Int>,
    /// Their scores, `[K]`.
    pub score: Tensor<1>,
}

/// Selects the nodes whose features are greatest along a learned direction.
///
/// ```text
/// score = act( X p / ‖p‖ ), or, with `min_score`, softmax( X p ) among the nodes of a graph
/// ```
///
/// Matches `torch_geometric.nn.pool.select.SelectTopK` (2.8). [`topk`] says which are selected.
///
/// # Shapes
/// x: `[N, in_channels]` · batch: `[N]` or none · output: `[K]`
#[derive(Module, Debug)]
pub struct SelectTopK {
    /// The direction `p`, `[1, in_channels]`.
    pub weight: Param<Tensor<2>>,
    #[module(skip)]
    options: Options,
}

/// What a [`SelectTopK`] was made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) ratio: Option<f64>,
    pub(super) min_score: Option<f64>,
    pub(super) act: Activation,
}

impl Options {
    /// Whether the arguments go together.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        let given = self.ratio.is_some() || self.min_score.is_some();
        ConfigError::unless(given, "ratio", "a number, or `min_score`", "none")?;
        let ok = self.ratio.is_none_or(|ratio| ratio > 0.0);
        let got = format!("{:?}", self.ratio);
        ConfigError::unless(ok, "ratio", "a number above 0", got)
    }

    pub(super) fn init(self, width: usize, device: &Device) -> SelectTopK {
        SelectTopK {
            weight: init::uniform([1, width], width, device),
            options: self,
        }
    }
}

impl SelectTopK {
    /// Selects nodes.
    ///
    /// # Panics
    /// If features do not have the width of the layer.
    pub fn forward(&self, x: Tensor<2>, batch: Option<Tensor<1, Int>>) -> Selected {
        let Options {
            ratio,
            min_score,
            act,
        } = self.options;
        let weight = self.weight.val();
        let score = kiln_ops::linear(x, weight.clone().swap_dims(0, 1), None);
        let score: Tensor<1> = score.squeeze_dim(1);
        let score = if min_score.is_some() {
            let (graph, size) = graphs(batch.clone(), &score);
            segment_softmax(score, graph, size)
        } else {
            let square = (weight.clone() * weight).sum_dim(1);
            act.apply(score / square.sqrt().squeeze_dim(1))
        };
        let ratio = ratio.unwrap_or(1.0);
        let perm = topk(score.clone(), ratio, batch, min_score);
        let score = gather(score, perm.clone());
        Selected { perm, score }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Graphs are in no order, and there are none from 1 to 6. The numbers are PyG's.
    #[test]
    fn graphs_may_be_mixed_and_empty() {
        let device = Device::flex();
        let score = Tensor::<1>::from_floats([0.5, 2.0, 1.0, -1.0, 3.0], &device);
        let batch = Tensor::<1, Int>::from_ints([7, 0, 7, 0, 7], &device);
        let kept = |ratio, min_score| {
            let perm = topk(score.clone(), ratio, Some(batch.clone()), min_score);
            perm.into_data().iter::<i64>().collect::<Vec<_>>()
        };
        assert_eq!(kept(0.5, None), [1, 4, 2]);
        assert_eq!(kept(0.3, None), [1, 4]);
        assert_eq!(kept(2.0, None), [1, 3, 4, 2]);
        assert_eq!(kept(0.5, Some(0.9)), [1, 2, 4]);
    }

    #[test]
    fn a_ratio_or_a_least_score_is_needed() {
        let options = Options {
            ratio: None,
            min_score: None,
            act: Activation::Tanh,
        };
        let error = options.check().unwrap_err().to_string();
        assert_eq!(
            error,
            "argument `ratio`: expected a number, or `min_score`, got none"
        );
    }
}
