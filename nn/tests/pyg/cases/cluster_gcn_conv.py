"""ClusterGCNConv."""

from .common import F_IN, F_OUT, SMALL_IN, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    for variant in ("edge_index", "adj"):
        # Without loops of its own PyG wants as many as there are nodes.
        configs = [
            ("diag_lambda", {"diag_lambda": 0.7}),
            ("no_bias", {"bias": False}),
            ("wide", {"out_channels": 2 * F_IN}),
        ]
        if variant == "adj":
            configs += [("value", {"diag_lambda": 0.7}, "value")]
        yield from layer_cases("ClusterGCNConv", variant, base, configs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_IN}
    for variant in ("edge_index", "adj"):
        yield small("ClusterGCNConv", variant, "default", base)
