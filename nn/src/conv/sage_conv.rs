//! GraphSAGE: a linear map of the aggregated neighbours plus one of the node itself.

use serde_json::Value;

use super::prelude::*;
use crate::utils::unit_rows;

/// Configuration of a [`SageConv`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, as PyG has them"
)]
#[derive(Config, Debug)]
pub struct SageConvConfig {
    /// Width of the features, or of those of sources and targets.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// How the neighbours are combined.
    #[config(default = "Reduce::Mean.into()")]
    pub aggr: AggrConfig,
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
}

impl LayerConfig for SageConvConfig {
    type Layer = SageConv;

    fn blank() -> Self {
        Self::new(0.into(), 0)
    }

    /// The aggregation `lstm` is as wide as the sources' features unless `aggr_kwargs` say
    /// otherwise.
    fn complete(args: &mut serde_json::Map<String, Value>) {
        let is_lstm = args.get("aggr").and_then(Value::as_str) == Some("lstm");
        let width = match args.get("in_channels") {
            Some(Value::Array(both)) => both.first().cloned(),
            width => width.cloned(),
        };
        let (true, Some(width)) = (is_lstm, width) else {
            return;
        };
        let kwargs = args.entry("aggr_kwargs").or_insert(Value::Null);
        if kwargs.is_null() {
            *kwargs = Value::Object(serde_json::Map::new());
        }
        if let Value::Object(kwargs) = kwargs {
            for name in ["in_channels", "out_channels"] {
                kwargs.entry(name).or_insert_with(|| width.clone());
            }
        }
    }

    fn make(&self, device: &Device) -> SageConv {
        let [d_src, d_dst] = self.in_channels.both();
        let aggr_module = self.aggr.init(device);
        let linear =
            |d_in, d_out, bias| LinearConfig::new(d_in, d_out).with_bias(bias).init(device);
        let d_out = self.out_channels;
        SageConv {
            lin: self.project.then(|| linear(d_src, d_src, true)),
            lin_l: linear(aggr_module.width(d_src), d_out, self.bias),
            lin_r: self.root_weight.then(|| linear(d_dst, d_out, false)),
            aggr_module,
            config: self.clone(),
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
/// arXiv:1706.02216. Matches `torch_geometric.nn.SAGEConv` (2.8) for the aggregations that
/// [`AggrConfig`] has. Departs: with messages from target to source, a pair's targets send and its
/// sources receive (PyG picks the wrong rows there).
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])` whose second entry may be absent (its term
/// is left out then) · edges: `E` from `N` to `M` nodes · output: `[M, out_channels]`
///
/// # Numerics
/// A node without neighbours aggregates zeros (ones for `mul`). Values of an adjacency have no
/// effect.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 2], &[0, 0, 1], 3, 2, &device).unwrap();
/// let conv = SageConvConfig::new(3.into(), 4).init(&device);
/// let pair = (Tensor::<2>::ones([3, 3], &device), Tensor::<2>::ones([2, 3], &device));
/// assert_eq!(conv.forward(pair, &edges).dims(), [2, 4]);
/// ```
#[derive(Module, Debug)]
pub struct SageConv {
    /// Map of the neighbours' features before they are combined.
    pub lin: Option<Linear>,
    /// Map of the aggregate.
    pub lin_l: Linear,
    /// Map of the node itself.
    pub lin_r: Option<Linear>,
    /// How the neighbours are combined.
    pub aggr_module: Aggregation,
    /// What the layer was made from.
    #[module(skip)]
    pub config: SageConvConfig,
}

impl Layer for SageConv {
    const NAME: &'static str = "SAGEConv";

    type Config = SageConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        // Without a root weight the targets' features are not read.
        let d_dst = if self.config.root_weight || d_src == d_dst {
            Dim::from(d_dst)
        } else {
            Dim::from("F")
        };
        Signatures::conv(d_src, d_dst).size()
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x_j, x_i) = edges.ends(x);
        let x_j = match &self.lin {
            Some(lin) => lin.forward_relu(x_j),
            None => x_j,
        };
        let map = Map::from(&self.lin_l).with_root(self.lin_r.as_ref(), x_i);
        let out = self.propagate_map(&edges, x_j, map);
        if self.config.normalize {
            unit_rows(out)
        } else {
            out
        }
    }
}

impl MessagePassing for SageConv {
    type Propagated = Tensor<2>;

    fn message(&self, x: &Tensor<2>, _ends: &Endpoints) -> Message {
        Message::source(x.clone())
    }

    fn aggregation(&self) -> Aggregation {
        self.aggr_module.clone()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData, Tolerance};
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::conv::Conv;

    /// Node 0 has edges from 1 and 2, node 1 has none.
    #[test]
    fn mean_of_neighbours_plus_itself() {
        let device = Device::flex();
        let config = SageConvConfig::new(1.into(), 1).with_bias(false);
        let mut conv = config.init(&device);
        let fill = |lin: &mut Linear, value: f32| {
            let weight = lin.weight.clone();
            lin.weight = weight.map(|_| Tensor::from_floats([[value]], &device));
        };
        fill(&mut conv.lin_l, 10.0);
        fill(conv.lin_r.as_mut().unwrap(), 1.0);
        let edges = EdgeIndex::from_arrays(&[1, 2], &[0, 0], 3, 3, &device).unwrap();
        let x = Tensor::<2>::from_floats([[1.0], [2.0], [4.0]], &device);
        let expected = TensorData::from([[31.0_f32], [2.0], [4.0]]);
        let out = conv.forward(x.clone(), &edges).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::default());

        // Without features of the targets their term is missing.
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
            let config = SageConvConfig::new(5.into(), 2).with_aggr(reduce.into());
            let conv = config.init(&device);
            let aggregated = conv.propagate(&Edges::from(&edges), x_j.clone());
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
}
