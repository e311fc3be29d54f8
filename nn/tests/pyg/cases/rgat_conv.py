"""RGATConv."""

from .common import F_EDGE, F_IN, SMALL_EDGE, SMALL_IN, SMALL_OUT, Case, layer_cases, small


def cases():
    base = {"in_channels": F_IN, "out_channels": 2, "num_relations": 3}
    heads, edges = {"heads": 2}, {"edge_dim": F_EDGE}
    within = {"attention_mechanism": "within-relation"}
    products = {"attention_mode": "multiplicative-self-attention"}
    configs = [
        ("heads", heads | {"num_blocks": 2, "concat": False}),
        ("edge_dim", heads | edges | within | {"num_bases": 2, "mod": "scaled"}, "edge_attr"),
        ("products", heads | products | {"dim": 2, "mod": "additive", "concat": False}),
        ("products-edge_dim", edges | products | within | {"mod": "f-scaled"}, "edge_attr"),
    ]
    more = [
        ("additive", heads | {"mod": "additive", "bias": False}),
        ("f-additive", {"mod": "f-additive", "negative_slope": 0.1}),
        ("dropout", {"dropout": 0.5}),
    ]
    for variant in ("edge_index", "adj"):
        inputs = ("edge_type",)
        yield from layer_cases("RGATConv", variant, base, configs + more, inputs=inputs)
        shown = f"{variant}_attention"
        yield Case("RGATConv", shown, "loops", "default", base, frozenset(inputs))
        for name, kwargs, *more_inputs in configs[1:3]:
            all_inputs = frozenset((*inputs, *more_inputs))
            yield Case("RGATConv", shown, "loops", name, base | kwargs, all_inputs)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "num_relations": 2}
    edges = {"edge_dim": SMALL_EDGE, "attention_mechanism": "within-relation"}
    for variant in ("edge_index", "adj"):
        yield small("RGATConv", variant, "default", base | {"heads": 2}, "edge_type")
        yield small("RGATConv", variant, "edge_dim", base | edges, "edge_type", "edge_attr")
