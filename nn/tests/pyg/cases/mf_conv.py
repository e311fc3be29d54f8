"""MFConv."""

from .common import F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    configs = [("max_degree", {"max_degree": 1}), ("no_bias", {"bias": False})]
    for variant in VARIANTS:
        base = {"in_channels": width(variant), "out_channels": F_OUT, "max_degree": 3}
        extra = [("value", {}, "value")] if variant.endswith("adj") else []
        yield from layer_cases("MFConv", variant, base, configs + extra)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "max_degree": 2}
    yield small("MFConv", "edge_index", "default", base)
    yield small("MFConv", "adj", "default", base)
    yield small("MFConv", "pair_edge_index", "default", base | {"in_channels": [SMALL_IN, SMALL_IN]})
