"""Writes test/fixtures/tptt/operator.safetensors and operator.json: cases of the linear attention operator of tptt 0.12.1.

    interop/.venv/bin/python interop/make-operator-fixtures.py

The numbers are those of a run in float64. `rounding` says how far a run in float32, which is what the package does by
itself, is from them.
"""

import json

import torch
from operator_cases import BATCH, DIM, GROUPS, HEADS, ROOT, difference, make_inputs, run, sample
from safetensors.torch import save_file

FOLDER = ROOT / "test" / "fixtures" / "tptt"
# Long cases take room: so many of each length.
WANTED = {1: 9, 7: 36, 64: 4, 100: 2, 127: 2}


def main():
    inputs = make_inputs()
    tensors, cases = {name: x.contiguous() for name, x in inputs.items()}, []
    left = dict(WANTED)
    for case in sample(400, seed=2):
        if left[case["length"]] == 0:
            continue
        left[case["length"]] -= 1
        exact = run(case, inputs, torch.float64)
        single = run(case, inputs)
        case["rounding"] = {name: float(f"{difference(single[name], exact[name]):.2g}") for name in exact}
        tensors |= {f"{len(cases)}.{name}": x.float().contiguous() for name, x in exact.items()}
        cases.append(case)
    save_file(tensors, FOLDER / "operator.safetensors")
    shape = {"batch": BATCH, "heads": HEADS, "groups": GROUPS, "dim": DIM}
    rows = ",\n".join(json.dumps(case) for case in cases)
    (FOLDER / "operator.json").write_text(f'{{"shape": {json.dumps(shape)}, "cases": [\n{rows}\n]}}\n')


main()
