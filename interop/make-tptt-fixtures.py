"""Writes test/fixtures/tptt/modules.json: what the modules of the Python package tptt 0.12.1 compute.

    interop/.venv/bin/python interop/make-tptt-fixtures.py

Only modules that the Python package and this project define alike are here; see docs/decisions for the others.
"""

import json
from pathlib import Path

import torch
from tptt.modeling_tptt import CausalAvgPool1d, VirtualTokenExpander

FILE = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "tptt" / "modules.json"
LENGTH, HEADS, DIM = 5, 2, 5


def rounded(x):
    """Nested lists of the seven digits that float32 has."""
    return [rounded(row) for row in x] if isinstance(x, list) else float(f"{x:.7g}")


def main():
    torch.manual_seed(0)
    x = torch.randn(1, LENGTH, HEADS * DIM)
    by_head = x.view(1, LENGTH, HEADS, DIM).transpose(1, 2)
    expanded = {}
    for mode in ("dt", "rot", "rdt", "cte"):
        for n in (2, 3):
            y = VirtualTokenExpander(HEADS, DIM, n, mode)(by_head)  # [B, H, S, n, D]
            expanded[f"{mode} {n}"] = rounded(y.transpose(1, 2).tolist())
    with torch.no_grad():
        pooled = CausalAvgPool1d(HEADS * DIM)(x)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    document = {"x": rounded(x.tolist()), "pooled": rounded(pooled.tolist()), "expanded": expanded}
    FILE.write_text(json.dumps(document, separators=(",", ":")) + "\n")


main()
