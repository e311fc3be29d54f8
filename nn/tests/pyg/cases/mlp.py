"""MLP."""

from .common import F_IN, F_OUT, HIDDEN, Case

ACTS = (
    *("LeakyReLU", "gelu", "silu", "swish", "sigmoid", "tanh", "ReLU6", "Hardtanh", "Hardsigmoid", "Hardswish"),
    *("Softplus", "Mish", "LogSigmoid", "Softsign", "Tanhshrink", "Hardshrink", "Softshrink", "CELU", "SELU"),
    *("Softmax", "Softmin", "LogSoftmax"),
)


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
    for act in ACTS:
        yield Case("MLP", "nodes", "plain", act, {"channel_list": [F_IN, HIDDEN, F_OUT], "norm": None, "act": act})
    for variant in ("nodes", "nodes_batch", "nodes_batch_only"):
        for norm, kwargs in (("layer_norm", {}), ("graph", {"eps": 0.01})):
            norm = {"norm": norm, "norm_kwargs": kwargs, "plain_last": False}
            yield Case("MLP", variant, "plain", norm["norm"], {"channel_list": widths} | norm)
    plain = {"norm_kwargs": {"affine": False, "eps": 0.01}}
    yield Case("MLP", "nodes", "plain", "norm_kwargs", {"channel_list": widths} | plain)
