"""PDNConv."""

from .common import F_EDGE, F_IN, F_OUT, HIDDEN, SMALL_EDGE, SMALL_IN, SMALL_OUT, Case, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT, "edge_dim": F_EDGE, "hidden_channels": HIDDEN}
    for variant in ("edge_index", "adj"):
        configs = [
            ("no_self_loops", {"add_self_loops": False}),
            ("no_normalize", {"normalize": False}),
            ("no_bias", {"bias": False}),
        ]
        yield from layer_cases("PDNConv", variant, base, configs, inputs=("edge_attr",))
        yield Case("PDNConv", variant, "loops", "no_edge_attr", base)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "edge_dim": SMALL_EDGE, "hidden_channels": 3}
    for variant in ("edge_index", "adj"):
        yield small("PDNConv", variant, "default", base)
        yield small("PDNConv", variant, "edge_attr", base, "edge_attr")
