#!/usr/bin/env python3
"""Writes what check.py expects of a model that a program of ours recorded and saved in both formats.

usage: expect.py KILN FOLDER NAME...

For each NAME, FOLDER holds NAME.kiln and NAME.pt, as the examples write them. The command KILN runs
NAME.kiln on random graphs of three sizes; inputs and results become NAME.json and NAME.safetensors,
so that `run.sh FOLDER` compares PyTorch with Kiln. Inputs are made by the names and types that
`kiln inspect --json` tells: features (not negative, as counts and one-hot labels are), edges, and
`ptr`, the bounds of consecutive groups of nodes.
Needs nothing but Python's standard library.
"""
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

SIZES = [{"N": 3, "E": 2, "P": 2}, {"N": 50, "E": 240, "P": 6}, {"N": 21, "E": 0, "P": 4}]


def write_safetensors(path, tensors):
    """tensors: name -> (dtype, shape, bytes)"""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    body = data[8 + length:]
    return {name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def floats(shape):
    count = 1
    for size in shape:
        count *= size
    return ("F32", shape, struct.pack(f"<{count}f", *(random.random() for _ in range(count))))


def integers(shape, values):
    return ("I64", shape, struct.pack(f"<{len(values)}q", *values))


def make_input(name, type_, sizes):
    """A random tensor of a type such as `f32[N, 8]`."""
    elem, dims = re.fullmatch(r"(\w+)\[(.*)\]", type_).groups()
    shape = [sizes[dim] if dim in sizes else int(dim) for dim in dims.split(", ")]
    if elem == "f32":
        return floats(shape)
    if name == "edge_index":
        return integers(shape, [random.randrange(sizes["N"]) for _ in range(2 * shape[1])])
    if name == "ptr":
        inner = sorted(random.randint(0, sizes["N"]) for _ in range(shape[0] - 2))
        return integers(shape, [0, *inner, sizes["N"]])
    raise SystemExit(f"no random values for the input {name}: {type_}")


def describe(kiln, folder, name):
    path = os.path.join(folder, f"{name}.kiln")
    inspect = json.loads(subprocess.check_output([kiln, "inspect", "--json", path]))
    method = next(method for method in inspect["methods"] if method["name"] == "forward")
    calls, tensors = [], {}
    for number, sizes in enumerate(SIZES):
        inputs = {leaf["name"]: make_input(leaf["name"], leaf["type"], sizes)
                  for leaf in method["inputs"]}
        with tempfile.TemporaryDirectory() as work:
            graph, out = os.path.join(work, "graph.safetensors"), os.path.join(work, "out.safetensors")
            write_safetensors(graph, inputs)
            subprocess.check_call([kiln, "run", path, "--graph", graph, "-o", out])
            outputs = read_safetensors(out)
        for leaf, tensor in inputs.items():
            tensors[f"{number}.in.{leaf}"] = tensor
        tensors[f"{number}.out"] = outputs["output"]
        args = [[leaf, f"{number}.in.{leaf}"] for leaf in inputs]
        calls.append({"method": "forward", "args": args, "out": f"{number}.out"})
    state = [[weight["name"], weight["shape"]] for weight in inspect["weights"]
             if weight["role"] != "constant"]
    write_safetensors(os.path.join(folder, f"{name}.safetensors"), tensors)
    with open(os.path.join(folder, f"{name}.json"), "w") as file:
        json.dump({"calls": calls, "state_dict": state}, file)


def main():
    kiln, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    random.seed(0)
    for name in names:
        describe(kiln, folder, name)


if __name__ == "__main__":
    main()
