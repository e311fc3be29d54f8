"""DNAConv."""

from .common import F_IN, layer_cases, small


def cases():
    base = {"channels": F_IN, "heads": 2}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        configs = [
            (weight, {}, weight),
            ("one", {"heads": 1, "dropout": 0.5}),
            ("groups", {"heads": 2, "groups": 4}),
            ("wide-groups", {"heads": 4, "groups": 2, "cached": True}),
            (f"no_self_loops-{weight}", {"add_self_loops": False}, weight),
            (f"no_normalize-{weight}", {"normalize": False}, weight),
            ("no_bias", {"bias": False}),
        ]
        yield from layer_cases("DNAConv", variant, base, configs, inputs=("layers",))


def nonfinite():
    base = {"channels": 4, "heads": 2, "groups": 2}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("DNAConv", variant, "default", base, "layers")
        yield small("DNAConv", variant, weight, base, "layers", weight)
