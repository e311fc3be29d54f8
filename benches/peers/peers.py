"""The other side of the bench `peers`: what Kiln is compared with.

`main.rs` starts this program once and asks it over standard input and output, one JSON object a line:

    {"do": "graph", "name": .., "nodes": .., "edges": ..}  makes the graph; answers with its digest
    {"do": "prepare", "op": .., "d_input": .., ..}         builds and warms up every peer of a case
    {"do": "time", "peer": 0, "calls": 1}                  seconds that one call takes
    {"do": "copy"}                                         bytes per second of a copy
    {"do": "quit"}

Graph and features are made by formula, bit for bit as `benches/graphs/mod.rs` makes them. Peers are
what a user could pick instead: PyTorch Geometric as it comes (`edge_index`), compiled, and with its
sorted `EdgeIndex`; PyTorch's sparse matrices (MKL on a processor, cuSPARSE on a GPU); cuSPARSE
called directly; DGL; SciPy. What cannot be imported or fails is reported as such and left out.
"""

import ctypes
import gc
import json
import os
import sys
import time
import types

import numpy as np
import torch

# Libraries print; only answers may reach the real standard output.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

CHUNK = 1 << 22
SAMPLES = 64


# Graphs and features ------------------------------------------------------------------------------


def mix(x):
    """The finaliser of splitmix64, on an array of uint64 that it overwrites."""
    x *= np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def nodes(first, count, num_nodes, salt):
    """End points of the edges `first + 1 ..= first + count`; salt 0 is for sources, 1 for destinations."""
    edge = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    u = (mix(edge * np.uint64(2) + np.uint64(salt)) >> np.uint64(11)).astype(np.float64) / 2.0**53
    node = np.minimum((u * u * np.float64(num_nodes)).astype(np.int64), num_nodes - 1)
    return (node * 7919 + 13) % num_nodes if salt == 1 else node


def edges(num_nodes, num_edges):
    """`[2, E]` of int32, and a digest of it."""
    out = np.empty((2, num_edges), dtype=np.int32)
    digest = 0
    for first in range(0, num_edges, CHUNK):
        count = min(CHUNK, num_edges - first)
        src, dst = (nodes(first, count, num_nodes, salt) for salt in (0, 1))
        out[0, first : first + count] = src
        out[1, first : first + count] = dst
        number = np.arange(first + 1, first + count + 1, dtype=np.uint64)
        pair = src.astype(np.uint64) * np.uint64(num_nodes) + dst.astype(np.uint64)
        digest += int((pair * number).sum(dtype=np.uint64))
    return out, digest % 2**64


def numbers(count, salt):
    """Numbers in -0.5 .. 0.5, `[count]` of float32; each salt gives others."""
    out = np.empty(count, dtype=np.float32)
    for first in range(0, count, CHUNK):
        k = np.arange(first, min(first + CHUNK, count), dtype=np.uint64)
        bits = mix(k * np.uint64(4) + np.uint64(salt + 1)) >> np.uint64(40)
        out[first : first + len(k)] = bits.astype(np.float32) * np.float32(2.0**-24) - np.float32(0.5)
    return out


class Graph:
    """One graph in the forms that the peers take, each made when it is first asked for."""

    def __init__(self, name, num_nodes, num_edges):
        self.name, self.num_nodes, self.num_edges = name, num_nodes, num_edges
        both, self.digest = edges(num_nodes, num_edges)
        self.src32 = torch.from_numpy(both[0]).to(DEVICE)
        self.dst32 = torch.from_numpy(both[1]).to(DEVICE)
        self.made = {}

    def get(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def edge_index(self):
        return self.get("edge_index", lambda: torch.stack([self.src32, self.dst32]).long())

    def rows(self):
        """Row pointers, columns and edge numbers by destination, 32 bits wide."""

        def make():
            order = torch.argsort(self.dst32, stable=True)
            count = torch.bincount(self.dst32, minlength=self.num_nodes)
            rowptr = torch.zeros(self.num_nodes + 1, dtype=torch.int32, device=DEVICE)
            rowptr[1:] = count.cumsum(0).int()
            return rowptr, self.src32[order], order.int()

        return self.get("rows", make)

    def matrix(self, weight=None):
        """The transposed adjacency matrix as torch keeps it, compressed rows with 32-bit indices."""
        rowptr, col, order = self.rows()
        value = torch.ones(self.num_edges, device=DEVICE) if weight is None else weight[order.long()]
        size = (self.num_nodes, self.num_nodes)
        return torch.sparse_csr_tensor(rowptr, col, value, size=size, check_invariants=False)

    def sorted_index(self):
        """PyG's `EdgeIndex`, sorted, with its caches filled."""

        def make():
            from torch_geometric import EdgeIndex

            order = self.rows()[2].long()
            size = (self.num_nodes, self.num_nodes)
            data = self.edge_index()[:, order]
            return EdgeIndex(data, sparse_size=size, sort_order="col").fill_cache_()

        return self.get("sorted_index", make)

    def dgl(self):
        def make():
            graph = dgl().graph((self.src32, self.dst32), num_nodes=self.num_nodes)
            graph.create_formats_()
            return graph

        return self.get("dgl", make)


def dgl():
    """DGL, without the part of it that wants a package that is gone."""
    os.environ.setdefault("DGLBACKEND", "pytorch")
    sys.modules.setdefault("dgl.graphbolt", types.ModuleType("dgl.graphbolt"))
    import dgl

    return dgl


# Peers --------------------------------------------------------------------------------------------


class CuSparse:
    """cuSPARSE's sparse times dense product, prepared once and then only called."""

    INDEX_32, FLOAT_32, ROWS = 2, 0, 2
    ALGORITHMS = {1: 4, 2: 6, 3: 12}

    def __init__(self, graph, x, algorithm):
        self.library = ctypes.CDLL("libcusparse.so.12")
        self.keep = (*graph.rows()[:2], torch.ones(graph.num_edges, device=DEVICE), x)
        self.out = torch.empty_like(x)
        size = [ctypes.c_int64(it) for it in (graph.num_nodes, graph.num_nodes, graph.num_edges)]
        handle, a, b, c = (ctypes.c_void_p() for _ in range(4))
        pointer = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (*self.keep, self.out)]
        self.check("cusparseCreate", ctypes.byref(handle))
        index = (self.INDEX_32, self.INDEX_32, 0, self.FLOAT_32)
        self.check("cusparseCreateCsr", ctypes.byref(a), *size, *pointer[:3], *index)
        for matrix, data in ((b, pointer[3]), (c, pointer[4])):
            shape = [ctypes.c_int64(it) for it in (*x.shape, x.shape[1])]
            kind = (self.FLOAT_32, self.ROWS)
            self.check("cusparseCreateDnMat", ctypes.byref(matrix), *shape, data, *kind)
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        self.arguments = [handle, 0, 0, ctypes.byref(one), a, b, ctypes.byref(zero), c]
        self.arguments += [self.FLOAT_32, self.ALGORITHMS[algorithm]]
        length = ctypes.c_size_t()
        self.check("cusparseSpMM_bufferSize", *self.arguments, ctypes.byref(length))
        self.buffer = torch.empty(max(length.value, 1), dtype=torch.uint8, device=DEVICE)
        self.arguments.append(ctypes.c_void_p(self.buffer.data_ptr()))
        self.check("cusparseSpMM_preprocess", *self.arguments)

    def check(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name} answered {code}")

    def __call__(self):
        self.check("cusparseSpMM", *self.arguments)
        return self.out


def spmm(case, graph):
    """Sum of the neighbours' rows, weighted or not."""
    x = features(graph, case["d_input"])
    weight = None
    if case["op"] == "spmm-weighted":
        weight = torch.from_numpy(numbers(graph.num_edges, 1)).to(DEVICE)

    def torch_sparse_matrix():
        matrix = graph.matrix(weight)
        return lambda: matrix @ x

    def pyg():
        from torch_geometric.utils import scatter

        src, dst = graph.edge_index()

        def call():
            message = x.index_select(0, src)
            message = message if weight is None else message * weight.unsqueeze(1)
            return scatter(message, dst, 0, graph.num_nodes, "sum")

        return call

    def with_dgl():
        ops, data = dgl().ops, graph.dgl()
        if weight is None:
            return lambda: ops.copy_u_sum(data, x)
        column = weight.unsqueeze(1)
        return lambda: ops.u_mul_e_sum(data, x, column)

    def scipy():
        from scipy.sparse import csr_matrix

        rowptr, col, order = (it.numpy() for it in graph.rows())
        value = np.ones(len(col), dtype=np.float32) if weight is None else weight.numpy()[order]
        matrix = csr_matrix((value, col, rowptr), shape=(graph.num_nodes, graph.num_nodes))
        dense = x.numpy()
        return lambda: torch.from_numpy(matrix @ dense)

    def torch_sparse():
        from torch_sparse import SparseTensor, matmul

        rowptr, col, order = (it.long() for it in graph.rows())
        value = None if weight is None else weight[order]
        size = (graph.num_nodes, graph.num_nodes)
        matrix = SparseTensor(rowptr=rowptr, col=col, value=value, sparse_sizes=size)
        return lambda: matmul(matrix, x)

    yield "torch.sparse", torch_sparse_matrix
    if CUDA and weight is None:
        for algorithm in CuSparse.ALGORITHMS:
            yield f"cuSPARSE {algorithm}", lambda which=algorithm: CuSparse(graph, x, which)
    if not CUDA:
        yield "DGL", with_dgl
        yield "SciPy", scipy
    yield "torch_sparse", torch_sparse
    yield "PyG", pyg


def layer(case, graph):
    """A convolution of PyG, with each form of edges that it takes."""
    from torch_geometric import nn

    d_input, d_output, op = case["d_input"], case["d_output"], case["op"]
    torch.manual_seed(0)
    if op in ("gcn", "gcn-cached", "gcn-replay"):
        module = nn.GCNConv(d_input, d_output, cached=op != "gcn")
    elif op == "sage":
        module = nn.SAGEConv(d_input, d_output)
    elif op == "gin":
        linear = torch.nn.Linear
        inner = (linear(d_input, d_output), torch.nn.ReLU(), linear(d_output, d_output))
        module = nn.GINConv(torch.nn.Sequential(*inner))
    else:
        module = nn.GATConv(d_input, d_output // case["heads"], heads=case["heads"])
    torch.save(module.state_dict(), case["state"])
    module = module.to(DEVICE)
    x = features(graph, d_input)

    def with_edges(edges, compiled=False):
        if op in ("gcn-cached", "gcn-replay"):
            module.reset_parameters()  # forgets the cache, which is of other edges
            module.load_state_dict(torch.load(case["state"], map_location=DEVICE))
        call = torch.compile(module, dynamic=False) if compiled else module
        if not case["training"]:
            return lambda: call(x, edges)
        leaf = x.detach().requires_grad_()
        ones = torch.ones(graph.num_nodes, d_output, device=DEVICE)

        def step():
            leaf.grad = None
            module.zero_grad(set_to_none=True)
            call(leaf, edges).backward(ones)
            return leaf.grad

        return step

    def replayed(call):
        """The same as a CUDA graph: every launch noted once, and repeated at one command."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = call()

        def replay():
            graph.replay()
            return out

        return replay

    def with_torch_sparse():
        from torch_sparse import SparseTensor

        rowptr, col = (it.long() for it in graph.rows()[:2])
        size = (graph.num_nodes, graph.num_nodes)
        return with_edges(SparseTensor(rowptr=rowptr, col=col, sparse_sizes=size))

    yield "PyG", lambda: with_edges(graph.edge_index())
    if CUDA and op == "gcn-replay":
        yield "PyG CUDA graph", lambda: replayed(with_edges(graph.edge_index()))
    if CUDA:
        yield "PyG compiled", lambda: with_edges(graph.edge_index(), compiled=True)
    # A cache keeps what it was first called with, so a cached layer is measured with one form.
    if op not in ("gcn-cached", "gcn-replay"):
        yield "PyG EdgeIndex", lambda: with_edges(graph.sorted_index())
        # On a processor torch 2.13 gets the gradient of a mean wrong for such a matrix.
        if op == "gin" or op == "sage" and (CUDA or not case["training"]):
            yield "PyG torch.sparse", lambda: with_edges(graph.matrix())
        yield "PyG torch_sparse", with_torch_sparse


def softmax(case, graph):
    """Softmax of the scores of a node's edges, by heads."""
    from torch_geometric import utils

    heads, dst = case["heads"], graph.edge_index()[1]
    scores = torch.from_numpy(numbers(graph.num_edges * heads, 2)).reshape(-1, heads).to(DEVICE)

    def with_dgl():
        edge_softmax, data = dgl().ops.edge_softmax, graph.dgl()
        return lambda: edge_softmax(data, scores)

    def compiled():
        call = torch.compile(utils.softmax, dynamic=False)
        return lambda: call(scores, dst, num_nodes=graph.num_nodes)

    yield "PyG", lambda: lambda: utils.softmax(scores, dst, num_nodes=graph.num_nodes)
    if CUDA:
        yield "PyG compiled", compiled
    else:
        yield "DGL", with_dgl


def sort(_case, graph):
    """The permutation that sorts the edges by destination."""
    dst = graph.edge_index()[1]
    yield "torch.argsort", lambda: lambda: torch.argsort(dst, stable=True)
    yield "torch.argsort 32", lambda: lambda: torch.argsort(graph.dst32, stable=True)


def sample(case, graph):
    """Neighbours of neighbours of a batch of nodes; which ones is chance, so results are not compared."""
    fanouts, count = case["fanouts"], case["seeds"]
    seeds = torch.from_numpy((np.arange(count) * 7919 + 13) % graph.num_nodes)

    def pyg():
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader

        data = Data(edge_index=graph.edge_index(), num_nodes=graph.num_nodes)
        loader = NeighborLoader(data, fanouts, input_nodes=seeds, batch_size=count)
        return lambda: next(iter(loader)).n_id

    def with_dgl():
        library, data = dgl(), graph.dgl()

        def call():
            front = seeds.int()
            for fanout in fanouts:
                block = library.sampling.sample_neighbors(data, front, fanout)
                block = library.to_block(block, front)
                front = block.srcdata[library.NID]
            return front

        return call

    yield "PyG", pyg
    yield "DGL", with_dgl


PEERS = {"spmm": spmm, "spmm-weighted": spmm, "softmax": softmax, "coo-to-csr": sort, "sampling": sample}


def features(graph, width):
    x = torch.from_numpy(numbers(graph.num_nodes * width, 0))
    return x.reshape(graph.num_nodes, width).to(DEVICE)


# Measuring ----------------------------------------------------------------------------------------


def synchronize():
    if CUDA:
        torch.cuda.synchronize()


def resident(name):
    """A line of `/proc/self/status`, in bytes."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) * 1024


def give_back():
    """Gives freed memory that this process has kept back to the system."""
    ctypes.CDLL(None).malloc_trim(0)


def peak(call):
    """Memory at the worst moment of a call: on a GPU all of it, otherwise what the call added."""
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
        call()
        synchronize()
        return torch.cuda.max_memory_allocated()
    try:
        give_back()
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        before = resident("VmRSS")
        call()
        return max(resident("VmHWM") - before, 0)
    except (OSError, AttributeError, StopIteration):
        call()
        return None


def samples(out):
    """A few entries of the result, at places that `engine.rs` reads as well."""
    out = out.detach().reshape(out.shape[0], -1)
    rows, width = out.shape
    row = torch.tensor([i * (rows - 1) // (SAMPLES - 1) for i in range(SAMPLES)], device=out.device)
    picked = out[row].double().cpu()
    return [float(picked[i, i * 7 % width]) for i in range(SAMPLES)]


class Peer:
    """A peer of one case, built and warmed up."""

    def __init__(self, name, make, training):
        self.name, self.error, self.check, self.memory = name, None, None, None
        self.grad = torch.enable_grad if training else torch.no_grad
        self.cold = False
        try:
            with self.grad():
                self.call = make()
                out = self.call()
                self.check = samples(out)
                del out
                self.memory = peak(self.call)
        except torch.cuda.OutOfMemoryError:
            self.error = "out of memory"
        except ImportError as error:
            self.error = f"not installed ({error})"
        except Exception as error:  # a peer that fails is a result
            self.error = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        if self.error is not None:
            self.call = None
            clean()

    def seconds(self, calls):
        with self.grad():
            if self.cold:
                self.call()
            synchronize()
            start = time.perf_counter()
            for _ in range(calls):
                self.call()
            synchronize()
            seconds = (time.perf_counter() - start) / calls
        # Memory that lies in this process's cache is missing on the other side.
        if CUDA and torch.cuda.memory_reserved() > torch.cuda.get_device_properties(0).total_memory // 3:
            clean()
            self.cold = True
        return seconds

    def describe(self):
        return {"name": self.name, "error": self.error, "check": self.check, "memory": self.memory}


def clean():
    gc.collect()
    if CUDA:
        torch.cuda.empty_cache()
    elif hasattr(ctypes.CDLL(None), "malloc_trim"):
        give_back()


def copy():
    """Bytes per second, read and written, of the fastest of several copies."""
    source = torch.ones((1 << 28) if CUDA else (1 << 26), device=DEVICE)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(8):
        synchronize()
        start = time.perf_counter()
        target.copy_(source)
        synchronize()
        best = min(best, time.perf_counter() - start)
    del source, target
    clean()
    return 2 * 4 * ((1 << 28) if CUDA else (1 << 26)) / best


def versions():
    found = {"python": sys.version.split()[0], "torch": torch.__version__}
    import importlib.metadata as metadata

    for name in ("torch_geometric", "torch_sparse", "dgl", "scipy", "triton"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def answer(graph, peers, request):
    """Answers one request; returns the graph and peers to keep."""
    reply, do = {}, request["do"]
    if do == "graph":
        graph, peers = None, []
        clean()
        graph = Graph(request["name"], request["nodes"], request["edges"])
        reply = {"digest": str(graph.digest)}
    elif do == "prepare":
        peers = []
        clean()
        if CUDA:
            torch._dynamo.reset()  # it compiles a function for so many cases only
        makers = PEERS.get(request["op"], layer)(request, graph)
        peers = [Peer(name, make, request["training"]) for name, make in makers]
        reply = {"peers": [peer.describe() for peer in peers]}
    elif do == "time":
        reply = {"seconds": peers[request["peer"]].seconds(request["calls"])}
    elif do == "release":
        peers = []
        clean()
    elif do == "copy":
        reply = {"bytes_per_second": copy()}
    elif do == "hello":
        name = torch.cuda.get_device_name() if CUDA else None
        reply = {"versions": versions(), "gpu": name}
    return graph, peers, reply


def main():
    graph, peers = None, []
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "quit":
            break
        try:
            graph, peers, reply = answer(graph, peers, request)
        except Exception as error:  # the other side says it and stops
            reply = {"error": f"{type(error).__name__}: {error}"}
        ANSWERS.write(json.dumps(reply) + "\n")


CUDA = sys.argv[1] == "cuda"
DEVICE = torch.device("cuda" if CUDA else "cpu")
if not CUDA:
    torch.set_num_threads(int(sys.argv[2]))
torch.set_float32_matmul_precision(sys.argv[3])
if __name__ == "__main__":
    main()
