//! What is measured: an operation on a graph at some width, forward or with its gradients.

use crate::graphs::{ARXIV, CORA, PRODUCTS, Size};

/// Heads of the attention layers and softmaxes.
pub(crate) const HEADS: usize = 4;
/// Neighbours that are sampled in each hop.
pub(crate) const FANOUTS: [i64; 3] = [15, 10, 5];
/// Nodes that a sample starts from.
pub(crate) const SEEDS: usize = 1024;

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Sum of the neighbours' rows.
    Spmm,
    /// Sum of the neighbours' rows, weighted by edge.
    WeightedSpmm,
    /// Graph convolution; coefficients are computed in each call.
    Gcn,
    /// Graph convolution whose coefficients are known.
    GcnCached,
    /// The same layer, recorded and prepared for many runs, which a GPU repeats at one command.
    GcnReplay,
    /// GraphSAGE with the mean.
    Sage,
    /// Graph isomorphism network with a perceptron of two layers.
    Gin,
    /// Graph attention.
    Gat,
    /// Softmax among the edges of a node.
    Softmax,
    /// Sorting edges by destination, with the permutation.
    CooToCsr,
    /// Sampling neighbours of neighbours.
    Sampling,
}

impl Op {
    /// The name in tables, and that by which `peers.py` knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spmm => "spmm",
            Self::WeightedSpmm => "spmm-weighted",
            Self::Gcn => "gcn",
            Self::GcnCached => "gcn-cached",
            Self::GcnReplay => "gcn-replay",
            Self::Sage => "sage",
            Self::Gin => "gin",
            Self::Gat => "gat",
            Self::Softmax => "softmax",
            Self::CooToCsr => "coo-to-csr",
            Self::Sampling => "sampling",
        }
    }

    /// Whether it has weights to learn.
    pub(crate) fn is_layer(self) -> bool {
        matches!(
            self,
            Self::Gcn | Self::GcnCached | Self::GcnReplay | Self::Sage | Self::Gin | Self::Gat
        )
    }
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) graph: Size,
    pub(crate) op: Op,
    /// Width of the features that go in.
    pub(crate) d_input: usize,
    /// Width of those that come out.
    pub(crate) d_output: usize,
    /// Whether gradients of features and parameters are computed as well.
    pub(crate) training: bool,
}

impl Case {
    /// An operation that keeps the width.
    fn plain(graph: Size, op: Op, width: usize) -> Self {
        Self {
            graph,
            op,
            d_input: width,
            d_output: width,
            training: false,
        }
    }

    /// A layer at the widths of the graph.
    fn layer(graph: Size, op: Op, training: bool) -> Self {
        Self {
            graph,
            op,
            d_input: graph.d_input,
            d_output: graph.d_output,
            training,
        }
    }

    /// Such as `arxiv/spmm/128` or `arxiv/gcn/128-256/training`.
    pub(crate) fn name(&self) -> String {
        let (graph, op) = (self.graph.name, self.op.name());
        let (d_input, d_output) = (self.d_input, self.d_output);
        match self.op {
            Op::CooToCsr => format!("{graph}/{op}"),
            Op::Sampling => format!(
                "{graph}/{op}/{}",
                FANOUTS.map(|it| it.to_string()).join("-")
            ),
            _ if self.op.is_layer() => {
                let pass = if self.training { "training" } else { "forward" };
                format!("{graph}/{op}/{d_input}-{d_output}/{pass}")
            }
            _ => format!("{graph}/{op}/{d_input}"),
        }
    }

    /// Bytes that the messages must move, if no row is found in a cache: features and weights of 4
    /// bytes, numbers of nodes of 4 bytes. Matrix products of a layer are not counted. Nothing for
    /// operations that have no such bound.
    pub(crate) fn bytes(&self) -> Option<f64> {
        let (nodes, edges) = (float(self.graph.nodes), float(self.graph.edges));
        let heads = float(HEADS);
        // Linear layers commute with sums, so that messages can have the narrower width.
        let width = match self.op {
            Op::Gat => self.d_output,
            _ => self.d_input.min(self.d_output),
        };
        let (x, rows) = (4.0 * nodes * float(width), 4.0 * edges * float(width));
        let ids = 4.0 * edges + 4.0 * (nodes + 1.0);
        let sum = rows + ids + x;
        let passes = if self.training { 2.0 } else { 1.0 };
        match self.op {
            Op::Spmm | Op::Sage => Some(passes * sum),
            Op::WeightedSpmm | Op::Gcn | Op::GcnCached | Op::GcnReplay => {
                Some(passes * (sum + 4.0 * edges))
            }
            Op::Gin => Some(passes * (sum + x)),
            Op::Gat => {
                let scores = 4.0 * edges * heads;
                let forward = rows + 4.0 * edges + scores + x + 12.0 * nodes * heads;
                let backward =
                    2.0 * rows + 12.0 * edges + 4.0 * scores + 4.0 * x + 32.0 * nodes * heads;
                Some(if self.training {
                    forward + backward
                } else {
                    forward
                })
            }
            Op::Softmax => Some(2.0 * 4.0 * edges * heads + ids),
            Op::CooToCsr => Some(2.0 * 4.0 * edges + ids),
            Op::Sampling => None,
        }
    }
}

/// What to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// At most this part of the time that a peer takes.
    Ratio(f64),
    /// At most so many milliseconds; set for an NVIDIA H200.
    Milliseconds(f64),
}

/// The goal of a case against a peer, if there is one.
pub(crate) fn goal(case: &Case, peer: &str, gpu: bool) -> Option<Goal> {
    if gpu {
        return gpu_goal(case, peer);
    }
    if case.op == Op::Sampling {
        return (peer == "PyG").then_some(Goal::Ratio(0.7));
    }
    if case.graph != ARXIV {
        return None;
    }
    let ratio = match (case.op, case.d_input, peer) {
        (Op::Spmm, _, "torch.sparse") => 0.60,
        (Op::Spmm, 32, "DGL") => 1.0,
        (Op::Spmm, _, "DGL") => 0.85,
        (Op::WeightedSpmm, _, "DGL") => 0.25,
        (Op::Gcn | Op::Sage | Op::Gin, _, "PyG") if case.training => 0.20,
        (Op::Gcn | Op::Sage | Op::Gin, _, "PyG") => 0.15,
        (Op::Gat, _, "PyG") if case.training => 0.15,
        (Op::Gat, _, "PyG") => 0.12,
        (Op::CooToCsr, _, "torch.argsort") => 0.35,
        _ => return None,
    };
    Some(Goal::Ratio(ratio))
}

fn gpu_goal(case: &Case, peer: &str) -> Option<Goal> {
    if case.op == Op::Spmm && case.graph != CORA {
        return (peer == "torch.sparse").then_some(Goal::Ratio(1.0));
    }
    if peer != "PyG" {
        return None;
    }
    let milliseconds = match (case.graph.name, case.op, case.training) {
        ("arxiv", Op::Gcn | Op::Gin, false) => 0.9,
        ("arxiv", Op::Gcn | Op::Gin, true) => 2.6,
        ("arxiv", Op::Sage, false) => 0.8,
        ("arxiv", Op::Sage, true) => 2.2,
        ("arxiv", Op::Gat, false) => 1.4,
        ("arxiv", Op::Gat, true) => 4.0,
        ("arxiv", Op::Softmax, _) => 0.15,
        ("products", Op::Sage, false) => 28.0,
        ("products", Op::Sage, true) => 80.0,
        ("products", Op::Gcn, false) => 32.0,
        ("products", Op::Gat, false) => 140.0,
        ("cora", Op::GcnCached, false) => 0.10,
        ("cora", Op::GcnReplay, false) => 0.05,
        _ => return None,
    };
    Some(Goal::Milliseconds(milliseconds))
}

/// Everything that is measured on a processor or a GPU, by graph.
pub(crate) fn all(gpu: bool) -> Vec<Case> {
    let layers = [Op::Gcn, Op::Sage, Op::Gin, Op::Gat];
    let passes = |graph| {
        layers
            .into_iter()
            .flat_map(move |op| [false, true].map(|training| Case::layer(graph, op, training)))
    };
    let mut cases = vec![
        Case::plain(CORA, Op::Spmm, 16),
        Case::layer(CORA, Op::GcnCached, false),
        Case::layer(CORA, Op::GcnReplay, false),
    ];
    cases.extend(passes(CORA));

    cases.push(Case::plain(ARXIV, Op::Spmm, 128));
    if !gpu {
        cases.push(Case::plain(ARXIV, Op::Spmm, 32));
        cases.push(Case::plain(ARXIV, Op::WeightedSpmm, 128));
        cases.push(Case::plain(ARXIV, Op::WeightedSpmm, 32));
        cases.push(Case::plain(ARXIV, Op::CooToCsr, 1));
    }
    cases.extend(passes(ARXIV));
    cases.push(Case::plain(ARXIV, Op::Softmax, HEADS));

    if gpu {
        cases.push(Case::plain(PRODUCTS, Op::Spmm, 100));
        cases.push(Case::layer(PRODUCTS, Op::Sage, false));
        cases.push(Case::layer(PRODUCTS, Op::Sage, true));
        cases.push(Case::layer(PRODUCTS, Op::Gcn, false));
        cases.push(Case::layer(PRODUCTS, Op::Gat, false));
    } else {
        cases.push(Case::plain(PRODUCTS, Op::Sampling, 1));
    }
    cases
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn float(size: usize) -> f64 {
    size as f64
}
