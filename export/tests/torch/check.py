#!/usr/bin/env python3
"""Checks TorchScript archives with a real PyTorch (1.13 or newer; nothing else is needed).

usage: check.py FOLDER [NAME...]
       check.py --calls FOLDER FILE     (writes all calls for load.cpp, checks nothing)

FOLDER holds, for each archive NAME.pt, the files NAME.json and NAME.safetensors:

    {"calls": [{"method": "forward__0",
                "args": [["x", "0.in.x"], ["edge_index", "0.in.edge_index"], ["size", null]],
                "out": "0.out"}],
     "refused": [{"method": "forward__0", "args": [["x", "refused.0.in.x"]], "error": "part of a message"}],
     "parameters": [["lin.weight", [4, 8]]],
     "buffers": [["norm.running_mean", [8]]]}

A call may have "gradients", {"0.in.x": "0.grad.in.x", "lin.weight": "0.grad.param.lin.weight"}: by the
name of an input's tensor or of a parameter, where its gradient is not finite (0 finite, 1 NaN, 2 infinite,
3 negative and infinite). It is that of the sum of the results, each times its tensor in "cotangents".

An argument or a result is the name of a tensor in the safetensors file, a list for a tuple,
{"list": ["0.in.xs.0", null]} for a list, {"dict": {"paper": "0.in.x.paper"}} for a dictionary, {"ints": [5, 3]} for a tuple of integers,
{"text": "mean"} for a text, a number, a boolean, or null for None. Keys of a dictionary whose value is null are left out. "args" has names in the
order of the method's parameters; trailing ones that have defaults may be left out.
"torch", {"class": "LSTM", "args": [3, 2], "kwargs": {}}, says which module of torch.nn the archive is.
"tied" maps the names of weights to those whose tensors they are. "parameters" and "buffers" may be replaced by one list "state_dict" where roles do not matter.
Calls in "refused", which may be left out, must raise an error with the given part of a message.
"pyg", {"conv": "GCNConv", "variant": "adj", "kwargs": {}}, says which module of PyG the archive is, whose
result is that of the first call. The environment's KILN_TORCH_REPORT is a folder for a file of the errors of
these calls.
"scales", {"output.3": 1.0}, has the least numbers that errors of a result in other precisions are relative
to: those of what the result is the difference of.
With "selects": true results depend on the order of numbers, which fewer bits change: results in other
precisions than double are not compared.
With "results_only": true, only loading, the state_dict and the results of calls are checked, in every
precision; so it is for all archives with KILN_TORCH_RESULTS_ONLY in the environment.

For each archive: load; state_dict keys, order within a module, shapes; each call by position and
by keyword, through the method itself and, for `forward__k`, through `forward`; freeze;
optimize_for_inference; double, float16, bfloat16, and bfloat16 by autocast; train and eval; save and load
again; gradients; wrong arguments; refused calls.
The last line is `N passed, N failed`; the exit code is 1 if anything failed.
"""
import io
import json
import os
import re
import struct
import sys
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout

warnings.filterwarnings("ignore")
import torch

RTOL, ATOL = 1e-5, 1e-6
VERSION = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
# Before this version some operators do not run on processors with floats of 16 bits.
HAS_SHORT_FLOATS = (2, 4)
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}


def read_safetensors(path):
    """All tensors of a safetensors file, by name."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        dtype = DTYPES[entry["dtype"]]
        if start == end:
            tensors[name] = torch.empty(entry["shape"], dtype=dtype)
        else:
            raw = torch.frombuffer(bytearray(data[start:end]), dtype=dtype)
            tensors[name] = raw.reshape(entry["shape"])
    return tensors


class Checks:
    """Counts what passed and reports what did not."""

    def __init__(self):
        self.passed, self.failed, self.missing = 0, 0, set()
        # Of archives that stand for a PyG module: its class, the variant, and the largest error.
        self.errors = []

    def run(self, name, check, *args):
        try:
            check(*args)
        except Exception as error:  # any failure is reported and counted
            missing = re.search(r"(\S+) not implemented for '(Half|BFloat16)'", str(error))
            if missing and VERSION < HAS_SHORT_FLOATS:
                self.missing.add(f"{missing[1]} for {missing[2]}")
                return
            self.failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")
            if os.environ.get("KILN_TORCH_TRACE"):
                traceback.print_exc()
        else:
            self.passed += 1


class Archive:
    """An archive and what it should do."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name + ".pt")
        with open(os.path.join(folder, name + ".json")) as file:
            self.spec = json.load(file)
        self.tensors = read_safetensors(os.path.join(folder, name + ".safetensors"))

    def load(self):
        return torch.jit.load(self.path)

    def value(self, form, convert=lambda tensor: tensor):
        if isinstance(form, str):
            return convert(self.tensors[form])
        if isinstance(form, list):
            return tuple(self.value(item, convert) for item in form)
        if isinstance(form, dict) and "dict" in form:
            return {key: self.value(item, convert) for key, item in form["dict"].items() if item is not None}
        if isinstance(form, dict) and "list" in form:
            return [self.value(item, convert) for item in form["list"]]
        if isinstance(form, dict) and "text" in form:
            return form["text"]
        if isinstance(form, dict):
            return tuple(form["ints"])
        return form

    def args(self, call, convert=lambda tensor: tensor):
        return {name: self.value(form, convert) for name, form in call["args"]}

    def positional(self, module, call, convert=lambda tensor: tensor):
        """The arguments in the order of the method, with None where one is left out."""
        args = self.args(call, convert)
        schema = module._c._get_method(call["method"]).schema
        names = [argument.name for argument in schema.arguments[1:]]
        last = max([names.index(name) for name in args], default=-1)
        return [args.get(name) for name in names[:last + 1]]

    def methods(self):
        return sorted({call["method"] for call in self.spec["calls"]})


def compare(got, expected, rtol=RTOL, atol=ATOL, place="output"):
    """Raises unless two results have the same structure and nearly the same values."""
    if isinstance(expected, (tuple, list)):
        if type(got) is not type(expected) or len(got) != len(expected):
            raise AssertionError(f"{place}: expected a {type(expected).__name__} of {len(expected)}, got {got}")
        for position, (left, right) in enumerate(zip(got, expected)):
            compare(left, right, rtol, atol, f"{place}.{position}")
    elif isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            raise AssertionError(f"{place}: expected a dictionary of {list(expected)}, got {got}")
        for key in expected:
            compare(got[key], expected[key], rtol, atol, f"{place}.{key}")
    elif isinstance(expected, torch.Tensor):
        if not isinstance(got, torch.Tensor):
            raise AssertionError(f"{place}: expected a tensor, got {type(got).__name__}")
        if got.dtype != expected.dtype or got.shape != expected.shape:
            raise AssertionError(f"{place}: expected {expected.dtype} {tuple(expected.shape)}, "
                                 f"got {got.dtype} {tuple(got.shape)}")
        if not torch.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True):
            worst = (got.double() - expected.double()).abs().max().item()
            raise AssertionError(f"{place}: values differ by up to {worst}")
    elif got != expected:
        raise AssertionError(f"{place}: expected {expected}, got {got}")


def all_tensors(value):
    """The tensors of a result."""
    if isinstance(value, torch.Tensor):
        yield value
    elif value is not None:
        for item in value.values() if isinstance(value, dict) else value:
            yield from all_tensors(item)


def first_tensor(value):
    """The first tensor of a result, or None."""
    return next(all_tensors(value), None)


def double(tensor):
    return tensor.double() if tensor.is_floating_point() else tensor


def run_calls(archive, module, checks, label, convert=lambda tensor: tensor, keywords=False, rtol=RTOL,
              atol=ATOL, methods=None):
    """All calls, or those of some methods, through their methods."""
    for number, call in enumerate(archive.spec["calls"]):
        if methods is not None and call["method"] not in methods:
            continue

        def check(call=call):
            args = archive.args(call, convert)
            in_order = archive.positional(module, call, convert)
            expected = archive.value(call["out"], convert)
            method = getattr(module, call["method"])
            # Three times: PyTorch specialises and fuses code after the first runs.
            for _ in range(3):
                got = method(**args) if keywords else method(*in_order)
                compare(got, expected, rtol, atol)
        checks.run(f"{label}: call {number} of {call['method']}", check)


def run_union(archive, module, checks, label):
    """Calls of `forward__k`, through `forward`, which finds the overload by the arguments."""
    for number, call in enumerate(archive.spec["calls"]):
        base, _, overload = call["method"].rpartition("__")
        if not base or not overload.isdigit():
            continue

        def check(call=call, base=base):
            schema = module._c._get_method(base).schema
            needed = [one.name for one in schema.arguments[1:] if not one.has_default_value()]
            # An argument that this overload does not have may come before others.
            args = dict.fromkeys(needed) | archive.args(call)
            expected = archive.value(call["out"])
            compare(getattr(module, base)(**args), expected)
            if base == "forward":
                compare(module(**args), expected)
        checks.run(f"{label}: call {number} of {call['method']} through {base}", check)


def check_state_dict(archive, module):
    spec = archive.spec
    got = [[name, list(tensor.shape)] for name, tensor in module.state_dict().items()]
    if "state_dict" in spec:
        expected = spec["state_dict"]
    else:
        expected = spec["parameters"] + spec["buffers"]
        tied = spec.get("tied", {})
        for kind in ("parameters", "buffers"):
            found = sorted(name for name, _ in getattr(module, "named_" + kind)())
            if found != sorted(name for name, _ in spec[kind] if name not in tied):
                raise AssertionError(f"{kind}: {found}")
        for name, parameter in module.named_parameters():
            if parameter.requires_grad != parameter.is_floating_point():
                raise AssertionError(f"{name} has requires_grad {parameter.requires_grad}")
    if sorted(got) != sorted(expected):
        raise AssertionError(f"expected {sorted(expected)}, got {sorted(got)}")
    module.load_state_dict(module.state_dict(), strict=True)


def check_double(archive, checks, label):
    module = archive.load().double()
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.dtype != torch.float64:
            raise AssertionError(f"{name} is {tensor.dtype}")
    run_calls(archive, module, checks, label, convert=double, rtol=1e-4, atol=1e-5)


# Largest error in other precisions, relative to the largest number of a result, about 16 roundings.
PRECISIONS = {torch.float16: 1.6e-2, torch.bfloat16: 1.2e-1}


def close_enough(got, expected, tolerance, scales, place="output"):
    """Raises unless two results have the same structure, and nearly the same values in any float type."""
    if isinstance(expected, (tuple, list)):
        if type(got) is not type(expected) or len(got) != len(expected):
            raise AssertionError(f"{place}: expected a {type(expected).__name__} of {len(expected)}, got {got}")
        for position, (left, right) in enumerate(zip(got, expected)):
            close_enough(left, right, tolerance, scales, f"{place}.{position}")
        return
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            raise AssertionError(f"{place}: expected a dictionary of {list(expected)}, got {got}")
        for key in expected:
            close_enough(got[key], expected[key], tolerance, scales, f"{place}.{key}")
        return
    if expected is None:
        return compare(got, expected, place=place)
    if got.is_floating_point() != expected.is_floating_point() or got.shape != expected.shape:
        raise AssertionError(f"{place}: expected {expected.dtype} {tuple(expected.shape)}, "
                             f"got {got.dtype} {tuple(got.shape)}")
    if not expected.is_floating_point():
        if not torch.equal(got, expected):
            raise AssertionError(f"{place}: integers differ")
        return
    expected = expected.float()
    finite = torch.isfinite(expected)
    if not torch.allclose(got.float()[~finite], expected[~finite], equal_nan=True):
        raise AssertionError(f"{place}: what is not finite differs")
    if finite.any():
        scale = max(scales.get(place, 1e-2), expected[finite].abs().max().item())
        worst = (got.float()[finite] - expected[finite]).abs().max().item()
        if not worst <= tolerance * scale:
            raise AssertionError(f"{place}: values differ by up to {worst}, relative to {scale}")


def check_precision(archive, checks, label, dtype):
    """A model that is converted computes nearly what it does in float32 with the same numbers."""

    def rounded(tensor):
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    def widened(tensor):
        return rounded(tensor).float() if tensor.is_floating_point() else tensor

    module = archive.load().eval().to(dtype)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.dtype != dtype:
            raise AssertionError(f"{name} is {tensor.dtype}")
    wide = archive.load().eval().to(dtype).float()
    for number, call in enumerate(archive.spec["calls"]):

        def check(call=call):
            expected = getattr(wide, call["method"])(**archive.args(call, widened))
            for _ in range(3):
                got = getattr(module, call["method"])(**archive.args(call, rounded))
                close_enough(got, expected, PRECISIONS[dtype], archive.spec.get("scales", {}))
                first = first_tensor(got)
                if first is not None and first.is_floating_point() and first.dtype != dtype:
                    raise AssertionError(f"the result is {first.dtype}")
        checks.run(f"{label}: call {number} of {call['method']}", check)


def check_autocast(archive, checks, label):
    """Under autocast, where products are taken in bfloat16, results stay near."""
    module = archive.load().eval()
    for number, call in enumerate(archive.spec["calls"]):

        def check(call=call):
            expected = archive.value(call["out"])
            for _ in range(3):
                with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                    got = getattr(module, call["method"])(**archive.args(call))
                close_enough(got, expected, PRECISIONS[torch.bfloat16], archive.spec.get("scales", {}))
        checks.run(f"{label}: call {number} of {call['method']}", check)


def check_gradient_kinds(archive, checks, name):
    """Gradients are NaN and infinite where calls say so."""
    for number, call in enumerate(archive.spec["calls"]):
        if "gradients" not in call:
            continue

        def check(call=call):
            module = archive.load().eval()
            tracked = {}

            def convert(tensor):
                if not tensor.is_floating_point():
                    return tensor
                names = [name for name, other in archive.tensors.items() if other is tensor]
                tracked[names[0]] = tensor.clone().requires_grad_()
                return tracked[names[0]]

            out = getattr(module, call["method"])(**archive.args(call, convert))
            leaves = []

            def flatten(value):
                if isinstance(value, (tuple, list, dict)):
                    for item in value.values() if isinstance(value, dict) else value:
                        flatten(item)
                elif value.is_floating_point():
                    leaves.append(value)

            flatten(out)
            cotangents = [archive.tensors[name] for name in call["cotangents"]]
            sum((leaf * cotangent).sum() for leaf, cotangent in zip(leaves, cotangents)).backward()
            tracked.update(module.named_parameters())
            for name, kinds in call["gradients"].items():
                grad, expected = tracked[name].grad, archive.tensors[kinds]
                grad = torch.zeros_like(tracked[name]) if grad is None else grad
                got = torch.isnan(grad) * 1 + torch.isposinf(grad) * 2 + torch.isneginf(grad) * 3
                if not torch.equal(got.to(torch.uint8), expected):
                    raise AssertionError(f"the gradient of {name} is {grad}, expected {expected}")
        checks.run(f"{name}: gradients of call {number} of {call['method']}", check)


def has_dropout(module):
    found = any("dropout" in str(getattr(part, name).graph)
                for part in module.modules()
                for name in part._c._method_names())
    return found


def check_train(archive):
    """After train() gradients flow to all parameters used, and dropout acts where there is some."""
    module = archive.load().train()
    if not module.training or any(not part.training for part in module.modules() if hasattr(part, "training")):
        raise AssertionError("train() leaves a module in eval mode")
    dropout = has_dropout(module)
    reached, differs = set(), False
    for call in archive.spec["calls"]:
        args = archive.args(call)
        torch.manual_seed(0)
        out = getattr(module, call["method"])(**args)
        torch.manual_seed(1)
        other = getattr(module, call["method"])(**args)
        pairs = list(zip(all_tensors(out), all_tensors(other)))
        differs |= any(not torch.equal(left, right) for left, right in pairs)
        trained = [left for left, _ in pairs if left.requires_grad]
        if trained:
            module.zero_grad()
            sum((left * torch.linspace(0.5, 1.5, left.numel()).reshape(left.shape)).sum()
                for left in trained).backward()
            for name, parameter in module.named_parameters():
                if parameter.grad is not None:
                    if not torch.isfinite(parameter.grad).all():
                        raise AssertionError(f"the gradient of {name} is not finite")
                    reached.add(name)
    unused = (archive.spec.get("pyg") or {}).get("unused", [])
    missing = {name for name, _ in module.named_parameters()} - reached - set(unused)
    if missing:
        raise AssertionError(f"no gradient reaches {sorted(missing)}")
    if differs != dropout and not all(p.numel() == 0 for p in module.parameters()):
        raise AssertionError(f"dropout: {dropout}, but results of two runs differ: {differs}")
    module.eval()
    if module.training:
        raise AssertionError("eval() has no effect")


def check_beside(archive):
    """Results, gradients and two steps of training are those of the module of torch.nn, in double."""
    spec = archive.spec["torch"]
    kind = getattr(torch.nn, spec["class"])
    original = kind(*spec["args"], **spec["kwargs"]).double()
    module = archive.load().double()
    original.load_state_dict(module.state_dict(), strict=True)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.1) for one in (module, original)]
    for steps, sequences in [(1, 1), (4, 2), (2, 2), (8, 2), (33, 5)]:
        torch.manual_seed(steps)
        values = torch.randn(steps, sequences, spec["args"][0], dtype=torch.float64)
        results = []
        for one, optimizer in zip((module, original), optimizers):
            x = values.clone().requires_grad_()
            parts = [part.reshape(-1) for part in all_tensors(one(x))]
            out = torch.cat(parts)
            optimizer.zero_grad()
            (out * torch.linspace(0.5, 1.5, out.numel(), dtype=torch.float64)).sum().backward()
            gradients = {name: parameter.grad.clone() for name, parameter in one.named_parameters()}
            optimizer.step()
            results.append({"out": out.detach(), "x": x.grad, **gradients, **one.state_dict()})
        for name, expected in results[1].items():
            compare(results[0][name], expected, 1e-9, 1e-9, f"{name} of {steps} steps")


def check_tied(archive):
    """Tied weights are one tensor: after training, conversion, and when saved and loaded again."""
    def check(module, what):
        state = module.state_dict()
        for name, other in archive.spec["tied"].items():
            if state[name].data_ptr() != state[other].data_ptr():
                raise AssertionError(f"{name} and {other} are not tied {what}")
        return {name: state[name].clone() for name in archive.spec["tied"]}

    module = archive.load().train()
    before = check(module, "when loaded")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for call in archive.spec["calls"]:
        out = getattr(module, call["method"])(**archive.args(call))
        sum(tensor.sum() for tensor in all_tensors(out)).backward()
    optimizer.step()
    after = check(module, "after a step")
    if any(torch.equal(before[name], after[name]) for name in before):
        raise AssertionError("a step leaves tied weights as they were")
    check(check_save(archive, module), "when saved and loaded again")
    check(module.double(), "as double")


def check_input_gradients(archive):
    """Float inputs get the gradient that finite differences give, in double precision."""
    module = archive.load().double()
    for call in archive.spec["calls"]:
        leaf = []

        def convert(tensor):
            if tensor.is_floating_point() and tensor.numel() and not leaf:
                leaf.append(tensor.double().clone().requires_grad_())
                return leaf[0]
            return double(tensor)

        args = archive.args(call, convert)
        method = getattr(module, call["method"])

        def first():
            return first_tensor(method(**args))

        out = first()
        if not leaf or out is None or not out.is_floating_point() or not out.requires_grad or not out.numel():
            continue
        if not torch.isfinite(out).all():
            continue
        weights = torch.linspace(0.5, 1.5, out.numel(), dtype=torch.float64).reshape(out.shape)
        (grad,) = torch.autograd.grad((out * weights).sum(), leaf[0], allow_unused=True)
        if grad is None:
            continue
        flat, step = leaf[0].detach().view(-1), 1e-6
        for position in range(min(flat.numel(), 6)):
            with torch.no_grad():
                value = flat[position].item()
                flat[position] = value + step
                above = (first() * weights).sum().item()
                flat[position] = value - step
                below = (first() * weights).sum().item()
                flat[position] = value
            expected = (above - below) / (2 * step)
            # One-sided slopes differ at kinks (relu, max at ties), and steps have none (floor,
            # sign).
            at = (out * weights).sum().item()
            if abs(above + below - 2 * at) > 1e-8 * max(1.0, abs(at)) or abs(above - below) > 1e-2:
                continue
            got = grad.reshape(-1)[position].item()
            if abs(got - expected) > 1e-4 * max(1.0, abs(expected)):
                raise AssertionError(f"{call['method']}: gradient {got}, finite difference {expected}")


def check_wrong_arguments(archive):
    """A tensor of another rank is refused where it comes in, with a message that names it."""
    module = archive.load()
    for call in archive.spec["calls"]:
        args = archive.args(call)
        name = next((name for name, value in args.items() if isinstance(value, torch.Tensor)), None)
        if name is None:
            continue
        args[name] = args[name].unsqueeze(0).unsqueeze(0)
        try:
            getattr(module, call["method"])(**args)
        except Exception as error:
            if name not in str(error) or "dimensions" not in str(error):
                raise AssertionError(f"the message does not name {name}: {error}")
        else:
            raise AssertionError(f"{call['method']} takes {name} with a wrong rank")


def check_refused(archive, module):
    """Calls that must raise, with a part of the message."""
    for number, call in enumerate(archive.spec.get("refused", [])):
        try:
            getattr(module, call["method"])(**archive.args(call))
        except Exception as error:
            if call["error"] not in str(error):
                raise AssertionError(f"call {number} of {call['method']}: {error}")
        else:
            raise AssertionError(f"call {number} of {call['method']} is not refused")


def check_save(archive, module):
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


def worst_error(got, expected):
    """Largest difference of results, relative to the largest number of each, at least 1."""
    if isinstance(expected, (tuple, list)):
        return max(map(worst_error, got, expected), default=0.0)
    if expected is None:
        return 0.0
    finite = torch.isfinite(expected)
    if not finite.any():
        return 0.0
    got, expected = got[finite].double(), expected[finite].double()
    return (got - expected).abs().max().item() / max(1.0, expected.abs().max().item())


def measure(archive, module, checks):
    """Notes how far the first call is from PyG, which computed its result."""
    pyg, call = archive.spec["pyg"], archive.spec["calls"][0]
    got = getattr(module, call["method"])(**archive.args(call))
    checks.errors.append((pyg["conv"], pyg["variant"], worst_error(got, archive.value(call["out"]))))


def check_archive(archive, name, checks):
    try:
        module = archive.load().eval()
    except Exception as error:
        checks.failed += 1
        print(f"FAILED {name}: load: {error}")
        return
    checks.passed += 1
    checks.run(f"{name}: state_dict", check_state_dict, archive, module)
    run_calls(archive, module, checks, name)
    run_calls(archive, module, checks, f"{name} by keyword", keywords=True)
    run_union(archive, module, checks, name)
    if archive.spec.get("pyg"):
        checks.run(f"{name}: error", measure, archive, module, checks)
    checks.run(f"{name}: double", check_double, archive, checks, f"{name} as double")
    for dtype in {} if archive.spec.get("selects") else PRECISIONS:
        label = f"{name} as {str(dtype).removeprefix('torch.')}"
        checks.run(label, check_precision, archive, checks, label, dtype)
    if not archive.spec.get("selects"):
        checks.run(f"{name}: autocast", check_autocast, archive, checks, f"{name} under autocast")
    check_gradient_kinds(archive, checks, name)
    if archive.spec.get("results_only") or os.environ.get("KILN_TORCH_RESULTS_ONLY"):
        return
    checks.run(f"{name}: train and eval", check_train, archive)
    if archive.spec.get("torch"):
        checks.run(f"{name}: beside torch.nn", check_beside, archive)
    if archive.spec.get("tied"):
        checks.run(f"{name}: tied weights", check_tied, archive)
    checks.run(f"{name}: gradients of inputs", check_input_gradients, archive)
    checks.run(f"{name}: wrong arguments", check_wrong_arguments, archive)
    checks.run(f"{name}: refused calls", check_refused, archive, archive.load())

    def again():
        saved = check_save(archive, check_save(archive, archive.load()))
        check_refused(archive, saved)
        run_calls(archive, saved, checks, f"{name} saved again")
        run_union(archive, saved, checks, f"{name} saved again")
        check_state_dict(archive, saved)
    checks.run(f"{name}: save and load", again)

    weights = archive.load().state_dict().values()
    if VERSION < HAS_SHORT_FLOATS and any(tensor.dtype in PRECISIONS for tensor in weights):
        print(f"skipped {name}: freeze and optimize_for_inference (this PyTorch crashes on products of "
              "frozen floats of 16 bits)")
        return

    def frozen():
        methods = [method for method in archive.methods() if method != "forward"]
        module = archive.load().eval()
        module = torch.jit.freeze(module, preserved_attrs=methods)
        run_calls(archive, module, checks, f"{name} frozen")
        run_union(archive, module, checks, f"{name} frozen")
        saved = check_save(archive, module)
        run_calls(archive, saved, checks, f"{name} frozen and saved")
        plain = torch.jit.freeze(archive.load().eval()) if hasattr(archive.load(), "forward") else None
        if plain is not None:
            run_calls(archive, plain, checks, f"{name} frozen to forward", methods=["forward"])
            run_union(archive, plain, checks, f"{name} frozen to forward")
    checks.run(f"{name}: freeze", frozen)

    def optimized():
        if not hasattr(archive.load(), "forward") and int(torch.__version__.split(".")[0]) < 2:
            print(f"skipped {name}: optimize_for_inference (this PyTorch wants a forward, and it has none)")
            return
        methods = [method for method in archive.methods() if method != "forward"]
        module = torch.jit.optimize_for_inference(archive.load().eval(), other_methods=methods)
        with torch.no_grad():
            run_calls(archive, module, checks, f"{name} optimized for inference", rtol=1e-4, atol=1e-5)
    checks.run(f"{name}: optimize_for_inference", optimized)


def check_alone(folder, name):
    """Checks one archive; the counts and what was printed."""
    checks, output = Checks(), io.StringIO()
    with redirect_stdout(output):
        check_archive(Archive(folder, name), name, checks)
    return checks, output.getvalue()


def without_containers(value):
    """A value with each dictionary as ("dict", ((key, value), ...)) and each list as ("list", (value, ...)):
    C++ reads none of these without a type."""
    if isinstance(value, dict):
        return "dict", tuple((key, without_containers(item)) for key, item in value.items())
    if isinstance(value, list):
        return "list", tuple(without_containers(item) for item in value)
    if isinstance(value, tuple):
        return tuple(without_containers(item) for item in value)
    return value


def write_calls(folder, path):
    """All calls as a list of (archive, method, arguments in order, result), for C++."""
    calls = []
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".pt"):
            archive = Archive(folder, entry[:-3])
            module = archive.load()
            for call in archive.spec["calls"]:
                arguments = without_containers(tuple(archive.positional(module, call)))
                result = without_containers(archive.value(call["out"]))
                calls.append((archive.path, call["method"], arguments, result))
    torch.save(calls, path)


def main():
    if sys.argv[1] == "--calls":
        return write_calls(*sys.argv[2:])
    folder, names = sys.argv[1], sys.argv[2:]
    names = names or sorted(entry[:-3] for entry in os.listdir(folder) if entry.endswith(".pt"))
    checks = Checks()
    if not names:
        checks.failed += 1
        print(f"FAILED {folder}: no archives")
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for one, output in pool.map(check_alone, [folder] * len(names), names):
            print(output, end="", flush=True)
            checks.passed += one.passed
            checks.failed += one.failed
            checks.missing |= one.missing
            checks.errors += one.errors
    if os.environ.get("KILN_TORCH_REPORT"):
        path = os.path.join(os.environ["KILN_TORCH_REPORT"], f"torch-{torch.__version__}.json")
        with open(path, "w") as file:
            json.dump({"runtime": f"torch {torch.__version__}", "errors": checks.errors}, file)
    if checks.missing:
        print(f"skipped, since this PyTorch has no {', '.join(sorted(checks.missing))}")
    print(f"torch {torch.__version__}: {len(names)} archives, {checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
