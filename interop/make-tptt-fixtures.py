"""Writes test/fixtures/tptt/modules.json: what the modules of the Python package tptt 0.12.1 compute.

    interop/.venv/bin/python interop/make-tptt-fixtures.py

Only modules that the Python package and this project define alike are here; see docs/decisions for the others.
"""

import contextlib
import io
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from tptt.configuration_tptt import get_model_name
from tptt.modeling_tptt import (
    CausalAvgPool1d,
    CausalConv1d,
    MemoryAsGate,
    VirtualTokenExpander,
    describe,
    ensure_stability,
    match_dim,
    soft_clamp,
    truncate_attention_mask,
)

FILE = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "tptt" / "modules.json"
LENGTH, HEADS, DIM = 5, 2, 5


def rounded(x):
    """Nested lists of the seven digits that float32 has."""
    return [rounded(row) for row in x] if isinstance(x, list) else float(f"{x:.7g}")


@torch.no_grad()
def pooled(x):
    """CausalAvgPool1d with other arguments; 0.12.0's offsets in its own words (it is not installed beside 0.12.1)."""
    size = x.shape[-1]
    options = [
        {"kernel_size": 2, "dilation": 2},
        {"output_size": 4},
        {"offset": 2},
        {"offset": -1},
        {"padding_mode": "constant"},
        {"padding_mode": "reflect"},
        {"padding_mode": "circular"},
    ]
    others = [{"options": o, "y": rounded(CausalAvgPool1d(size, **o)(x).tolist())} for o in options]
    for offsets in ([0, 1, 2], [0, -1, -2], [-1, 0, 2]):
        low, high = min(offsets), max(offsets)
        kernel = torch.zeros(size, 1, high - low + 1)
        kernel[:, :, torch.tensor(offsets) - low] = 1 / len(offsets)
        padded = F.pad(x.transpose(1, 2), (-low, high), mode="replicate")
        y = F.conv1d(padded, kernel, groups=size).transpose(1, 2)
        others.append({"options": {"offsets": offsets}, "y": rounded(y.tolist())})
    return {"pooled": rounded(CausalAvgPool1d(size)(x).tolist()), "pooledBy": others}


@torch.no_grad()
def convolved(x):
    """CausalConv1d on [B, F, S], with its weights."""
    cases = []
    for options in (
        {"out_channels": 10, "kernel_size": 3},
        {"out_channels": 20, "kernel_size": 2, "dilation": 2, "padding_value": 0.5},
        {"out_channels": 10, "kernel_size": 2, "offset": 2, "padding_mode": "replicate"},
        {"out_channels": 10, "kernel_size": 3, "offset": -2, "padding_mode": "circular"},
        {"out_channels": 10, "kernel_size": 4, "padding_mode": "reflect"},
    ):
        layer = CausalConv1d(x.shape[-1], **options)
        weights = {name: rounded(p.tolist()) for name, p in layer.named_parameters()}
        y = layer(x.transpose(1, 2))
        cases.append({"options": options, "weights": weights, "y": rounded(y.tolist())})
    return cases


def functions(x):
    """The small functions."""
    matrix = x[0] * 3
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -7.0, 0.25, 3.0])
    masks = [torch.ones(1, LENGTH), torch.arange(LENGTH * LENGTH).view(1, LENGTH, LENGTH)]
    masks.append(masks[1][:, None])
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for size in (1.0, 1e-5, 123456.0):
            describe(matrix * size, "x")
    try:
        MemoryAsGate(8, mode="dynamic")
        dynamic = None
    except ValueError as error:
        dynamic = str(error)
    return {
        "softClamp": [
            {"limits": limits, "y": rounded(soft_clamp(matrix, *limits).tolist())}
            for limits in ((), (-1.0, 2.0))
        ],
        "ensureStability": rounded(ensure_stability(odd, -2.0, 3.0).tolist()),
        "matchDim": [
            {"dim": dim, "size": size, "y": rounded(match_dim(matrix, dim, size).tolist())}
            for dim, size in ((0, 8), (1, 23), (-1, 4), (0, 5))
        ],
        "describe": out.getvalue().splitlines(),
        "truncated": [
            [y.tolist() for y in truncate_attention_mask(torch.arange(LENGTH).view(1, -1, 1), mask, 3)]
            for mask in masks
        ],
        "modelNames": [
            {"options": options, "name": get_model_name(add_date=False, **options)}
            for options in (
                {},
                {"lora": False, "cross_gate": True, "bidirectional": True, "linear": False, "prefix": "a"},
                {"order": 2, "alpha_gate": "k", "beta_gate": "kv", "trick": "rot"},
            )
        ],
        "dynamicGateError": dynamic,
    }


def main():
    torch.manual_seed(0)
    x = torch.randn(1, LENGTH, HEADS * DIM)
    by_head = x.view(1, LENGTH, HEADS, DIM).transpose(1, 2)
    expanded = {}
    for mode in ("dt", "rot", "rdt", "cte"):
        for n in (2, 3):
            y = VirtualTokenExpander(HEADS, DIM, n, mode)(by_head)  # [B, H, S, n, D]
            expanded[f"{mode} {n}"] = rounded(y.transpose(1, 2).tolist())
    document = {
        "x": rounded(x.tolist()),
        "expanded": expanded,
        **pooled(x),
        "convolved": convolved(x),
        **functions(x),
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(document, separators=(",", ":")) + "\n")


main()
