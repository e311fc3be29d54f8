"""APPNP."""

from .common import layer_cases, small


def cases():
    base = {"K": 2, "alpha": 0.2}
    no_norm = {"normalize": False}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            ("hops-cached", {"K": 5, "cached": True}),
            (weight, {}, weight),
            ("no_self_loops-dropout", {"add_self_loops": False, "dropout": 0.5}),
            ("no_normalize", no_norm),
            (f"no_normalize-{weight}", no_norm, weight),
        ]
        yield from layer_cases("APPNP", variant, base, configs)


def nonfinite():
    base = {"K": 2, "alpha": 0.2}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("APPNP", variant, "default", base)
        yield small("APPNP", variant, weight, base, weight)
