"""CGConv."""

from .common import F_EDGE, SMALL_EDGE, SMALL_IN, VARIANTS, layer_cases, small, width


def cases():
    edges = {"dim": F_EDGE}
    configs = [
        ("dim", edges, "edge_attr"),
        ("dim-batch_norm", edges | {"batch_norm": True}, "edge_attr"),
        ("mean", {"aggr": "mean"}),
        ("no_bias", {"bias": False}),
    ]
    for variant in VARIANTS:
        yield from layer_cases("CGConv", variant, {"channels": width(variant)}, configs, no_dst=False)


def nonfinite():
    base = {"channels": SMALL_IN}
    yield small("CGConv", "edge_index", "default", base)
    yield small("CGConv", "adj", "dim", base | {"dim": SMALL_EDGE}, "edge_attr")
