"""GATConv."""

from .common import (
    F_EDGE,
    F_IN,
    F_OUT,
    SMALL_EDGE,
    SMALL_IN,
    SMALL_OUT,
    VARIANTS,
    Case,
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
        ("no_concat-no_bias", heads | {"concat": False, "bias": False}),
        ("residual", heads | {"residual": True}),
        ("no_concat-residual", heads | {"concat": False, "residual": True}),
        ("edge_dim-no_self_loops", heads | edges | {"add_self_loops": False}, "edge_attr"),
    ]
    with_loops = [
        ("edge_dim", heads | edges, "edge_attr"),
        ("fill_add", edges | {"fill_value": "add"}, "edge_attr"),
        ("fill_max", edges | {"fill_value": "max"}, "edge_attr"),
        ("fill_number", edges | {"fill_value": 0.5}, "edge_attr"),
        ("fill_tensor", edges | {"fill_value": [0.25, -0.5, 1.0, 0.75]}, "edge_attr"),
    ]
    for variant in VARIANTS:
        pair, adj = variant.startswith("pair_"), variant.endswith("adj")
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        configs = plain + ([("value", {}, "value")] if adj else with_loops)
        if pair:
            configs = configs + [
                ("shared", {"in_channels": F_IN}),
                ("no_dst-heads", heads, "no_dst"),
                ("no_dst-residual", heads | {"residual": True}, "no_dst"),
            ]
        else:
            configs = configs + [("separate", {"in_channels": [F_IN, F_IN]})]
        yield from layer_cases("GATConv", variant, base, configs)

        variant += "_attention"
        chosen = ("heads", "no_self_loops", "edge_dim", "edge_dim-no_self_loops")
        configs = [config for config in configs if config[0] in chosen]
        yield from layer_cases("GATConv", variant, base, configs)
        if pair:
            yield Case("GATConv", variant, "bipartite_rev", "heads", base | heads)
        if pair and not adj:
            # PyG cannot reduce edge features into those of the self loops ("mean", "add", "max")
            # where targets outnumber sources: it indexes min(size) rows by target.
            fill = base | heads | edges | {"fill_value": 0.5}
            yield Case(
                "GATConv", variant, "bipartite_rev", "fill_number", fill, frozenset({"edge_attr"})
            )


def nonfinite():
    wide = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    pair = wide | {"in_channels": [SMALL_IN, SMALL_IN]}
    no_loops = {"add_self_loops": False}
    heads = {"heads": 2}
    edges = heads | {"edge_dim": SMALL_EDGE}
    for variant in ("edge_index", "adj", "edge_index_attention"):
        yield small("GATConv", variant, "default", wide | heads)
        yield small("GATConv", variant, "no_self_loops", wide | heads | no_loops)
    yield small("GATConv", "edge_index", "no_concat", wide | heads | {"concat": False})
    yield small("GATConv", "edge_index", "residual", wide | {"residual": True})
    yield small("GATConv", "edge_index", "reverse", wide | {"flow": "target_to_source"})
    yield small("GATConv", "edge_index", "separate", pair)
    yield small("GATConv", "edge_index", "edge_dim", wide | edges, "edge_attr")
    yield small("GATConv", "edge_index", "fill_add", wide | edges | {"fill_value": "add"}, "edge_attr")
    yield small("GATConv", "edge_index", "fill_max", wide | edges | {"fill_value": "max"}, "edge_attr")
    yield small("GATConv", "edge_index", "fill_number", wide | edges | {"fill_value": 0.5}, "edge_attr")
    yield small("GATConv", "edge_index", "edge_dim-no_loops", wide | edges | no_loops, "edge_attr")
    yield small("GATConv", "edge_index_attention", "edge_dim", wide | edges, "edge_attr")
    for variant in ("pair_edge_index", "pair_adj"):
        yield small("GATConv", variant, "default", pair)
        yield small("GATConv", variant, "no_self_loops", pair | no_loops)
    yield small("GATConv", "pair_edge_index", "no_dst", pair, "no_dst")
