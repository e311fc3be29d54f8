"""EdgeConv."""

from .common import F_IN, F_OUT, HIDDEN, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small


def cases():
    configs = [("sum", {"aggr": "sum"}), ("mean", {"aggr": "mean"})]
    for variant in VARIANTS:
        base = {"nn": [2 * F_IN, HIDDEN, F_OUT]}
        yield from layer_cases("EdgeConv", variant, base, configs, no_dst=False)


def nonfinite():
    base = {"nn": [2 * SMALL_IN, 4, SMALL_OUT]}
    yield small("EdgeConv", "edge_index", "max", base)
    yield small("EdgeConv", "adj", "sum", base | {"aggr": "sum"})
    yield small("EdgeConv", "pair_edge_index", "max", base)
