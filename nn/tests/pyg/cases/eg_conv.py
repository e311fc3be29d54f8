"""EGConv."""

from .common import F_IN, SMALL_IN, Case, layer_cases, small

D_OUT = 6


def cases():
    small_heads = {"num_heads": 2, "num_bases": 3}
    several = small_heads | {"aggregators": ["sum", "mean", "symnorm", "min", "max"]}
    for variant in ("edge_index", "adj"):
        configs = [
            ("several", several),
            ("no_loops", several | {"add_self_loops": False}),
            ("sum_no_loops", small_heads | {"aggregators": ["sum"], "add_self_loops": False}),
            ("no_bias", {"num_heads": 1, "bias": False}),
            ("cached", {"cached": True}),
        ]
        if variant == "adj":
            configs.append(("value", {}, "value"))
        else:
            # With an adjacency PyG takes another limit.
            configs.append(("std", small_heads | {"aggregators": ["std", "var", "symnorm"]}))
        base = {"in_channels": F_IN, "out_channels": D_OUT, "num_heads": 3, "num_bases": 2}
        yield from layer_cases("EGConv", variant, base, configs)
        # Where the last node has an edge: without `symnorm` PyG knows no others.
        others = base | {"aggregators": ["mean", "max", "var"]}
        yield Case("EGConv", variant, "loops" if variant == "adj" else "plain", "others", others)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": 2, "num_heads": 2, "num_bases": 2}
    for variant in ("edge_index", "adj"):
        yield small("EGConv", variant, "default", base)
        yield small("EGConv", variant, "several", base | {"aggregators": ["mean", "symnorm"]})
    yield small("EGConv", "edge_index", "std", base | {"aggregators": ["std", "max", "symnorm"]})
