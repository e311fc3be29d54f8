//! Message passing without parameters.

use kiln_core::EdgeForm;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::utils::{add_self_loops, remove_self_loops};

/// What a [`SimpleConv`] does with a node's own features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CombineRoot {
    /// They are added to the aggregate.
    Sum,
    /// They stand before the aggregate.
    Cat,
    /// They are aggregated with those of the neighbours.
    SelfLoop,
}

/// Configuration of a [`SimpleConv`].
#[derive(Config, Debug)]
pub struct SimpleConvConfig {
    /// How the neighbours are combined.
    #[config(default = "Reduce::Sum.into()")]
    pub aggr: AggrConfig,
    /// What becomes of a node's own features; without it they are left out.
    #[config(default = "None")]
    pub combine_root: Option<CombineRoot>,
}

impl LayerConfig for SimpleConvConfig {
    type Layer = SimpleConv;

    const REQUIRED: &'static [&'static str] = &[];

    fn blank() -> Self {
        Self::new()
    }

    fn make(&self, device: &Device) -> SimpleConv {
        SimpleConv {
            aggr_module: self.aggr.init(device),
            config: self.clone(),
        }
    }
}

/// Aggregates the features of the neighbours as they are.
///
/// ```text
/// x_i' = ⊕_{j ∈ N(i)} e_ji x_j
/// ```
///
/// Matches `torch_geometric.nn.SimpleConv` (2.8).
///
/// # Shapes
/// x: `[N, F]`, or a pair `([N, F], [M, F'])` whose second entry may be absent · edges: `E` from
/// `N` to `M` nodes, with weights `[E]` or without · output: `[M, F]`, and `[M, F' + F]` with
/// [`CombineRoot::Cat`], for which a recording needs the targets' features
///
/// # Numerics
/// With [`CombineRoot::SelfLoop`] a node's loop weighs 1. In an edge index it stands beside loops
/// that are there already, in an adjacency in their place, as in PyG.
///
/// # Panics
/// With [`CombineRoot::SelfLoop`], if sources and targets are two node sets.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = SimpleConvConfig::new().init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), &edges);
/// assert_eq!(out.dims(), [2, 3]);
/// ```
#[derive(Module, Debug)]
pub struct SimpleConv {
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SimpleConvConfig,
}

/// What [`SimpleConv`] propagates.
#[derive(Clone, Debug)]
pub struct SimplePropagated {
    x: Tensor<2>,
    edge_weight: Option<Tensor<1>>,
    self_loop: Option<Tensor<1>>,
}

leaves!(SimplePropagated {
    x,
    edge_weight,
    self_loop
});

impl SimpleConv {
    /// The aggregate of each node's neighbours and the node itself.
    fn with_loops(&self, x: Tensor<2>, edges: &Edges) -> Tensor<2> {
        let on = (&x.device(), x.dtype());
        let is_sum = self.aggr_module.reduce() == Some(Reduce::Sum);
        let bare = |x, edge_weight| SimplePropagated {
            x,
            edge_weight,
            self_loop: None,
        };
        match edges.form() {
            EdgeForm::Coo(_) if is_sum => {
                let sum = self.propagate(edges, bare(x.clone(), edges.weight()));
                sum + x
            }
            EdgeForm::Csr(_) if is_sum => {
                let ones = |count| Tensor::ones([count], on);
                let weight = edges.weight().unwrap_or_else(|| ones(edges.num_edges()));
                let self_loop = Some(ones(x.dims()[0]));
                let args = SimplePropagated {
                    x,
                    edge_weight: Some(weight),
                    self_loop,
                };
                self.propagate(edges, args)
            }
            form => {
                let (list, weight) = match form {
                    EdgeForm::Coo(list) => (list.clone(), edges.weight()),
                    EdgeForm::Csr(adjacency) => {
                        let list = kiln_ops::graph::to_edge_index(adjacency);
                        remove_self_loops(&list, adjacency.value())
                    }
                };
                let (list, weight) = add_self_loops(&list, weight, 1.0);
                let edges = Edges::from(list).with_flow(edges.flow());
                self.propagate(&edges, bare(x, weight))
            }
        }
    }
}

impl Layer for SimpleConv {
    const NAME: &'static str = "SimpleConv";

    type Config = SimpleConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.aggr_module.in_channels();
        let width = width.map_or_else(|| Dim::from("F"), Dim::from);
        let args = match self.config.combine_root {
            None | Some(CombineRoot::Sum) => Signatures::conv(width.clone(), width),
            // Without the targets the result has another width.
            Some(CombineRoot::Cat) => Signatures::conv_of_both(width, "G"),
            Some(CombineRoot::SelfLoop) => Signatures::conv_of_one_set(width),
        };
        args.edge_weight().size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        if self.config.combine_root == Some(CombineRoot::SelfLoop) {
            assert!(
                !x.is_pair(),
                "expected one node set, since `combine_root` is \"self_loop\", got a pair"
            );
            return self.with_loops(x.floats().0, &edges);
        }
        let (x_j, x_i) = edges.ends(x);
        let args = SimplePropagated {
            x: x_j,
            edge_weight: edges.weight(),
            self_loop: None,
        };
        let out = self.propagate(&edges, args);
        match (self.config.combine_root, x_i) {
            (Some(CombineRoot::Sum), Some(x_i)) => out + x_i,
            (Some(CombineRoot::Cat), Some(x_i)) => Tensor::cat(vec![x_i, out], 1),
            _ => out,
        }
    }
}

impl MessagePassing for SimpleConv {
    type Propagated = SimplePropagated;

    fn message(&self, args: &SimplePropagated, _ends: &Endpoints) -> Message {
        let (x, weight) = (args.x.clone(), args.edge_weight.clone());
        match (weight, args.self_loop.clone()) {
            (Some(weight), Some(self_loop)) => Message::WithLoops {
                x,
                weight,
                self_loop,
            },
            (weight, _) => Message::Weighted { x, weight },
        }
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}
