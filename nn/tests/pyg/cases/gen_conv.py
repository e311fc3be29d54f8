"""GENConv."""

from .common import F_EDGE, F_IN, SMALL_EDGE, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


D_OUT = 3


def cases():
    for variant in VARIANTS:
        attr = ({"edge_dim": F_EDGE}, "edge_attr")
        configs = [
            ("edge_dim", *attr),
            ("learn_t", {"learn_t": True, "t": 0.5}),
            # In 16 bits squares of small messages are zero.
            ("msg_norm", {"msg_norm": True, "learn_msg_scale": True, "eps": 0.05}),
        ]
        if variant in ("edge_index", "pair_adj"):
            configs += [
                ("softmax_sg", {"aggr": "softmax_sg", "t": 2.0}),
                ("power", {"aggr": "power", "learn_p": True, "p": 2.0}),
                ("powermean", {"aggr": "powermean", "p": 3.0, "eps": 0.1}),
                ("max", {"aggr": "max", "norm": "layer", "bias": True}),
                ("several", {"aggr": ["mean", "std"], "norm": "instance", "num_layers": 3}),
                ("kwargs", {"aggr": "softmax", "aggr_kwargs": {"learn": True, "channels": D_OUT}}),
                ("one_layer", {"num_layers": 1, "edge_dim": F_EDGE, "bias": True}, "edge_attr"),
                ("no_norm", {"norm": None, "expansion": 1, "aggr": "add"}),
            ]
        if not variant.startswith("pair_"):
            configs.append(("same_width", {"out_channels": F_IN}, "node_wide_edge_attr"))
        base = {"in_channels": width(variant), "out_channels": D_OUT}
        yield from layer_cases("GENConv", variant, base, configs)


def nonfinite():
    gen = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "norm": None}
    yield small("GENConv", "edge_index", "default", gen)
    yield small("GENConv", "edge_index", "edge_dim", gen | {"edge_dim": SMALL_EDGE}, "edge_attr")
    yield small("GENConv", "edge_index", "same_width", gen | {"out_channels": SMALL_IN, "aggr": "powermean", "p": 2.0})
    norm = {"msg_norm": True, "learn_msg_scale": True, "aggr": "mean", "eps": 0.05}
    yield small("GENConv", "edge_index", "msg_norm", gen | norm)
    yield small("GENConv", "adj", "mean", gen | {"aggr": "mean", "norm": "layer"})
    yield small("GENConv", "pair_edge_index", "mean", gen | {"in_channels": [SMALL_IN, SMALL_IN], "aggr": "mean"})
