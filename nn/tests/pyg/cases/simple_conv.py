"""SimpleConv."""

from .common import VARIANTS, layer_cases, small


def cases():
    for variant in VARIANTS:
        is_pair, is_adj = variant.startswith("pair_"), variant.endswith("adj")
        weight = "value" if is_adj else "edge_weight"
        configs = [
            (weight, {}, weight),
            ("mean", {"aggr": "mean"}),
            (f"max-{weight}", {"aggr": "max"}, weight),
            (f"cat-{weight}", {"combine_root": "cat"}, weight),
        ]
        if not is_pair:
            loop = {"combine_root": "self_loop"}
            configs += [
                ("sum", {"combine_root": "sum"}),
                ("self_loop", loop),
                (f"self_loop-{weight}", loop, weight),
                (f"self_loop-mean-{weight}", loop | {"aggr": "mean"}, weight),
                ("self_loop-max", loop | {"aggr": "max"}),
            ]
        if not is_adj:
            # With an adjacency PyG multiplies it instead, whatever the aggregation.
            configs += [
                ("several", {"aggr": ["mean", "max"]}),
                (f"moments-{weight}", {"aggr": ["sum", "mean", "var"]}, weight),
                (f"softmax-{weight}", {"aggr": "softmax", "aggr_kwargs": {"t": 2.0}}, weight),
                (f"powermean-{weight}", {"aggr": "powermean", "aggr_kwargs": {"p": 2.0}}, weight, "positive"),
            ]
        yield from layer_cases("SimpleConv", variant, {}, configs)


def nonfinite():
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        yield small("SimpleConv", variant, "default", {})
        yield small("SimpleConv", variant, f"self_loop-{weight}", {"combine_root": "self_loop"}, weight)
