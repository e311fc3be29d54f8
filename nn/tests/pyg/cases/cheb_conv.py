"""ChebConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT, "K": 3}
    none, walk = {"normalization": None}, {"normalization": "rw"}
    configs = [
        ("K1", {"K": 1}),
        ("K2", {"K": 2}),
        ("none", none),
        ("rw", walk),
        ("edge_weight", {}, "edge_weight"),
        ("none-edge_weight", none, "edge_weight"),
        ("rw-edge_weight", walk, "edge_weight"),
        ("lambda_max", {}, "edge_weight", "lambda_max"),
        ("none-lambda_max", none, "lambda_max"),
        ("batch", {}, "edge_weight", "batch"),
        ("batch-lambda_max", {}, "edge_weight", "batch", "lambda_max"),
        ("no_bias", {"bias": False}),
    ]
    yield from layer_cases("ChebConv", "edge_index", base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "K": 3}
    yield small("ChebConv", "edge_index", "default", base)
    yield small("ChebConv", "edge_index", "edge_weight", base, "edge_weight")
    for norm in (None, "rw"):
        config = base | {"normalization": norm}
        yield small("ChebConv", "edge_index", f"{norm}", config, "edge_weight")
    yield small("ChebConv", "edge_index", "lambda_max", base, "batch", "lambda_max")
