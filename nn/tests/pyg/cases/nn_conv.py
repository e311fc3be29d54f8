"""NNConv."""

from .common import F_EDGE, F_IN, F_OUT, HIDDEN, SMALL_EDGE, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    configs = [
        ("mean", {"aggr": "mean"}),
        ("max", {"aggr": "max"}),
        ("no_root", {"root_weight": False}),
        ("no_bias", {"bias": False}),
    ]
    base = {"nn": [F_EDGE, HIDDEN, F_IN * F_OUT], "out_channels": F_OUT}
    for variant in VARIANTS:
        base = base | {"in_channels": width(variant)}
        yield from layer_cases("NNConv", variant, base, configs, inputs=("edge_attr",))


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    base["nn"] = [SMALL_EDGE, 4, SMALL_IN * SMALL_OUT]
    yield small("NNConv", "edge_index", "default", base, "edge_attr")
    yield small("NNConv", "pair_adj", "max", base | {"aggr": "max"}, "edge_attr")
