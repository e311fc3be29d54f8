//! The graph isomorphism network: a neural network applied to a node plus the sum of its
//! neighbours.

use burn::module::ModuleDisplay;

use super::prelude::*;
use crate::sequential::{NodeTransform, Sequential, relu_network};

/// Configuration of a [`GinConv`].
#[derive(Config, Debug)]
pub struct GinConvConfig {
    /// Widths of the network that [`init`](LayerConfig::init) makes: linear layers with ReLU
    /// between them. PyG has a module here; [`init_with`](Self::init_with) takes one.
    #[config(default = "Vec::new()")]
    pub nn: Vec<usize>,
    /// Initial value of ε.
    #[config(default = 0.0)]
    pub eps: f64,
    /// Whether ε is trained.
    #[config(default = false)]
    pub train_eps: bool,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
}

impl GinConvConfig {
    /// Creates the layer around the network `nn`.
    pub fn init_with<M: NodeTransform>(&self, nn: M, device: &Device) -> GinConv<M> {
        let eps = Param::from_tensor(Tensor::full([1], self.eps, device));
        GinConv {
            nn,
            eps: eps.set_require_grad(self.train_eps),
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

impl LayerConfig for GinConvConfig {
    type Layer = GinConv;

    const REQUIRED: &'static [&'static str] = &["nn"];

    fn blank() -> Self {
        Self::new()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let got = format!("{:?}", self.nn);
        ConfigError::unless(self.nn.len() >= 2, "nn", "at least two widths", got)
    }

    fn make(&self, device: &Device) -> GinConv {
        self.init_with(relu_network(&self.nn, device), device)
    }
}

/// Applies a network to each node's features plus those of its neighbours.
///
/// ```text
/// x_i' = h( (1 + ε) · x_i + Σ_{j ∈ N(i)} x_j )
/// ```
///
/// `h` is any [`NodeTransform`]: an [`Mlp`](crate::models::Mlp), a `Linear`, or a tuple of layers,
/// such as `(linear, Relu::new(), linear)`, whose parameters are then `nn.0.weight`,
/// `nn.2.weight`, ..., as those of PyTorch's `Sequential`.
///
/// Source: Xu, Hu, Leskovec, Jegelka, How Powerful are Graph Neural Networks?, 2019,
/// arXiv:1810.00826. Matches `torch_geometric.nn.GINConv` (2.8). Departs: with messages from
/// target to source, a pair's targets send and its sources receive.
///
/// # Shapes
/// x: `[N, F]`, or a pair `([N, F], [M, F])` whose second entry may be absent (its term is left out
/// then) · edges: `E` from `N` to `M` nodes · output: `[M, F']` where `h` maps `F` to `F'`
///
/// # Numerics
/// Values of an adjacency have no effect.
///
/// # Examples
/// ```
/// use burn::{nn::Relu, tensor::{Device, Tensor}};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::{LinearConfig, prelude::*};
///
/// let device = Device::flex();
/// let (first, last) = (LinearConfig::new(3, 8), LinearConfig::new(8, 4));
/// let nn = (first.init(&device), Relu::new(), last.init(&device));
/// let conv = GinConvConfig::new().init_with(nn, &device);
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GinConv<M: Module = Sequential> {
    /// The network `h`.
    pub nn: M,
    /// ε, `[1]`.
    pub eps: Param<Tensor<1>>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: GinConvConfig,
}

impl<M: NodeTransform + ModuleDisplay> Layer for GinConv<M> {
    const NAME: &'static str = "GINConv";

    type Config = GinConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self
            .nn
            .in_channels()
            .map_or_else(|| Dim::from("F"), Dim::from);
        Signatures::conv(width.clone(), width).size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let own = self.eps.val() + 1.0;
        let is_pair = x.is_pair();
        let (x, x_i) = edges.ends(x);
        let out = if !is_pair && self.aggr_module.reduce() == Some(Reduce::Sum) {
            // Neighbours and the node itself in one walk.
            let own = Some(own);
            self.propagate(&edges, GinPropagated { x, own })
        } else {
            let out = self.propagate(&edges, GinPropagated { x, own: None });
            match x_i {
                Some(x_i) => out + x_i * own.unsqueeze_dim(1),
                None => out,
            }
        };
        self.nn.transform(out)
    }
}

/// What [`GinConv`] propagates.
#[derive(Clone, Debug)]
pub struct GinPropagated {
    x: Tensor<2>,
    own: Option<Tensor<1>>,
}

leaves!(GinPropagated { x, own });

impl<M: NodeTransform + ModuleDisplay> MessagePassing for GinConv<M> {
    type Propagated = GinPropagated;

    fn message(&self, args: &GinPropagated, _ends: &Endpoints) -> Message {
        let x = args.x.clone();
        match args.own.clone() {
            Some(weight) => Message::WithSelf { x, weight },
            None => Message::source(x),
        }
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{LinearConfig, Relu};
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::{conv::Conv, store::StateDict};

    #[test]
    fn sum_of_neighbours_plus_itself() {
        let device = Device::flex();
        let conv = GinConvConfig::new()
            .with_eps(0.5)
            .init_with(Relu::new(), &device);
        let edges = EdgeIndex::from_arrays(&[1, 2, 0], &[0, 0, 2], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[2.0], [4.0], [-8.0]], &device);
        // 3 + (4 - 8) and 6 and -12 + 2, rectified.
        let out = conv.forward(x, &edges).into_data();
        assert_eq!(out.as_slice::<f32>().unwrap(), [0.0, 6.0, 0.0]);
    }

    #[test]
    fn parameters_of_a_tuple_have_pytorchs_names() {
        let device = Device::flex();
        let linear = |d_input, d_output| LinearConfig::new(d_input, d_output).init(&device);
        let nn = (linear(3, 4), Relu::new(), linear(4, 2));
        let conv = GinConvConfig::new().init_with(nn, &device);
        let state = StateDict::of(&conv).unwrap();
        let names: Vec<_> = state.tensors.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "eps",
                "nn.0.bias",
                "nn.0.weight",
                "nn.2.bias",
                "nn.2.weight"
            ]
        );
        assert_eq!(state.tensors["nn.0.weight"].shape().to_vec(), [4, 3]);
    }

    #[test]
    fn eps_is_trained_only_on_request() {
        let device = Device::flex().autodiff();
        let edges = EdgeIndex::from_arrays(&[1], &[0], 2, 2, &device).unwrap();
        for train_eps in [false, true] {
            let config = GinConvConfig::new().with_train_eps(train_eps);
            let conv = config.init_with(Relu::new(), &device);
            let x = Tensor::<2>::ones([2, 1], &device).require_grad();
            let out = conv.forward(x, &edges);
            let gradients = out.sum().backward();
            assert_eq!(conv.eps.val().grad(&gradients).is_some(), train_eps);
        }
    }
}
