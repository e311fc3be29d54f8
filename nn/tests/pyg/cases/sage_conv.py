"""SAGEConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    configs = [
        ("sum", {"aggr": "sum"}),
        ("max", {"aggr": "max"}),
        ("min", {"aggr": "min"}),
        ("mul", {"aggr": "mul"}, "positive"),
        ("mean_max", {"aggr": ["mean", "max"]}),
        ("normalize", {"normalize": True}),
        ("no_root", {"root_weight": False}),
        ("project", {"project": True}),
        ("no_bias", {"bias": False}),
    ]
    for variant in VARIANTS:
        pair, extra = variant.startswith("pair_"), []
        if pair:
            extra.append(("shared_width", {"in_channels": F_IN}))
        if variant.endswith("adj"):
            extra.append(("value", {}, "value"))  # values are dropped
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("SAGEConv", variant, base, configs + extra)


def nonfinite():
    sage = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    for aggr in ("mean", "sum", "max", "min", "mul"):
        yield small("SAGEConv", "edge_index", aggr, sage | {"aggr": aggr})
    yield small("SAGEConv", "edge_index", "normalize", sage | {"normalize": True})
    yield small("SAGEConv", "edge_index", "project", sage | {"project": True})
    yield small("SAGEConv", "edge_index", "narrowing", sage | {"out_channels": SMALL_OUT})
    yield small("SAGEConv", "adj", "mean", sage)
    yield small("SAGEConv", "adj", "value", sage, "value")
    sage = sage | {"in_channels": [SMALL_IN, SMALL_IN]}
    yield small("SAGEConv", "pair_edge_index", "mean", sage)
    yield small("SAGEConv", "pair_edge_index", "max", sage | {"aggr": "max"})
    yield small("SAGEConv", "pair_adj", "mean", sage)
