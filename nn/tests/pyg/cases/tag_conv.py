"""TAGConv."""

from .common import F_IN, F_OUT, SMALL_IN, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            ("hops", {"K": 1}),
            ("no_hops", {"K": 0}),
            (weight, {}, weight),
            ("no_bias", {"bias": False}),
            ("no_normalize", {"normalize": False}),
            (f"no_normalize-{weight}", {"normalize": False}, weight),
        ]
        yield from layer_cases("TAGConv", variant, base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("TAGConv", variant, "default", base)
        yield small("TAGConv", variant, weight, base, weight)
