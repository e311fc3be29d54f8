"""FiLMConv."""

from .common import F_DST, F_IN, F_OUT, HIDDEN, SMALL_IN, SMALL_OUT, VARIANTS, layer_cases, small, spread, width


def cases():
    for variant in VARIANTS:
        dst = F_DST if variant.startswith("pair_") else F_IN
        relations = {"num_relations": 3}
        network = {"nn": [dst, HIDDEN, 2 * F_OUT]}
        configs = [
            ("relations", relations, "edge_type"),
            ("relations-nn-sum", relations | network | {"aggr": "add"}, "edge_type"),
            ("relations-max", relations | {"aggr": "max"}, "edge_type"),
            ("unknown_types", relations, "edge_type", "unknown_types"),
            ("nn", network),
            ("max-tanh", {"aggr": "max", "act": "tanh"}),
            ("no_act", {"act": None}),
        ]
        base = {"in_channels": width(variant), "out_channels": F_OUT}
        yield from layer_cases("FiLMConv", variant, base, spread(variant, configs), no_dst=False)


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT, "act": "tanh"}
    yield small("FiLMConv", "edge_index", "default", base)
    relations = base | {"num_relations": 2}
    yield small("FiLMConv", "adj", "relations", relations, "edge_type")
    pair = relations | {"in_channels": [SMALL_IN, SMALL_IN], "act": None}
    yield small("FiLMConv", "pair_edge_index", "relations", pair, "edge_type")
