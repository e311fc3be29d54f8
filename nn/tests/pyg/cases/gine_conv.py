"""GINEConv."""

from .common import F_EDGE, F_IN, F_OUT, HIDDEN, SMALL_EDGE, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small


def cases():
    base = {"nn": [F_IN, HIDDEN, F_OUT], "edge_dim": F_EDGE}
    configs = [
        ("eps", {"eps": 0.3}),
        ("train_eps", {"eps": 0.3, "train_eps": True}),
        ("max", {"aggr": "max"}),
        ("mean", {"aggr": "mean"}),
    ]
    for variant in VARIANTS:
        yield from layer_cases("GINEConv", variant, base, configs, inputs=("edge_attr",))
        same = [("same_width", {"edge_dim": None})]
        for case in layer_cases("GINEConv", variant, base, same, inputs=("node_wide_edge_attr",)):
            if case.config == "same_width":
                yield case


def nonfinite():
    base = {"nn": [SMALL_IN, 4, SMALL_OUT], "edge_dim": SMALL_EDGE}
    yield small("GINEConv", "edge_index", "add", base, "edge_attr")
    yield small("GINEConv", "edge_index", "max", base | {"aggr": "max"}, "edge_attr")
    yield small("GINEConv", "pair_adj", "add", base, "edge_attr")
