"""FAConv."""

from .common import F_IN, SMALL_IN, layer_cases, small


def cases():
    base = {"channels": F_IN}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        no_loops = ("no_self_loops-cached", {"add_self_loops": False, "cached": True})
        weighted = (f"no_normalize-{weight}", {"normalize": False}, weight)
        configs = [("no_eps", {"eps": 0.0}), ("dropout", {"dropout": 0.5}), no_loops, weighted]
        yield from layer_cases("FAConv", variant, base, configs, inputs=("x_0",))
        shown = f"{variant}_attention"
        yield from layer_cases("FAConv", shown, base, [no_loops, weighted], inputs=("x_0",))


def nonfinite():
    base = {"channels": SMALL_IN}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("FAConv", variant, "default", base, "x_0")
        yield small("FAConv", variant, weight, base | {"normalize": False}, "x_0", weight)
    yield small("FAConv", "edge_index_attention", "default", base, "x_0")
