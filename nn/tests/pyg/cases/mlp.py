"""MLP."""

from .common import F_IN, F_OUT, HIDDEN, Case


def cases():
    widths = [F_IN, HIDDEN, HIDDEN, F_OUT]
    sizes = {"in_channels": F_IN, "hidden_channels": HIDDEN, "out_channels": F_OUT, "num_layers": 3}
    for config, kwargs in (
        ("default", {"channel_list": widths}),
        ("sizes", sizes | {"norm": None}),
        ("act_first", {"channel_list": widths, "act": "elu", "act_first": True}),
        ("not_plain", {"channel_list": widths, "plain_last": False, "dropout": 0.5}),
        ("no_act", {"channel_list": widths, "act": None, "norm": None, "bias": False}),
    ):
        yield Case("MLP", "nodes", "plain", config, kwargs)
