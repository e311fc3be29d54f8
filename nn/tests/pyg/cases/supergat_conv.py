"""SuperGATConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    heads, sd = {"heads": 3}, {"attention_type": "SD"}
    configs = [
        ("heads", heads),
        ("no_concat", heads | {"concat": False}),
        ("sd", sd),
        ("sd-heads-no_concat", heads | sd | {"concat": False, "negative_slope": 0.1}),
        ("dropout", {"dropout": 0.5}),
        ("no_self_loops", heads | {"add_self_loops": False}),
        ("no_bias", {"bias": False}),
    ]
    for variant in ("edge_index", "adj"):
        yield from layer_cases("SuperGATConv", variant, base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "heads": 2}
    for variant in ("edge_index", "adj"):
        yield small("SuperGATConv", variant, "default", base)
        yield small("SuperGATConv", variant, "sd", base | {"attention_type": "SD"})
    yield small("SuperGATConv", "edge_index", "no_self_loops", base | {"add_self_loops": False})
