"""GCN, GraphSAGE, GIN and GAT."""

from .common import F_EDGE, F_IN, F_OUT, SMALL_IN, Case, small

# The models.
MODELS = ("GCN", "GraphSAGE", "GIN", "GAT")


def cases():
    def case(conv, graph, config, layers, *inputs, variant="edge_index", **kwargs):
        base = {
            "in_channels": F_IN,
            "hidden_channels": 8,
            "num_layers": layers,
            "out_channels": F_OUT,
        }
        return Case(conv, variant, graph, config, base | kwargs, frozenset(inputs))

    for conv, extra in (("GCN", {}), ("GraphSAGE", {}), ("GIN", {}), ("GAT", {"heads": 2})):
        for graph in ("plain", "loops"):
            yield case(conv, graph, "default", 2, **extra)
        yield case(conv, "loops", "default", 2, variant="adj", **extra)
        yield case(conv, "loops", "norm-elu", 3, norm="BatchNorm", act="elu", dropout=0.5, **extra)
        yield case(conv, "loops", "norm-jk_cat", 3, norm="BatchNorm", jk="cat", **extra)
        yield case(conv, "loops", "jk_max", 3, jk="max", **extra)
        yield case(conv, "loops", "jk_last", 2, jk="last", act="elu", **extra)
    yield case("GCN", "loops", "edge_weight", 2, "edge_weight")
    yield case("GraphSAGE", "loops", "aggr_max", 2, aggr="max")
    yield case("GIN", "loops", "train_eps", 2, train_eps=True)
    yield case("GAT", "loops", "edge_dim", 2, "edge_attr", heads=2, edge_dim=F_EDGE)


def nonfinite():
    base = {"in_channels": SMALL_IN, "hidden_channels": SMALL_IN, "num_layers": 2, "out_channels": SMALL_IN}
    for conv in ("GCN", "GraphSAGE", "GIN", "GAT"):
        yield small(conv, "edge_index", "default", base)
        norm = base | {"norm": "BatchNorm", "jk": "max", "dropout": 0.5}
        yield small(conv, "edge_index", "norm-jk_max", norm)
    yield small("GCN", "edge_index", "edge_weight", base, "edge_weight")
