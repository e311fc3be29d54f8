"""GeneralConv."""

from .common import F_EDGE, F_IN, F_OUT, SMALL_EDGE, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, width


def cases():
    heads, edges = {"heads": 2}, {"in_edge_channels": F_EDGE}
    attention, both = {"attention": True}, {"directed_msg": False}
    products = attention | {"attention_type": "dot_product"}
    configs = [
        ("heads", heads | {"aggr": "mean", "l2_normalize": True}),
        ("edge_dim", heads | edges | {"aggr": "max"}, "edge_attr"),
        ("attention", heads | attention),
        ("attention-edge_dim", heads | attention | edges | {"bias": False}, "edge_attr"),
    ]
    one_width = [
        ("same", {"out_channels": F_IN}),
        ("skip_linear", {"out_channels": F_IN, "skip_linear": True}),
        ("both", heads | both),
        ("attention-both", attention | both | edges),
        ("products", heads | products),
        ("products-both-edge_dim", heads | products | both | edges, "edge_attr"),
    ]
    for variant in VARIANTS:
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        more = {"edge_index": one_width, "adj": one_width[-1:]}.get(variant, [])
        yield from layer_cases("GeneralConv", variant, base, configs + more, no_dst=False)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "heads": 2}
    attention = {"attention": True}
    edges = {"in_edge_channels": SMALL_EDGE}
    for variant in ("edge_index", "adj"):
        yield small("GeneralConv", variant, "default", base)
        yield small("GeneralConv", variant, "attention", base | attention)
        yield small("GeneralConv", variant, "edge_dim", base | attention | edges, "edge_attr")
    products = attention | {"attention_type": "dot_product"}
    yield small("GeneralConv", "edge_index", "products", base | products)
