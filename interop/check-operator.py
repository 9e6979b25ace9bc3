"""Writes cases of the linear attention operator for check-operator.ts, with what the Python package computes for them.

    interop/.venv/bin/python interop/check-operator.py FOLDER [COUNT]

FOLDER gets cases.json and cases.safetensors: the raw projections, and by the number of the case what a run in float32
(which is what the package does by itself) and one in float64 give.
"""

import json
import sys
from pathlib import Path

import torch
from operator_cases import BATCH, DIM, GROUPS, HEADS, difference, make_inputs, run, sample
from safetensors.torch import save_file


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    inputs = make_inputs()
    tensors = {name: x.contiguous() for name, x in inputs.items()}
    cases = sample(int(sys.argv[2]) if len(sys.argv) > 2 else 400)
    for i, case in enumerate(cases):
        single, exact = run(case, inputs), run(case, inputs, torch.float64)
        case["rounding"] = {name: difference(single[name], exact[name]) for name in exact}
        tensors |= {f"{i}.single.{name}": x.contiguous() for name, x in single.items()}
        tensors |= {f"{i}.exact.{name}": x.float().contiguous() for name, x in exact.items()}
    save_file(tensors, folder / "cases.safetensors")
    shape = {"batch": BATCH, "heads": HEADS, "groups": GROUPS, "dim": DIM}
    (folder / "cases.json").write_text(json.dumps({"shape": shape, "cases": cases}))


main()
