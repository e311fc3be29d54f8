"""GMMConv."""

from .common import F_EDGE, F_OUT, SMALL_EDGE, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, spread, width


def cases():
    separate = {"separate_gaussians": True, "kernel_size": 2}
    for variant in VARIANTS:
        base = {"in_channels": width(variant), "out_channels": F_OUT, "dim": F_EDGE, "kernel_size": 3}
        configs = [
            ("separate", separate),
            ("sum", {"aggr": "add"}),
            ("max", {"aggr": "max"}),
            ("one", {"kernel_size": 1}),
            ("no_bias", {"bias": False}),
        ]
        if variant.startswith("pair_"):
            # PyG fails without `root` where targets have features.
            configs.append(("no_root", {"root_weight": False}, "no_dst"))
        configs = spread(variant, configs)
        yield from layer_cases("GMMConv", variant, base, configs, inputs=("edge_attr",))


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "dim": SMALL_EDGE, "kernel_size": 2}
    yield small("GMMConv", "edge_index", "default", base, "edge_attr")
    yield small("GMMConv", "adj", "separate", base | {"separate_gaussians": True}, "edge_attr")
    pair = base | {"in_channels": [SMALL_IN, SMALL_IN], "aggr": "max"}
    yield small("GMMConv", "pair_adj", "max", pair, "edge_attr")
