"""GCN2Conv."""

from .common import F_IN, SMALL_IN, layer_cases, small


def cases():
    base = {"channels": F_IN, "alpha": 0.2}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            ("theta", {"theta": 0.5, "layer": 3}),
            (f"theta-own-{weight}", {"theta": 0.5, "layer": 2, "shared_weights": False}, weight),
            ("no_self_loops-cached", {"add_self_loops": False, "cached": True}),
            (f"no_normalize-{weight}", {"normalize": False}, weight),
        ]
        yield from layer_cases("GCN2Conv", variant, base, configs, inputs=("x_0",))


def nonfinite():
    base = {"channels": SMALL_IN, "alpha": 0.2, "theta": 0.5, "layer": 3}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("GCN2Conv", variant, "default", base, "x_0")
        yield small("GCN2Conv", variant, weight, base, "x_0", weight)
