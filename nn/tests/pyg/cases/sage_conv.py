"""SAGEConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width

# Aggregations with arguments, by themselves and beside others.
AGGREGATIONS = [
    ("var", {"aggr": "var"}),
    ("std", {"aggr": "std"}),
    ("softmax", {"aggr": "softmax", "aggr_kwargs": {"learn": True}}),
    ("powermean", {"aggr": "powermean", "aggr_kwargs": {"learn": True, "p": 2.0}}, "positive"),
    ("median", {"aggr": "MedianAggregation"}),
    ("quantile", {"aggr": "quantile", "aggr_kwargs": {"q": 0.25}}),
    ("moments", {"aggr": ["sum", "std", "mean", "var", "min"]}),
    (
        "combined",
        {"aggr": ["max", "softmax"], "aggr_kwargs": {"mode": "mean", "aggrs_kwargs": [{}, {"t": 0.5}]}},
    ),
]


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
        if variant == "edge_index":
            extra += AGGREGATIONS
        if variant == "pair_adj":
            extra += [config for config in AGGREGATIONS if config[0] in ("moments", "median")]
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("SAGEConv", variant, base, configs + extra)


def nonfinite():
    sage = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    for aggr in ("mean", "sum", "max", "min", "mul"):
        yield small("SAGEConv", "edge_index", aggr, sage | {"aggr": aggr})
    for aggr in ("var", "std", "softmax", "median"):
        yield small("SAGEConv", "edge_index", aggr, sage | {"aggr": aggr})
    power = {"aggr": "powermean", "aggr_kwargs": {"p": 2.0}}
    yield small("SAGEConv", "edge_index", "powermean", sage | power, "positive")
    yield small("SAGEConv", "edge_index", "moments", sage | {"aggr": ["mean", "std"]})
    yield small("SAGEConv", "edge_index", "normalize", sage | {"normalize": True})
    yield small("SAGEConv", "edge_index", "project", sage | {"project": True})
    yield small("SAGEConv", "edge_index", "narrowing", sage | {"out_channels": SMALL_OUT})
    yield small("SAGEConv", "adj", "mean", sage)
    yield small("SAGEConv", "adj", "value", sage, "value")
    sage = sage | {"in_channels": [SMALL_IN, SMALL_IN]}
    yield small("SAGEConv", "pair_edge_index", "mean", sage)
    yield small("SAGEConv", "pair_edge_index", "max", sage | {"aggr": "max"})
    yield small("SAGEConv", "pair_adj", "mean", sage)
