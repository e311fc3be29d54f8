//! The convolution with feature-wise linear modulation.

use burn::module::{
    Content, Devices, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};

use super::{
    prelude::*,
    relations::{Relations, without_last},
};
use crate::{
    activation::Activation,
    sequential::{NodeTransform, Sequential, relu_network},
    transparent::transparent_module,
};

/// Configuration of a [`FilmConv`].
#[derive(Config, Debug)]
pub struct FilmConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of relations; with one, types of the edges have no effect.
    #[config(default = 1)]
    pub num_relations: usize,
    /// Widths of the networks that make scales and shifts, from that of the targets' features to
    /// `2 · out_channels`: linear layers with ReLU between them. One linear map if `None`. PyG has
    /// a module here; [`init_with`](Self::init_with) takes such.
    #[config(default = "None")]
    pub nn: Option<Vec<usize>>,
    /// Activation of the messages; none if `None`.
    #[config(default = "Some(Activation::Relu)")]
    pub act: Option<Activation>,
    /// How the neighbours of one relation are combined.
    #[config(default = "Reduce::Mean.into()")]
    pub aggr: AggrConfig,
}

impl FilmConvConfig {
    /// Creates the layer around networks from `nn`: one for each relation, and one for the node
    /// itself.
    pub fn init_with<M: NodeTransform>(
        &self,
        mut nn: impl FnMut() -> M,
        device: &Device,
    ) -> FilmConv<M> {
        let [d_src, d_dst] = self.in_channels.both();
        let lin = |width| LinearConfig::new(width, self.out_channels).with_bias(false);
        let relations = 0..self.num_relations;
        FilmConv {
            lins: relations.clone().map(|_| lin(d_src).init(device)).collect(),
            films: relations.map(|_| nn()).collect(),
            lin_skip: lin(d_dst).init(device),
            film_skip: nn(),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

impl LayerConfig for FilmConvConfig {
    type Layer = FilmConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let some = self.num_relations > 0;
        ConfigError::unless(some, "num_relations", "at least one relation", "none")?;
        let Some(nn) = &self.nn else {
            return Ok(());
        };
        let (first, last) = (self.in_channels.dst(), 2 * self.out_channels);
        let ok = nn.len() >= 2 && nn.first() == Some(&first) && nn.last() == Some(&last);
        let expected = "widths from that of the targets' features to `2 · out_channels`";
        ConfigError::unless(ok, "nn", expected, format!("{nn:?}"))
    }

    fn make(&self, device: &Device) -> FilmConv {
        let (d_in, d_out) = (self.in_channels.dst(), 2 * self.out_channels);
        let lin = LinearConfig::new(d_in, d_out);
        let film = || match &self.nn {
            Some(nn) => FilmNetwork::Sequential(relu_network(nn, device)),
            None => FilmNetwork::Linear(lin.init(device)),
        };
        let mut conv = self.init_with(film, device);
        if self.nn.is_none() {
            conv.film_skip = FilmNetwork::Linear(lin.with_bias(false).init(device));
        }
        conv
    }
}

/// What makes scales and shifts in a [`FilmConv`].
#[derive(Clone, Debug)]
pub enum FilmNetwork {
    /// A linear map.
    Linear(Linear),
    /// Several layers.
    Sequential(Sequential),
}

transparent_module!(FilmNetwork {
    Self::Linear;
    Self::Sequential
});

impl NodeTransform for FilmNetwork {
    fn transform(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Linear(lin) => lin.transform(x),
            Self::Sequential(layers) => layers.transform(x),
        }
    }

    fn in_channels(&self) -> Option<usize> {
        match self {
            Self::Linear(lin) => Some(lin.in_channels()),
            Self::Sequential(layers) => layers.in_channels(),
        }
    }
}

/// Scales and shifts each message by what the target says of its relation.
///
/// ```text
/// x_i' = σ( γ_i ⊙ W x_i + β_i ) + Σ_r 1/|N_r(i)| Σ_{j ∈ N_r(i)} σ( γ_ri ⊙ W_r x_j + β_ri )
/// β_ri, γ_ri = g_r(x_i)
/// ```
///
/// `g` is a linear map, or any [`NodeTransform`], as in [`GinConv`](super::GinConv).
///
/// Source: Brockschmidt, GNN-FiLM: Graph Neural Networks with Feature-wise Linear Modulation, 2019,
/// arXiv:1906.12192. Matches `torch_geometric.nn.FiLMConv` (2.8). Departs: types of the edges
/// beside an adjacency are an argument; PyG takes the values of the `SparseTensor` for them.
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` · edges: `E` from `N` to `M` nodes, with
/// types `[E]` if there are several relations; those whose type is not in `0..num_relations` are
/// left out · output: `[M, out_channels]`
///
/// # Numerics
/// All relations go through the edges in one walk, with a row of messages per edge.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = FilmConvConfig::new(3.into(), 4).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct FilmConv<M: Module = FilmNetwork> {
    /// Map of the neighbours, by relation.
    pub lins: Vec<Linear>,
    /// What makes scales and shifts, by relation.
    pub films: Vec<M>,
    /// Map of the node itself.
    pub lin_skip: Linear,
    /// What makes scales and shifts of the node itself.
    pub film_skip: M,
    /// How the neighbours of one relation are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: FilmConvConfig,
}

/// What [`FilmConv`] propagates, a row for each node and relation.
#[derive(Clone, Debug)]
pub struct FilmPropagated {
    x: Tensor<2>,
    beta: Tensor<2>,
    gamma: Tensor<2>,
}

leaves!(FilmPropagated { x, beta, gamma });

impl<M: NodeTransform> FilmConv<M> {
    fn modulated(&self, args: FilmPropagated) -> Tensor<2> {
        let out = args.gamma * args.x + args.beta;
        match self.config.act {
            Some(act) => act.apply(out),
            None => out,
        }
    }

    /// Shifts and scales, `[N, out]` each.
    fn halves(&self, film: &Tensor<2>) -> [Tensor<2>; 2] {
        let width = self.config.out_channels;
        [0, width].map(|start| film.clone().narrow(1, start, width))
    }
}

impl<M: NodeTransform + ModuleDisplay> Layer for FilmConv<M> {
    const NAME: &'static str = "FiLMConv";

    type Config = FilmConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let args = Signatures::conv_of_both(d_src, d_dst);
        if self.config.num_relations > 1 {
            args.needed_edge_type()
        } else {
            args
        }
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_i = x_i.expect("FiLMConv needs the features of the targets");
        let [beta, gamma] = self.halves(&self.film_skip.transform(x_i.clone()));
        let x = self.lin_skip.forward(x_i.clone());
        let own = self.modulated(FilmPropagated { x, beta, gamma });

        let width = self.config.out_channels;
        let of_relations = self.films.iter().map(|film| {
            let film = self.halves(&film.transform(x_i.clone()));
            film.map(|half| half.unsqueeze_dim::<3>(1))
        });
        let (betas, gammas): (Vec<_>, Vec<_>) = of_relations.map(|[b, g]| (b, g)).unzip();
        let maps = self.lins.iter().map(|lin| lin.weight.val()).collect();
        let x = kiln_ops::linear(x_j, Tensor::cat(maps, 1), None);
        if self.lins.len() == 1 {
            let [beta, gamma] = [betas, gammas].map(|mut all| all.remove(0).squeeze_dim(1));
            return own + self.propagate(&edges, FilmPropagated { x, beta, gamma });
        }
        let relations = Relations::of(&edges, self.lins.len());
        let [sources, targets] = [relations.num_sources(), relations.num_targets()];
        let pairs = self.lins.len() * targets;
        let starts = relations.by_node(relations.source(), sources);
        // Edges without relation lead to the row behind the last.
        let last = || Tensor::zeros([1, width], (&x.device(), x.dtype()));
        let [beta, gamma] = [betas, gammas].map(|all| {
            let all = Tensor::cat(all, 1).reshape([pairs, width]);
            Tensor::cat(vec![all, last()], 0)
        });
        let x = x.reshape([self.lins.len() * sources, width]);
        let edges = relations.to_pairs(starts);
        let out = self.propagate(&edges, FilmPropagated { x, beta, gamma });
        let out = without_last(out).reshape([targets, self.lins.len(), width]);
        own + out.sum_dim(1).squeeze_dim(1)
    }
}

impl<M: NodeTransform + ModuleDisplay> MessagePassing for FilmConv<M> {
    type Propagated = FilmPropagated;

    fn message(&self, args: &FilmPropagated, ends: &Endpoints) -> Message {
        let FilmPropagated { x, beta, gamma } = args.clone();
        let (x, [beta, gamma]) = (ends.lift_j(x), [beta, gamma].map(|x| ends.lift_i(x)));
        Message::Edge(self.modulated(FilmPropagated { x, beta, gamma }))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
