#!/usr/bin/env python3
"""Reference outputs and gradients of PyTorch Geometric, as safetensors fixtures.

    python generate.py                          rewrite data/
    python generate.py --output DIR             write somewhere else, for instance to compare
    python generate.py --check-state-dicts DIR  do state dicts written by Kiln work in PyG?

Each file holds one case: a layer, model or pooling function with its arguments, on one graph.

    param.<key>                    state_dict entry: PyG's names and layouts
    in.x                           node features [N, F], or, for a pair,
    in.x_src, in.x_dst             those of sources and targets; in.x_dst is absent where it is None
    in.edge_index                  [2, E] (source, target), in no particular order
    in.rowptr, in.col, in.value    instead of it in `adj` variants: the transposed adjacency as CSR,
                                   rows are targets, columns are sources; in.value is optional
    in.edge_weight, in.edge_attr   [E] and [E, D]; with `adj` in the order of the CSR entries
    in.batch                       pooling: the graph of each node, absent where it is None
    out.0                          the result
    out.1, out.2                   `attention`: returned edge index and coefficients [E', H]
    out.1, out.2, out.3            `adj_attention`: returned matrix as rowptr, col, value [E', H]
    cot.<i>                        random cotangents of the real-valued outputs
    grad.in.<name>                 gradient of sum_i(sum(out.<i> * cot.<i>)), by real-valued input
    grad.param.<key>               and by trainable parameter; zeros where PyG has no gradient

Inputs and parameters are float32. PyG computes with them in float64, and what it returns is rounded
to float32 once, so a fixture is accurate to the last bit or so. All randomness comes from numpy,
seeded by the name of the case: adding a case changes no other file.

The metadata entry `case` says the rest as JSON: `conv` (name of the class or function), `kwargs`
(of its constructor; `nn` of GINConv lists the widths of Linear, ReLU, Linear), `variant`, `graph`,
`config`, `size` ([N_src, N_dst], or the number of graphs for pooling) and versions. Pairs with an
edge index pass `size` to forward; it is what tells PyG the number of targets without in.x_dst.

One state_dict is also stored on its own, as torch.save and as plain safetensors write it.
"""

import argparse
import json
import sys
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch_geometric
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch_geometric.nn import models, pool
from torch_geometric.nn.conv import GATConv, GCNConv, GINConv, SAGEConv

HERE = Path(__file__).resolve().parent
SEED = 20250

LAYERS = {"GCNConv": GCNConv, "SAGEConv": SAGEConv, "GINConv": GINConv, "GATConv": GATConv}
MODELS = {name: getattr(models, name) for name in ("GCN", "GraphSAGE", "GIN", "GAT")}
POOLS = {
    f"global_{aggr}_pool": getattr(pool, f"global_{aggr}_pool") for aggr in ("add", "mean", "max")
}

F_IN, F_DST, F_OUT, HIDDEN, F_EDGE = 8, 5, 6, 7, 4

# The case whose state_dict is also stored as PyTorch and plain safetensors files.
STATE_DICT_CASE = "SAGEConv-edge_index-plain-default"
STATE_DICT_STEM = "sage_state_dict"


# Graphs ------------------------------------------------------------------------------------------


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


# Cases -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    conv: str
    variant: str
    graph: str
    config: str
    kwargs: dict
    # What the inputs are besides features and edges: "edge_weight", "edge_attr", "value" (of the
    # adjacency), "no_dst" (x_dst is None) and "positive" (features well away from zero).
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
    def wants_attention(self):
        return self.variant.endswith("_attention")

    def rng(self, purpose):
        return np.random.default_rng([SEED, zlib.crc32(f"{self.name}/{purpose}".encode())])


def layer_cases(conv, variant, base, configs):
    """The default configuration on every graph and the others on the richest one.

    A config is `(name, kwargs, *inputs)`; its kwargs are added to those of `base`.
    """
    pair = variant.startswith("pair_")
    if pair:
        graphs, richest = ("bipartite", "bipartite_rev", "bipartite_empty"), "bipartite"
    else:
        graphs, richest = ("plain", "loops", "empty"), "loops"
    for graph in graphs:
        yield Case(conv, variant, graph, "default", base)
        if pair:
            yield Case(conv, variant, graph, "no_dst", base, frozenset({"no_dst"}))
    for name, kwargs, *inputs in configs:
        yield Case(conv, variant, richest, name, base | kwargs, frozenset(inputs))


def gcn_cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    no_norm = {"normalize": False, "add_self_loops": False}
    shared = [
        ("improved", {"improved": True}),
        ("no_self_loops", {"add_self_loops": False}),
        ("no_normalize", no_norm),
        ("no_bias", {"bias": False}),
        ("cached", {"cached": True}),
    ]
    # The weights of an adjacency are its values. Without any, `improved` has an effect only there:
    # with an edge index PyG drops the fill value of self loops and takes all weights as one.
    for variant, weight in (("edge_index", "edge_weight"), ("adj", "value")):
        weighted = [
            (weight, {}, weight),
            (f"improved-{weight}", {"improved": True}, weight),
            (f"no_self_loops-{weight}", {"add_self_loops": False}, weight),
            (f"no_normalize-{weight}", no_norm, weight),
        ]
        yield from layer_cases("GCNConv", variant, base, shared + weighted)
    flow = {"flow": "target_to_source"}
    reverse = [("reverse", flow), ("reverse-edge_weight", flow, "edge_weight")]
    for name, kwargs, *inputs in reverse:
        yield Case("GCNConv", "edge_index", "loops", name, base | kwargs, frozenset(inputs))


def sage_cases():
    configs = [
        ("sum", {"aggr": "sum"}),
        ("max", {"aggr": "max"}),
        ("min", {"aggr": "min"}),
        ("mul", {"aggr": "mul"}, "positive"),
        ("mean_max", {"aggr": ["mean", "max"]}),
        ("normalize", {"normalize": True}),
        ("no_root", {"root_weight": False}),
        ("project", {"project": True}),
        ("no_bias", {"bias": False}),
    ]
    for variant in ("edge_index", "adj", "pair_edge_index", "pair_adj"):
        pair, extra = variant.startswith("pair_"), []
        if pair:
            extra.append(("shared_width", {"in_channels": F_IN}))
        if variant.endswith("adj"):
            extra.append(("value", {}, "value"))  # values are dropped
        base = {"in_channels": [F_IN, F_DST] if pair else F_IN, "out_channels": F_OUT}
        yield from layer_cases("SAGEConv", variant, base, configs + extra)


def gin_cases():
    configs = [
        ("eps", {"eps": 0.3}),
        ("train_eps", {"eps": 0.3, "train_eps": True}),
        ("max", {"aggr": "max"}),
        ("mean", {"aggr": "mean"}),
    ]
    for variant in ("edge_index", "adj", "pair_edge_index", "pair_adj"):
        extra = [("value", {}, "value")] if variant.endswith("adj") else []
        yield from layer_cases("GINConv", variant, {"nn": [F_IN, HIDDEN, F_OUT]}, configs + extra)


def gat_cases():
    heads = {"heads": 3}
    edges = {"edge_dim": F_EDGE}
    plain = [
        ("heads", heads),
        ("no_concat", heads | {"concat": False}),
        ("negative_slope", {"negative_slope": 0.1}),
        ("dropout", {"dropout": 0.6}),
        ("no_self_loops", heads | {"add_self_loops": False}),
        ("no_bias", {"bias": False}),
        ("no_concat-no_bias", heads | {"concat": False, "bias": False}),
        ("residual", heads | {"residual": True}),
        ("no_concat-residual", heads | {"concat": False, "residual": True}),
        ("edge_dim-no_self_loops", heads | edges | {"add_self_loops": False}, "edge_attr"),
    ]
    with_loops = [
        ("edge_dim", heads | edges, "edge_attr"),
        ("fill_add", edges | {"fill_value": "add"}, "edge_attr"),
        ("fill_max", edges | {"fill_value": "max"}, "edge_attr"),
        ("fill_number", edges | {"fill_value": 0.5}, "edge_attr"),
        ("fill_tensor", edges | {"fill_value": [0.25, -0.5, 1.0, 0.75]}, "edge_attr"),
    ]
    for variant in ("edge_index", "adj", "pair_edge_index", "pair_adj"):
        pair, adj = variant.startswith("pair_"), variant.endswith("adj")
        base = {"in_channels": [F_IN, F_DST] if pair else F_IN, "out_channels": F_OUT}
        configs = plain + ([("value", {}, "value")] if adj else with_loops)
        if pair:
            configs = configs + [
                ("shared", {"in_channels": F_IN}),
                ("no_dst-heads", heads, "no_dst"),
                ("no_dst-residual", heads | {"residual": True}, "no_dst"),
            ]
        else:
            configs = configs + [("separate", {"in_channels": [F_IN, F_IN]})]
        yield from layer_cases("GATConv", variant, base, configs)

        variant += "_attention"
        chosen = ("heads", "no_self_loops", "edge_dim", "edge_dim-no_self_loops")
        configs = [config for config in configs if config[0] in chosen]
        yield from layer_cases("GATConv", variant, base, configs)
        if pair:
            yield Case("GATConv", variant, "bipartite_rev", "heads", base | heads)
        if pair and not adj:
            # PyG cannot reduce edge features into those of the self loops ("mean", "add", "max")
            # where targets outnumber sources: it indexes min(size) rows by target.
            fill = base | heads | edges | {"fill_value": 0.5}
            yield Case(
                "GATConv", variant, "bipartite_rev", "fill_number", fill, frozenset({"edge_attr"})
            )


def model_cases():
    def case(conv, graph, config, layers, *inputs, **kwargs):
        base = {
            "in_channels": F_IN,
            "hidden_channels": 8,
            "num_layers": layers,
            "out_channels": F_OUT,
        }
        return Case(conv, "edge_index", graph, config, base | kwargs, frozenset(inputs))

    for conv, extra in (("GCN", {}), ("GraphSAGE", {}), ("GIN", {}), ("GAT", {"heads": 2})):
        for graph in ("plain", "loops"):
            yield case(conv, graph, "default", 2, **extra)
        yield case(conv, "loops", "norm-elu", 3, norm="BatchNorm", act="elu", dropout=0.5, **extra)
        yield case(conv, "loops", "norm-jk_cat", 3, norm="BatchNorm", jk="cat", **extra)
        yield case(conv, "loops", "jk_max", 3, jk="max", **extra)
        yield case(conv, "loops", "jk_last", 2, jk="last", act="elu", **extra)
    yield case("GCN", "loops", "edge_weight", 2, "edge_weight")
    yield case("GraphSAGE", "loops", "aggr_max", 2, aggr="max")
    yield case("GIN", "loops", "train_eps", 2, train_eps=True)
    yield case("GAT", "loops", "edge_dim", 2, "edge_attr", heads=2, edge_dim=F_EDGE)


# Graph of each node and number of graphs; in the second, the last graph is empty too.
BATCHES = {
    "empty_middle": ([0, 0, 0, 1, 3, 3, 3, 3, 4, 4, 4, 4], 5),
    "empty_last": ([0, 0, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3], 6),
    "one": (None, 1),
}


def pool_cases():
    for conv in POOLS:
        for graph in BATCHES:
            yield Case(conv, "batch", graph, "default", {})


def all_cases():
    for cases in (gcn_cases, sage_cases, gin_cases, gat_cases, model_cases, pool_cases):
        yield from cases()


# Inputs and parameters ---------------------------------------------------------------------------


def normal(rng, *shape):
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


def uniform(rng, low, high, *shape):
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))


def make_inputs(case):
    """The `in.*` tensors of a layer or model."""
    graph, inputs = GRAPHS[case.graph], {}

    def features(name, rows, width):
        rng = case.rng(name)
        positive = "positive" in case.inputs
        return uniform(rng, 0.5, 1.5, rows, width) if positive else normal(rng, rows, width)

    widths = case.kwargs.get("in_channels", F_IN)
    width_src, width_dst = widths if isinstance(widths, list) else (widths, widths)
    if case.is_pair:
        inputs["x_src"] = features("x_src", graph.num_src, width_src)
        if "no_dst" not in case.inputs:
            inputs["x_dst"] = features("x_dst", graph.num_dst, width_dst)
    else:
        inputs["x"] = features("x", graph.num_src, width_src)

    src = torch.tensor(graph.src, dtype=torch.int64)
    dst = torch.tensor(graph.dst, dtype=torch.int64)
    if case.is_adj:
        # Sorted by target, then by source. Equal entries stay separate.
        order = torch.from_numpy(np.lexsort((graph.src, graph.dst)).astype(np.int64))
        counts = torch.bincount(dst, minlength=graph.num_dst)
        inputs["rowptr"] = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        inputs["col"] = src[order]
    else:
        inputs["edge_index"] = torch.stack([src, dst])

    for name in ("value", "edge_weight"):
        if name in case.inputs:
            inputs[name] = uniform(case.rng(name), 0.3, 1.8, graph.num_edges)
    if "edge_attr" in case.inputs:
        inputs["edge_attr"] = normal(case.rng("edge_attr"), graph.num_edges, F_EDGE)
    return inputs


def build(case):
    """The PyG module in evaluation mode."""
    kwargs = dict(case.kwargs)
    if "nn" in kwargs:
        widths = kwargs["nn"]
        kwargs["nn"] = torch.nn.Sequential(
            torch.nn.Linear(widths[0], widths[1]),
            torch.nn.ReLU(),
            torch.nn.Linear(widths[1], widths[2]),
        )
    if isinstance(kwargs.get("in_channels"), list):
        kwargs["in_channels"] = tuple(kwargs["in_channels"])
    if isinstance(kwargs.get("fill_value"), list):
        kwargs["fill_value"] = torch.tensor(kwargs["fill_value"])
    return (LAYERS | MODELS)[case.conv](**kwargs).eval()


def randomize(module, case):
    """Gives every parameter and statistic a value that a wrong implementation would notice."""
    state = module.state_dict()
    trainable = {key for key, _ in module.named_parameters()}
    for key, tensor in state.items():
        rng = case.rng(key)
        if key.endswith("running_var"):
            tensor.copy_(uniform(rng, 0.5, 2.0, *tensor.shape))
        elif key.endswith("num_batches_tracked"):
            tensor.fill_(3)
        elif key in trainable or key.endswith("running_mean"):
            tensor.copy_(0.5 * normal(rng, *tensor.shape))
        # What is left is GINConv's fixed eps, which the constructor has set.
    module.load_state_dict(state)


def compile_layers():
    """Has PyG compile each layer for its default aggregation.

    It does so for the first instance of a class. Were that one without a fused path, as one with
    aggr="mul" is, later ones could not use theirs.
    """
    for name, layer in LAYERS.items():
        layer(torch.nn.Identity()) if name == "GINConv" else layer(1, 1)


# Running PyG -------------------------------------------------------------------------------------


def forward(module, case, inputs, size):
    """Calls PyG in the variant of the case; returns `out.*` in order."""
    args = {name: inputs[name] for name in ("edge_weight", "edge_attr") if name in inputs}
    if case.is_adj:
        from torch_sparse import SparseTensor

        edges = SparseTensor(
            rowptr=inputs["rowptr"],
            col=inputs["col"],
            value=inputs.get("value"),
            sparse_sizes=(size[1], size[0]),
            is_sorted=True,
            trust_data=True,
        )
    else:
        edges = inputs["edge_index"]
    if case.is_pair:
        x = (inputs["x_src"], inputs.get("x_dst"))
        if not case.is_adj:
            args["size"] = tuple(size)
    else:
        x = inputs["x"]
    if case.wants_attention:
        args["return_attention_weights"] = True

    result = module(x, edges, **args)
    if case.kwargs.get("cached"):
        result = module(x, edges, **args)  # from the cache
    if not case.wants_attention:
        return [result]
    out, attention = result
    return [out, *(attention.csr() if case.is_adj else attention)]


def record(case):
    """All tensors of a layer or model case."""
    graph = GRAPHS[case.graph]
    size = [graph.num_src, graph.num_dst]
    inputs = make_inputs(case)
    module = build(case)
    randomize(module, case)
    tensors = {f"param.{key}": value.clone() for key, value in module.state_dict().items()}
    outputs, grads = differentiate(
        case, inputs, lambda leaves: forward(module.double(), case, leaves, size)
    )
    for key, parameter in module.named_parameters():
        grad = parameter.grad
        grads[f"grad.param.{key}"] = torch.zeros_like(parameter) if grad is None else grad
    return size, tensors | outputs | grads


def record_pool(case):
    """All tensors of a pooling case."""
    batch, size = BATCHES[case.graph]
    inputs = {"x": normal(case.rng("x"), 12, F_IN)}
    if batch is not None:
        inputs["batch"] = torch.tensor(batch)
    function = POOLS[case.conv]
    outputs, grads = differentiate(
        case, inputs, lambda leaves: [function(leaves["x"], leaves.get("batch"), size)]
    )
    return size, outputs | grads


def differentiate(case, inputs, function):
    """Runs `function` in float64 on the inputs and back from random cotangents."""
    leaves = {
        name: value.double().requires_grad_() if value.is_floating_point() else value
        for name, value in inputs.items()
    }
    outputs = {f"out.{i}": value for i, value in enumerate(function(leaves))}
    cotangents, loss = {}, 0.0
    for name, value in outputs.items():
        if value.is_floating_point():
            cot = name.replace("out", "cot")
            cotangents[cot] = normal(case.rng(cot), *value.shape)
            loss = loss + (value * cotangents[cot]).sum()
    loss.backward()

    grads = {}
    for name, leaf in leaves.items():
        if leaf.is_floating_point():
            grads[f"grad.in.{name}"] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return {f"in.{name}": value for name, value in inputs.items()} | outputs | cotangents, grads


# Files -------------------------------------------------------------------------------------------


def versions():
    import torch_scatter
    import torch_sparse

    return {
        "numpy": np.__version__,
        "torch": release(torch.__version__),
        "torch_geometric": torch_geometric.__version__,
        "torch_scatter": release(torch_scatter.__version__),
        "torch_sparse": release(torch_sparse.__version__),
    }


def release(version):
    return version.split("+")[0]


def describe(case, size):
    return {
        "conv": case.conv,
        "kwargs": case.kwargs,
        "variant": case.variant,
        "graph": case.graph,
        "config": case.config,
        "size": size,
        "pyg": torch_geometric.__version__,
        "torch": release(torch.__version__),
    }


def stored(tensor):
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous().clone()


def generate(output):
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob("*.safetensors"):
        old.unlink()
    files, names = [], set()
    for case in all_cases():
        assert case.name not in names, f"two cases are called {case.name}"
        names.add(case.name)
        size, tensors = (record_pool if case.conv in POOLS else record)(case)
        tensors = {name: stored(tensor) for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            assert torch.isfinite(tensor).all(), f"{case.name}: {name} is not finite"
        described = describe(case, size)
        file = f"{case.name}.safetensors"
        # One entry of metadata only: safetensors writes several in arbitrary order.
        save_file(tensors, output / file, {"case": json.dumps(described)})
        files.append({"file": file, "case": described})
        if case.name == STATE_DICT_CASE:
            state = build(case).state_dict()
            for key in state:
                state[key] = tensors[f"param.{key}"]
            torch.save(state, output / f"{STATE_DICT_STEM}.pt")
            save_file(dict(state), output / f"{STATE_DICT_STEM}.safetensors")
    manifest = {
        "generator": "generate.py",
        "versions": versions(),
        "seed": SEED,
        "adjacency": "torch_sparse.SparseTensor",
        "state_dicts": [
            {
                "pt": f"{STATE_DICT_STEM}.pt",
                "safetensors": f"{STATE_DICT_STEM}.safetensors",
                "expected": f"{STATE_DICT_CASE}.safetensors",
            }
        ],
        "files": files,
    }
    (output / "manifest.json").write_text(dump_manifest(manifest))
    total = sum(path.stat().st_size for path in output.iterdir())
    print(f"{len(files)} cases, {total / 1e6:.2f} MB in {output}")


def dump_manifest(manifest):
    """JSON with one line for each file, so that a change reads well in a diff."""
    head = {key: value for key, value in manifest.items() if key != "files"}
    lines = ",\n".join(f"    {json.dumps(entry)}" for entry in manifest["files"])
    return f'{json.dumps(head, indent=2)[:-2]},\n  "files": [\n{lines}\n  ]\n}}\n'


# State dicts written by Kiln ---------------------------------------------------------------------


def check_state_dicts(directory, data):
    """Loads each `<case>.safetensors` into the PyG class of that case and compares out.0."""
    paths, failed = sorted(directory.glob("*.safetensors")), 0
    for path in paths:
        try:
            check_state_dict(path, data / path.name)
            print(f"ok      {path.stem}")
        except Exception as error:  # report every file, whatever is wrong with it
            failed += 1
            print(f"FAILED  {path.stem}: {error}")
    if not paths:
        print(f"no .safetensors files in {directory}")
    print(f"{len(paths) - failed} of {len(paths)} state dicts agree with PyG")
    return bool(paths) and failed == 0


def check_state_dict(path, fixture):
    if not fixture.exists():
        raise ValueError("there is no case of this name")
    with safe_open(fixture, "pt") as file:
        described = json.loads(file.metadata()["case"])
    tensors = load_file(fixture)
    case = Case(*(described[key] for key in ("conv", "variant", "graph", "config", "kwargs")))
    inputs = {
        name.removeprefix("in."): value.double() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith("in.")
    }
    module = build(case)
    module.load_state_dict(load_file(path), strict=True)
    with torch.no_grad():
        out = forward(module.double(), case, inputs, described["size"])[0]
    torch.testing.assert_close(out.float(), tensors["out.0"], rtol=1e-5, atol=1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=HERE / "data", metavar="DIR")
    parser.add_argument("--check-state-dicts", type=Path, metavar="DIR")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="torch_sparse")
    compile_layers()
    if args.check_state_dicts:
        sys.exit(0 if check_state_dicts(args.check_state_dicts, HERE / "data") else 1)
    generate(args.output)


if __name__ == "__main__":
    main()
