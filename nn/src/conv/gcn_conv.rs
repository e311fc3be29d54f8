//! The graph convolution of Kipf and Welling.
//!
//! ```text
//! X' = D̂^(-1/2) Â D̂^(-1/2) X W + b        Â = A + I,  D̂ the diagonal of the row sums of Â
//! ```

use super::prelude::*;
use crate::utils::{GcnNorm, GcnNormOptions, Normalized};

/// Configuration of a [`GcnConv`].
#[derive(Config, Debug)]
pub struct GcnConvConfig {
    /// Width of the input features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// Gives self loops the weight 2 instead of 1. As in PyG this has no effect on an edge index
    /// without weights.
    #[config(default = false)]
    pub improved: bool,
    /// Whether to add self loops; by default, if `normalize` is set.
    #[config(default = "None")]
    pub add_self_loops: Option<bool>,
    /// Whether to normalise symmetrically by degree. Without it edge weights are used as they are.
    #[config(default = true)]
    pub normalize: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for GcnConvConfig {
    type Layer = GcnConv;

    const NEUTRAL: &'static [(&'static str, &'static str)] = CACHED;

    fn blank() -> Self {
        Self::new(0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let loops = self.add_self_loops.unwrap_or(self.normalize);
        let ok = self.normalize || !loops;
        ConfigError::unless(ok, "add_self_loops", "false without `normalize`", "true")
    }

    fn make(&self, device: &Device) -> GcnConv {
        GcnConv {
            lin: LinearConfig::glorot(self.in_channels, self.out_channels).init(device),
            bias: self.bias.then(|| init::zeros(self.out_channels, device)),
            config: self.clone(),
        }
    }
}

/// Averages each node's neighbours, weighted by `1 / √(d_i d_j)`, after a linear map.
///
/// ```text
/// x_i' = Wᵀ Σ_{j ∈ N(i) ∪ {i}}  e_ji / √(d̂_j d̂_i)  x_j  + b        d̂_i = 1 + Σ_j e_ji
/// ```
///
/// [`gcn_norm`](crate::utils::gcn_norm) says what becomes of loops that are there already.
///
/// Source: Kipf, Welling, Semi-Supervised Classification with Graph Convolutional Networks, 2017,
/// arXiv:1609.02907. Matches `torch_geometric.nn.GCNConv` (2.8). Departs: nothing is cached inside
/// the layer (PyG's `cached`); compute the coefficients once with [`normalize`](Self::normalize)
/// and pass them to [`forward_normalized`](Self::forward_normalized).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with weights `[E]` or without · output:
/// `[N, out_channels]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GcnConvConfig::new(3, 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GcnConv {
    /// The linear map.
    pub lin: Linear,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GcnConvConfig,
}

impl GcnConv {
    /// The normalised coefficients of a graph, for several calls of
    /// [`forward_normalized`](Self::forward_normalized) on the same graph.
    ///
    /// # Panics
    /// If the graph is bipartite.
    pub fn normalize(&self, edges: impl Into<Edges>) -> GcnNorm {
        self.norm(&edges.into(), &self.lin.weight.val())
    }

    /// The convolution with coefficients that [`normalize`](Self::normalize) made for these edges.
    ///
    /// # Panics
    /// If the features are not `[N, in_channels]`, or the coefficients are those of another graph.
    pub fn forward_normalized(
        &self,
        x: Tensor<2>,
        edges: impl Into<Edges>,
        norm: GcnNorm,
    ) -> Tensor<2> {
        let scope = scope::layer(self, Self::NAME, "forward_normalized");
        let x = scope.input("x", x);
        let edges = scope.input("edge_index", edges.into());
        let norm = scope.input("norm", norm);
        scope.exit(self.convolve(x, &edges, norm))
    }

    fn norm(&self, edges: &Edges, like: &Tensor<2>) -> GcnNorm {
        let options = self.config.normalize.then(|| GcnNormOptions {
            add_self_loops: self.config.add_self_loops.unwrap_or(true),
            improved: self.config.improved,
        });
        GcnNorm::of(edges, options, like)
    }

    fn convolve(&self, x: Tensor<2>, edges: &Edges, norm: GcnNorm) -> Tensor<2> {
        let map = Map::from(&self.lin).with_bias(self.bias.as_ref().map(Param::val));
        self.propagate_map(edges, Normalized { x, norm }, map)
    }
}

impl Layer for GcnConv {
    const NAME: &'static str = "GCNConv";
    const HISTORY: &'static [Change] = &[Change::transposed("2.0", "weight", "lin.weight")];

    type Config = GcnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.config.in_channels).edge_weight()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let norm = self.norm(&edges, &x);
        self.convolve(x, &edges, norm)
    }
}

impl MessagePassing for GcnConv {
    type Propagated = Normalized;

    fn message(&self, args: &Normalized, _ends: &Endpoints) -> Message {
        args.message()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tolerance;
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::conv::Conv;

    /// A layer with the identity as its map.
    fn identity(config: &GcnConvConfig, device: &Device) -> GcnConv {
        let mut conv = config.init(device);
        let weight = conv.lin.weight.clone();
        conv.lin.weight = weight.map(|weight| Tensor::eye(weight.dims()[0], device));
        conv
    }

    fn assert_rows<const N: usize>(out: Tensor<2>, expected: [f32; N]) {
        let expected = burn::tensor::TensorData::from(expected.map(|value| [value]));
        out.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::default());
    }

    /// 0 → 1 → 2, degrees with loops 1, 2, 2.
    #[test]
    fn path_of_three_nodes() {
        let device = Device::flex();
        let conv = identity(&GcnConvConfig::new(1, 1), &device);
        let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 2], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[1.0], [2.0], [4.0]], &device);
        let root = 0.5_f32.sqrt();
        assert_rows(
            conv.forward(x.clone(), &edges),
            [1.0, root + 1.0, 1.0 + 2.0],
        );

        let norm = conv.normalize(&edges);
        assert_rows(
            conv.forward_normalized(x, &edges, norm),
            [1.0, root + 1.0, 1.0 + 2.0],
        );
    }

    #[test]
    fn without_edges_a_node_sees_itself() {
        let device = Device::flex();
        let edges = EdgeIndex::from_arrays(&[], &[], 2, 2, &device).unwrap();
        let x = Tensor::<2>::from_floats([[3.0], [-1.0]], &device);
        let conv = identity(&GcnConvConfig::new(1, 1), &device);
        assert_rows(conv.forward(x.clone(), &edges), [3.0, -1.0]);
        let config = GcnConvConfig::new(1, 1).with_add_self_loops(Some(false));
        assert_rows(identity(&config, &device).forward(x, &edges), [0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "expected a graph of one node set, got 2 sources and 1 targets")]
    fn rejects_bipartite_graphs() {
        let device = Device::flex();
        let edges = EdgeIndex::from_arrays(&[1], &[0], 2, 1, &device).unwrap();
        let conv = GcnConvConfig::new(1, 1).init(&device);
        drop(conv.forward(Tensor::<2>::ones([2, 1], &device), &edges));
    }
}
