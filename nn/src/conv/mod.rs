//! Convolutions: layers that take node features and edges and return node features.
//!
//! Every layer says in its documentation which paper it is from, which class of PyG it matches, and
//! where it departs.

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
mod edge_conv;
mod eg_conv;
mod film_conv;
mod gat_conv;
mod gated_graph_conv;
mod gatv2_conv;
mod gcn2_conv;
mod gcn_conv;
mod gen_conv;
mod gin_conv;
mod gine_conv;
mod gmm_conv;
mod gps_conv;
mod graph_conv;
mod le_conv;
mod lg_conv;
mod mf_conv;
mod mixhop_conv;
mod nn_conv;
mod pdn_conv;
mod pna_conv;
mod prelude;
mod relations;
mod res_gated_graph_conv;
mod rgcn_conv;
mod sage_conv;
mod sg_conv;
mod signed_conv;
mod simple_conv;
mod ssg_conv;
mod tag_conv;
mod transformer_conv;
mod wl_conv;
mod wl_conv_continuous;

use burn::tensor::Tensor;
use kiln_core::{ConvArgs, Edges, Nodes};
use kiln_ops::Layer;

pub use self::{
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
    edge_conv::{EdgeConv, EdgeConvConfig},
    eg_conv::{EgAggregator, EgConv, EgConvConfig},
    film_conv::{FilmConv, FilmConvConfig, FilmNetwork, FilmPropagated},
    gat_conv::{GatConv, GatConvConfig},
    gated_graph_conv::{GatedGraphConv, GatedGraphConvConfig},
    gatv2_conv::{Gatv2Conv, Gatv2ConvConfig},
    gcn_conv::{GcnConv, GcnConvConfig},
    gcn2_conv::{Gcn2Args, Gcn2Conv, Gcn2ConvConfig},
    gen_conv::{GenConv, GenConvConfig, GenNorm},
    gin_conv::{GinConv, GinConvConfig},
    gine_conv::{GineConv, GineConvConfig},
    gmm_conv::{Gaussians, GmmConv, GmmConvConfig},
    gps_conv::{GlobalAttention, GlobalAttentionOptions, GpsArgs, GpsConv, GpsConvConfig},
    graph_conv::{GraphConv, GraphConvConfig},
    le_conv::{LeConv, LeConvConfig},
    lg_conv::{LgConv, LgConvConfig},
    mf_conv::{MfConv, MfConvConfig},
    mixhop_conv::{MixHopConv, MixHopConvConfig},
    nn_conv::{NnConv, NnConvConfig},
    pdn_conv::{PdnConv, PdnConvConfig},
    pna_conv::{PnaConv, PnaConvConfig},
    res_gated_graph_conv::{ResGatedGraphConv, ResGatedGraphConvConfig},
    rgcn_conv::{FastRgcnConv, FastRgcnConvConfig, RelationWeight, RgcnConv, RgcnConvConfig},
    sage_conv::{SageConv, SageConvConfig},
    sg_conv::{SgConv, SgConvConfig},
    signed_conv::{SignedArgs, SignedConv, SignedConvConfig},
    simple_conv::{CombineRoot, SimpleConv, SimpleConvConfig},
    ssg_conv::{SsgConv, SsgConvConfig},
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
