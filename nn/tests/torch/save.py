"""Saves one state dict under names whose stems have 1 to 64 characters, as `torch.save` does.

usage: save.py FOLDER
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch

NAME = "best_model_state_dict"

state = OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.tensor([-1.0, 7.0]))
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for length in range(1, 65):
    stem = (NAME * 4)[:length]
    torch.save(state, folder / f"{stem}.pt")
print(f"torch {torch.__version__} saved 64 archives in {folder}")
