"""GatedGraphConv."""

from .common import F_IN, SMALL_IN, layer_cases, small


def cases():
    base = {"out_channels": F_IN, "num_layers": 2}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            (weight, {"num_layers": 3}, weight),
            ("mean", {"aggr": "mean"}),
            (f"max-{weight}", {"aggr": "max"}, weight),
            ("no_bias", {"bias": False}),
        ]
        yield from layer_cases("GatedGraphConv", variant, base, configs)


def nonfinite():
    base = {"out_channels": SMALL_IN, "num_layers": 1}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("GatedGraphConv", variant, "default", base)
        yield small("GatedGraphConv", variant, weight, base, weight)
