"""SAGEConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, Case, layer_cases, small, width

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

WIDTHS = {"in_channels": F_IN, "out_channels": F_IN}
# Aggregations of neighbours in their order, or by attention, for which PyG wants sorted edges.
OF_SORTED = [
    ("lstm", {"aggr": "lstm"}),
    ("gru", {"aggr": "gru", "aggr_kwargs": WIDTHS | {"bidirectional": False}}),
    ("mlp", {"aggr": "mlp", "aggr_kwargs": WIDTHS | {"max_num_elements": 3, "num_layers": 1}}),
    ("lcm", {"aggr": "lcm", "aggr_kwargs": WIDTHS}),
    ("set_transformer", {"aggr": "set_transformer", "aggr_kwargs": {"channels": F_IN, "heads": 2}}),
    ("multiset", {"aggr": "GraphMultisetTransformer", "aggr_kwargs": {"channels": F_IN, "k": 2}}),
    (
        "patch",
        {"aggr": "patch_transformer", "aggr_kwargs": WIDTHS | {"patch_size": 2, "hidden_channels": 4}},
    ),
    ("equilibrium", {"aggr": "equilibrium", "aggr_kwargs": WIDTHS | {"num_layers": [3], "grad_iter": 2}}),
    (
        "attn",
        {
            "aggr": ["max", "mean"],
            "aggr_kwargs": {"mode": "attn", "mode_kwargs": WIDTHS | {"num_heads": 2}},
        },
    ),
]


def cases():
    for name, kwargs in OF_SORTED:
        base = {"in_channels": F_IN, "out_channels": F_OUT}
        yield Case("SAGEConv", "edge_index", "sorted", name, base | kwargs)
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
            extra.append(OF_SORTED[0])
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
