//! The spectral convolution by Chebyshev polynomials.

use kiln_core::{Flow, size_to_i64};
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::utils::{GcnNorm, Normalized, inverse_sqrt};

/// How the Laplacian of a graph is normalised; see [`ChebConv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaplacianNorm {
    /// `I - D^(-1/2) A D^(-1/2)`
    Sym,
    /// `I - D^(-1) A`
    Rw,
}

/// Configuration of a [`ChebConv`].
#[derive(Config, Debug)]
pub struct ChebConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of polynomials.
    pub k: usize,
    /// How the Laplacian is normalised; it is `D - A` if `None`.
    #[config(default = "Some(LaplacianNorm::Sym)")]
    pub normalization: Option<LaplacianNorm>,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for ChebConvConfig {
    type Layer = ChebConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "K"];

    fn blank() -> Self {
        Self::new(0, 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless(self.k > 0, "K", "at least one polynomial", "none")
    }

    fn make(&self, device: &Device) -> ChebConv {
        let lin = LinearConfig::glorot(self.in_channels, self.out_channels);
        ChebConv {
            lins: (0..self.k).map(|_| lin.init(device)).collect(),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Adds linear maps of the features under Chebyshev polynomials of the graph's Laplacian.
///
/// ```text
/// X' = Σ_{k=0..K-1} Z_k W_k + b        Z_0 = X,  Z_1 = L̂ X,  Z_k = 2 L̂ Z_(k-1) - Z_(k-2)
/// L̂ = 2 L / λ - I
/// ```
///
/// `L` is the Laplacian of the graph without its loops, normalised as [`LaplacianNorm`] says, with
/// degrees by source, and `λ` its largest eigenvalue. Without a `λ` it is twice the largest entry
/// of `L`, over all graphs of a batch.
///
/// Source: Defferrard, Bresson, Vandergheynst, Convolutional Neural Networks on Graphs with Fast
/// Localized Spectral Filtering, 2016, arXiv:1606.09375. Matches `torch_geometric.nn.ChebConv`
/// (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · batch: the
/// graph of each node, `[N]` · lambda_max: `[1]`, or one number for each graph of the batch ·
/// output: `[N, out_channels]`
///
/// # Numerics
/// An infinite entry of `2 L / λ` becomes 0, as in PyG.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = ChebConvConfig::new(3, 4, 2).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct ChebConv {
    /// The map of each polynomial.
    pub lins: Vec<Linear>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: ChebConvConfig,
}

/// What [`ChebConv`] takes.
#[derive(Clone, Debug)]
pub struct ChebArgs {
    /// Features of the nodes, `[N, in_channels]`.
    pub x: Tensor<2>,
    /// Edges, with weights or without.
    pub edges: Edges,
    /// The graph of each node, `[N]`; one graph if absent.
    pub batch: Option<Tensor<1, Int>>,
    /// The largest eigenvalue of the Laplacian: `[1]`, or of each graph of the batch.
    pub lambda_max: Option<Tensor<1>>,
}

impl From<ConvArgs> for ChebArgs {
    fn from(ConvArgs { x, edges }: ConvArgs) -> Self {
        let (x, _) = x.floats();
        let (batch, lambda_max) = (None, None);
        Self {
            x,
            edges,
            batch,
            lambda_max,
        }
    }
}

leaves!(ChebArgs {
    x,
    edges as edge_index,
    batch,
    lambda_max
});

impl Arguments for ChebArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.tensor("x"),
            edges: values.edges("edge_index"),
            batch: values.integers("batch"),
            lambda_max: values.optional("lambda_max"),
        }
    }
}

/// The largest number, `[1]`, whose gradient is shared by equal ones. `x: [N]`
fn largest(x: Tensor<1>) -> Tensor<1> {
    let group = Tensor::zeros(x.dims(), &x.device());
    let most = kiln_ops::scatter(x.clone(), group.clone(), 1, Reduce::Max);
    // No other number takes part, so that a gradient that is NaN reaches none.
    let is_lower = x.clone().lower(most.expand(x.shape()));
    let x = x.mask_fill(is_lower, f32::NEG_INFINITY);
    kiln_ops::scatter(x, group, 1, Reduce::Max)
}

impl ChebConv {
    /// The entries of `L̂`: of each edge, and of the diagonal.
    fn norm(&self, args: &ChebArgs) -> GcnNorm {
        let edges = &args.edges;
        let ends = Endpoints::of(edges.bare());
        let (is_loop, nodes) = (ends.is_loop(), ends.num_sources());
        let on = (&args.x.device(), args.x.dtype());
        let given = edges.weight();
        let given = given.unwrap_or_else(|| Tensor::ones([edges.num_edges()], on));
        let weight = given.mask_fill(is_loop, 0.0);
        let (src, dst) = (ends.src(), ends.dst());
        // Degrees are those of sources, whichever way messages run.
        let by_source = Endpoints::new(edges.bare(), Flow::TargetToSource);
        let degree = by_source.collect(weight.clone(), Reduce::Sum);
        let lift = |x: Tensor<1>, end: &Tensor<1, Int>| kiln_ops::gather(x, end.clone());
        let ones = || Tensor::ones([nodes], on);
        let (weight, diagonal) = match self.config.normalization {
            None => (-weight, degree),
            Some(LaplacianNorm::Sym) => {
                let scale = inverse_sqrt(degree);
                let weight = lift(scale.clone(), &src) * weight * lift(scale, &dst);
                (-weight, ones())
            }
            Some(LaplacianNorm::Rw) => {
                let is_zero = degree.clone().equal_elem(0.0);
                let scale = degree.mask_fill(is_zero.clone(), 1.0).recip();
                let weight = lift(scale.mask_fill(is_zero, 0.0), &src) * weight;
                (-weight, ones())
            }
        };
        let [of_edges, of_nodes] = match (&args.lambda_max, &args.batch) {
            (Some(lambda), Some(batch)) => {
                // One number stands for all graphs.
                let last = size_to_i64(lambda.dims()[0]) - 1;
                let beyond = batch.clone().greater_elem(last);
                let batch = batch.clone().mask_fill(beyond, last);
                let of_nodes = kiln_ops::gather(lambda.clone(), batch);
                [lift(of_nodes.clone(), &src), of_nodes]
            }
            (Some(lambda), None) => {
                let lambda = lambda.clone().narrow(0, 0, 1);
                [lambda.clone(), lambda]
            }
            (None, _) => {
                let all = Tensor::cat(vec![weight.clone(), diagonal.clone()], 0);
                let lambda = largest(all) * 2.0;
                // Where there are no edges, GPUs lose what is computed together with their entries
                // for the first time.
                let of_nodes = kiln_ops::gather(lambda, Tensor::zeros([nodes], on.0));
                [lift(of_nodes.clone(), &src), of_nodes]
            }
        };
        let scaled = |entries: Tensor<1>, lambda: Tensor<1>| {
            let scaled = entries * 2.0 / lambda;
            let is_infinite = scaled.clone().equal_elem(f32::INFINITY);
            scaled.mask_fill(is_infinite, 0.0)
        };
        let (weight, diagonal) = (scaled(weight, of_edges), scaled(diagonal, of_nodes));
        GcnNorm::looped(weight, diagonal - 1.0)
    }
}

impl Layer for ChebConv {
    const NAME: &'static str = "ChebConv";

    type Config = ChebConvConfig;
    type Args = ChebArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let (src, dst, edges) = ("N".into(), "N".into(), "E".into());
        let x = Type::float(["N".into(), self.config.in_channels.into()]);
        Signatures::new()
            .with("x", x)
            .with("edge_index", Type::EdgeIndex { src, dst, edges })
            .edge_weight()
            .with("batch", Type::int(["N".into()]).optional())
            .with("lambda_max", Type::float(["G".into()]).optional())
    }

    fn compute(&self, args: ChebArgs) -> Tensor<2> {
        let mut out = self.lins[0].forward(args.x.clone());
        let norm = self.norm(&args);
        let ChebArgs { x, edges, .. } = args;
        let (mut before, mut last) = (None, x);
        for lin in &self.lins[1..] {
            let (x, norm) = (last.clone(), norm.clone());
            let next = self.propagate(&edges, Normalized { x, norm });
            let next = match before {
                Some(before) => next * 2.0 - before,
                None => next,
            };
            out = lin.forward_add(next.clone(), out);
            (before, last) = (Some(last), next);
        }
        add_bias(out, self.bias.as_ref().map(Param::val))
    }
}

impl MessagePassing for ChebConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}
