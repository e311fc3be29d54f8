//! Graph convolutions, one file a layer.
//!
//! | layer | PyG | edge weights | edge features | bipartite |
//! |---|---|---|---|---|
//! | [`GcnConv`] | `GCNConv` | yes | | |
//! | [`SageConv`] | `SAGEConv` | | | yes |
//! | [`GatConv`] | `GATConv` | | yes | yes |
//! | [`GinConv`] | `GINConv` | | | yes |
//!
//! Fields of a layer carry the names of PyG's `state_dict`. Every layer takes its edges as an edge
//! index (COO) or as an adjacency (CSR by destination), has the signatures of its typed forward
//! variants in [`Overloads`](kiln_core::Overloads), and never reads tensor values or branches on
//! them, so that its forward pass can be recorded.

mod attention;
mod gat_conv;
mod gcn_conv;
mod gin_conv;
mod sage_conv;

pub use attention::Attention;
pub use gat_conv::{FillValue, GatConv, GatConvArgs, GatConvConfig};
pub use gcn_conv::{GcnConv, GcnConvArgs, GcnConvConfig, GcnNorm};
pub use gin_conv::{GinConv, GinConvConfig};
pub use sage_conv::{SageConv, SageConvConfig};
