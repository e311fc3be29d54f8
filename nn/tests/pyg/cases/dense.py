"""Layers and pooling on dense graphs."""

from .common import F_IN, F_OUT, HIDDEN, SMALL_IN, SMALL_OUT, dense_cases, small

LOOPED = ("DenseGCNConv", "DenseGINConv", "DenseGATConv")


def base(conv):
    return {"nn": [F_IN, HIDDEN, F_OUT]} if conv == "DenseGINConv" else {"in_channels": F_IN, "out_channels": F_OUT}


CONFIGS = {
    "DenseGCNConv": [("improved", {"improved": True}), ("no_bias", {"bias": False})],
    "DenseGINConv": [("eps", {"eps": 0.3}), ("train_eps", {"eps": 0.3, "train_eps": True})],
    "DenseGATConv": [
        ("heads", {"heads": 3}),
        ("mean", {"heads": 2, "concat": False, "dropout": 0.5}, "mask"),
        ("slope", {"negative_slope": 0.5, "bias": False}),
    ],
    "DenseSAGEConv": [("normalize", {"normalize": True}), ("no_bias", {"bias": False})],
    "DenseGraphConv": [
        ("mean", {"aggr": "mean"}, "edge_weight"),
        ("max", {"aggr": "max"}, "edge_weight"),
        ("no_bias", {"bias": False}),
    ],
}


def cases():
    for conv, configs in CONFIGS.items():
        yield from dense_cases(conv, "dense", base(conv), configs)
        # Attention of a node without neighbours and loops is not a number.
        if conv in LOOPED and conv != "DenseGATConv":
            yield from dense_cases(conv, "dense_no_loop", base(conv), configs[:1])
    yield from attention_without_loops()
    clusters = [("not_normalized", {"normalize": False}, "mask")]
    yield from dense_cases("dense_diff_pool", "dense", {}, clusters, ["s"])
    yield from dense_cases("dense_mincut_pool", "dense", {}, [("temp", {"temp": 2.5})], ["s"])
    dmon = {"channels": F_IN, "k": 3}
    deep = [("deep", {"channels": [F_IN, HIDDEN], "dropout": 0.5}, "mask")]
    yield from dense_cases("DMoNPooling", "dense", dmon, deep)


def attention_without_loops():
    """Every node of this graph and of its reverse has neighbours."""
    yield from (
        case
        for case in dense_cases("DenseGATConv", "dense_no_loop", base("DenseGATConv"), [])
        if case.graph == "plain"
    )


def nonfinite():
    for conv, configs in CONFIGS.items():
        widths = (
            {"nn": [SMALL_IN, 4, SMALL_OUT]}
            if conv == "DenseGINConv"
            else {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
        )
        yield small(conv, "dense", "mask", widths, "mask", "edge_weight")
        for name, kwargs, *_ in configs:
            if name in ("normalize", "max", "mean"):
                dropout = {"dropout": 0.0} if "dropout" in kwargs else {}
                yield small(conv, "dense", name, widths | kwargs | dropout)
        if conv in LOOPED:
            yield small(conv, "dense_no_loop", "default", widths, "edge_weight")
    yield small("dense_diff_pool", "dense", "default", {}, "s", "mask")
    yield small("dense_mincut_pool", "dense", "default", {}, "s", "mask")
    yield small("DMoNPooling", "dense", "default", {"channels": SMALL_IN, "k": 2}, "mask")
