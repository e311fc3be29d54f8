"""Sequential."""

from .common import F_IN, F_OUT, HIDDEN, SMALL_IN, SMALL_OUT, layer_cases, small


def gcn(d_in, d_out, header="x, edge_index -> x"):
    return [{"class": "GCNConv", "in_channels": d_in, "out_channels": d_out}, header]


def linear(d_in, d_out, *header):
    module = {"class": "Linear", "in_features": d_in, "out_features": d_out}
    return [module, *header] if header else module


def two(d_in=F_IN):
    modules = [gcn(d_in, HIDDEN), "ReLU", gcn(HIDDEN, HIDDEN), {"class": "Tanh"}, linear(HIDDEN, F_OUT)]
    return {"input_args": "x, edge_index", "modules": modules}


RESIDUAL = [
    [{"class": "Dropout", "p": 0.3}, "x -> x"],
    gcn(F_IN, HIDDEN, "x, edge_index -> x1"),
    linear(F_IN, HIDDEN, "x -> x2"),
    ["add", "x1, x2 -> h"],
    [{"class": "BatchNorm1d", "num_features": HIDDEN}, "h -> h"],
    ["cat", "h, x1 -> x"],
    linear(2 * HIDDEN, F_OUT, "x -> x"),
]
WEIGHTS = {
    "input_args": "x: Tensor, edge_index, edge_weight: Optional[Tensor] -> Tensor",
    "modules": [
        gcn(F_IN, HIDDEN, "x, edge_index, edge_weight -> x"),
        [{"class": "LayerNorm", "normalized_shape": HIDDEN}, "x -> x"],
        [{"class": "LeakyReLU"}, "x -> x"],
        [{"class": "GraphConv", "in_channels": HIDDEN, "out_channels": F_OUT}, "x, edge_index, edge_weight -> x"],
    ],
}


def read_out(module, d_in=F_IN, hidden=HIDDEN):
    modules = [gcn(d_in, hidden), "ReLU", [module, "x, batch -> x"], linear(hidden, F_OUT)]
    return {"input_args": "x, edge_index, batch", "modules": modules}


def cases():
    for variant in ("edge_index", "adj"):
        configs = [
            ("residual", {"modules": RESIDUAL}),
            ("mean", read_out("global_mean_pool"), "batch"),
            ("max", read_out({"class": "global_max_pool"}), "batch"),
            ("aggregation", read_out({"class": "SumAggregation"}), "batch"),
        ]
        if variant == "edge_index":
            configs += [("no_weight", WEIGHTS), ("edge_weight", WEIGHTS, "edge_weight")]
        yield from layer_cases("Sequential", variant, two(), configs)


def nonfinite():
    yield small("Sequential", "edge_index", "default", two(SMALL_IN))
    yield small("Sequential", "adj", "mean", read_out("global_mean_pool", SMALL_IN, SMALL_OUT), "batch")
