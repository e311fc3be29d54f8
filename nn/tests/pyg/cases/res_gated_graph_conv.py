"""ResGatedGraphConv."""

from .common import F_EDGE, F_OUT, SMALL_EDGE, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    edges = {"edge_dim": F_EDGE}
    configs = [
        ("edge_dim", edges, "edge_attr"),
        ("edge_dim-tanh", edges | {"act": "tanh"}, "edge_attr"),
        ("no_root", {"root_weight": False}),
        ("no_bias", {"bias": False}),
    ]
    for variant in VARIANTS:
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("ResGatedGraphConv", variant, base, configs, no_dst=False)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    yield small("ResGatedGraphConv", "edge_index", "default", base)
    yield small("ResGatedGraphConv", "adj", "edge_dim", base | {"edge_dim": SMALL_EDGE}, "edge_attr")
