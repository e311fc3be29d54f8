"""LGConv."""

from .common import layer_cases, small


def cases():
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        no_norm = {"normalize": False}
        configs = [
            (weight, {}, weight),
            ("no_normalize", no_norm),
            (f"no_normalize-{weight}", no_norm, weight),
        ]
        yield from layer_cases("LGConv", variant, {}, configs)


def nonfinite():
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("LGConv", variant, "default", {})
        yield small("LGConv", variant, weight, {}, weight)
