"""The cases: one module per layer, named as its file in `nn/src`.

Its function `cases` gives those of `generate.py`; `nonfinite` and `training`, if it has them, those of `nonfinite.py`
and `training.py`.
"""

import importlib
import pkgutil

from .common import GRAPHS, SEED

__all__ = ["GRAPHS", "SEED", "all_cases", "nonfinite_cases", "training_cases"]


def modules():
    """Every module, in alphabetical order."""
    for module in pkgutil.iter_modules(__path__):
        if module.name != "common":
            yield importlib.import_module(f"{__name__}.{module.name}")


def all_cases():
    """Every case of every module."""
    for module in modules():
        yield from module.cases()


def nonfinite_cases():
    """Every case of every module in which an element is not finite."""
    for module in modules():
        if hasattr(module, "nonfinite"):
            yield from module.nonfinite()


def training_cases():
    """Every case of every module that is trained."""
    for module in modules():
        if hasattr(module, "training"):
            yield from module.training()
