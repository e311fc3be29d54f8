"""GPSConv."""

from .common import F_EDGE, F_IN, SMALL_IN, layer_cases, small


def around(kind, width=F_IN, **kwargs):
    return {"channels": width, "conv": {"class": kind, "in_channels": width, "out_channels": width, **kwargs}}


def cases():
    for variant in ("edge_index", "adj"):
        weight = "edge_weight" if variant == "edge_index" else "value"
        configs = [
            ("heads", {"heads": 4}),
            ("edge_weight", {}, weight),
            ("no_norm", {"norm": None}),
            ("no_conv", {"conv": None}),
            ("elu", {"act": "elu"}),
            ("sage", around("SAGEConv")),
            ("batch", {"heads": 2}, "batch"),
            ("layer_norm", {"norm": "layer_norm"}, "batch"),
            ("graph_norm", {"norm": "GraphNorm", "norm_kwargs": {"eps": 0.01}}),
        ]
        if variant == "edge_index":
            configs.append(("edge_attr", around("GATConv", edge_dim=F_EDGE), "edge_attr"))
        yield from layer_cases("GPSConv", variant, around("GCNConv"), configs)


def nonfinite():
    for variant in ("edge_index", "adj"):
        yield small("GPSConv", variant, "default", around("GCNConv", SMALL_IN) | {"norm": None})
        yield small("GPSConv", variant, "batch", around("GCNConv", SMALL_IN) | {"norm": None}, "batch")
