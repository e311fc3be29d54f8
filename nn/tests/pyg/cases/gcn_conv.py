"""GCNConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, Case, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    no_norm = {"normalize": False, "add_self_loops": False}
    shared = [
        ("improved", {"improved": True}),
        ("no_self_loops", {"add_self_loops": False}),
        ("no_normalize", no_norm),
        ("no_bias", {"bias": False}),
        ("cached", {"cached": True}),
    ]
    # The weights of an adjacency are its values. Without any, `improved` has an effect only there:
    # with an edge index PyG drops the fill value of self loops and takes all weights as one.
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        weighted = [
            (weight, {}, weight),
            (f"improved-{weight}", {"improved": True}, weight),
            (f"no_self_loops-{weight}", {"add_self_loops": False}, weight),
            (f"no_normalize-{weight}", no_norm, weight),
        ]
        yield from layer_cases("GCNConv", variant, base, shared + weighted)
    flow = {"flow": "target_to_source"}
    reverse = [("reverse", flow), ("reverse-edge_weight", flow, "edge_weight")]
    for name, kwargs, *inputs in reverse:
        yield Case("GCNConv", "edge_index", "loops", name, base | kwargs, frozenset(inputs))


def nonfinite():
    wide = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    no_loops = {"add_self_loops": False}
    no_norm = no_loops | {"normalize": False}
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("GCNConv", variant, "default", wide)
        yield small("GCNConv", variant, "no_self_loops", wide | no_loops)
        yield small("GCNConv", variant, "no_normalize", wide | no_norm)
        yield small("GCNConv", variant, weight, wide, weight)
        yield small("GCNConv", variant, f"no_self_loops-{weight}", wide | no_loops, weight)
        yield small("GCNConv", variant, f"no_normalize-{weight}", wide | no_norm, weight)
    yield small("GCNConv", "edge_index", "improved", wide | {"improved": True}, "edge_weight")
    yield small("GCNConv", "edge_index", "reverse", wide | {"flow": "target_to_source"})
    yield small("GCNConv", "edge_index", "widening", {"in_channels": 2, "out_channels": 3})
