"""Readout."""

from .common import Case, small

POOLS = ("global_add_pool", "global_mean_pool", "global_max_pool")

# Graph of each node and number of graphs; in the second, the last graph is empty too.
BATCHES = {
    "empty_middle": ([0, 0, 0, 1, 3, 3, 3, 3, 4, 4, 4, 4], 5),
    "empty_last": ([0, 0, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3], 6),
    "one": (None, 1),
}


def cases():
    for conv in POOLS:
        for graph in BATCHES:
            yield Case(conv, "batch", graph, "default", {})


def nonfinite():
    for conv in POOLS:
        yield small(conv, "batch", "default", {})
