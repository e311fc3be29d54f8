"""GCN, GraphSAGE, GIN, GAT, PNA and EdgeCNN."""

from .common import F_EDGE, F_IN, F_OUT, SMALL_IN, Case, small

# The models.
MODELS = ("GCN", "GraphSAGE", "GIN", "GAT", "PNA", "EdgeCNN")

PNA = {"aggregators": ["mean", "max"], "scalers": ["identity", "attenuation"], "deg": [2, 5, 3, 1]}
EXTRA = {"GCN": {}, "GraphSAGE": {}, "GIN": {}, "GAT": {"heads": 2}, "PNA": PNA, "EdgeCNN": {}}

# Norms by name, with arguments.
NORMS = (
    ("layer_norm", {}),
    ("LayerNorm", {"mode": "node"}),
    ("graph_norm", {"eps": 0.01}),
    ("instance_norm", {"affine": True, "track_running_stats": True}),
    ("PairNorm", {}),
    ("diff_group_norm", {"groups": 2, "lamda": 0.5}),
    ("batch_norm", {"affine": False, "momentum": 0.3}),
)


def cases():
    def case(conv, graph, config, layers, *inputs, variant="edge_index", **kwargs):
        base = {
            "in_channels": F_IN,
            "hidden_channels": 8,
            "num_layers": layers,
            "out_channels": F_OUT,
        }
        return Case(conv, variant, graph, config, base | kwargs, frozenset(inputs))

    for conv, extra in EXTRA.items():
        for graph in ("plain", "loops"):
            yield case(conv, graph, "default", 2, **extra)
        yield case(conv, "loops", "default", 2, variant="adj", **extra)
        yield case(conv, "loops", "norm-elu", 3, norm="BatchNorm", act="elu", dropout=0.5, **extra)
        yield case(conv, "loops", "norm-jk_cat", 3, norm="BatchNorm", jk="cat", **extra)
        yield case(conv, "loops", "jk_max", 3, jk="max", **extra)
        yield case(conv, "loops", "jk_last", 2, jk="last", act="elu", **extra)
    for norm, kwargs in NORMS:
        config = "-".join([norm, *kwargs])
        yield case("GCN", "loops", config, 3, norm=norm, norm_kwargs=kwargs)
    yield case("GIN", "loops", "graph_norm", 2, norm="graph_norm", jk="cat")
    for variant in ("edge_index_batch", "adj_batch", "edge_index_batch_only", "adj_batch_only"):
        yield case("GCN", "loops", "layer_norm", 3, "batch", variant=variant, norm="layer_norm")
        yield case("GIN", "loops", "graph_norm", 2, "batch", variant=variant, norm="graph_norm", jk="cat")
    yield case("GAT", "loops", "v2", 3, heads=2, v2=True, share_weights=True)
    yield case("GAT", "loops", "v2-edge_dim", 2, "edge_attr", heads=2, edge_dim=F_EDGE, v2=True)
    for conv, extra in EXTRA.items():
        yield case(conv, "loops", "jk_lstm", 3, jk="lstm", act="tanh", **extra)
    yield case("PNA", "loops", "edge_dim", 2, "edge_attr", edge_dim=F_EDGE, towers=2, **PNA)
    yield case("EdgeCNN", "loops", "aggr_mean", 2, aggr="mean")
    yield case("GCN", "loops", "edge_weight", 2, "edge_weight")
    yield case("GraphSAGE", "loops", "aggr_max", 2, aggr="max")
    yield case("GIN", "loops", "train_eps", 2, train_eps=True)
    yield case("GAT", "loops", "edge_dim", 2, "edge_attr", heads=2, edge_dim=F_EDGE)


def nonfinite():
    base = {"in_channels": SMALL_IN, "hidden_channels": SMALL_IN, "num_layers": 2, "out_channels": SMALL_IN}
    for conv in MODELS:
        extra = EXTRA[conv] if conv == "PNA" else {}
        yield small(conv, "edge_index", "default", base | extra)
        norm = base | extra | {"norm": "BatchNorm", "jk": "max", "dropout": 0.5}
        yield small(conv, "edge_index", "norm-jk_max", norm)
    yield small("GCN", "edge_index", "edge_weight", base, "edge_weight")
    yield small("GCN", "edge_index", "jk_lstm", base | {"jk": "lstm"})
    yield small("GCN", "edge_index_batch", "layer_norm", base | {"norm": "layer_norm"}, "batch")
