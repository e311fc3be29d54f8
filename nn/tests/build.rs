//! Layers from PyG's arguments: the errors.

use kiln_nn::{NAMES, build::from_args, store::StateDict};
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
        &format!(
            "unknown layer or model `GATv3Conv`, expected one of {}",
            NAMES.join(", ")
        ),
    );
    fails(
        "GCNConv",
        &json!({"in_channels": 8, "out_channels": 4, "head": 2}),
        "GCNConv has no argument `head`, expected one of act_kwargs, add_self_loops, aggr_kwargs, bias, \
         cached, decomposed_layers, flow, improved, in_channels, node_dim, norm_kwargs, normalize, \
         out_channels",
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
        "SAGEConv: argument `out_channels`: invalid type: string \"many\", expected usize",
    );
    fails(
        "SAGEConv",
        &json!({"in_channels": 8, "out_channels": 4, "aggr": "tree"}),
        "SAGEConv: argument `aggr`: unknown aggregation `tree`, expected one or several of sum, add, mean, \
         max, min, mul, attentional, deep_sets, degree_scaler, equilibrium, graph_multiset_transformer, gru, \
         lcm, lstm, median, mlp, multi, patch_transformer, power_mean, quantile, set2set, set_transformer, \
         softmax, sort, std, var, variance_preserving",
    );
    fails(
        "GCNConv",
        &json!({"in_channels": 8, "out_channels": 4, "normalize": false, "add_self_loops": true}),
        "GCNConv: argument `add_self_loops`: expected false without `normalize`, got true",
    );
    fails(
        "GCNConv",
        &json!({"in_channels": 8, "out_channels": 4, "node_dim": 1}),
        "GCNConv has no argument `node_dim`, expected one of act_kwargs, add_self_loops, aggr_kwargs, bias, \
         cached, decomposed_layers, flow, improved, in_channels, node_dim, norm_kwargs, normalize, \
         out_channels",
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
    fails(
        "MLP",
        &json!({"in_channels": 8, "num_layers": 2, "out_channels": 4}),
        "MLP: argument `hidden_channels`: expected a width beside `in_channels`, got none",
    );
}

#[test]
fn says_what_is_wrong_with_a_module() {
    let conv = json!({"class": "GCNConv", "in_channels": 8, "out_channels": 4});
    let model = |inputs: &str, modules: Value| json!({"input_args": inputs, "modules": modules});
    let fails = |model: &Value, message: &str| {
        fails(
            "Sequential",
            model,
            &format!("Sequential: argument `{message}"),
        );
    };
    fails(
        &model("x,", json!([])),
        "modules`: expected at least one module, got none",
    );
    fails(
        &model("x,", json!([[conv, "x, edge_index -> x"]])),
        "input_args`: expected names such as `x, edge_index`, got `x,`",
    );
    fails(
        &model("x, edge_index", json!([conv])),
        "modules`: expected a header for the first module, got none for module_0 (GCNConv)",
    );
    fails(
        &model("x, edge_index", json!([[conv, "x, edge_index"]])),
        "modules`: expected headers such as `x, edge_index -> x`, got `x, edge_index` for module_0 \
         (GCNConv)",
    );
    fails(
        &model(
            "x, edge_index",
            json!([[conv, "x, edge_index -> x"], ["ReLU", "y -> y"]]),
        ),
        "modules`: expected names of inputs or of results before, got `y` for module_1 (ReLU)",
    );
    fails(
        &model("x, edge_index", json!([[conv, "x -> x"]])),
        "modules`: expected headers with all that modules need, got no `edge_index` behind `x` for \
         module_0 (GCNConv)",
    );
    fails(
        &model("x, edge_index", json!([[conv, "x, edge_index, x, x -> x"]])),
        "modules`: expected headers with what modules take, got 4 arguments, where there are x, \
         edge_index, edge_weight for module_0 (GCNConv)",
    );
    fails(
        &model(
            "x",
            json!([[{"class": "Linear", "in_features": 8}, "x -> x"]]),
        ),
        "modules`: expected a class or function with its arguments, got Linear: missing field \
         `out_features` for module_0 (Linear)",
    );
    fails(
        &model(
            "x",
            json!([[{"class": "GCNConv", "in_channels": 8}, "x -> x"]]),
        ),
        "modules`: expected a class or function with its arguments, got GCNConv needs the argument \
         `out_channels` for module_0 (GCNConv)",
    );
    let unknown = model("x", json!([["Relu7", "x -> x"]]));
    let error = from_args("Sequential", &unknown, &crate::device()).unwrap_err();
    let (start, end) = ("got there is no `Relu7`, only", "for module_0 (Relu7)");
    let message = error.to_string();
    assert!(
        message.contains(start) && message.ends_with(end),
        "{message}"
    );
}

/// Every spelling of one constructor call makes the same layer.
#[test]
fn arguments_come_in_any_form() {
    let device = crate::device();
    let shown = |kind: &str, args: &Value| from_args(kind, args, &device).unwrap().to_string();
    let plain = json!({"in_channels": 8, "out_channels": 4});
    let expected = shown("SAGEConv", &plain);
    for more in [
        json!({"aggr": "mean", "normalize": false}),
        json!({"node_dim": -2, "decomposed_layers": 1, "aggr_kwargs": "None"}),
        json!({"flow": "source_to_target", "aggr_kwargs": null}),
    ] {
        let mut args = plain.clone();
        let all = args.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        assert_eq!(shown("SAGEConv", &args), expected, "{args}");
    }

    let learned = json!({
        "in_channels": 8, "out_channels": 4, "aggr": ["mean", {"aggr": "softmax", "learn": true}],
    });
    let conv = from_args("SAGEConv", &learned, &device).unwrap();
    let state = StateDict::of(&conv).unwrap();
    assert!(state.tensors.contains_key("aggr_module.aggrs.1.t"));
    assert_eq!(state.tensors["lin_l.weight"].shape().to_vec(), [4, 16]);
    let learned = json!({
        "in_channels": 8, "out_channels": 4, "aggr": "softmax", "aggr_kwargs": {"learn": true},
    });
    let state = StateDict::of(&from_args("SAGEConv", &learned, &device).unwrap()).unwrap();
    assert!(state.tensors.contains_key("aggr_module.t"));

    let lists = json!({"channel_list": [8, 5, 5, 4]});
    let sizes = json!({"in_channels": 8, "hidden_channels": 5, "out_channels": 4, "num_layers": 3});
    let shapes = |args: &Value| {
        let state = StateDict::of(&from_args("MLP", args, &device).unwrap()).unwrap();
        let shapes = state.tensors.into_iter();
        shapes
            .map(|(name, tensor)| (name, tensor.shape().to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(shapes(&lists), shapes(&sizes));
}
