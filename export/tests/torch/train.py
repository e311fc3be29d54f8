#!/usr/bin/env python3
"""Trains TorchScript archives beside the PyG modules that they stand for.

usage: train.py FOLDER

For each archive NAME.pt of FOLDER whose NAME.json says which PyG module it is ("pyg": the class, its
arguments, and the forward variant), two steps of SGD in double precision from the same weights:
results and the whole state_dict, running statistics and their counter included, must agree after each
step. Dropout draws the same masks where both draw them in the same order; of attention's dropout, whose
order differs, the share of dropped weights is counted. Needs torch_geometric.
The last line is `N passed, N failed`; the exit code is 1 if anything failed.
"""
import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../../nn/tests/pyg")]
import torch
from check import Archive, Checks, compare, double
from cases.basic_gnn import MODELS
from cases.common import Case
from cases.norm import TRAINED
from generate import build


# Layers that drop attention weights.
ATTENTION = ("GATConv", "GATv2Conv")


def modules(archive):
    """PyG's module with the archive's weights, and the archive, both in training mode."""
    pyg = archive.spec["pyg"]
    original = build(Case(pyg["conv"], pyg["variant"], "", "", pyg["kwargs"])).double()
    scripted = archive.load().double()
    original.load_state_dict(scripted.state_dict(), strict=True)
    return original.train(), scripted.train()


def draws_in_order(archive):
    """Whether dropout, if any, acts on tensors that both sides have in the same order."""
    pyg = archive.spec["pyg"]
    return not (pyg["conv"].startswith("GAT") and pyg["kwargs"].get("dropout", 0) > 0)


def check_steps(archive):
    original, scripted = modules(archive)
    # A norm may have statistics alone.
    parameters = [[*module.parameters()] or [torch.zeros(1, requires_grad=True)]
                  for module in (original, scripted)]
    optimizers = [torch.optim.SGD(each, lr=0.05, momentum=0.9) for each in parameters]
    pairs = [*zip((original, scripted), optimizers)]
    call = archive.spec["calls"][0]
    args = archive.args(call, double)
    for step in range(2):
        results = []
        for module, optimizer in pairs:
            torch.manual_seed(step)
            out = module(**args)
            target = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
            optimizer.zero_grad()
            if out.requires_grad:
                (out - target).square().mean().backward()
                optimizer.step()
            results.append(out.detach())
        compare(results[1], results[0], 1e-9, 1e-9, f"result of step {step}")
        expected, got = original.state_dict(), scripted.state_dict()
        for name, tensor in expected.items():
            compare(got[name], tensor, 1e-9, 1e-9, f"{name} after step {step}")
    # Outside training both go by the statistics that they have learned, and drop nothing.
    compare(scripted.eval()(**args), original.eval()(**args), 1e-9, 1e-9, "result afterwards")


def check_attention_dropout(archive, prob):
    """The share of attention weights that are zero, on a graph with many edges."""
    _, scripted = modules(archive)
    method = next(name for name in ("forward__2", "forward__0")
                  if name in scripted._c._method_names())
    torch.manual_seed(0)
    x = torch.randn(300, archive.tensors["0.in.x"].shape[1], dtype=torch.float64)
    edge_index = torch.randint(300, (2, 20_000))
    out = getattr(scripted, method)(x, edge_index, return_attention_weights=True)
    share = (out[1][1] == 0).double().mean().item()
    if abs(share - prob) > 0.02:
        raise AssertionError(f"expected {prob} of the weights to be dropped, got {share}")
    alpha = getattr(scripted.eval(), method)(x, edge_index, return_attention_weights=True)[1][1]
    if (alpha == 0).any():
        raise AssertionError("weights are dropped outside training")


def main():
    folder, checks, trained = sys.argv[1], Checks(), set()
    for file in sorted(os.listdir(folder)):
        name, extension = os.path.splitext(file)
        if extension != ".json":
            continue
        archive = Archive(folder, name)
        pyg = archive.spec.get("pyg")
        if pyg is None or pyg["variant"] not in ("edge_index", "nodes", "nodes_batch"):
            continue
        if pyg["conv"] in (*MODELS, *TRAINED) and draws_in_order(archive):
            checks.run(f"{name}: two steps", check_steps, archive)
            trained.add(pyg["conv"])
        if pyg["conv"] in ATTENTION and pyg["kwargs"].get("dropout", 0) > 0:
            checks.run(f"{name}: dropout", check_attention_dropout, archive,
                       pyg["kwargs"]["dropout"])
            trained.add(pyg["conv"])
    # Of some layers alone there need not be all.
    if trained and "KILN_LAYERS" not in os.environ and trained != {*MODELS, *TRAINED, *ATTENTION}:
        checks.failed += 1
        print(f"FAILED: only {sorted(trained)} were trained")
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
