"""GATv2Conv. PyG refuses pairs without features of the targets, and edge features with an adjacency."""

from .common import (
    F_EDGE,
    F_IN,
    F_OUT,
    SMALL_EDGE,
    SMALL_IN,
    SMALL_OUT,
    VARIANTS,
    layer_cases,
    small,
    width,
)


def cases():
    heads = {"heads": 3}
    edges = {"edge_dim": F_EDGE}
    plain = [
        ("heads", heads),
        ("no_concat", heads | {"concat": False}),
        ("negative_slope", {"negative_slope": 0.1}),
        ("dropout", {"dropout": 0.6}),
        ("no_self_loops", heads | {"add_self_loops": False}),
        ("no_bias", {"bias": False}),
        ("residual", heads | {"residual": True}),
        ("no_concat-residual", heads | {"concat": False, "residual": True}),
        ("share_weights", heads | {"in_channels": F_IN, "share_weights": True}),
    ]
    with_attr = [
        ("edge_dim", heads | edges, "edge_attr"),
        ("edge_dim-no_self_loops", heads | edges | {"add_self_loops": False}, "edge_attr"),
        ("fill_add", edges | {"fill_value": "add"}, "edge_attr"),
        ("fill_number", edges | {"fill_value": 0.5}, "edge_attr"),
        ("fill_tensor", edges | {"fill_value": [0.25, -0.5, 1.0, 0.75]}, "edge_attr"),
    ]
    for variant in VARIANTS:
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        configs = plain if variant.endswith("adj") else plain + with_attr
        yield from layer_cases("GATv2Conv", variant, base, configs, no_dst=False)

        chosen = ("heads", "no_self_loops", "edge_dim", "share_weights")
        configs = [config for config in configs if config[0] in chosen]
        yield from layer_cases("GATv2Conv", f"{variant}_attention", base, configs, no_dst=False)


def nonfinite():
    wide = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    pair = wide | {"in_channels": [SMALL_IN, SMALL_IN]}
    heads, no_loops = {"heads": 2}, {"add_self_loops": False}
    edges = heads | {"edge_dim": SMALL_EDGE}
    for variant in ("edge_index", "adj", "edge_index_attention"):
        yield small("GATv2Conv", variant, "default", wide | heads)
        yield small("GATv2Conv", variant, "no_self_loops", wide | heads | no_loops)
    yield small("GATv2Conv", "edge_index", "residual", wide | {"residual": True})
    yield small("GATv2Conv", "edge_index", "edge_dim", wide | edges, "edge_attr")
    for variant in ("pair_edge_index", "pair_adj"):
        yield small("GATv2Conv", variant, "default", pair)
        yield small("GATv2Conv", variant, "no_self_loops", pair | no_loops)
