//! Convolutions: layers that take node features and edges and return node features.
//!
//! Every layer says in its documentation which paper it is from, which class of PyG it matches, and
//! where it departs.

mod agnn_conv;
mod anti_symmetric_conv;
mod any_conv;
mod appnp;
mod arma_conv;
mod attention;
mod cg_conv;
mod cheb_conv;
mod cluster_gcn_conv;
mod dir_gnn_conv;
mod dna_conv;
mod dot_attention;
mod edge_conv;
mod eg_conv;
mod fa_conv;
mod feast_conv;
mod film_conv;
mod gat_conv;
mod gated_graph_conv;
mod gatv2_conv;
mod gcn2_conv;
mod gcn_conv;
mod gen_conv;
mod general_conv;
mod gin_conv;
mod gine_conv;
mod gmm_conv;
mod gps_conv;
mod graph_conv;
mod hypergraph_conv;
mod initial;
mod le_conv;
mod lg_conv;
mod mf_conv;
mod mixhop_conv;
mod nn_conv;
mod pan_conv;
mod pdn_conv;
mod pna_conv;
mod prelude;
mod relations;
mod res_gated_graph_conv;
mod rgat_conv;
mod rgcn_conv;
mod sage_conv;
mod sg_conv;
mod signed_conv;
mod simple_conv;
mod ssg_conv;
mod supergat_conv;
mod tag_conv;
mod transformer_conv;
mod wl_conv;
mod wl_conv_continuous;

use burn::tensor::Tensor;
use kiln_core::{ConvArgs, Edges, Nodes};
use kiln_ops::Layer;

pub use self::{
    agnn_conv::{AgnnConv, AgnnConvConfig},
    anti_symmetric_conv::{AntiSymmetricConv, AntiSymmetricConvConfig},
    any_conv::{AnyConv, ConvConfig},
    appnp::{Appnp, AppnpConfig},
    arma_conv::{ArmaConv, ArmaConvConfig},
    attention::{Alpha, Attention, AttentionArgs, AttentionOutput, FillValue},
    cg_conv::{CgConv, CgConvConfig},
    cheb_conv::{ChebArgs, ChebConv, ChebConvConfig, LaplacianNorm},
    cluster_gcn_conv::{ClusterGcnConv, ClusterGcnConvConfig},
    dir_gnn_conv::{DirGnnConv, DirGnnConvConfig},
    dna_conv::{DnaConv, DnaConvConfig, DnaPropagated},
    dot_attention::DotPropagated,
    edge_conv::{EdgeConv, EdgeConvConfig},
    eg_conv::{EgAggregator, EgConv, EgConvConfig},
    fa_conv::{FaConv, FaConvConfig},
    feast_conv::{FeaStConv, FeaStConvConfig},
    film_conv::{FilmConv, FilmConvConfig, FilmNetwork, FilmPropagated},
    gat_conv::{GatConv, GatConvConfig},
    gated_graph_conv::{GatedGraphConv, GatedGraphConvConfig},
    gatv2_conv::{Gatv2Conv, Gatv2ConvConfig},
    gcn_conv::{GcnConv, GcnConvConfig},
    gcn2_conv::{Gcn2Conv, Gcn2ConvConfig},
    gen_conv::{GenConv, GenConvConfig, GenNorm},
    general_conv::{GeneralAttention, GeneralConv, GeneralConvConfig},
    gin_conv::{GinConv, GinConvConfig},
    gine_conv::{GineConv, GineConvConfig},
    gmm_conv::{Gaussians, GmmConv, GmmConvConfig},
    gps_conv::{GlobalAttention, GlobalAttentionOptions, GpsArgs, GpsConv, GpsConvConfig},
    graph_conv::{GraphConv, GraphConvConfig},
    hypergraph_conv::{HypergraphArgs, HypergraphAttention, HypergraphConv, HypergraphConvConfig},
    initial::InitialArgs,
    le_conv::{LeConv, LeConvConfig},
    lg_conv::{LgConv, LgConvConfig},
    mf_conv::{MfConv, MfConvConfig},
    mixhop_conv::{MixHopConv, MixHopConvConfig},
    nn_conv::{NnConv, NnConvConfig},
    pan_conv::{PanConv, PanConvConfig, PanOutput},
    pdn_conv::{PdnConv, PdnConvConfig},
    pna_conv::{PnaConv, PnaConvConfig},
    relations::RelationWeight,
    res_gated_graph_conv::{ResGatedGraphConv, ResGatedGraphConvConfig},
    rgat_conv::{RgatConv, RgatConvConfig, RgatMechanism, RgatMod, RgatMode},
    rgcn_conv::{FastRgcnConv, FastRgcnConvConfig, RgcnConv, RgcnConvConfig},
    sage_conv::{SageConv, SageConvConfig},
    sg_conv::{SgConv, SgConvConfig},
    signed_conv::{SignedArgs, SignedConv, SignedConvConfig},
    simple_conv::{CombineRoot, SimpleConv, SimpleConvConfig},
    ssg_conv::{SsgConv, SsgConvConfig},
    supergat_conv::{SuperGatAttention, SuperGatConv, SuperGatConvConfig},
    tag_conv::{TagConv, TagConvConfig},
    transformer_conv::{TransformerConv, TransformerConvConfig},
    wl_conv::WlConv,
    wl_conv_continuous::{WlConvContinuous, WlConvContinuousConfig},
};

/// A layer that takes nodes and edges and returns nodes: what every convolution is.
///
/// What edges carry, weights, features or types, is part of them: `edges.with_weight(weight)`. A
/// layer takes what its documentation names.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Edges};
/// use kiln_nn::prelude::*;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1], &[1, 0], 2, 2, &device).unwrap();
/// let conv = GcnConvConfig::new(3, 4).init(&device);
/// let x = Tensor::<2>::ones([2, 3], &device);
/// let weighted = Edges::from(&edges).with_weight(Tensor::ones([2], &device));
/// let (out, same) = (conv.forward(x.clone(), &edges), conv.forward(x, &weighted));
/// assert_eq!(out.into_data(), same.into_data());
/// ```
pub trait Conv: Layer<Args: From<ConvArgs>, Output: Into<Tensor<2>>> {
    /// The convolution.
    ///
    /// # Panics
    /// If features do not have the widths of the layer.
    fn forward(&self, x: impl Into<Nodes>, edges: impl Into<Edges>) -> Tensor<2> {
        self.call(ConvArgs::from((x, edges))).into()
    }
}

impl<L> Conv for L where L: Layer<Args: From<ConvArgs>, Output: Into<Tensor<2>>> {}
