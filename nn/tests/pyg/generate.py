#!/usr/bin/env python3
"""Reference outputs and gradients of PyTorch Geometric, as compressed safetensors fixtures.

    python generate.py                          rewrite data/
    python generate.py GCNConv GATConv          only the files of these
    python generate.py --output DIR             write somewhere else, for instance to compare
    python generate.py --check-state-dicts DIR  do state dicts written by Kiln work in PyG?

Each file holds the cases of one layer, model or pooling function: arguments, a graph, and a variant of
`forward`. The cases are in `cases`, one module per layer. Tensors have these names behind that of their
case and a slash:

    param.<key>                    state_dict entry: PyG's names and layouts
    in.x                           node features [N, F] or [N, L, F], in `ids` variants numbers [N], in
                                   `none` variants absent; or, for a pair,
    in.x_src, in.x_dst             those of sources and targets; in.x_dst is absent where it is None
    in.edge_index                  [2, E] (source, target), in no particular order; of hypergraphs
                                   in.hyperedge_index (node, hyperedge)
    in.rowptr, in.col, in.value    instead of it in `adj` variants: the transposed adjacency as CSR,
                                   rows are targets, columns are sources; in.value is optional
    in.edge_weight, in.edge_attr   [E] and [E, D]; with `adj` in the order of the CSR entries
    in.edge_type                   [E], numbers of relations, in the same order
    in.hyperedge_weight, in.hyperedge_attr  [M] and [M, F]
    in.pos_edge_index, in.neg_edge_index, or in.pos_edge_index.rowptr and so on: edges of both signs
    in.lambda_max                  the largest eigenvalue of the Laplacian, of each graph in in.batch
    in.batch                       the graph of each node, absent where it is None
    in.type_vec, in.type_ptr       norms: the type of each node, or where each type starts
    in.msg                         MessageNorm: the message of each node, [N, D]
    in.index                       aggregations: the group of each row
    in.adj, in.mask, in.s          dense graphs: matrices [B, N, N], which nodes are there [B, N], and scores
                                   of clusters [B, N, C]
    in.attn                        features that scores are computed from [N, F]
    in.M.rowptr, in.M.col, in.M.value  PANPooling: the matrix, as an adjacency
    out.0                          the result
    out.1, out.2                   `attention`: returned edge index and coefficients [E', H]
    out.1, out.2, out.3            `adj_attention`, and always of PANConv: returned matrix as rowptr,
                                   col, value [E', H] or [E']
    cot.<i>                        random cotangents of the real-valued outputs
    grad.in.<name>                 gradient of sum_i(sum(out.<i> * cot.<i>)), by real-valued input
    grad.param.<key>               and by trainable parameter; zeros where PyG has no gradient

Inputs and parameters are float32. PyG computes with them in float64, and what it returns is rounded
to float32 once, so a fixture is accurate to the last bit or so. All randomness comes from numpy,
seeded by the name of the case: adding a case changes no other.

The metadata entry `cases` says the rest as JSON, by case: `conv` (name of the class or function), `kwargs`
(of its constructor; `conv` and `phi` have the `class` of a convolution and its arguments, `nn` of GINConv lists the widths of Linear, ReLU, Linear), `variant`, `graph`,
`config`, `size` ([N_src, N_dst], with the number of graphs behind in `batch` variants; or the number of
graphs for pooling and of groups for aggregations) and versions. Pairs with an
edge index pass `size` to forward; it is what tells PyG the number of targets without in.x_dst.

One state_dict is also stored on its own, as torch.save and as plain safetensors write it.
"""

import argparse
import gzip
import importlib
import inspect
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch_geometric
from cases import GRAPHS, SEED, all_cases
from cases.aggr import GROUPS
from cases.aggr import WIDTH as GROUP_WIDTH
from cases.common import F_EDGE, F_IN, NUM_LAYERS, SMALL_IN, Case
from cases.pool import BATCHES, POOLS
from cases.wl_conv import NUM_COLORS
from torch_geometric import nn
from torch_geometric.nn.resolver import activation_resolver

HERE = Path(__file__).resolve().parent

# The case whose state_dict is also stored as PyTorch and plain safetensors files.
STATE_DICT_CASE = "SAGEConv-edge_index-plain-default"
STATE_DICT_STEM = "sage_state_dict"

# Widths of features and numbers of clusters of dense graphs, and of small ones.
DENSE_WIDTHS = ((F_IN, 3), (SMALL_IN, 2))

# Of the files of cases: safetensors, compressed.
EXTENSION = ".safetensors.gz"


# Inputs and parameters ---------------------------------------------------------------------------


def normal(rng, *shape):
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


def uniform(rng, low, high, *shape):
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))


def integers(rng, low, high, *shape):
    return torch.from_numpy(rng.integers(low, high, shape))


def make_inputs(case):
    """The `in.*` tensors of a layer or model."""
    graph, inputs = GRAPHS[case.graph], {}

    def features(name, rows, width):
        rng = case.rng(name)
        positive = "positive" in case.inputs
        return uniform(rng, 0.5, 1.5, rows, width) if positive else normal(rng, rows, width)

    if case.has_ids:
        # Numbers of embeddings in place of features.
        def features(name, rows, width):
            # This layer takes the place of a source for its number.
            if case.conv == "FastRGCNConv" and name != "x_dst":
                return torch.arange(rows)
            return integers(case.rng(name), 0, width, rows)

    if case.is_dense:
        return make_dense(case)
    if case.variant == "types":
        rows, types = (graph.num_src, case.kwargs["num_types"]) if graph.num_edges else (5, 2)
        type_vec = integers(case.rng("type_vec"), 0, types, rows)
        return {"x": normal(case.rng("x"), rows, case.kwargs["in_channels"]), "type_vec": type_vec}
    arguments = case.kwargs | (case.kwargs.get("conv") or {}) | (case.kwargs.get("phi") or {})
    widths = arguments.get("in_channels", arguments.get("channels", F_IN))
    width_src, width_dst = widths if isinstance(widths, list) else (widths, widths)
    if case.kwargs.get("first_aggr") is False:
        width_src, width_dst = 2 * width_src, 2 * width_dst
    if case.is_pair:
        inputs["x_src"] = features("x_src", graph.num_src, width_src)
        if "no_dst" not in case.inputs:
            inputs["x_dst"] = features("x_dst", graph.num_dst, width_dst)
    elif "layers" in case.inputs:
        x = features("x", graph.num_src * NUM_LAYERS, width_src)
        inputs["x"] = x.reshape(-1, NUM_LAYERS, width_src)
    elif not case.is_without_nodes:
        inputs["x"] = features("x", graph.num_src, width_src)

    if "x_0" in case.inputs:
        inputs["x_0"] = features("x_0", graph.num_src, width_src)
    if "batch" in case.inputs:
        inputs["batch"] = torch.tensor(graphs_of(graph.num_src))
    if case.variant.startswith("nodes"):
        return inputs | make_node_inputs(case, graph)
    if "attn" in case.inputs:
        inputs["attn"] = features("attn", graph.num_src, width_src)
    if case.conv == "SignedConv":
        # As many negative edges as half of the positive ones, between other nodes.
        count = (graph.num_edges + 1) // 2
        negative = replace(graph, src=graph.src[:count], dst=np.roll(graph.dst, 1).tolist()[:count])
        for name, edges in (("pos_edge_index", graph), ("neg_edge_index", negative)):
            inputs |= make_edges(case, edges, name, f"{name}.")
    else:
        name = edges_name(getattr(nn, case.conv))
        inputs |= make_edges(case, graph, name, "M." if name == "M" else "")

    for name in ("value", "edge_weight"):
        if name in case.inputs:
            key = "M.value" if case.conv == "PANPooling" else name
            inputs[key] = uniform(case.rng(name), 0.3, 1.8, graph.num_edges)
    if "hyperedge_weight" in case.inputs:
        weight = uniform(case.rng("hyperedge_weight"), 0.3, 1.8, graph.num_dst)
        inputs["hyperedge_weight"] = weight
    if "hyperedge_attr" in case.inputs:
        inputs["hyperedge_attr"] = normal(case.rng("hyperedge_attr"), graph.num_dst, width_src)
    if "edge_attr" in case.inputs:
        inputs["edge_attr"] = normal(case.rng("edge_attr"), graph.num_edges, F_EDGE)
    if "node_wide_edge_attr" in case.inputs:
        inputs["edge_attr"] = normal(case.rng("edge_attr"), graph.num_edges, width_src)
    if "edge_type" in case.inputs:
        rng, relations = case.rng("edge_type"), arguments.get("num_relations", 1)
        beyond = 1 if "unknown_types" in case.inputs else 0
        inputs["edge_type"] = integers(rng, -beyond, relations + beyond, graph.num_edges)
    if "lambda_max" in case.inputs:
        graphs = 3 if "batch" in case.inputs else 1
        inputs["lambda_max"] = uniform(case.rng("lambda_max"), 1.5, 2.5, graphs)
    return inputs


def graphs_of(nodes):
    """The graph of each of the nodes, in order; there are three."""
    return [node * 3 // nodes for node in range(nodes)]


def make_node_inputs(case, graph):
    """What norms take besides features."""
    inputs, types = {}, case.kwargs.get("num_types")
    if "msg" in case.inputs:
        inputs["msg"] = normal(case.rng("msg"), graph.num_src, F_EDGE)
    if case.variant == "nodes_type_ptr":
        ends = np.sort(case.rng("type_ptr").integers(0, graph.num_src + 1, types - 1))
        inputs["type_ptr"] = torch.tensor([0, *ends.tolist(), graph.num_src])
    elif types:
        inputs["type_vec"] = integers(case.rng("type_vec"), 0, types, graph.num_src)
    if case.variant.startswith("nodes_batch"):
        order = case.rng("batch").permutation(graph.num_src)
        inputs["batch"] = torch.tensor(graphs_of(graph.num_src))[torch.from_numpy(order)]
    return inputs


def make_dense(case):
    """The `in.*` tensors of a batch of two dense graphs: the case's, and its reverse with an edge more."""
    graph, (channels, clusters) = GRAPHS[case.graph], DENSE_WIDTHS[case.graph == "nonfinite"]
    nodes = graph.num_src
    adj = torch.zeros(2, nodes, nodes)
    adj[0, graph.dst, graph.src] = 1.0
    adj[1, graph.src, graph.dst] = 1.0
    adj[1, 0, nodes - 1] = 1.0
    if "edge_weight" in case.inputs:
        adj *= uniform(case.rng("adj"), 0.3, 1.8, *adj.shape)
    inputs = {"x": normal(case.rng("x"), 2, nodes, channels)}
    if case.conv != "MemPooling":
        inputs["adj"] = adj
    if "s" in case.inputs:
        inputs["s"] = normal(case.rng("s"), 2, nodes, clusters)
    if "mask" in case.inputs:
        inputs["mask"] = torch.ones(2, nodes, dtype=torch.bool)
        inputs["mask"][1, nodes // 2 :] = False
        inputs["mask"][0, 2] = False
    return inputs


def edges_name(layer):
    """What a layer calls its edges."""
    parameters = inspect.signature(layer.forward).parameters
    return next((name for name in ("hyperedge_index", "M") if name in parameters), "edge_index")


def make_groups(case, width):
    """The `in.*` tensors of an aggregation."""
    index, _ = GROUPS[case.graph]
    rng = case.rng("x")
    if "positive" in case.inputs:
        x = uniform(rng, 0.5, 1.5, len(index), width)
    elif "powers" in case.inputs:  # some below the least, some above the greatest
        x = 3.0 * normal(rng, len(index), width).abs() + 0.1
        x[::5], x[1::7] = -0.5, 120.0
    else:
        x = normal(rng, len(index), width)
    if "ties" in case.inputs:
        x = x.round() + 0.25  # PyTorch loses gradients of extrema that are 0
    return {"x": x, "index": torch.tensor(index)}


def make_edges(case, graph, name, prefix):
    """Edges in the form of the case."""
    src = torch.tensor(graph.src, dtype=torch.int64)
    dst = torch.tensor(graph.dst, dtype=torch.int64)
    if not case.is_adj:
        return {name: torch.stack([src, dst])}
    # Sorted by target, then by source. Equal entries stay separate.
    order = torch.from_numpy(np.lexsort((graph.src, graph.dst)).astype(np.int64))
    counts = torch.bincount(dst, minlength=graph.num_dst)
    rowptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    return {f"{prefix}rowptr": rowptr, f"{prefix}col": src[order]}


# What stands for a lambda in the modules of Sequential.
LAMBDAS = {
    "add": lambda *xs: sum(xs),
    "cat": lambda *xs: torch.cat(xs, dim=-1),
    "list": lambda *xs: list(xs),
}


def step(form):
    """A module of Sequential: a class, or an object of class and arguments, with or without a header."""
    if isinstance(form, list):
        return (step(form[0]), *form[1:])
    kwargs = {"class": form} if isinstance(form, str) else dict(form)
    name = kwargs.pop("class")
    if name in LAMBDAS:
        return LAMBDAS[name]
    of_torch = hasattr(torch.nn, name) and (name != "LayerNorm" or "normalized_shape" in kwargs)
    found = getattr(torch.nn if of_torch else nn, name)
    return found(**kwargs) if inspect.isclass(found) else found


class Function(torch.nn.Module):
    """A function of PyG's with some of its arguments."""

    def __init__(self, function, kwargs):
        super().__init__()
        self.function, self.kwargs = function, kwargs

    def forward(self, x, adj, s, mask=None):
        return self.function(x, adj, s, mask, **self.kwargs)


def build(case):
    """The PyG module in evaluation mode."""
    kwargs = dict(case.kwargs)
    if inspect.isfunction(getattr(nn, case.conv)):
        return Function(getattr(nn, case.conv), kwargs).eval()
    for name in ("conv", "phi"):
        if kwargs.get(name):  # a convolution inside another layer
            inner = dict(kwargs[name])
            kwargs[name] = getattr(nn, inner.pop("class"))(**inner)
    if "modules" in kwargs:
        kwargs["modules"] = [step(module) for module in kwargs["modules"]]
    if kwargs.get("GNN"):  # a class, and its arguments beside those of the layer
        inner = dict(kwargs["GNN"])
        kwargs |= {"GNN": getattr(nn, inner.pop("class"))} | inner
    if kwargs.get("edge_score_method"):
        method = f"compute_edge_score_{kwargs['edge_score_method']}"
        kwargs["edge_score_method"] = getattr(nn.EdgePooling, method)
    if "deg" in kwargs:
        kwargs["deg"] = torch.tensor(kwargs["deg"])
    for name in ("nn", "gate_nn", "local_nn", "global_nn"):
        if not kwargs.get(name):
            continue
        layers = []
        for d_in, d_out in zip(kwargs[name], kwargs[name][1:]):
            layers += [torch.nn.ReLU()] * bool(layers) + [torch.nn.Linear(d_in, d_out)]
        kwargs[name] = torch.nn.Sequential(*layers)
    for name in ("in_channels", "channels"):
        if isinstance(kwargs.get(name), list) and case.conv != "DMoNPooling":
            kwargs[name] = tuple(kwargs[name])
    if case.conv.endswith("Conv") and kwargs.get("act"):
        kwargs["act"] = activation_resolver(kwargs["act"])
    if isinstance(kwargs.get("fill_value"), list):
        kwargs["fill_value"] = torch.tensor(kwargs["fill_value"])
    found = getattr(nn, case.conv)
    if found is nn.Sequential:
        found = type(case.conv, (found,), {})  # an instance changes its class
    return found(**kwargs).eval()


def randomize(module, case):
    """Gives every parameter and statistic a value that a wrong implementation would notice."""
    state = module.state_dict()
    parameters = {key for key, _ in module.named_parameters()}
    for key, tensor in state.items():
        rng = case.rng(key)
        if key.endswith("running_var"):
            tensor.copy_(uniform(rng, 0.5, 2.0, *tensor.shape))
        elif key.endswith("num_batches_tracked"):
            tensor.fill_(3)
        elif key in parameters and (key.split(".")[-1] == "p" or "avg_deg" in key):
            tensor.copy_(uniform(rng, 0.6, 2.5, *tensor.shape))  # a power, a mean number
        elif key in parameters or key.endswith("running_mean"):
            # Features of PNA grow from layer to layer.
            scale = 0.2 if case.conv == "PNA" else 0.5
            tensor.copy_(scale * normal(rng, *tensor.shape))
        # What is left is GINConv's fixed eps, which the constructor has set.
    module.load_state_dict(state)


def differentiable_products():
    """Gives products of sparse matrices the gradients that torch_sparse leaves out: it reads the
    values of a product by `_values`, which has none."""
    from torch_sparse import SparseTensor

    def product(src, other):
        out = torch.sparse.mm(src.to_torch_sparse_coo_tensor(), other.to_torch_sparse_coo_tensor())
        (row, col), value = out.coalesce().indices(), out.coalesce().values()
        sizes = (src.size(0), other.size(1))
        return SparseTensor(row=row, col=col, value=value, sparse_sizes=sizes, is_sorted=True)

    # The package has a function of the module's name.
    importlib.import_module("torch_sparse.matmul").spspmm_sum = product


class Matrix:
    """A sparse matrix as a dense one, with the places of its entries: PyTorch's products of sparse
    matrices have no gradients."""

    def __init__(self, value, there):
        self.value, self.there = value, there

    @classmethod
    def of(cls, edge_index, edge_attr=None, size=None):
        there = torch.zeros(size, dtype=torch.bool)
        there[edge_index[0], edge_index[1]] = True
        if edge_attr is None:
            return cls(there.double(), there)
        zeros = torch.zeros(size, dtype=edge_attr.dtype)
        return cls(zeros.index_put((edge_index[0], edge_index[1]), edge_attr, accumulate=True), there)

    def index_select(self, dim, index):
        return Matrix(self.value.index_select(dim, index), self.there.index_select(dim, index))

    def to_sparse_csr(self):
        return self

    def t(self):
        return Matrix(self.value.t(), self.there.t())

    def size(self, dim):
        return self.value.size(dim)

    def __matmul__(self, other):
        both = self.there.unsqueeze(2) & other.there.unsqueeze(0)
        # Places without an entry multiply nothing.
        left = torch.where(both, self.value.unsqueeze(2), 0.0)
        right = torch.where(both, other.value.unsqueeze(0), 0.0)
        return Matrix((left * right).sum(1), both.any(1))

    def entries(self):
        return self.there.nonzero().t(), self.value[self.there]


def stable_order():
    """Has EdgePooling contract edges with equal scores in their order, which PyG leaves open."""
    argsort = torch.argsort
    torch.argsort = lambda x, descending: argsort(x, descending=descending, stable=True)


def differentiable_coarsening():
    """Gives ASAPooling products with gradients."""
    asap = importlib.import_module("torch_geometric.nn.pool.asap")
    asap.to_torch_csr_tensor = asap.to_torch_coo_tensor = Matrix.of
    asap.to_edge_index = Matrix.entries


def compile_layers():
    """Has PyG compile each layer for its default aggregation.

    It does so for the first instance of a class. Were that one without a fused path, as one with
    aggr="mul" is, later ones could not use theirs.
    """
    seen = set()
    for case in all_cases():
        if case.conv not in seen | set(POOLS):
            seen.add(case.conv)
            build(case)  # the first one of a layer has its defaults


# Running PyG -------------------------------------------------------------------------------------

# Inputs that are not passed under their own names.
NODES_AND_EDGES = {"x", "x_src", "x_dst", "edge_index", "hyperedge_index", "rowptr", "col", "value"}

# Input that PyG takes from the values of a matrix.
VALUES = {"PDNConv": "edge_attr", "RGCNConv": "edge_type", "FastRGCNConv": "edge_type", "FiLMConv": "edge_type"}


def forward(module, case, inputs, size):
    """Calls PyG in the variant of the case; returns `out.*` in order."""
    args = {
        name: value
        for name, value in inputs.items()
        if name not in NODES_AND_EDGES and not name.startswith(("pos_edge_index", "neg_edge_index", "M."))
    }
    if case.variant.endswith("_batch"):
        parameters = inspect.signature(module.forward).parameters
        args["dim_size" if "dim_size" in parameters else "batch_size"] = size[2]
    if case.variant.startswith("nodes"):
        return [module(inputs["x"], **args)]
    if case.variant == "index":
        return [module(inputs["x"], inputs["index"], dim_size=size)]
    if case.variant == "types":
        return [module(inputs["x"], inputs["type_vec"])]
    if case.is_dense:
        if case.variant.endswith("_no_loop"):
            args["add_loop"] = False
        result = module(inputs["x"], **args)
        # Kiln has no tensors without axes.
        return [out if out.dim() else out.reshape(1) for out in as_tuple(result)]
    value = VALUES.get(case.conv, "value")
    if case.is_adj and value == "edge_type":
        args.pop(value, None)
    if case.conv == "SignedConv":
        edges = {
            name: edges_of(case, inputs, size, name, f"{name}.", None)
            for name in ("pos_edge_index", "neg_edge_index")
        }
    else:
        name = edges_name(module)
        prefix = "M." if name == "M" else ""
        edges = {name: edges_of(case, inputs, size, name, prefix, inputs.get(f"{prefix}{value}"))}
    if case.is_pair:
        x = (inputs["x_src"], inputs.get("x_dst"))
        if not case.is_adj and "size" in inspect.signature(module.forward).parameters:
            args["size"] = tuple(size)
    else:
        x = inputs.get("x")
    if case.wants_attention:
        args["return_attention_weights"] = True

    if isinstance(module, nn.Sequential):
        names = module.signature.param_dict
        args |= {name: None for name in names if name not in args and name not in NODES_AND_EDGES}
    if "num_edges" in inspect.signature(module.forward).parameters:
        args["num_edges"] = size[1]
    # PANConv makes numbers of the default type.
    torch.set_default_dtype(next((p.dtype for p in module.parameters()), torch.float32))
    result = module(x, **edges, **args)
    torch.set_default_dtype(torch.float32)
    if case.kwargs.get("cached"):
        result = module(x, **edges, **args)  # from the cache
    if case.conv.endswith("Pooling"):
        return [part for part in flat(result) if part is not None]
    if not isinstance(result, tuple):
        return [result]
    out, more = result  # the attention, or a matrix
    return [out, *(more if isinstance(more, tuple) else more.csr())]


def flat(result):
    """The parts of a result in order."""
    return [part for item in result for part in flat(item)] if isinstance(result, tuple) else [result]


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def edges_of(case, inputs, size, name, prefix, value):
    """Edges as PyG takes them."""
    if not case.is_adj:
        return inputs[name]
    from torch_sparse import SparseTensor

    return SparseTensor(
        rowptr=inputs[f"{prefix}rowptr"],
        col=inputs[f"{prefix}col"],
        value=value,
        sparse_sizes=(size[1], size[0]),
        is_sorted=True,
        trust_data=True,
    )


def trainable(module):
    """Names and parameters that have gradients."""
    return [(key, parameter) for key, parameter in module.named_parameters() if parameter.requires_grad]


def record(case):
    """All tensors of a layer, model or aggregation case."""
    if case.variant == "index":
        inputs, size = make_groups(case, GROUP_WIDTH), GROUPS[case.graph][1]
    else:
        graph = GRAPHS[case.graph]
        size = sizes(case, graph)
        inputs = make_inputs(case)
    module = build(case)
    randomize(module, case)
    tensors = {f"param.{key}": value.clone() for key, value in module.state_dict().items()}
    outputs, grads = differentiate(
        case, inputs, lambda leaves: forward(module.double(), case, leaves, size)
    )
    for key, parameter in trainable(module):
        grad = parameter.grad
        grads[f"grad.param.{key}"] = torch.zeros_like(parameter) if grad is None else grad
    return size, tensors | outputs | grads


def sizes(case, graph):
    """Numbers of source and target nodes, and of graphs, the last of which has no nodes."""
    graphs = [4] if case.variant.endswith("_batch") else []
    return [graph.num_src, graph.num_dst, *graphs]


def record_pool(case):
    """All tensors of a pooling case."""
    batch, size = BATCHES[case.graph]
    inputs = {"x": normal(case.rng("x"), 12, F_IN)}
    if batch is not None:
        inputs["batch"] = torch.tensor(batch)
    function = getattr(nn, case.conv)
    outputs, grads = differentiate(
        case, inputs, lambda leaves: [function(leaves["x"], leaves.get("batch"), size)]
    )
    return size, outputs | grads


def record_colors(case):
    """All tensors of a case: the colours of three rounds, and the histograms of the last one."""
    graph, conv = GRAPHS[case.graph], nn.WLConv()
    size, nodes = [graph.num_src, graph.num_dst], graph.num_src
    inputs = make_edges(case, graph, "edge_index", "")
    edges = edges_of(case, inputs, size, "edge_index", "", None)
    inputs["x"] = x = integers(case.rng("x"), 0, NUM_COLORS, nodes)
    inputs["batch"] = batch = torch.arange(nodes) * 2 // nodes
    outputs = []
    for _ in range(3):
        x = conv(x, edges)
        outputs.append(x)
    one_hot = torch.nn.functional.one_hot(inputs["x"], NUM_COLORS).float()
    assert conv(one_hot, edges).equal(outputs[0])
    outputs += [conv.histogram(x), conv.histogram(x, batch), conv.histogram(x, batch, norm=True)]
    tensors = {f"out.{number}": value for number, value in enumerate(outputs)}
    return size, {f"in.{name}": value for name, value in inputs.items()} | tensors


def recorder(case):
    """What records a case."""
    if case.conv == "WLConv":
        return record_colors
    return record_pool if case.conv in POOLS else record


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
    if torch.is_tensor(loss) and loss.requires_grad:  # without edges the result can depend on nothing
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


def save(path, cases):
    """Writes cases to one file: by name, their description and their tensors."""
    described = {name: case for name, (case, _) in cases.items()}
    tensors = {
        f"{name}/{key}": stored(tensor)
        for name, (_, tensors) in cases.items()
        for key, tensor in tensors.items()
    }
    # One entry of metadata only: safetensors writes several in arbitrary order.
    data = safetensors.torch.save(tensors, {"cases": json.dumps(described)})
    path.write_bytes(gzip.compress(data, mtime=0))


def load(path):
    """What `save` wrote."""
    data = gzip.decompress(path.read_bytes())
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    described = json.loads(header["__metadata__"]["cases"])
    cases = {name: (case, {}) for name, case in described.items()}
    for key, tensor in safetensors.torch.load(data).items():
        name, key = key.split("/", 1)
        cases[name][1][key] = tensor
    return cases


def generate(output, only):
    output.mkdir(parents=True, exist_ok=True)
    manifest = output / "manifest.json"
    files = {}
    if only:
        before = json.loads(manifest.read_text())
        assert before["versions"] == versions(), f"the other files are of {before['versions']}"
        files = before["files"]
    found = {}
    for case in all_cases():
        if only and case.conv not in only:
            continue
        cases = found.setdefault(case.conv, {})
        assert case.name not in cases, f"two cases are called {case.name}"
        size, tensors = recorder(case)(case)
        for name, tensor in tensors.items():
            assert torch.isfinite(tensor).all(), f"{case.name}: {name} is not finite"
        cases[case.name] = (describe(case, size), tensors)
        if case.name == STATE_DICT_CASE:
            state = build(case).state_dict()
            for key in state:
                state[key] = stored(tensors[f"param.{key}"])
            torch.save(state, output / f"{STATE_DICT_STEM}.pt")
            safetensors.torch.save_file(dict(state), output / f"{STATE_DICT_STEM}.safetensors")
    missing = only - found.keys()
    assert not missing, f"there are no cases of {', '.join(sorted(missing))}"
    for old in output.glob(f"*{EXTENSION}"):
        if not only and old.name.removesuffix(EXTENSION) not in found:
            old.unlink()
    for conv, cases in found.items():
        save(output / f"{conv}{EXTENSION}", cases)
        files[conv] = len(cases)
        print(f"{conv}: {len(cases)} cases")
    described = {
        "generator": "generate.py",
        "versions": versions(),
        "seed": SEED,
        "adjacency": "torch_sparse.SparseTensor",
        "files": dict(sorted(files.items())),
    }
    manifest.write_text(json.dumps(described, indent=2) + "\n")
    total = sum(path.stat().st_size for path in output.iterdir())
    print(f"{total / 1e6:.2f} MB in {output}")


# State dicts written by Kiln ---------------------------------------------------------------------


def check_state_dicts(directory, data):
    """Loads each `<case>.safetensors` into the PyG class of that case and compares out.0."""
    paths, failed, fixtures = sorted(directory.glob("*.safetensors")), 0, {}
    for path in paths:
        conv = path.stem.split("-")[0]
        try:
            if conv not in fixtures:
                fixtures[conv] = load(data / f"{conv}{EXTENSION}")
            check_state_dict(path, fixtures[conv])
            print(f"ok      {path.stem}")
        except Exception as error:  # report every file, whatever is wrong with it
            failed += 1
            print(f"FAILED  {path.stem}: {error}")
    if not paths:
        print(f"no .safetensors files in {directory}")
    print(f"{len(paths) - failed} of {len(paths)} state dicts agree with PyG")
    return bool(paths) and failed == 0


def check_state_dict(path, fixtures):
    if path.stem not in fixtures:
        raise ValueError("there is no case of this name")
    described, tensors = fixtures[path.stem]
    case = Case(*(described[key] for key in ("conv", "variant", "graph", "config", "kwargs")))
    inputs = {
        name.removeprefix("in."): value.double() if value.is_floating_point() else value
        for name, value in tensors.items()
        if name.startswith("in.")
    }
    module = build(case)
    module.load_state_dict(safetensors.torch.load_file(path), strict=True)
    with torch.no_grad():
        out = forward(module.double(), case, inputs, described["size"])[0]
    torch.testing.assert_close(out.float(), tensors["out.0"], rtol=1e-5, atol=1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help="classes and functions, all by default")
    parser.add_argument("--output", type=Path, default=HERE / "data", metavar="DIR")
    parser.add_argument("--check-state-dicts", type=Path, metavar="DIR")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="torch_sparse")
    differentiable_products()
    differentiable_coarsening()
    stable_order()
    compile_layers()
    if args.check_state_dicts:
        sys.exit(0 if check_state_dicts(args.check_state_dicts, HERE / "data") else 1)
    generate(args.output, set(args.only))


if __name__ == "__main__":
    main()
