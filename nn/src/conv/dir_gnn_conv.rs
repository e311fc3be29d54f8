//! A convolution along the edges and one against them.

use super::{
    any_conv::{AnyConv, ConvConfig},
    prelude::*,
};
use kiln_core::Flow;

/// Configuration of a [`DirGnnConv`].
#[derive(Config, Debug)]
pub struct DirGnnConvConfig {
    /// The convolution, which is made twice. Its self loops and its map of the node itself are
    /// switched off.
    pub conv: ConvConfig,
    /// Weight of the messages against the edges; those along them have the rest of 1.
    #[config(default = 0.5)]
    pub alpha: f64,
    /// Whether to add a map of the node itself.
    #[config(default = true)]
    pub root_weight: bool,
}

impl DirGnnConvConfig {
    /// The convolution as it is made, and its widths.
    fn inner(&self) -> Result<(ConvConfig, [usize; 2]), ConfigError> {
        let conv = self.conv.complete()?;
        let widths = ["in_channels", "out_channels"].map(|name| conv.width(name));
        let [Some(d_in), Some(d_out)] = widths else {
            let expected = "a convolution with one number as `in_channels` and `out_channels`";
            return Err(ConfigError {
                name: "conv",
                expected,
                got: conv.class,
            });
        };
        Ok((
            conv.without("add_self_loops").without("root_weight"),
            [d_in, d_out],
        ))
    }
}

impl LayerConfig for DirGnnConvConfig {
    type Layer = DirGnnConv;

    const REQUIRED: &'static [&'static str] = &["conv"];

    fn blank() -> Self {
        Self::new(ConvConfig::blank())
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.inner().map(|_| ())
    }

    fn make(&self, device: &Device) -> DirGnnConv {
        let (conv, [d_in, d_out]) = self.inner().unwrap_or_else(|error| panic!("{error}"));
        let lin = || LinearConfig::new(d_in, d_out).init(device);
        DirGnnConv {
            conv_in: conv.make(device),
            conv_out: conv.make(device),
            lin: self.root_weight.then(lin),
            config: self.clone(),
        }
    }
}

/// Passes messages along the edges and against them, by two convolutions of one kind.
///
/// ```text
/// x' = α conv_out(x, reversed edges) + (1 - α) conv_in(x, edges) + W x + b
/// ```
///
/// Source: Rossi et al., Edge Directionality Improves Learning on Heterophilic Graphs, 2023,
/// arXiv:2305.10498. Matches `torch_geometric.nn.DirGNNConv` (2.8), but for one thing: PyG keeps
/// the weights of the inner convolutions' maps of the node itself, which it does not use; here
/// there are none. Give the inner convolution `root_weight = false` for equal checkpoints.
///
/// # Shapes
/// x: `[N, in]` · edges: an edge index of `E` edges among `N` nodes · output: `[N, out]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::EdgeIndex;
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 2], 3, 3, &device).unwrap();
/// let conv = DirGnnConvConfig::new(GcnConvConfig::new(3, 4).into()).init(&device);
/// assert_eq!(conv.forward(Tensor::<2>::ones([3, 3], &device), &edges).dims(), [3, 4]);
/// ```
#[derive(Module, Debug)]
pub struct DirGnnConv {
    /// The convolution along the edges.
    pub conv_in: AnyConv,
    /// The convolution against the edges.
    pub conv_out: AnyConv,
    /// Map of the node itself.
    pub lin: Option<Linear>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: DirGnnConvConfig,
}

impl Layer for DirGnnConv {
    const NAME: &'static str = "DirGNNConv";

    type Config = DirGnnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let width = self.config.conv.width("in_channels");
        let width = width.map_or_else(|| Dim::from("F"), Dim::from);
        let (src, dst, edges) = ("N".into(), "N".into(), "E".into());
        Signatures::new()
            .with("x", Type::float(["N".into(), width]))
            .with("edge_index", Type::EdgeIndex { src, dst, edges })
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let alpha = self.config.alpha;
        let flow = match edges.flow() {
            Flow::SourceToTarget => Flow::TargetToSource,
            Flow::TargetToSource => Flow::SourceToTarget,
        };
        let x_in = self.conv_in.forward(x.clone(), &edges);
        let x_out = self.conv_out.forward(x.clone(), edges.with_flow(flow));
        let out = x_out.mul_scalar(alpha) + x_in.mul_scalar(1.0 - alpha);
        match &self.lin {
            Some(lin) => lin.forward_add(x.floats().0, out),
            None => out,
        }
    }
}
