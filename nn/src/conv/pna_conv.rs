//! Principal neighbourhood aggregation: several aggregations, scaled by the number of neighbours.

use super::prelude::*;
use crate::{
    activation::Activation,
    aggr::{DegreeScalerConfig, MultiConfig, Scaler, Scalers},
    sequential::{NodeTransform as _, Sequential, SequentialLayer},
};

/// Configuration of a [`PnaConv`].
#[derive(Config, Debug)]
pub struct PnaConvConfig {
    /// Width of the features.
    pub in_channels: usize,
    /// Width of the output features.
    pub out_channels: usize,
    /// The aggregations.
    pub aggregators: Vec<AggrConfig>,
    /// What their results are scaled by.
    pub scalers: Vec<Scaler>,
    /// Histogram of the training set: at `d` the number of nodes with `d` neighbours.
    pub deg: Vec<u64>,
    /// Width of the edges' features, if they have any.
    #[config(default = "None")]
    pub edge_dim: Option<usize>,
    /// Number of towers, which have networks of their own.
    #[config(default = 1)]
    pub towers: usize,
    /// Number of layers of a tower's network before the aggregation.
    #[config(default = 1)]
    pub pre_layers: usize,
    /// Number of layers of a tower's network behind the aggregation.
    #[config(default = 1)]
    pub post_layers: usize,
    /// Whether each tower has a part of the features, and not all.
    #[config(default = false)]
    pub divide_input: bool,
    /// Activation function between the layers of a network.
    #[config(default = "Some(Activation::Relu)")]
    pub act: Option<Activation>,
    /// Whether the means of the training set are trained.
    #[config(default = false)]
    pub train_norm: bool,
}

impl PnaConvConfig {
    /// Width of a tower's features.
    fn width(&self) -> usize {
        let parts = if self.divide_input { self.towers } else { 1 };
        self.in_channels / parts
    }

    fn aggregation(&self) -> AggrConfig {
        let several = MultiConfig::new(self.aggregators.clone());
        let (scalers, deg) = (Scalers::Several(self.scalers.clone()), self.deg.clone());
        let scaled = DegreeScalerConfig::new(Box::new(several.into()), scalers, deg);
        scaled.with_train_norm(self.train_norm).into()
    }

    /// Linear layers with the activation between them.
    fn network(&self, d_in: usize, d_out: usize, layers: usize, device: &Device) -> Sequential {
        let linear = |d_in| SequentialLayer::Linear(LinearConfig::new(d_in, d_out).init(device));
        let mut network = vec![linear(d_in)];
        for _ in 1..layers {
            let act = self.act.unwrap_or_default();
            network.push(SequentialLayer::Activation(act.into()));
            network.push(linear(d_out));
        }
        network
    }
}

impl LayerConfig for PnaConvConfig {
    type Layer = PnaConv;

    const REQUIRED: &'static [&'static str] = &[
        "in_channels",
        "out_channels",
        "aggregators",
        "scalers",
        "deg",
    ];

    fn blank() -> Self {
        Self::new(0, 0, Vec::new(), Vec::new(), Vec::new())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (towers, expected) = (self.towers, "a divisor of the widths that it divides");
        let divides = |width: usize| towers > 0 && width.is_multiple_of(towers);
        let ok = divides(self.out_channels) && (!self.divide_input || divides(self.in_channels));
        ConfigError::unless(ok, "towers", expected, towers.to_string())?;
        for (name, layers) in [
            ("pre_layers", self.pre_layers),
            ("post_layers", self.post_layers),
        ] {
            ConfigError::unless(layers > 0, name, "at least one layer", "0")?;
            let ok = layers == 1 || self.act.is_some();
            ConfigError::unless(ok, "act", "a function between the layers", "none")?;
        }
        self.aggregation().check()
    }

    fn make(&self, device: &Device) -> PnaConv {
        let (width, d_out) = (self.width(), self.out_channels / self.towers);
        let aggr_module = self.aggregation().init(device);
        let ends = if self.edge_dim.is_some() { 3 } else { 2 };
        let d_post = width + aggr_module.width(width);
        let networks = |d_in, d_out, layers| {
            let network = |_| self.network(d_in, d_out, layers, device);
            (0..self.towers).map(network).collect()
        };
        let lin = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        PnaConv {
            aggr_module,
            edge_encoder: self.edge_dim.map(|edge_dim| lin(edge_dim, width)),
            pre_nns: networks(ends * width, width, self.pre_layers),
            post_nns: networks(d_post, d_out, self.post_layers),
            lin: lin(self.out_channels, self.out_channels),
            config: self.clone(),
        }
    }
}

/// Combines a node with several aggregates of its neighbours, scaled by functions of their number.
///
/// ```text
/// x_i' = W ‖_t U_t( x_i ‖ ⊕_{j ∈ N(i)} M_t(x_i ‖ x_j ‖ e_ji) )
/// ```
///
/// `⊕` are all products of scalers and aggregations side by side.
///
/// Source: Corso et al., Principal Neighbourhood Aggregation for Graph Nets, 2020,
/// arXiv:2004.05718. Matches `torch_geometric.nn.PNAConv` (2.8).
///
/// # Shapes
/// x: `[N, in_channels]` · edges: `E` among `N` nodes, with features `[E, edge_dim]` if there are
/// any · output: `[N, out_channels]`
///
/// # Numerics
/// The first layer of `M_t` maps a node once; a message is a row of the edge, `[E, F]` for each
/// tower. Values of an adjacency have no effect.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::{aggr::{Reduce, Scaler}, prelude::*};
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let aggregators = vec![Reduce::Mean.into(), Reduce::Max.into()];
/// let scalers = vec![Scaler::Identity, Scaler::Attenuation];
/// let conv = PnaConvConfig::new(3, 4, aggregators, scalers, vec![0, 2]).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct PnaConv {
    /// The aggregations and their scalers.
    pub aggr_module: Aggregation,
    /// Map of the edges' features.
    pub edge_encoder: Option<Linear>,
    /// The network `M_t` of each tower.
    pub pre_nns: Vec<Sequential>,
    /// The network `U_t` of each tower.
    pub post_nns: Vec<Sequential>,
    /// The map of all towers' results.
    pub lin: Linear,
    /// What the layer was made from.
    #[module(skip)]
    pub config: PnaConvConfig,
}

/// What [`PnaConv`] propagates: the maps of both ends, the towers side by side.
#[derive(Clone, Debug)]
pub struct PnaPropagated {
    x_i: Tensor<2>,
    x_j: Tensor<2>,
    edge_attr: Option<Tensor<2>>,
}

leaves!(PnaPropagated {
    x_i,
    x_j,
    edge_attr
});

impl PnaConv {
    /// The features of a tower.
    fn part(&self, x: &Tensor<2>, tower: usize) -> Tensor<2> {
        let width = self.config.width();
        if self.config.divide_input {
            x.clone().narrow(1, tower * width, width)
        } else {
            x.clone()
        }
    }

    /// The first layer of each tower's network before the aggregation.
    fn first<'a>(&'a self) -> impl Iterator<Item = &'a Linear> {
        let first = |network: &'a Sequential| match network.first() {
            Some(SequentialLayer::Linear(lin)) => Some(lin),
            _ => None,
        };
        self.pre_nns.iter().filter_map(first)
    }

    /// The maps of all towers side by side.
    fn towers(&self, map: impl Fn(usize, &Linear) -> Tensor<2>) -> Tensor<2> {
        let maps = self.first().enumerate();
        let mut maps: Vec<_> = maps.map(|(tower, lin)| map(tower, lin)).collect();
        match maps.len() {
            1 => maps.remove(0),
            _ => Tensor::cat(maps, 1),
        }
    }
}

impl Layer for PnaConv {
    const NAME: &'static str = "PNAConv";

    type Config = PnaConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let args = Signatures::conv_of_one_set(self.config.in_channels);
        match self.config.edge_dim {
            Some(edge_dim) => args.needed_edge_attr(edge_dim),
            None => args,
        }
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let width = self.config.width();
        let encoder = self.edge_encoder.as_ref().zip(edges.attr());
        let args = PnaPropagated {
            x_i: self.towers(|tower, lin| lin.forward_first(self.part(&x, tower))),
            x_j: self.towers(|tower, lin| lin.map_from(width, self.part(&x, tower))),
            edge_attr: encoder.map(|(encoder, attr)| {
                let attr = encoder.forward(attr);
                self.towers(|_, lin| lin.map_from(2 * width, attr.clone()))
            }),
        };
        let out = self.propagate(&edges, args);
        // All aggregates of one tower, and those of the next: `[N, A, T F]` to `[N, A F]` each.
        let ([nodes, all], towers) = (out.dims(), self.config.towers);
        let aggregates = all / (towers * width);
        let out = out.reshape([nodes, aggregates, towers * width]);
        let outs = self.post_nns.iter().enumerate().map(|(tower, network)| {
            let own = out.clone().narrow(2, tower * width, width);
            let own = own.reshape([nodes, aggregates * width]);
            network.transform(Tensor::cat(vec![self.part(&x, tower), own], 1))
        });
        self.lin.forward(Tensor::cat(outs.collect(), 1))
    }
}

impl MessagePassing for PnaConv {
    type Propagated = PnaPropagated;

    fn message(&self, args: &PnaPropagated, ends: &Endpoints) -> Message {
        let sum = ends.lift_i(args.x_i.clone()) + ends.lift_j(args.x_j.clone());
        let sum = match &args.edge_attr {
            Some(attr) => sum + attr.clone(),
            None => sum,
        };
        if self.config.pre_layers == 1 {
            return Message::Edge(sum);
        }
        let width = self.config.width();
        let rest = self.pre_nns.iter().enumerate().map(|(tower, network)| {
            let own = sum.clone().narrow(1, tower * width, width);
            network
                .iter()
                .skip(1)
                .fold(own, |x, layer| layer.transform(x))
        });
        Message::Edge(Tensor::cat(rest.collect(), 1))
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
