"""PNAConv."""

from .common import F_EDGE, F_OUT, SMALL_EDGE, SMALL_IN, SMALL_OUT, layer_cases, small

DEG = [1, 4, 3, 0, 2]
AGGREGATORS = ["mean", "min", "max", "var"]
SCALERS = ["identity", "amplification", "attenuation"]


def base(d_in, d_out):
    aggregation = {"aggregators": AGGREGATORS, "scalers": SCALERS, "deg": DEG}
    return {"in_channels": d_in, "out_channels": d_out} | aggregation


def cases():
    # Deep enough that each option shows, with as few parameters as that takes.
    few = {"aggregators": ["sum", "var"], "scalers": ["linear", "inverse_linear"]}
    towers = few | {"towers": 2, "divide_input": True}
    configs = [
        ("edge_dim", few | {"edge_dim": F_EDGE}, "edge_attr"),
        ("towers", few | {"towers": 3}),
        ("divide_input", towers),
        ("pre_layers", towers | {"pre_layers": 2, "post_layers": 3}),
        ("act", towers | {"pre_layers": 2, "act": "tanh", "edge_dim": F_EDGE}, "edge_attr"),
        ("train_norm", few | {"train_norm": True}),
        ("softmax", {"aggregators": ["softmax"], "scalers": ["identity"]}),
    ]
    for variant in ("edge_index", "adj"):
        yield from layer_cases("PNAConv", variant, base(4, F_OUT), configs)


def nonfinite():
    pna = base(SMALL_IN, SMALL_OUT)
    yield small("PNAConv", "edge_index", "default", pna)
    deep = {"towers": 2, "pre_layers": 2, "aggregators": ["mean"], "scalers": ["attenuation"]}
    yield small("PNAConv", "edge_index", "edge_dim", pna | deep | {"edge_dim": SMALL_EDGE}, "edge_attr")
    yield small("PNAConv", "adj", "default", pna)
