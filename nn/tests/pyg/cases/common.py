"""What the cases of all layers are made of: graphs, sizes, and what a case is."""

import zlib
from dataclasses import dataclass, field

import numpy as np

SEED = 20250

F_IN, F_DST, F_OUT, HIDDEN, F_EDGE, NUM_LAYERS = 8, 5, 6, 7, 4, 3

# The forms in which most layers take nodes and edges.
VARIANTS = ("edge_index", "adj", "pair_edge_index", "pair_adj")


@dataclass(frozen=True)
class Graph:
    """`src` and `dst` of each edge, in the order in which they are passed to PyG."""

    num_src: int
    num_dst: int
    src: tuple = ()
    dst: tuple = ()

    @property
    def num_edges(self):
        return len(self.src)


def ring_with_chords(num_nodes=12, num_chords=14):
    """A connected graph without self loops or duplicates, its edges shuffled."""
    rng = np.random.default_rng([SEED, num_nodes])
    edges = {(i, (i + 1) % num_nodes) for i in range(num_nodes)}
    while len(edges) < num_nodes + num_chords:
        src, dst = (int(i) for i in rng.integers(num_nodes, size=2))
        if src != dst:
            edges.add((src, dst))
    src, dst = rng.permutation(sorted(edges)).T.tolist()
    return Graph(num_nodes, num_nodes, tuple(src), tuple(dst))


# fmt: off
GRAPHS = {
    "plain": ring_with_chords(),
    # Self loops at 2, 5 and 8 (one each, so that it is clear whose weight survives); 5 has nothing
    # else, 8 has nothing else coming in; 4 -> 0 and 7 -> 3 are duplicated, 4 -> 0 three times;
    # 9 has no incoming edge, 10 no outgoing one, 11 and 6 no edge at all.
    "loops": Graph(
        12, 12,
        (4, 0, 2, 7, 9, 4, 1, 5, 3, 7, 8, 0, 4, 2, 8, 1, 9, 3),
        (0, 1, 2, 3, 1, 0, 4, 5, 10, 3, 8, 7, 0, 1, 10, 2, 7, 2),
    ),
    "empty": Graph(12, 12),
    # More sources than targets, and the reverse. Ids that are equal on both sides, such as 2 -> 2,
    # are different nodes, yet GATConv takes them for self loops. 3 -> 1 is duplicated; some sources
    # and some targets have no edge.
    "bipartite": Graph(
        12, 7,
        (3, 11, 2, 0, 9, 3, 5, 10, 6, 7, 1, 9, 4, 11, 2),
        (1, 0, 2, 4, 2, 1, 5, 4, 0, 5, 1, 0, 4, 2, 1),
    ),
    "bipartite_rev": Graph(
        7, 12,
        (1, 0, 2, 4, 2, 1, 5, 4, 0, 5, 1, 0, 4, 2, 1),
        (3, 11, 2, 0, 9, 3, 5, 10, 6, 7, 1, 9, 4, 11, 2),
    ),
    "bipartite_empty": Graph(9, 6),
}
# fmt: on


def by_target(graph):
    """The same edges sorted by target."""
    order = sorted(range(graph.num_edges), key=lambda edge: graph.dst[edge])
    src, dst = (tuple(ends[edge] for edge in order) for ends in (graph.src, graph.dst))
    return Graph(graph.num_src, graph.num_dst, src, dst)


GRAPHS["sorted"] = by_target(GRAPHS["loops"])


@dataclass(frozen=True)
class Case:
    conv: str
    variant: str
    graph: str
    config: str
    kwargs: dict
    # What the inputs are besides features and edges: "edge_weight", "edge_attr", "value" (of the
    # adjacency), "no_dst" (x_dst is None), "positive" (features well away from zero), "x_0",
    # "node_wide_edge_attr" ("edge_attr" as wide as the sources' features), "edge_type" (of as many
    # as `num_relations`, and with "unknown_types" of others too), "layers" (features of several),
    # of dense graphs "mask" (of nodes that are there) and "s" (scores of clusters), "attn"
    # (features), "batch" and "lambda_max".
    inputs: frozenset = field(default=frozenset())

    @property
    def name(self):
        return f"{self.conv}-{self.variant}-{self.graph}-{self.config}"

    @property
    def is_pair(self):
        return self.variant.startswith("pair_")

    @property
    def is_adj(self):
        return "adj" in self.variant

    @property
    def has_ids(self):
        return "ids_" in self.variant

    @property
    def is_without_nodes(self):
        return self.variant.startswith("none_")

    @property
    def is_dense(self):
        return self.variant.startswith("dense")

    @property
    def wants_attention(self):
        return self.variant.endswith("_attention")

    def rng(self, purpose):
        return np.random.default_rng([SEED, zlib.crc32(f"{self.name}/{purpose}".encode())])


def layer_cases(conv, variant, base, configs, no_dst=True, inputs=()):
    """The default configuration on every graph and the others on the richest one.

    A config is `(name, kwargs, *inputs)`; its kwargs are added to those of `base`, its inputs to `inputs`.
    With `no_dst` there are pairs without features of the targets too.
    """
    always = frozenset(inputs)
    pair = variant.startswith("pair_")
    if pair:
        graphs, richest = ("bipartite", "bipartite_rev", "bipartite_empty"), "bipartite"
    else:
        graphs, richest = ("plain", "loops", "empty"), "loops"
    for graph in graphs:
        yield Case(conv, variant, graph, "default", base, always)
        if pair and no_dst:
            yield Case(conv, variant, graph, "no_dst", base, always | {"no_dst"})
    for name, kwargs, *inputs in configs:
        yield Case(conv, variant, richest, name, base | kwargs, always | set(inputs))


def dense_cases(conv, variant, base, configs, inputs=()):
    """The default configuration on every graph, and each with a mask and with weights; the others on the
    richest graph.

    A config is `(name, kwargs, *inputs)`, as in `layer_cases`.
    """
    always = frozenset(inputs)
    for graph in ("plain", "loops"):
        yield Case(conv, variant, graph, "default", base, always)
    more = [("mask", {}, "mask"), ("weights", {}, "edge_weight", "mask")]
    for name, kwargs, *inputs in more + configs:
        yield Case(conv, variant, "loops", name, base | kwargs, always | set(inputs))


# Variants that together have both forms of nodes and both forms of edges.
IN_FULL = ("edge_index", "pair_adj", "ids_edge_index", "pair_ids_adj")


def spread(variant, configs):
    """All configs for some variants, and the first for the others."""
    return configs if variant in IN_FULL else configs[:1]


def width(variant):
    """`in_channels` for one node set or for a pair."""
    return [F_IN, F_DST] if variant.startswith("pair_") else F_IN


# Small graphs, for cases in which one element of one input is not finite (see `nonfinite.py`).
SMALL_IN, SMALL_OUT, SMALL_EDGE = 3, 2, 2

# fmt: off Node 0 is ordinary. 1 -> 2 is there twice; 2 has a loop besides; 3 has no incoming edge,
# 4 no outgoing one; 5 has nothing but its loop; 6 has no edge.
GRAPH = Graph(7, 7, (0, 1, 2, 1, 3, 0, 5, 3, 1), (1, 2, 2, 2, 0, 4, 5, 4, 0))
# Node 3 is only a source, 4 has no edge as a source; 2 -> 2 is no loop but in GATConv; target 1
# has no edge.
PAIR = Graph(5, 4, (0, 2, 3, 1, 0, 2), (0, 2, 3, 0, 2, 3))
# fmt: on
GRAPHS |= {"nonfinite": GRAPH, "nonfinite_pair": PAIR}


def small(conv, variant, config, kwargs, *inputs):
    """A case on a small graph; its `in_channels` are `SMALL_IN` unless it says otherwise."""
    graph = "nonfinite_pair" if variant.startswith("pair_") else "nonfinite"
    return Case(conv, variant, graph, config, kwargs, frozenset(inputs))
