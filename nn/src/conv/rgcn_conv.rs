//! The relational graph convolution.

use burn::{
    module::{Content, Devices, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor},
    tensor::Int,
};
use kiln_core::{AnyTensor, Flow, Kind};
use serde::{Deserialize, Serialize};

use super::{
    prelude::*,
    relations::{RelationWeight, Relations, combined, without_last},
};
use crate::transparent::transparent_module;

/// Configuration of an [`RgcnConv`].
#[derive(Config, Debug)]
pub struct RgcnConvConfig {
    /// Width of the features, or of those of sources and targets; of nodes without features their
    /// number.
    pub in_channels: Channels,
    /// Width of the output features.
    pub out_channels: usize,
    /// Number of relations.
    pub num_relations: usize,
    /// Number of matrices of which the maps of all relations are combinations.
    #[config(default = "None")]
    pub num_bases: Option<usize>,
    /// Number of blocks on the diagonal, outside of which the maps are zero.
    #[config(default = "None")]
    pub num_blocks: Option<usize>,
    /// How the neighbours of one relation are combined.
    #[config(default = "Reduce::Mean.into()")]
    pub aggr: AggrConfig,
    /// Whether to add a map of the node itself.
    #[config(default = true)]
    pub root_weight: bool,
    /// Whether to add a learned bias.
    #[config(default = true)]
    pub bias: bool,
}

impl RgcnConvConfig {
    fn reduce(&self) -> Reduce {
        match self.aggr {
            AggrConfig::Reduce(reduce) => reduce,
            ref other => panic!("expected a reduction, got {other:?}"),
        }
    }
}

impl LayerConfig for RgcnConvConfig {
    type Layer = RgcnConv;

    const REQUIRED: &'static [&'static str] = &["in_channels", "out_channels", "num_relations"];
    const NEUTRAL: &'static [(&'static str, &'static str)] =
        &[("is_sorted", "false"), ("is_sorted", "true")];

    fn blank() -> Self {
        Self::new(0.into(), 0, 0)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let aggr = format!("{:?}", self.aggr);
        let is_reduction = matches!(self.aggr, AggrConfig::Reduce(_));
        ConfigError::unless(is_reduction, "aggr", "a reduction", aggr)?;
        let some = self.num_relations > 0;
        ConfigError::unless(some, "num_relations", "at least one relation", "none")?;
        let bases = self.num_bases;
        let ok = bases != Some(0);
        ConfigError::unless(ok, "num_bases", "at least one base", "none")?;
        let Some(blocks) = self.num_blocks else {
            return Ok(());
        };
        let ok = bases.is_none();
        let expected = "either `num_bases` or `num_blocks`";
        ConfigError::unless(ok, "num_blocks", expected, "both")?;
        let divides = |width: usize| blocks > 0 && width.is_multiple_of(blocks);
        let ok = divides(self.in_channels.src()) && divides(self.out_channels);
        let expected = "a divisor of `in_channels` and `out_channels`";
        ConfigError::unless(ok, "num_blocks", expected, blocks.to_string())
    }

    fn make(&self, device: &Device) -> RgcnConv {
        let ([d_src, d_dst], d_out) = (self.in_channels.both(), self.out_channels);
        let relations = self.num_relations;
        let weight = if let Some(blocks) = self.num_blocks {
            let shape = [relations, blocks, d_src / blocks, d_out / blocks];
            RelationWeight::Blocks(init::glorot(shape, device))
        } else {
            let shape = [self.num_bases.unwrap_or(relations), d_src, d_out];
            RelationWeight::Matrices(init::glorot(shape, device))
        };
        let comp = |bases| init::glorot([relations, bases], device);
        let root = || init::glorot([d_dst, d_out], device);
        RgcnConv {
            weight,
            comp: self.num_bases.map(comp),
            root: self.root_weight.then(root),
            bias: self.bias.then(|| init::zeros(d_out, device)),
            config: self.clone(),
        }
    }
}

/// Averages the neighbours of each relation and adds linear maps of them, one for each relation.
///
/// ```text
/// x_i' = W_root x_i + b + Σ_r 1/|N_r(i)| Σ_{j ∈ N_r(i)} W_r x_j
/// ```
///
/// With `num_bases` the maps are `W_r = Σ_b a_rb V_b`, with `num_blocks` block-diagonal. Nodes may
/// have numbers in place of features, or nothing, which stands for `0, 1, ..`: a row of a map is
/// the embedding of a node then, and `in_channels` the number of nodes.
///
/// Source: Schlichtkrull et al., Modeling Relational Data with Graph Convolutional Networks, 2017,
/// arXiv:1703.06103. Matches `torch_geometric.nn.RGCNConv` (2.8). Departs: types of the edges
/// beside an adjacency are an argument; PyG takes the values of the `SparseTensor` for them. In
/// recordings sources without numbers stand beside targets without numbers only.
///
/// # Shapes
/// x: `[N, in]`, or a pair `([N, in_src], [M, in_dst])`; or numbers `[N]`, or a pair of such; or
/// nothing · edges: `E` from `N` to `M` nodes, with types `[E]`; those whose type is not in
/// `0..num_relations` are left out · output: `[M, out_channels]`
///
/// # Numerics
/// All relations go through the edges in one walk, and through one product of matrices. Neighbours
/// are mapped first where that makes rows narrower. Either way there are as many rows as nodes
/// times relations.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::{EdgeIndex, Edges, Nodes};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 0], &[1, 0, 1], 2, 2, &device).unwrap();
/// let edge_type = Tensor::<1, Int>::from_ints([0, 1, 1], &device);
/// let edges = Edges::from(edges).with_type(edge_type);
/// let conv = RgcnConvConfig::new(2.into(), 4, 2).init(&device);
/// let out = conv.forward(Tensor::<2>::eye(2, &device), &edges);
/// let same = conv.forward(Nodes::none(), &edges);
/// assert_eq!(out.into_data(), same.into_data());
/// ```
#[derive(Module, Debug)]
pub struct RgcnConv {
    /// The maps.
    pub weight: RelationWeight,
    /// Coefficients of the bases, `[R, num_bases]`.
    pub comp: Option<Param<Tensor<2>>>,
    /// Map of the node itself, `[in_dst, out]`.
    pub root: Option<Param<Tensor<2>>>,
    /// The bias, `[out_channels]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What the layer was made from.
    #[module(skip)]
    pub config: RgcnConvConfig,
}

/// What is known of nodes.
enum Rows {
    Features(Tensor<2>),
    Numbers(Tensor<1, Int>),
}

impl Rows {
    fn of(x: Option<AnyTensor>, nodes: usize, width: usize, edges: &Edges) -> Self {
        match x {
            Some(x) if x.kind() == Kind::Int => Self::Numbers(x.int()),
            Some(x) => Self::Features(x.float()),
            None => {
                assert!(
                    nodes == width,
                    "expected as many nodes without features as `in_channels`, {width}, got {nodes}"
                );
                Self::Numbers(kiln_ops::arange(0..nodes, &edges.device()))
            }
        }
    }
}

/// The product of each block: `[blocks, rows, in]` and `[blocks, in, out]` to
/// `[blocks, rows, out]`.
fn by_blocks(x: Tensor<3>, weight: Tensor<3>) -> Tensor<3> {
    match x.dims()[0] {
        1 => kiln_ops::linear(x.squeeze_dim(0), weight.squeeze_dim(0), None).unsqueeze_dim(0),
        _ => kiln_ops::matmul(x, weight),
    }
}

/// The mean of each pair of a target and a relation as weights of the edges of a sum.
fn mean_weights(pairs: &Edges, like: &RelationWeight) -> Tensor<1> {
    let ends = Endpoints::of(pairs);
    let degree = match like {
        RelationWeight::Matrices(like) => ends.weighted_degree(&like.val()),
        RelationWeight::Blocks(like) => ends.weighted_degree(&like.val()),
    };
    ends.lift_i(degree.recip())
}

impl RgcnConv {
    /// The maps of all relations by blocks, `[blocks, R, in / blocks, out / blocks]`.
    fn maps(&self) -> Tensor<4> {
        match (&self.weight, &self.comp) {
            (RelationWeight::Blocks(weight), _) => weight.val().swap_dims(0, 1),
            (RelationWeight::Matrices(weight), None) => weight.val().unsqueeze_dim(0),
            (RelationWeight::Matrices(weight), Some(comp)) => {
                combined(comp.val(), weight.val()).unsqueeze_dim(0)
            }
        }
    }

    /// The neighbours' rows by all maps, `[N · R, out]`.
    fn mapped(&self, x: Tensor<2>) -> Tensor<2> {
        let (maps, [nodes, _]) = (self.maps(), x.dims());
        let [blocks, relations, d_in, d_out] = maps.dims();
        let maps = maps
            .swap_dims(1, 2)
            .reshape([blocks, d_in, relations * d_out]);
        let x = x.reshape([nodes, blocks, d_in]).swap_dims(0, 1);
        let out = by_blocks(x, maps).reshape([blocks, nodes, relations, d_out]);
        let out = out.permute([1, 2, 0, 3]);
        out.reshape([nodes * relations, blocks * d_out])
    }

    /// The maps of what each relation brought, `[M · R, in]`, added up: `[M, out]`.
    fn map_of_pairs(&self, pairs: Tensor<2>) -> Tensor<2> {
        let (maps, [rows, _]) = (self.maps(), pairs.dims());
        let [blocks, relations, d_in, d_out] = maps.dims();
        let targets = rows / relations;
        let pairs = pairs.reshape([targets, relations, blocks, d_in]);
        let pairs = pairs.permute([2, 0, 1, 3]);
        let pairs = pairs.reshape([blocks, targets, relations * d_in]);
        let maps = maps.reshape([blocks, relations * d_in, d_out]);
        let out = by_blocks(pairs, maps).swap_dims(0, 1);
        out.reshape([targets, blocks * d_out])
    }

    /// What the neighbours add, propagated by `layer`, whose parameters are these.
    fn neighbours<L>(&self, layer: &L, x_j: Rows, relations: &Relations) -> Tensor<2>
    where
        L: MessagePassing<Propagated = Weighted>,
    {
        let reduce = self.config.reduce();
        let is_linear = matches!(reduce, Reduce::Sum | Reduce::Mean);
        let weights = |pairs: &Edges| {
            let is_mean = reduce == Reduce::Mean;
            is_mean.then(|| mean_weights(pairs, &self.weight))
        };
        let (x, starts) = match x_j {
            Rows::Features(x) if !is_linear || self.config.out_channels >= x.dims()[1] => {
                let pairs = relations.to_pairs(relations.sources());
                let edge_weight = weights(&pairs);
                let out = layer.propagate(&pairs, Weighted { x, edge_weight });
                return self.map_of_pairs(without_last(out));
            }
            Rows::Features(x) => {
                let starts = relations.by_node(relations.source(), x.dims()[0]);
                (self.mapped(x), starts)
            }
            Rows::Numbers(numbers) => {
                let maps: Tensor<3> = self.maps().squeeze_dim(0);
                let [count, d_in, d_out] = maps.dims();
                let row = numbers.select(0, relations.source());
                let starts = relations.by_relation(row, d_in);
                (maps.reshape([count * d_in, d_out]), starts)
            }
        };
        if is_linear {
            let edge_weight = weights(&relations.to_pairs(relations.sources()));
            let edges = relations.to_targets(starts);
            return without_last(layer.propagate(&edges, Weighted { x, edge_weight }));
        }
        let edge_weight = None;
        let out = layer.propagate(&relations.to_pairs(starts), Weighted { x, edge_weight });
        let (targets, count) = (relations.num_targets(), self.config.num_relations);
        let out = without_last(out).reshape([targets, count, self.config.out_channels]);
        out.sum_dim(1).squeeze_dim(1)
    }

    fn convolve<L>(&self, layer: &L, ConvArgs { x, edges }: ConvArgs) -> Tensor<2>
    where
        L: MessagePassing<Propagated = Weighted>,
    {
        let relations = Relations::of(&edges, self.config.num_relations);
        let (src, dst) = (x.src().cloned(), x.dst().cloned());
        let (x_j, x_i) = match edges.flow() {
            Flow::SourceToTarget => (src, dst),
            Flow::TargetToSource => (dst, src),
        };
        let [d_src, d_dst] = self.config.in_channels.both();
        let x_j = Rows::of(x_j, relations.num_sources(), d_src, &edges);
        let out = self.neighbours(layer, x_j, &relations);
        let bias = self.bias.as_ref().map(Param::val);
        let Some(root) = &self.root else {
            return add_bias(out, bias);
        };
        let out = match Rows::of(x_i, relations.num_targets(), d_dst, &edges) {
            Rows::Features(x_i) => kiln_ops::linear_add(x_i, root.val(), out),
            Rows::Numbers(numbers) => out + kiln_ops::gather(root.val(), numbers),
        };
        add_bias(out, bias)
    }

    /// How messages are combined: a mean is a sum with weights.
    fn combined(&self) -> Aggregation {
        match self.config.reduce() {
            Reduce::Mean => Reduce::Sum.into(),
            reduce => reduce.into(),
        }
    }
}

impl Layer for RgcnConv {
    const NAME: &'static str = "RGCNConv";
    const HISTORY: &'static [Change] = &[
        Change::renamed("1.6", "att", "comp"),
        Change::renamed("1.6", "basis", "weight"),
    ];

    type Config = RgcnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        let [d_src, d_dst] = self.config.in_channels.both();
        let features = |nodes: &str, width: usize| Type::float([nodes.into(), width.into()]);
        let one = NodeForm::One(features("N", d_src));
        let two = NodeForm::Pair(features("N", d_src), features("M", d_dst));
        let numbers = |nodes: &str| Type::int([nodes.into()]);
        let has_one = d_src == d_dst;
        let has_numbers = self.config.num_blocks.is_none();
        let forms = [
            has_one.then_some(one),
            Some(two),
            (has_one && has_numbers).then(|| NodeForm::One(numbers("N"))),
            (has_one && has_numbers).then_some(NodeForm::Absent(d_src)),
            has_numbers.then(|| NodeForm::Pair(numbers("N"), numbers("M"))),
        ];
        Signatures::conv_of_forms(forms).needed_edge_type()
    }

    fn compute(&self, args: ConvArgs) -> Tensor<2> {
        self.convolve(self, args)
    }
}

impl MessagePassing for RgcnConv {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }

    fn aggregation(&self) -> Aggregation {
        self.combined()
    }
}

/// Configuration of a [`FastRgcnConv`]: that of an [`RgcnConv`] whose `aggr` is a sum or a mean.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FastRgcnConvConfig(pub RgcnConvConfig);

impl LayerConfig for FastRgcnConvConfig {
    type Layer = FastRgcnConv;

    const REQUIRED: &'static [&'static str] = RgcnConvConfig::REQUIRED;
    const NEUTRAL: &'static [(&'static str, &'static str)] = RgcnConvConfig::NEUTRAL;

    fn blank() -> Self {
        Self(RgcnConvConfig::blank())
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.0.check()?;
        let ok = matches!(self.0.reduce(), Reduce::Sum | Reduce::Mean);
        ConfigError::unless(ok, "aggr", "`sum` or `mean`", self.0.reduce().name())
    }

    fn make(&self, device: &Device) -> FastRgcnConv {
        FastRgcnConv(self.0.make(device))
    }
}

/// The same as [`RgcnConv`] under PyG's other name.
///
/// PyG's `FastRGCNConv` trades memory for speed; here there is one way, which walks the edges once.
///
/// Matches `torch_geometric.nn.FastRGCNConv` (2.8). Departs: numbers of sources have their
/// embeddings, as in `RGCNConv`; PyG's `FastRGCNConv` takes the place of a source for its number.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::{EdgeIndex, Edges};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let edges = Edges::from(edges).with_type(Tensor::<1, Int>::zeros([2], &device));
/// let conv = FastRgcnConvConfig(RgcnConvConfig::new(3.into(), 4, 2)).init(&device);
/// let out = conv.forward(Tensor::<2>::ones([2, 3], &device), edges);
/// assert_eq!(out.dims(), [2, 4]);
/// ```
#[derive(Clone, Debug)]
pub struct FastRgcnConv(pub RgcnConv);

transparent_module!(FastRgcnConv { Self });

impl Layer for FastRgcnConv {
    const NAME: &'static str = "FastRGCNConv";
    const HISTORY: &'static [Change] = RgcnConv::HISTORY;

    type Config = FastRgcnConvConfig;
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        self.0.signatures()
    }

    fn compute(&self, args: ConvArgs) -> Tensor<2> {
        self.0.convolve(self, args)
    }
}

impl MessagePassing for FastRgcnConv {
    type Propagated = Weighted;

    fn message(&self, args: &Weighted, _ends: &Endpoints) -> Message {
        args.message()
    }

    fn aggregation(&self) -> Aggregation {
        self.0.combined()
    }
}

#[cfg(test)]
mod tests {
    use kiln_core::EdgeIndex;

    use super::*;
    use crate::conv::Conv as _;

    /// Two relations, and an edge of none.
    fn edges(device: &Device) -> Edges {
        let edges = EdgeIndex::from_arrays(&[0, 2, 1, 0, 2], &[0, 1, 1, 1, 0], 3, 2, device);
        let edge_type = Tensor::<1, Int>::from_ints([0, 1, 0, 7, -1], device);
        Edges::from(edges.unwrap()).with_type(edge_type)
    }

    #[test]
    fn sources_without_numbers_stand_beside_targets_with() {
        let device = Device::flex();
        let conv = RgcnConvConfig::new((3, 4).into(), 5, 2).init(&device);
        let numbers = |numbers: &[i32]| Tensor::<1, Int>::from_ints(numbers, &device);
        let targets = numbers(&[3, 1]);
        let pair = (numbers(&[0, 1, 2]), targets.clone());
        let out = conv.forward(Nodes::targets(targets), edges(&device));
        let expected = conv.forward(pair, edges(&device));
        assert_eq!(out.into_data(), expected.into_data());
    }

    #[test]
    fn edges_without_relation_are_left_out() {
        let device = Device::flex();
        let kept = EdgeIndex::from_arrays(&[0, 2, 1], &[0, 1, 1], 3, 2, &device).unwrap();
        let edge_type = Tensor::<1, Int>::from_ints([0, 1, 0], &device);
        let kept = Edges::from(kept).with_type(edge_type);
        let x = || {
            (
                Tensor::<2>::eye(3, &device),
                Tensor::<2>::ones([2, 3], &device),
            )
        };
        for out_channels in [2, 5] {
            for aggr in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
                let config = RgcnConvConfig::new(3.into(), out_channels, 2).with_aggr(aggr.into());
                let conv = config.init(&device);
                let out = conv.forward(x(), edges(&device)).into_data();
                assert_eq!(out, conv.forward(x(), &kept).into_data());
            }
        }
    }

    #[test]
    #[should_panic(expected = "expected as many nodes without features as `in_channels`, 4, got 3")]
    fn rejects_other_numbers_of_nodes_without_features() {
        let device = Device::flex();
        let conv = RgcnConvConfig::new((4, 3).into(), 5, 2).init(&device);
        let targets = Tensor::<1, Int>::from_ints([0, 1], &device);
        drop(conv.forward(Nodes::targets(targets), edges(&device)));
    }

    #[test]
    fn bases_and_blocks_exclude_each_other() {
        let config = RgcnConvConfig::new(4.into(), 4, 2).with_num_bases(Some(2));
        let error = config.with_num_blocks(Some(2)).check().unwrap_err();
        assert_eq!(error.name, "num_blocks");
        let blocks = RgcnConvConfig::new(4.into(), 6, 2).with_num_blocks(Some(4));
        assert!(blocks.check().is_err());
    }
}
