"""SGConv."""

from .common import F_IN, F_OUT, SMALL_IN, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            ("hops", {"K": 3}),
            (f"hops-{weight}", {"K": 2}, weight),
            ("no_self_loops", {"add_self_loops": False}),
            ("no_bias", {"bias": False}),
            # The map comes behind the hops.
            (f"wide-{weight}", {"out_channels": 2 * F_IN, "K": 2}, weight),
        ]
        yield from layer_cases("SGConv", variant, base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("SGConv", variant, "default", base)
        yield small("SGConv", variant, weight, base, weight)
