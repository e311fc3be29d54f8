#!/usr/bin/env python3
"""What PyTorch Geometric computes while a layer is trained, as compressed safetensors fixtures.

    python training.py                 rewrite training/
    python training.py BatchNorm       only the file of this layer
    python training.py --output DIR    write somewhere else, for instance to compare

Each case is a layer in training mode that is called twice: with its input, and with other features, so that
running statistics move twice. The cases are those of `training` in the modules of `cases`, and there is one
file per class. Tensors are named as in `generate.py`, and

    <case>/in.x2           the features of the second call
    <case>/out.<i>         results of the first call, with gradients by its input and the parameters
    <case>/after.<key>     state_dict entries after both calls
"""

import argparse
import warnings
from pathlib import Path

import torch

import generate
from cases import training_cases

HERE = Path(__file__).resolve().parent


def record(case):
    """Description and tensors of a case."""
    graph = generate.GRAPHS[case.graph]
    size, inputs = generate.sizes(case, graph), generate.make_inputs(case)
    module = generate.build(case)
    generate.randomize(module, case)
    tensors = {f"param.{key}": value.clone() for key, value in module.state_dict().items()}
    module = module.double().train()
    outputs, grads = generate.differentiate(
        case, inputs, lambda leaves: generate.forward(module, case, leaves, size)
    )
    for key, parameter in generate.trainable(module):
        grad = parameter.grad
        grads[f"grad.param.{key}"] = torch.zeros_like(parameter) if grad is None else grad
    second = generate.normal(case.rng("x2"), *inputs["x"].shape)
    with torch.no_grad():
        generate.forward(module, case, inputs | {"x": second.double()}, size)
    tensors |= outputs | grads | {"in.x2": second}
    tensors |= {f"after.{key}": value.clone() for key, value in module.state_dict().items()}
    return generate.describe(case, size), tensors


def write(folder, only):
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for case in training_cases():
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
        print(f"{conv}: {len(cases)} cases, {path.stat().st_size / 1e3:.0f} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help="classes, all by default")
    parser.add_argument("--output", type=Path, default=HERE / "training", metavar="DIR")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="torch_sparse")
    write(args.output, set(args.only))


if __name__ == "__main__":
    main()
