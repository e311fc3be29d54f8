//! The graph isomorphism network: a neural network applied to a node plus the sum of its neighbours.
//!
//! ```text
//! x_i' = h( (1 + ε) · x_i + Σ_{j ∈ N(i)} x_j )
//! ```

use burn::{
    config::Config,
    module::{Module, ModuleDisplay, Param},
    tensor::{Device, Tensor},
};
use kiln_core::{
    Edges, Nodes, leaves,
    signature::{Dim, Overload, Overloads, Signature},
};
use kiln_ops::{Reduce, scope};

use crate::{
    aggr::Aggregation,
    message_passing::{Endpoints, Flow, Message, MessagePassing},
    overload::{Arguments, GraphForm, value},
    sequential::NodeTransform,
};

/// Configuration of a [`GinConv`].
#[derive(Config, Debug)]
pub struct GinConvConfig {
    /// Initial value of ε.
    #[config(default = 0.0)]
    pub eps: f64,
    /// Whether ε is trained.
    #[config(default = false)]
    pub train_eps: bool,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: Aggregation,
    /// Which way messages run.
    #[config(default = "Flow::SourceToTarget")]
    pub flow: Flow,
}

impl GinConvConfig {
    /// Creates the layer around the network `nn`.
    pub fn init<M: NodeTransform + ModuleDisplay>(&self, nn: M, device: &Device) -> GinConv<M> {
        let eps = Param::from_tensor(Tensor::full([1], self.eps, device));
        GinConv {
            nn,
            eps: eps.set_require_grad(self.train_eps),
            aggr: self.aggr.clone(),
            flow: self.flow,
        }
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
/// target to source, a pair's destinations send and its sources receive.
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
/// use burn::{nn::{LinearConfig, Relu}, tensor::{Device, Tensor}};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::conv::GinConvConfig;
///
/// let device = Device::flex();
/// let (first, last) = (LinearConfig::new(3, 8), LinearConfig::new(8, 4));
/// let nn = (first.init(&device), Relu::new(), last.init(&device));
/// let conv = GinConvConfig::new().init(nn, &device);
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// assert_eq!(conv.forward(Tensor::<2>::ones([2, 3], &device), &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct GinConv<M: Module> {
    /// The network `h`.
    pub nn: M,
    /// ε, `[1]`.
    pub eps: Param<Tensor<1>>,
    /// How the neighbours are combined.
    #[module(skip)]
    pub aggr: Aggregation,
    /// Which way messages run.
    #[module(skip)]
    pub flow: Flow,
}

impl<M: NodeTransform + ModuleDisplay> GinConv<M> {
    /// The convolution.
    ///
    /// # Panics
    /// If the width of the features is not that of the network, or those of a pair differ.
    pub fn forward(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Tensor<2> {
        let scope = scope::layer(self, Self::KIND, "forward");
        let x = scope.input("x", x.into());
        let edges = scope.input("edge_index", edges.into());

        let own = self.eps.val() + 1.0;
        let is_sum = self.aggr == Reduce::Sum.into();
        let out = if !x.is_pair() && is_sum {
            // Neighbours and the node itself in one walk.
            let args = GinConvArgs {
                x: x.src,
                own: Some(own),
            };
            self.propagate(edges, args)
        } else {
            let (x_j, x_i) = self.flow.ends(x);
            let out = self.propagate(edges, GinConvArgs { x: x_j, own: None });
            match x_i {
                Some(x_i) => out + x_i * own.unsqueeze_dim(1),
                None => out,
            }
        };
        scope.exit(self.nn.transform(out))
    }
}

/// What [`GinConv`] propagates.
#[derive(Clone, Debug)]
pub struct GinConvArgs {
    /// Features of the senders, `[N, F]`.
    pub x: Tensor<2>,
    /// Weight of a node's own row, `[1]`, if it is added to the sum.
    pub own: Option<Tensor<1>>,
}

leaves!(GinConvArgs { x, own });

impl<M: NodeTransform + ModuleDisplay> MessagePassing for GinConv<M> {
    type Args = GinConvArgs;

    const KIND: &'static str = "GINConv";
    const RECORD: &'static str = "GINConvPropagate";

    fn message(&self, args: &GinConvArgs, _ends: &Endpoints) -> Message {
        let x = args.x.clone();
        match args.own.clone() {
            Some(weight) => Message::WithSelf { x, weight },
            None => Message::Source(x),
        }
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr.clone()
    }

    fn flow(&self) -> Flow {
        self.flow
    }
}

impl<M: NodeTransform + ModuleDisplay> Overloads for GinConv<M> {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let width = self.nn.d_input().map_or_else(|| Dim::from("F"), Dim::from);
        GraphForm::ALL
            .into_iter()
            .enumerate()
            .map(|(i, form)| {
                let signature = Signature::new()
                    .with("x", form.x(width.clone(), width.clone()))
                    .with("edge_index", form.edges())
                    .with("size", form.size());
                Overload::new(format!("forward__{i}"), signature, |conv: &Self, args| {
                    let mut args = Arguments::new(args);
                    value(conv.forward(args.nodes(), args.edges()))
                })
            })
            .collect()
    }

    fn kind(&self) -> &'static str {
        Self::KIND
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{LinearConfig, Relu};
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::store::StateDict;

    #[test]
    fn sum_of_neighbours_plus_itself() {
        let device = Device::flex();
        let conv = GinConvConfig::new()
            .with_eps(0.5)
            .init(Relu::new(), &device);
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
        let conv = GinConvConfig::new().init(nn, &device);
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
            let conv = config.init(Relu::new(), &device);
            let x = Tensor::<2>::ones([2, 1], &device).require_grad();
            let out = conv.forward(x, &edges);
            let gradients = out.sum().backward();
            assert_eq!(conv.eps.val().grad(&gradients).is_some(), train_eps);
        }
    }
}
