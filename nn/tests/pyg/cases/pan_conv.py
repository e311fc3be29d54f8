"""PANConv."""

from .common import F_IN, F_OUT, SMALL_IN, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT, "filter_size": 3}
    configs = [("nodes", {"filter_size": 0}), ("edges", {"filter_size": 1}), ("pairs", {"filter_size": 2})]
    for variant in ("edge_index", "adj"):
        value = [("value", {}, "value")] if variant == "adj" else []
        yield from layer_cases("PANConv", variant, base, configs + value)


def nonfinite():
    # Wider than the input, so that the map stands behind the sums, as in PyG.
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_IN + 1, "filter_size": 2}
    for variant in ("edge_index", "adj"):
        yield small("PANConv", variant, "default", base)
