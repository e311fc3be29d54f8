"""TransformerConv."""

from .common import F_EDGE, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    edges = {"edge_dim": F_EDGE}
    heads = {"heads": 3, "out_channels": 4}
    configs = [
        ("heads", heads),
        ("edge_dim", heads | edges, "edge_attr"),
        ("edge_dim-beta-no_concat", heads | edges | {"beta": True, "concat": False}, "edge_attr"),
    ]
    more = [
        ("beta", {"beta": True}),
        ("no_concat", heads | {"concat": False, "dropout": 0.5}),
        ("no_root-no_bias", {"root_weight": False, "bias": False, "beta": True}),
    ]
    for variant in VARIANTS:
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("TransformerConv", variant, base, configs + more, no_dst=False)
        shown = f"{variant}_attention"
        yield from layer_cases("TransformerConv", shown, base, configs, no_dst=False)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "heads": 2}
    yield small("TransformerConv", "edge_index", "default", base)
    yield small("TransformerConv", "adj_attention", "default", base)
    yield small("TransformerConv", "pair_edge_index", "default", base | {"in_channels": [SMALL_IN, SMALL_IN]})
