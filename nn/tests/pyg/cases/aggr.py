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
    ],
}
SORTED = {"SortAggregation"}


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
    "MultiAggregation": [
        ("shared", multi("cat", SHARED)),
        ("max", multi("max")),
        ("logsumexp", multi("logsumexp", ["mean", "max"])),
    ],
}


def nonfinite():
    for conv, configs in NONFINITE.items():
        for name, kwargs, *inputs in configs:
            yield small(conv, "index", name, kwargs, *inputs)
