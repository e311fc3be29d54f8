"""ARMAConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, layer_cases, small


def cases():
    # With one layer `weight` is there, but not used.
    base = {"in_channels": F_IN, "out_channels": F_OUT, "num_layers": 2}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        stacks = {"num_stacks": 2, "num_layers": 3}
        configs = [
            ("one_layer", {"num_layers": 1}),
            ("stacks", stacks),
            (f"stacks-{weight}", stacks, weight),
            ("shared-tanh", stacks | {"shared_weights": True, "act": "tanh", "dropout": 0.5}),
            ("no_bias", {"bias": False}),
            ("no_act", {"act": None}),
        ]
        for case in layer_cases("ARMAConv", variant, base, configs):
            # Where the matrix has no entries, PyG's product with stacks has the wrong shape.
            if (variant, case.graph) != ("adj", "empty"):
                yield case


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "num_stacks": 2, "act": "tanh"}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("ARMAConv", variant, "default", base)
        yield small("ARMAConv", variant, weight, base, weight)
