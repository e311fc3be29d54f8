//! The convolution on signed graphs.

use super::prelude::*;

/// Configuration of a [`SignedConv`].
#[derive(Config, Debug)]
pub struct SignedConvConfig {
    /// Width of the input features; behind the first layer of each half.
    pub in_channels: usize,
    /// Width of each half of the output features.
    pub out_channels: usize,
    /// Whether the layer is the first, whose input features have no halves.
    pub first_aggr: bool,
    /// Whether to add learned biases.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerConfig for SignedConvConfig {
    type Layer = SignedConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "first_aggr"];

    fn blank() -> Self {
        Self::new(0, 0, false)
    }

    fn make(&self, device: &Device) -> SignedConv {
        let lin = LinearConfig::new(self.in_channels, self.out_channels).with_bias(self.bias);
        let of_neighbours = LinearConfig::new(self.width(), self.out_channels).with_bias(false);
        SignedConv {
            lin_pos_l: of_neighbours.init(device),
            lin_pos_r: lin.init(device),
            lin_neg_l: of_neighbours.init(device),
            lin_neg_r: lin.init(device),
            config: self.clone(),
        }
    }
}

impl SignedConvConfig {
    /// Width of all input features.
    fn width(&self) -> usize {
        if self.first_aggr {
            self.in_channels
        } else {
            2 * self.in_channels
        }
    }
}

/// Averages friends and foes, which are joined by positive and negative edges, apart.
///
/// The first layer makes two halves of features, `x' = p' ‖ n'`:
///
/// ```text
/// p_i' = W_p mean_{N⁺(i)} x_j + V_p x_i + b_p        n_i' = W_n mean_{N⁻(i)} x_j + V_n x_i + b_n
/// ```
///
/// Further layers take these. Friends of friends and foes of foes are friends:
///
/// ```text
/// p_i' = W_p ( mean_{N⁺(i)} p_j ‖ mean_{N⁻(i)} n_j ) + V_p p_i + b_p
/// n_i' = W_n ( mean_{N⁺(i)} n_j ‖ mean_{N⁻(i)} p_j ) + V_n n_i + b_n
/// ```
///
/// Source: Derr, Ma, Tang, Signed Graph Convolutional Network, 2018, arXiv:1808.06354. Matches
/// `torch_geometric.nn.SignedConv` (2.8). In recordings both kinds of edges have the same form.
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in], [M, in])`, where `in` is twice `in_channels` behind the first
/// layer · edges: from `N` to `M` nodes, positive and negative ones · output: `[M, 2 ·
/// out_channels]`
///
/// # Numerics
/// Values of an adjacency have no effect.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let pos = EdgeIndex::from_arrays(&[0], &[1], 3, 3, &device).unwrap();
/// let neg = EdgeIndex::from_arrays(&[1, 2], &[2, 0], 3, 3, &device).unwrap();
/// let first = SignedConvConfig::new(2, 4, true).init(&device);
/// let x = first.forward(Tensor::<2>::ones([3, 2], &device), &pos, &neg);
/// let second = SignedConvConfig::new(4, 5, false).init(&device);
/// assert_eq!(second.forward(x, pos, neg).dims(), [3, 10]);
/// ```
#[derive(Module, Debug)]
pub struct SignedConv {
    /// Map of the neighbours in the positive half.
    pub lin_pos_l: Linear,
    /// Map of the node itself in the positive half.
    pub lin_pos_r: Linear,
    /// Map of the neighbours in the negative half.
    pub lin_neg_l: Linear,
    /// Map of the node itself in the negative half.
    pub lin_neg_r: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SignedConvConfig,
}

/// What [`SignedConv`] takes.
#[derive(Clone, Debug)]
pub struct SignedArgs {
    /// Features of one node set or of a pair.
    pub x: Nodes,
    /// Positive edges.
    pub pos_edges: Edges,
    /// Negative edges.
    pub neg_edges: Edges,
}

leaves!(SignedArgs {
    x,
    pos_edges as pos_edge_index,
    neg_edges as neg_edge_index
});

impl Arguments for SignedArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.nodes("x"),
            pos_edges: values.edges("pos_edge_index"),
            neg_edges: values.edges("neg_edge_index"),
        }
    }
}

impl SignedConv {
    /// The convolution along positive and negative edges.
    ///
    /// # Panics
    /// If features do not have the widths of the layer, or a pair lacks those of the targets.
    pub fn forward(
        &self,
        x: impl Into<Nodes>,
        pos_edges: impl Into<Edges>,
        neg_edges: impl Into<Edges>,
    ) -> Tensor<2> {
        self.call(SignedArgs {
            x: x.into(),
            pos_edges: pos_edges.into(),
            neg_edges: neg_edges.into(),
        })
    }
}

impl Layer for SignedConv {
    const NAME: &'static str = "SignedConv";

    type Config = SignedConvConfig;
    type Args = SignedArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::nodes_of_both(self.config.width())
            .edges("pos_edge_index", "E")
            .edges("neg_edge_index", "E_neg")
    }

    fn compute(&self, args: SignedArgs) -> Tensor<2> {
        let SignedArgs {
            x,
            pos_edges,
            neg_edges,
        } = args;
        let (x_j, x_i) = pos_edges.ends(x);
        let x_i = x_i.expect("SignedConv needs the features of the targets");
        let maps = [
            (&self.lin_pos_l, &self.lin_pos_r),
            (&self.lin_neg_l, &self.lin_neg_r),
        ];
        let halves = if self.config.first_aggr {
            let edges = [pos_edges, neg_edges];
            let half = |((lin_l, lin_r), edges): ((_, &Linear), Edges)| {
                let map = Map::from(lin_l).with_bias(lin_r.bias_val());
                let map = map.with_root(Some(lin_r), Some(x_i.clone()));
                self.propagate_map(&edges, x_j.clone(), map)
            };
            maps.into_iter().zip(edges).map(half).collect()
        } else {
            // Both halves go through the edges at once.
            let friends = self.propagate(&pos_edges, x_j.clone());
            let foes = self.propagate(&neg_edges, x_j);
            let width = self.config.in_channels;
            let columns = |x: &Tensor<2>, start| x.clone().narrow(1, start, width);
            let half = |((lin_l, lin_r), start): ((&Linear, &Linear), usize)| {
                let sides = vec![columns(&friends, start), columns(&foes, width - start)];
                let own = lin_r.forward(columns(&x_i, start));
                lin_l.forward_add(Tensor::cat(sides, 1), own)
            };
            maps.into_iter().zip([0, width]).map(half).collect()
        };
        Tensor::cat(halves, 1)
    }
}

impl MessagePassing for SignedConv {
    type Propagated = Tensor<2>;

    fn message(&self, x: &Tensor<2>, _ends: &Endpoints) -> Message {
        Message::source(x.clone())
    }

    fn aggregation(&self) -> Aggregation {
        Reduce::Mean.into()
    }
}
