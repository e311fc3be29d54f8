"""PDNConv."""

from .common import F_EDGE, F_IN, F_OUT, HIDDEN, SMALL_EDGE, SMALL_IN, SMALL_OUT, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT, "edge_dim": F_EDGE, "hidden_channels": HIDDEN}
    for variant in ("edge_index", "adj"):
        configs = [
            ("edge_attr", {}, "edge_attr"),
            ("edge_attr-no_self_loops", {"add_self_loops": False}, "edge_attr"),
            ("edge_attr-no_normalize", {"normalize": False}, "edge_attr"),
            ("no_bias", {"bias": False}),
        ]
        yield from layer_cases("PDNConv", variant, base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "edge_dim": SMALL_EDGE, "hidden_channels": 3}
    for variant in ("edge_index", "adj"):
        yield small("PDNConv", variant, "default", base)
        yield small("PDNConv", variant, "edge_attr", base, "edge_attr")
