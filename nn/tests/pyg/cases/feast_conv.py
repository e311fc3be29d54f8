"""FeaStConv."""

from dataclasses import replace

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT, "heads": 2}
    no_loops = {"add_self_loops": False}
    configs = [
        ("heads", {"heads": 3}),
        ("one_head", {"heads": 1}),
        ("no_self_loops", no_loops),
        ("no_bias", {"bias": False}),
    ]
    for variant in VARIANTS:
        for case in layer_cases("FeaStConv", variant, base, configs, no_dst=False):
            # PyG gives targets loops that have no source of their number.
            if case.graph == "bipartite_rev" and not case.is_adj:
                case = replace(case, config="no_self_loops", kwargs=base | no_loops)
            yield case


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "heads": 2}
    for variant in VARIANTS:
        yield small("FeaStConv", variant, "default", base)
    yield small("FeaStConv", "edge_index", "no_self_loops", base | {"add_self_loops": False})
