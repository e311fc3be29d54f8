#!/usr/bin/env python3
"""What PyTorch Geometric makes of NaN and infinities, as compressed safetensors fixtures.

    python nonfinite.py                 rewrite nonfinite/
    python nonfinite.py GCNConv         only the file of this layer
    python nonfinite.py --output DIR    write somewhere else, for instance to compare

Each case is a layer, model or pooling function on a small graph, run several times: in each run one
element of one input is not finite. The cases are those of `nonfinite` in the modules of `cases`, and there
is one file per class or function. Tensors are named as in `generate.py`:

    <case>/param.<key>     state_dict entry
    <case>/in.<name>       the inputs before an element is replaced
    <case>/out.<i>         results, one run below the other: the first axis is that of the runs; integers,
                           which are the same in all runs, once
    <case>/cot.<i>         cotangents, the same for all runs
    <case>/grad.<...>      kinds of the gradients, one run below the other: 0 finite, 1 NaN, 2 infinite,
                           3 negative and infinite

The metadata entry `cases` describes them as JSON: by name what `generate.py` says of a case, and `runs`,
a list of `[input, index, value]`.
"""

import argparse
import math
import warnings
from dataclasses import replace
from pathlib import Path

import torch

import generate
from cases import nonfinite_cases
from cases.common import SMALL_EDGE, SMALL_IN

HERE = Path(__file__).resolve().parent
generate.F_EDGE = SMALL_EDGE
BATCH = ([0, 0, 2, 2, 2, 3, 3], 5)

NAN, INF = math.nan, math.inf
# Elements to be replaced, by input: rows, and with what.
EDGES = {"nonfinite": (0, 2, 3, 6), "nonfinite_pair": (0, 1, 5)}
ROWS = {"x": range(7), "x_0": (0, 2), "lambda_max": (0, 1), "x_src": (0, 2, 3, 4), "x_dst": (0, 1, 2, 3)}
ROWS |= {"attn": range(7), "hyperedge_weight": (0, 2, 3), "hyperedge_attr": (0, 2, 3)}


def runs(case, inputs):
    """The elements to be replaced: `(input, index, value)`."""
    for name, tensor in inputs.items():
        if not tensor.is_floating_point():
            continue
        if case.is_dense:
            yield from dense_runs(name, tensor)
            continue
        rows = ROWS[name] if name in ROWS else EDGES[case.graph]
        for row in rows:
            if row >= len(tensor):
                continue
            # One column of several.
            index = [row] + [1] * (tensor.dim() - 1)
            # Infinities in the first rows show as much.
            infinite = (INF, -INF) if row in (0, 2) and has_infinities(case, name) else ()
            for value in (NAN, *infinite):
                yield name, index, value


def dense_runs(name, tensor):
    """The elements of dense graphs to be replaced: of the first graph, and one of the second."""
    column = tensor.shape[2] - 1
    for graph, row in ((0, 0), (0, 2), (0, 4), (1, 3), (1, 5)):
        for value in (NAN, INF, -INF) if row in (0, 3) else (NAN,):
            yield name, [graph, row, column], value
    if name == "adj":
        yield name, [0, 3, 3], NAN


def has_infinities(case, name):
    """Whether an input of a case is made infinite.

    Not where PyG's forms of a graph differ: segments of an adjacency take the lowest finite number for
    minus infinity. And not where Kiln multiplies attention vectors into the maps first, so that a score
    adds no infinities of both signs. And not for weights of LEConv, which Kiln multiplies with both terms of
    a difference. And not for weights of ASAPooling, where the order of products decides which infinities meet.
    And not for features of GMMConv, whose weights 16 bits round to 0.
    """
    if case.conv == "GMMConv":
        return name == "edge_attr"
    if case.conv in ("ASAPooling", "LEConv") and name in ("value", "edge_weight"):
        return False
    if case.conv == "TransformerConv":
        return not case.is_adj
    if not case.conv.startswith("GAT"):
        return True
    return not (case.is_adj or case.wants_attention or name == "edge_attr")


def kinds(tensor):
    """0 where an element is finite, 1 NaN, 2 infinite, 3 negative and infinite."""
    kinds = tensor.isnan() * 1 + tensor.isposinf() * 2 + tensor.isneginf() * 3
    return kinds.to(torch.uint8)


def record(case):
    """Description and tensors of a case."""
    is_pool = case.conv in generate.POOLS
    if is_pool:
        inputs = {"x": generate.normal(case.rng("x"), 7, SMALL_IN), "batch": torch.tensor(BATCH[0])}
        size, module = BATCH[1], None
    elif case.variant == "index":
        inputs, size = generate.make_groups(case, SMALL_IN), generate.GROUPS[case.graph][1]
        module = generate.build(case)
        generate.randomize(module, case)
        module = module.double()
    else:
        graph = generate.GRAPHS[case.graph]
        size = generate.sizes(case, graph)
        filled = case if case.is_dense or {"in_channels", "channels"} & case.kwargs.keys() else replace(
            case, kwargs=case.kwargs | {"in_channels": SMALL_IN}
        )
        inputs = generate.make_inputs(filled)
        module = generate.build(case)
        generate.randomize(module, case)
        module = module.double()
    tensors = {f"in.{name}": value for name, value in inputs.items()}
    if module is not None:
        tensors |= {f"param.{key}": value.clone() for key, value in module.state_dict().items()}

    def forward(leaves):
        if is_pool:
            return [getattr(generate.nn, case.conv)(leaves["x"], leaves["batch"], size)]
        return generate.forward(module, case, leaves, size)

    def integers(outputs):
        parts = (part for key, part in outputs.items() if key.startswith("out."))
        return [part.tolist() for part in parts if not part.is_floating_point()]

    # What is selected is the same in all runs, or the run is left out.
    usual, _ = generate.differentiate(case, inputs, forward)
    replaced, stacks = [], {}
    for name, index, value in runs(case, inputs):
        changed = inputs | {name: inputs[name].clone()}
        changed[name][tuple(index)] = value
        if module is not None:
            module.zero_grad()
        outputs, grads = generate.differentiate(case, changed, forward)
        if integers(outputs) != integers(usual):
            continue
        replaced.append((name, index, value))
        if module is not None:
            for key, parameter in generate.trainable(module):
                grad = parameter.grad
                grads[f"grad.param.{key}"] = (
                    torch.zeros_like(parameter) if grad is None else grad.clone()
                )
        for key, tensor in (outputs | grads).items():
            if key.startswith("grad."):
                stacks.setdefault(key, []).append(kinds(tensor))
            elif key.startswith("out.") and tensor.is_floating_point():
                stacks.setdefault(key, []).append(tensor.detach())
            elif not key.startswith("in."):
                tensors[key] = tensor
    tensors |= {key: torch.stack(stack) for key, stack in stacks.items()}
    described = generate.describe(case, size) | {
        "runs": [[name, index, str(value).replace("nan", "NaN")] for name, index, value in replaced]
    }
    return described, tensors


def write(folder, only):
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for case in nonfinite_cases():
        if not only or case.conv in only:
            found.setdefault(case.conv, {})[case.name] = record(case)
    missing = only - found.keys()
    assert not missing, f"there are no cases of {', '.join(sorted(missing))}"
    for old in folder.glob(f"*{generate.EXTENSION}"):
        if not only and old.name.removesuffix(generate.EXTENSION) not in found:
            old.unlink()
    for conv, cases in found.items():
        path = folder / f"{conv}{generate.EXTENSION}"
        generate.save(path, cases)
        count = sum(len(case["runs"]) for case, _ in cases.values())
        print(f"{conv}: {len(cases)} cases, {count} runs, {path.stat().st_size / 1e3:.0f} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help="classes and functions, all by default")
    parser.add_argument("--output", type=Path, default=HERE / "nonfinite", metavar="DIR")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="torch_sparse")
    generate.differentiable_products()
    generate.differentiable_coarsening()
    generate.stable_order()
    generate.compile_layers()
    write(args.output, set(args.only))


if __name__ == "__main__":
    main()
