"""AntiSymmetricConv."""

from .common import F_EDGE, F_IN, SMALL_IN, layer_cases, small


def phi(kind, width=F_IN, **kwargs):
    return {"phi": {"class": kind, "in_channels": width, "out_channels": width, **kwargs}}


def cases():
    for variant in ("edge_index", "adj"):
        weight = "edge_weight" if variant == "edge_index" else "value"
        configs = [
            ("iterations", {"num_iters": 3}),
            ("edge_weight", {}, weight),
            ("step", {"epsilon": 0.3, "gamma": 0.7}),
            ("relu", {"act": "relu"}),
            ("no_act", {"act": None}),
            ("no_bias", {"bias": False}),
            ("sage", phi("SAGEConv")),
            ("graph", phi("GraphConv"), weight),
        ]
        if variant == "edge_index":
            configs.append(("gat", phi("GATConv", edge_dim=F_EDGE), "edge_attr"))
            configs.append(("rgcn", phi("RGCNConv", num_relations=3), "edge_type"))
        yield from layer_cases("AntiSymmetricConv", variant, {"in_channels": F_IN}, configs)


def nonfinite():
    for variant in ("edge_index", "adj"):
        yield small("AntiSymmetricConv", variant, "default", {"in_channels": SMALL_IN})
        weight = "edge_weight" if variant == "edge_index" else "value"
        yield small("AntiSymmetricConv", variant, "edge_weight", {"in_channels": SMALL_IN}, weight)
