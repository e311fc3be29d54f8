"""DirGNNConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, layer_cases, small


def around(kind, d_in=F_IN, d_out=F_OUT, **kwargs):
    return {"conv": {"class": kind, "in_channels": d_in, "out_channels": d_out, **kwargs}}


def cases():
    configs = [
        ("no_root", {"root_weight": False}),
        ("alpha", {"alpha": 0.3}),
        ("sage", around("SAGEConv", root_weight=False)),
        ("graph", around("GraphConv")),
        ("gat", around("GATConv")),
        ("gatv2", around("GATv2Conv")),
    ]
    yield from layer_cases("DirGNNConv", "edge_index", around("GCNConv"), configs)


def nonfinite():
    yield small("DirGNNConv", "edge_index", "default", around("GCNConv", SMALL_IN, SMALL_OUT))
    sage = around("SAGEConv", SMALL_IN, SMALL_IN + 1, root_weight=False)
    yield small("DirGNNConv", "edge_index", "sage", sage)
