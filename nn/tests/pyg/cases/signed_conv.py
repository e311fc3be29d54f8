"""SignedConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, spread


def cases():
    configs = [
        ("later", {"first_aggr": False}),
        ("later-wide", {"first_aggr": False, "out_channels": F_IN + 2}),
        ("wide", {"out_channels": F_IN + 2}),
        ("no_bias", {"bias": False}),
    ]
    for variant in VARIANTS:
        base = {"in_channels": F_IN, "out_channels": F_OUT, "first_aggr": True}
        yield from layer_cases("SignedConv", variant, base, spread(variant, configs), no_dst=False)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": 4, "first_aggr": True}
    yield small("SignedConv", "edge_index", "default", base)
    yield small("SignedConv", "adj", "narrowing", base | {"out_channels": SMALL_OUT})
    yield small("SignedConv", "pair_edge_index", "later", base | {"first_aggr": False})
