"""Pooling that selects nodes, and pooling by keys."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, dense_cases, layer_cases, small

CONFIGS = [
    ("all", {}, "edge_attr", "batch", "attn"),
    ("number", {"ratio": 3}, "batch"),
    ("share", {"ratio": 0.3, "multiplier": 2.0, "nonlinearity": "sigmoid"}, "edge_attr"),
    ("min_score", {"min_score": 0.1, "multiplier": 5.0}, "edge_attr", "batch"),
    ("min_score_of_one", {"min_score": 0.05}),
]
GNNS = [
    ("gcn", {"GNN": {"class": "GCNConv"}}, "edge_attr", "batch"),
    ("gat", {"GNN": {"class": "GATConv", "negative_slope": 0.3}}, "batch"),
    ("sage", {"GNN": {"class": "SAGEConv", "aggr": "max"}}),
]


def cases():
    base = {"in_channels": F_IN}
    yield from layer_cases("TopKPooling", "edge_index", base, CONFIGS)
    yield from layer_cases("SAGPooling", "edge_index", base, CONFIGS + GNNS)
    without_attn = [(name, kwargs, *(it for it in inputs if it == "batch")) for name, kwargs, *inputs in CONFIGS]
    yield from layer_cases("PANPooling", "adj", base, without_attn, inputs=["value"])
    methods = [
        ("tanh", {"edge_score_method": "tanh", "add_to_edge_score": 0.0}, "batch"),
        ("sigmoid", {"edge_score_method": "sigmoid", "dropout": 0.5}, "batch"),
    ]
    yield from layer_cases("EdgePooling", "edge_index", base, methods, inputs=["batch"])
    local = [
        ("all", {"GNN": {"class": "GraphConv"}}, "edge_weight", "batch"),
        ("loops", {"ratio": 4, "add_self_loops": True, "negative_slope": 0.5}, "edge_weight"),
        ("loops_of_one", {"ratio": 0.8, "add_self_loops": True, "dropout": 0.5}),
    ]
    yield from layer_cases("ASAPooling", "edge_index", base, local)
    mem = {"in_channels": F_IN, "out_channels": F_OUT, "heads": 4, "num_clusters": 3}
    yield from dense_cases("MemPooling", "dense", mem, [("tau", {"tau": 2.5, "heads": 1}, "mask")])


def nonfinite():
    widths = {"in_channels": SMALL_IN}
    for conv, config in (("TopKPooling", "default"), ("SAGPooling", "narrowing")):
        yield small(conv, "edge_index", config, widths | {"ratio": 0.7}, "edge_attr", "batch")
        yield small(conv, "edge_index", f"min_score-{config}", widths | {"min_score": 0.01}, "edge_attr")
    yield small("PANPooling", "adj", "default", widths | {"ratio": 0.7}, "value")
    yield small("EdgePooling", "edge_index", "default", widths, "batch")
    yield small("ASAPooling", "edge_index", "default", widths | {"ratio": 0.7}, "edge_weight")
    mem = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "heads": 2, "num_clusters": 2}
    yield small("MemPooling", "dense", "default", mem, "mask")
