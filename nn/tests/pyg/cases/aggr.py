"""Aggregations that stand alone, on rows of groups."""

from .common import Case, small

# Group of each row and number of groups; some groups are empty, among them the last.
GROUPS = {
    "sorted": ([0, 0, 0, 1, 3, 3, 3, 3, 4, 4, 4, 4], 6),
    "unsorted": ([3, 0, 3, 4, 0, 1, 4, 3, 0, 4, 4, 3], 6),
    "nonfinite": ([0, 0, 2, 2, 2, 3, 3], 5),
}
WIDTH = 4
DEG = [1, 4, 3, 0, 2]
SCALERS = ["identity", "amplification", "attenuation", "linear", "inverse_linear"]
SEVERAL = ["mean", "max", "std"]
INTERPOLATIONS = ("lower", "higher", "midpoint", "nearest", "linear")
SHARED = ["sum", "mean", "var", "std"]


def multi(mode, aggrs=SEVERAL, **more):
    return {"aggrs": aggrs, "mode": mode} | more


def mlp(max_num_elements=5, **more):
    return {"in_channels": WIDTH, "out_channels": 3, "max_num_elements": max_num_elements} | more


def patches(patch_size, **more):
    return {"in_channels": WIDTH, "out_channels": 3, "patch_size": patch_size, "hidden_channels": 6} | more


# The configurations of each class, the default first; each with more of inputs.
CONFIGS = {
    "SumAggregation": [("default", {})],
    "MeanAggregation": [("default", {})],
    "MaxAggregation": [("default", {}), ("ties", {}, "ties")],
    "MinAggregation": [("default", {}), ("ties", {}, "ties")],
    "MulAggregation": [("default", {}, "positive")],
    "AttentionalAggregation": [
        ("default", {"gate_nn": [WIDTH, 3, 1], "nn": [WIDTH, 5, 2]}),
        ("no_nn", {"gate_nn": [WIDTH, 1]}),
    ],
    "DeepSetsAggregation": [
        ("default", {"local_nn": [WIDTH, 5, 3], "global_nn": [3, 4, 2]}),
        ("local", {"local_nn": [WIDTH, 3]}),
        ("global", {"global_nn": [WIDTH, 2]}),
        ("none", {}),
    ],
    "Set2Set": [("default", {"in_channels": WIDTH, "processing_steps": 3})],
    "VariancePreservingAggregation": [("default", {})],
    "VarAggregation": [("default", {}), ("semi_grad", {"semi_grad": True})],
    "StdAggregation": [
        ("default", {}),
        ("semi_grad", {"semi_grad": True}),
        ("ties", {}, "ties"),
    ],
    "SoftmaxAggregation": [
        ("default", {"learn": True, "t": 0.5}),
        ("fixed", {"t": 1.5}),
        ("one", {}),
        ("semi_grad", {"semi_grad": True}),
        ("channels", {"learn": True, "channels": WIDTH}),
    ],
    "PowerMeanAggregation": [
        ("default", {"learn": True, "p": 2.0}, "powers"),
        ("fixed", {"p": 3.0}, "positive"),
        ("negative", {"p": -1.5}),
        ("one", {}),
        ("channels", {"learn": True, "channels": WIDTH, "p": 2.0}, "powers"),
        ("clamp", {"p": 2.0, "clamp_min": None, "clamp_max": 1.0}, "positive"),
    ],
    "MedianAggregation": [
        ("default", {}),
        ("fill_value", {"fill_value": -3.5}),
        ("ties", {}, "ties"),
    ],
    "QuantileAggregation": [
        ("default", {"q": 0.25}),
        *((name, {"q": [0.25, 0.5, 1.0], "interpolation": name}) for name in INTERPOLATIONS),
        ("several", {"q": [0.0, 0.625, 1.0], "fill_value": 7.0}),
        ("ties", {"q": [0.125, 0.75]}, "ties"),
    ],
    "SortAggregation": [("default", {"k": 3}), ("few", {"k": 1}), ("many", {"k": 7}), ("ties", {"k": 2}, "ties")],
    "DegreeScalerAggregation": [
        ("default", {"aggr": ["mean", "std"], "scaler": SCALERS, "deg": DEG, "train_norm": True}),
        ("buffers", {"aggr": ["mean", "max"], "scaler": SCALERS, "deg": DEG}),
        ("one", {"aggr": "sum", "scaler": "linear", "deg": DEG}),
        (
            "kwargs",
            {
                "aggr": ["softmax", "var"],
                "aggr_kwargs": [{"learn": True}, {"semi_grad": True}],
                "scaler": ["attenuation"],
                "deg": DEG,
            },
        ),
    ],
    "LSTMAggregation": [
        ("default", {"in_channels": WIDTH, "out_channels": 3}),
        ("both_ways", {"in_channels": WIDTH, "out_channels": 3, "bidirectional": True}),
        ("deep", {"in_channels": WIDTH, "out_channels": 2, "num_layers": 2, "dropout": 0.5, "bias": False}),
        ("deep_both_ways", {"in_channels": WIDTH, "out_channels": 2, "num_layers": 2, "bidirectional": True}),
    ],
    "GRUAggregation": [
        ("default", {"in_channels": WIDTH, "out_channels": 3}),
        ("both_ways", {"in_channels": WIDTH, "out_channels": 3, "bidirectional": True}),
        ("deep", {"in_channels": WIDTH, "out_channels": 2, "num_layers": 3, "dropout": 0.5, "bias": False}),
        ("deep_both_ways", {"in_channels": WIDTH, "out_channels": 2, "num_layers": 2, "bidirectional": True}),
    ],
    "MLPAggregation": [
        ("default", mlp(hidden_channels=5, num_layers=2)),
        ("few", mlp(2, num_layers=1)),
        ("options", mlp(hidden_channels=5, num_layers=3, norm=None, act="tanh", dropout=0.5, bias=False)),
        ("not_plain_last", mlp(hidden_channels=5, num_layers=2, plain_last=False, act_first=True)),
    ],
    "SetTransformerAggregation": [
        ("default", {"channels": WIDTH, "num_seed_points": 2, "heads": 2, "layer_norm": True}),
        ("plain", {"channels": WIDTH}),
        ("mean", {"channels": WIDTH, "num_seed_points": 3, "concat": False, "num_decoder_blocks": 0}),
        ("deep", {"channels": WIDTH, "num_encoder_blocks": 2, "num_decoder_blocks": 2, "heads": 4, "dropout": 0.5}),
        ("no_encoders", {"channels": WIDTH, "num_encoder_blocks": 0, "layer_norm": True}),
    ],
    "GraphMultisetTransformer": [
        ("default", {"channels": WIDTH, "k": 3, "heads": 2, "layer_norm": True}),
        ("plain", {"channels": WIDTH, "k": 2}),
        ("deep", {"channels": WIDTH, "k": 2, "num_encoder_blocks": 2, "heads": 4, "dropout": 0.5}),
    ],
    "LCMAggregation": [
        ("default", {"in_channels": WIDTH, "out_channels": 3}),
        ("no_project", {"in_channels": WIDTH, "out_channels": WIDTH, "project": False}),
    ],
    "PatchTransformerAggregation": [
        ("default", patches(2, heads=2)),
        ("several", patches(1, aggr=["mean", "max", "min", "std", "var", "sum"])),
        ("deep", patches(3, num_transformer_blocks=2, heads=3, dropout=0.5, aggr="sum")),
    ],
    "EquilibriumAggregation": [
        ("default", {"in_channels": WIDTH, "out_channels": 3, "num_layers": [5, 6]}),
        ("steps", {"in_channels": WIDTH, "out_channels": 2, "num_layers": [4], "grad_iter": 2, "lamb": 0.5}),
        ("linear", {"in_channels": WIDTH, "out_channels": 2, "num_layers": []}),
    ],
    "MultiAggregation": [
        ("default", {"aggrs": SEVERAL}),
        ("shared", multi("cat", SHARED)),
        ("semi_grad", multi("cat", SHARED, aggrs_kwargs=[{}, {}, {"semi_grad": True}, {}])),
        ("std_semi_grad", multi("cat", ["min", "std"], aggrs_kwargs=[{}, {"semi_grad": True}])),
        ("others", multi("cat", ["softmax", "median", "sum"], aggrs_kwargs=[{"learn": True}, {}, {}])),
        ("one", multi("sum", ["max"])),
        *((mode, multi(mode)) for mode in ("sum", "mean", "max", "min", "logsumexp", "std", "var")),
        ("proj", multi("proj", mode_kwargs={"in_channels": WIDTH, "out_channels": 5})),
        ("proj_no_bias", multi("proj", mode_kwargs={"in_channels": [4, 4, 4], "out_channels": 5, "bias": False})),
        ("attn", multi("attn", mode_kwargs={"in_channels": WIDTH, "out_channels": 6, "num_heads": 2})),
    ],
}
# PyG takes these elements by set only.
SORTED = {
    "SortAggregation",
    "LSTMAggregation",
    "GRUAggregation",
    "MLPAggregation",
    "SetTransformerAggregation",
    "GraphMultisetTransformer",
    "LCMAggregation",
    "PatchTransformerAggregation",
}


def groups(conv):
    return ["sorted"] if conv in SORTED else ["unsorted", "sorted"]


def cases():
    for conv, configs in CONFIGS.items():
        for name, kwargs, *inputs in configs:
            for graph in groups(conv) if name == "default" else groups(conv)[:1]:
                yield Case(conv, "index", graph, name, kwargs, frozenset(inputs))


# Not of SortAggregation, whose NaN reaches other groups in PyG.
NONFINITE = {
    "AttentionalAggregation": [("default", {"gate_nn": [3, 1], "nn": [3, 2]})],
    "DeepSetsAggregation": [("default", {"local_nn": [3, 2], "global_nn": [2, 2]})],
    "VariancePreservingAggregation": [("default", {})],
    "VarAggregation": [("default", {}), ("semi_grad", {"semi_grad": True})],
    "StdAggregation": [("default", {})],
    "SoftmaxAggregation": [("default", {"learn": True})],
    "PowerMeanAggregation": [("default", {"learn": True, "p": 2.0}, "powers"), ("fixed", {"p": 3.0}, "positive")],
    "MedianAggregation": [("default", {})],
    "QuantileAggregation": [("linear", {"q": [0.25, 0.5, 1.0]}), ("nearest", {"q": 0.5, "interpolation": "nearest"})],
    "DegreeScalerAggregation": [
        ("default", {"aggr": ["mean", "max"], "scaler": SCALERS, "deg": DEG, "train_norm": True})
    ],
    "LSTMAggregation": [("both_ways", {"in_channels": 3, "out_channels": 2, "bidirectional": True})],
    "GRUAggregation": [("deep", {"in_channels": 3, "out_channels": 2, "num_layers": 2})],
    "MLPAggregation": [
        ("few", {"in_channels": 3, "out_channels": 2, "max_num_elements": 2, "hidden_channels": 3, "num_layers": 2})
    ],
    "SetTransformerAggregation": [("default", {"channels": 3, "layer_norm": True})],
    "GraphMultisetTransformer": [("default", {"channels": 3, "k": 2})],
    "LCMAggregation": [("default", {"in_channels": 3, "out_channels": 2})],
    "PatchTransformerAggregation": [
        ("default", {"in_channels": 3, "out_channels": 2, "patch_size": 1, "hidden_channels": 4, "aggr": ["max", "std"]})
    ],
    "EquilibriumAggregation": [("default", {"in_channels": 3, "out_channels": 2, "num_layers": [3], "grad_iter": 2})],
    "MultiAggregation": [
        ("attn", multi("attn", ["mean", "max"], mode_kwargs={"in_channels": 3, "out_channels": 2})),
        ("shared", multi("cat", SHARED)),
        ("max", multi("max")),
        ("logsumexp", multi("logsumexp", ["mean", "max"])),
    ],
}


def nonfinite():
    for conv, configs in NONFINITE.items():
        for name, kwargs, *inputs in configs:
            yield small(conv, "index", name, kwargs, *inputs)
