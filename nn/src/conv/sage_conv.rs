//! GraphSAGE: a linear map of the aggregated neighbours plus one of the node itself.
//!
//! ```text
//! x_i' = W_l · ⊕_{j ∈ N(i)} x_j + b + W_r · x_i
//! ```

use burn::{
    config::Config,
    module::{Module, Param},
    nn::Linear,
    tensor::{Device, Tensor},
};
use kiln_core::{
    Edges, Nodes,
    signature::{Overload, Overloads, Signature},
};
use kiln_ops::{Reduce, add_bias, linear, linear_add, linear_sum, scope};

use crate::{
    aggr::Aggregation,
    init,
    message_passing::{Endpoints, Flow, Message, MessagePassing},
    overload::{Arguments, GraphForm, value},
    sequential::NodeTransform,
};

/// Configuration of a [`SageConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct SageConvConfig {
    /// Width of the source nodes' features (PyG: `in_channels`, or its first entry).
    pub d_input: usize,
    /// Width of the output features (PyG: `out_channels`).
    pub d_output: usize,
    /// Width of the destination nodes' features, if it differs (PyG: second entry of `in_channels`).
    #[config(default = "None")]
    pub d_dst: Option<usize>,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Mean.into()")]
    pub aggr: Aggregation,
    /// Whether to scale each row of the output to Euclidean norm 1.
    #[config(default = false)]
    pub normalize: bool,
    /// Whether to add the node's own transformed features.
    #[config(default = true)]
    pub root_weight: bool,
    /// Whether to put the neighbours' features through a linear layer and ReLU first.
    #[config(default = false)]
    pub project: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
    /// Which way messages run.
    #[config(default = "Flow::SourceToTarget")]
    pub flow: Flow,
}

impl SageConvConfig {
    /// Creates the layer.
    pub fn init(&self, device: &Device) -> SageConv {
        let (d_src, d_output) = (self.d_input, self.d_output);
        let d_dst = self.d_dst.unwrap_or(d_src);
        SageConv {
            lin: self
                .project
                .then(|| init::linear(d_src, d_src, true, device)),
            lin_l: init::linear(self.aggr.width(d_src), d_output, self.bias, device),
            lin_r: self
                .root_weight
                .then(|| init::linear(d_dst, d_output, false, device)),
            in_channels: [d_src, d_dst],
            normalize: self.normalize,
            aggr: self.aggr.clone(),
            flow: self.flow,
        }
    }
}

/// Adds a linear map of the neighbours' aggregate and one of the node's own features.
///
/// ```text
/// x_i' = W_l · mean_{j ∈ N(i)} x_j + b + W_r · x_i
/// ```
///
/// Source: Hamilton, Ying, Leskovec, Inductive Representation Learning on Large Graphs, 2017,
/// arXiv:1706.02216. Matches `torch_geometric.nn.SAGEConv` (2.8) for the aggregations `sum`,
/// `mean`, `max`, `min`, `mul` and lists of them. Departs: the LSTM aggregation is missing. With
/// messages from target to source, a pair's destinations send and its sources receive (PyG picks
/// the wrong rows there).
///
/// # Shapes
/// x: `[N, d_input]`, or a pair `([N, d_input], [M, d_dst])` whose second entry may be absent (its
/// term is left out then) · edges: `E` from `N` to `M` nodes · output: `[M, d_output]`
///
/// # Numerics
/// A node without neighbours aggregates zeros (ones for `mul`). Values of an adjacency have no effect.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::conv::SageConvConfig;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[0, 0, 1], 3, 2, &device).unwrap();
/// let conv = SageConvConfig::new(3, 4).init(&device);
/// let pair = (Tensor::ones([3, 3], &device), Tensor::ones([2, 3], &device));
/// assert_eq!(conv.forward(pair, &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct SageConv {
    /// Projection of the senders, `[d_input, d_input]` with bias.
    pub lin: Option<Linear>,
    /// Map of the aggregate, `[k · d_input, d_output]` for `k` aggregations.
    pub lin_l: Linear,
    /// Map of the node itself, `[d_dst, d_output]`.
    pub lin_r: Option<Linear>,
    /// Widths of source and destination features.
    pub in_channels: [usize; 2],
    /// Whether rows are scaled to norm 1.
    pub normalize: bool,
    /// How the neighbours are combined.
    #[module(skip)]
    pub aggr: Aggregation,
    /// Which way messages run.
    #[module(skip)]
    pub flow: Flow,
}

impl SageConv {
    /// The convolution.
    ///
    /// # Panics
    /// If the widths of the features are not those of the layer.
    pub fn forward(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Tensor<2> {
        let scope = scope::layer(self, Self::KIND, "forward");
        let x = scope.input("x", x.into());
        let edges = scope.input("edge_index", edges.into());

        let (x_j, x_i) = self.flow.ends(x);
        let x_j = match &self.lin {
            Some(lin) => lin.transform_relu(x_j),
            None => x_j,
        };
        let own = self.lin_r.as_ref().zip(x_i);
        let own = own.map(|(lin_r, x_i)| (x_i, lin_r.weight.val()));
        let weight = self.lin_l.weight.val();
        let bias = self.lin_l.bias.as_ref().map(Param::val);
        let [d_input, d_output] = weight.dims();
        let out = if d_output < d_input && self.aggr.is_linear() {
            // The aggregate of maps is the map of the aggregate, so messages are as wide as the narrower.
            let aggregated = self.propagate(edges, linear(x_j, weight, None));
            let out = match own {
                Some((x_i, lin_r)) => linear_add(x_i, lin_r, aggregated),
                None => aggregated,
            };
            match bias {
                Some(bias) => add_bias(out, bias),
                None => out,
            }
        } else {
            let aggregated = self.propagate(edges, x_j);
            match own {
                Some((x_i, lin_r)) => linear_sum([aggregated, x_i], [weight, lin_r], bias),
                None => linear(aggregated, weight, bias),
            }
        };
        scope.exit(if self.normalize { unit_rows(out) } else { out })
    }
}

/// Scales each row to Euclidean norm 1; rows shorter than 1e-12 are divided by 1e-12.
fn unit_rows(x: Tensor<2>) -> Tensor<2> {
    // The bound stands inside the root, so that the gradient of a zero row is zero and not NaN.
    let norm = (x.clone() * x.clone()).sum_dim(1).clamp_min(1e-24).sqrt();
    x / norm
}

impl MessagePassing for SageConv {
    type Args = Tensor<2>;

    const KIND: &'static str = "SAGEConv";
    const RECORD: &'static str = "SAGEConvPropagate";

    fn message(&self, x: &Tensor<2>, _ends: &Endpoints) -> Message {
        Message::Source(x.clone())
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr.clone()
    }

    fn flow(&self) -> Flow {
        self.flow
    }
}

impl Overloads for SageConv {
    fn overloads(&self) -> Vec<Overload<Self>> {
        let [d_src, d_dst] = self.in_channels;
        GraphForm::ALL
            .into_iter()
            .enumerate()
            // Two widths leave no single node set to call the layer with.
            .filter(|(_, form)| form.pair || d_src == d_dst || self.lin_r.is_none())
            .map(|(i, form)| {
                let signature = Signature::new()
                    .with("x", form.x(d_src, d_dst))
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
    use burn::tensor::{Distribution, TensorData, Tolerance};
    use kiln_core::EdgeIndex;

    use super::*;

    /// Node 0 hears 1 and 2, node 1 hears nobody.
    #[test]
    fn mean_of_neighbours_plus_itself() {
        let device = Device::flex();
        let mut conv = SageConvConfig::new(1, 1).with_bias(false).init(&device);
        conv.lin_l.weight = conv
            .lin_l
            .weight
            .map(|_| Tensor::from_floats([[10.0]], &device));
        conv.lin_r = conv.lin_r.map(|mut lin| {
            lin.weight = lin.weight.map(|_| Tensor::from_floats([[1.0]], &device));
            lin
        });
        let edges = EdgeIndex::from_arrays(&[1, 2], &[0, 0], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[1.0], [2.0], [4.0]], &device);
        let expected = TensorData::from([[31.0_f32], [2.0], [4.0]]);
        let out = conv.forward(x.clone(), &edges).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::default());

        // Without features of the destinations their term is missing.
        let expected = TensorData::from([[30.0_f32], [0.0], [0.0]]);
        let out = conv.forward((x, None), &edges).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::default());
    }

    #[test]
    fn narrow_outputs_aggregate_after_the_map() {
        let device = Device::flex();
        let edges = EdgeIndex::from_arrays(&[0, 1, 3, 0], &[2, 2, 1, 0], 4, 3, &device).unwrap();
        let [x_j, x_i] =
            [4, 3].map(|rows| Tensor::<2>::random([rows, 5], Distribution::Default, &device));
        for reduce in [Reduce::Mean, Reduce::Sum, Reduce::Max] {
            let config = SageConvConfig::new(5, 2).with_aggr(reduce.into());
            let conv = config.init(&device);
            let aggregated = conv.propagate(Edges::from(&edges), x_j.clone());
            let lin_r = conv.lin_r.clone().unwrap();
            for x_i in [Some(x_i.clone()), None] {
                let mut expected = conv.lin_l.forward(aggregated.clone());
                if let Some(x_i) = x_i.clone() {
                    expected = expected + lin_r.forward(x_i);
                }
                let out = conv.forward((x_j.clone(), x_i), &edges).into_data();
                out.assert_approx_eq::<f32>(&expected.into_data(), Tolerance::default());
            }
        }
    }

    #[test]
    fn zero_rows_stay_zero_and_keep_a_finite_gradient() {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
        let out = unit_rows(x.clone());
        let gradients = out.clone().sum().backward();
        let expected = TensorData::from([[0.6_f32, 0.8], [0.0, 0.0]]);
        out.into_data()
            .assert_approx_eq::<f32>(&expected, Tolerance::default());
        let gradient = x.grad(&gradients).unwrap().into_data();
        assert!(gradient.iter::<f32>().all(f32::is_finite));
    }
}
