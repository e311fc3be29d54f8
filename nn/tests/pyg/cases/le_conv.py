"""LEConv."""

from .common import F_OUT, SMALL_IN, VARIANTS, layer_cases, small, width


def cases():
    for variant in VARIANTS:
        weight = "value" if variant.endswith("adj") else "edge_weight"
        configs = [(weight, {}, weight), ("no_bias", {"bias": False})]
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("LEConv", variant, base, configs, no_dst=False)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    pair = base | {"in_channels": [SMALL_IN, SMALL_IN]}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("LEConv", variant, "default", base)
        yield small("LEConv", variant, weight, base, weight)
    yield small("LEConv", "pair_edge_index", "edge_weight", pair, "edge_weight")
