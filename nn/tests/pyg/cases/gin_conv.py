"""GINConv."""

from .common import F_IN, F_OUT, HIDDEN, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small


def cases():
    configs = [
        ("eps", {"eps": 0.3}),
        ("train_eps", {"eps": 0.3, "train_eps": True}),
        ("max", {"aggr": "max"}),
        ("mean", {"aggr": "mean"}),
    ]
    for variant in VARIANTS:
        extra = [("value", {}, "value")] if variant.endswith("adj") else []
        yield from layer_cases("GINConv", variant, {"nn": [F_IN, HIDDEN, F_OUT]}, configs + extra)


def nonfinite():
    widths = {"nn": [SMALL_IN, 4, SMALL_OUT]}
    for aggr in ("add", "mean", "max"):
        yield small("GINConv", "edge_index", aggr, widths | {"aggr": aggr, "train_eps": True})
    yield small("GINConv", "adj", "add", widths)
    yield small("GINConv", "pair_edge_index", "add", widths)
