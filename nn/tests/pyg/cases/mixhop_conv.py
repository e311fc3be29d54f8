"""MixHopConv."""

from .common import F_IN, F_OUT, SMALL_IN, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            ("powers", {"powers": [3, 1]}),
            (weight, {}, weight),
            ("no_self_loops", {"add_self_loops": False}),
            ("no_bias", {"bias": False}),
        ]
        yield from layer_cases("MixHopConv", variant, base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("MixHopConv", variant, "default", base)
        yield small("MixHopConv", variant, weight, base, weight)
