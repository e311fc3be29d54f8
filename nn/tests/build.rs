//! Layers from PyG's arguments: the errors.

use kiln_nn::build::from_args;
use serde_json::{Value, json};

#[track_caller]
fn fails(kind: &str, args: &Value, message: &str) {
    let error = from_args(kind, args, &crate::device()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn says_what_is_known() {
    fails(
        "GATv3Conv",
        &json!({}),
        "unknown layer or model `GATv3Conv`, expected one of GCNConv, SAGEConv, GATConv, GINConv, \
         GCN, GraphSAGE, GAT, GIN, MLP",
    );
    fails(
        "GCNConv",
        &json!({"in_channels": 8, "out_channels": 4, "head": 2}),
        "GCNConv has no argument `head`, expected one of in_channels, out_channels, improved, \
         add_self_loops, normalize, bias, flow, cached",
    );
}

#[test]
fn says_what_is_wrong() {
    fails(
        "SAGEConv",
        &json!({"in_channels": 8}),
        "SAGEConv needs the argument `out_channels`",
    );
    fails(
        "SAGEConv",
        &json!({"in_channels": 8, "out_channels": "many"}),
        "SAGEConv: argument `out_channels`",
    );
    fails(
        "SAGEConv",
        &json!({"in_channels": 8, "out_channels": 4, "aggr": "lstm"}),
        "SAGEConv: argument `aggr`: expected one or several of sum, add, mean, max, min, mul, got lstm",
    );
    fails(
        "GCNConv",
        &json!({"in_channels": 8, "out_channels": 4, "normalize": false, "add_self_loops": true}),
        "GCNConv: argument `add_self_loops`: expected false without `normalize`, got true",
    );
    fails(
        "GAT",
        &json!({"in_channels": 8, "hidden_channels": 9, "num_layers": 2, "heads": 2}),
        "GAT: argument `heads`: expected a divisor of `hidden_channels`, got 2",
    );
    fails(
        "MLP",
        &json!([8, 4]),
        "MLP: expected an object of arguments, got [8,4]",
    );
}
