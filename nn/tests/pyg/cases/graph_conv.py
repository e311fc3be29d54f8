"""GraphConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    for variant in VARIANTS:
        weight = "value" if variant.endswith("adj") else "edge_weight"
        configs = [
            (weight, {}, weight),
            ("mean", {"aggr": "mean"}),
            (f"max-{weight}", {"aggr": "max"}, weight),
            ("no_bias", {"bias": False}),
            # Wider outputs than inputs: the map comes behind the sum.
            (f"wide-{weight}", {"out_channels": 2 * F_IN}, weight),
        ]
        if not variant.endswith("adj"):
            # With an adjacency PyG multiplies it instead, whatever the aggregation.
            learned = {"aggr": "softmax", "aggr_kwargs": {"learn": True, "t": 0.7}}
            configs += [(f"softmax-{weight}", learned, weight), ("softmax", {"aggr": "softmax"})]
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("GraphConv", variant, base, configs)


def nonfinite():
    graph = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    pair = graph | {"in_channels": [SMALL_IN, SMALL_IN]}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("GraphConv", variant, "default", graph)
        yield small("GraphConv", variant, weight, graph, weight)
        yield small("GraphConv", variant, "mean", graph | {"aggr": "mean"})
    yield small("GraphConv", "edge_index", "max", graph | {"aggr": "max"})
    yield small("GraphConv", "edge_index", "narrowing", graph | {"out_channels": SMALL_OUT})
    yield small("GraphConv", "pair_edge_index", "edge_weight", pair, "edge_weight")
    yield small("GraphConv", "pair_adj", "default", pair)
