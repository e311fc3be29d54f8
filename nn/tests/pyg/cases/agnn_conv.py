"""AGNNConv."""

from .common import layer_cases, small


def cases():
    configs = [("no_self_loops", {"add_self_loops": False}), ("fixed", {"requires_grad": False})]
    for variant in ("edge_index", "adj"):
        yield from layer_cases("AGNNConv", variant, {}, configs)


def nonfinite():
    for variant in ("edge_index", "adj"):
        yield small("AGNNConv", variant, "default", {})
        yield small("AGNNConv", variant, "no_self_loops", {"add_self_loops": False})
