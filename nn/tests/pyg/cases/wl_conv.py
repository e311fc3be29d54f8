"""WLConv."""

from .common import GRAPHS, Case, ring_with_chords

GRAPHS |= {"colors": ring_with_chords(20, 10)}
NUM_COLORS = 3


def cases():
    for variant in ("edge_index", "adj"):
        for graph in ("colors", "loops", "empty"):
            yield Case("WLConv", variant, graph, "default", {})
