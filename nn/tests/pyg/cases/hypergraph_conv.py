"""HypergraphConv."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, Case


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    attention = {"use_attention": True}
    by_edge = attention | {"attention_mode": "edge"}
    configs = [
        ("weight", {"bias": False}, "hyperedge_weight"),
        ("attention", attention, "hyperedge_attr"),
        ("heads", attention | {"heads": 2}, "hyperedge_attr", "hyperedge_weight"),
        ("edge-no_concat", by_edge | {"heads": 3, "concat": False, "negative_slope": 0.1}, "hyperedge_attr"),
        ("dropout", by_edge | {"dropout": 0.5}, "hyperedge_attr"),
    ]
    for graph in ("plain", "loops", "empty", "bipartite", "bipartite_rev"):
        yield Case("HypergraphConv", "edge_index", graph, "default", base)
        for name, kwargs, *inputs in configs if graph in ("loops", "bipartite") else ():
            yield Case("HypergraphConv", "edge_index", graph, name, base | kwargs, frozenset(inputs))


def nonfinite():
    base = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    attention = base | {"use_attention": True, "heads": 2}
    for graph in ("nonfinite", "nonfinite_pair"):
        for name, kwargs, *inputs in (
            ("default", base),
            ("weight", base, "hyperedge_weight"),
            ("attention", attention, "hyperedge_attr"),
            ("edge", attention | {"attention_mode": "edge"}, "hyperedge_attr"),
        ):
            yield Case("HypergraphConv", "edge_index", graph, name, kwargs, frozenset(inputs))
