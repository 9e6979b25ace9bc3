"""Writes test/fixtures/tptt/operator.safetensors and operator.json: cases of the linear attention operator of tptt 0.12.1.

    interop/.venv/bin/python interop/make-operator-fixtures.py

The numbers of the cases are those of a run in float64. `rounding` says how far a run in float32, which is what the
package does by itself, is from them. Beside them are the parts of the operator by themselves, a layer that goes on with
its cache, and a layer with projections of its own.
"""

import json

import torch
from operator_cases import BATCH, DIM, GROUPS, HEADS, ROOT, difference, make_inputs, run, sample
from safetensors.torch import save_file
from torch import nn
from tptt import modeling_tptt as tptt

FOLDER = ROOT / "test" / "fixtures" / "tptt"
# Long cases take room: so many of each length.
WANTED = {1: 9, 7: 34, 64: 4, 100: 2, 127: 1}


def make_parts():
    """The functions of the operator, for inputs whose chunk is a part of the sequence."""
    b, h, n, c, order, d = 1, 2, 2, 3, 2, 3
    q, k, v, alpha, beta = (torch.randn(b, h, n * c, order, d) for _ in range(5))
    gates = {"alpha": torch.sigmoid(alpha), "beta": torch.sigmoid(beta)}
    # Only an initial state of this shape is used.
    given = {"q": q, "k": k / 2, "v": v, **gates, "initial": torch.randn(b, h, order, d, d)}
    parts = {f"parts.{name}": x for name, x in given.items()}
    split = {name: x.reshape(b, h, n, c, order, d) for name, x in given.items() if name != "initial"}
    for name, linear in (("linear", True), ("gelu", False)):
        output, state = tptt.LinearAttentionOp.chunk_delta_product_forward(
            *(given[x] for x in ("q", "k", "v", "alpha", "beta")),
            chunk_size=c,
            linear_activation=linear,
            initial_state=given["initial"],
            use_checkpoint=False,
        )
        parts |= {f"parts.chunk.{name}.output": output, f"parts.chunk.{name}.state": state}
        output, state = tptt.sequential_delta_product_scan(
            *(split[x] for x in ("q", "k", "v", "alpha")), linear, given["initial"], torch.float32, False
        )
        parts |= {f"parts.scan.{name}.output": output, f"parts.scan.{name}.state": state}
    tri = torch.randn(2, 7, 7).tril(-1) / 2
    return parts | {"parts.tri": tri, "parts.solved": tptt.construct_causal_forward_solver(tri)}


def make_cached():
    """A prompt of 5 tokens and 3 single ones, with the cache, for orders whose trick looks back, or not."""
    inputs = {name: torch.randn(1, 8, DIM * (HEADS if name == "q" else GROUPS)) for name in ("q", "k", "v")}
    tensors = {f"cached.{name}": x for name, x in inputs.items()}
    for order, alpha, beta, trick in ((1, "k", "k", "dt"), (2, "c", "v", "rdt"), (3, "kv", "k", "dt"), (3, "k", "c", "rot")):
        layer = tptt.LinearAttention(
            hidden_dim=HEADS * DIM,
            num_heads=HEADS,
            head_dim=DIM,
            num_key_value_heads=GROUPS,
            shared_attn=True,
            recurrent_config=dict(order=order, alpha_gate=alpha, beta_gate=beta, linear=True, trick=trick),
        ).eval()
        calls = [{name: x[:, a:b] for name, x in inputs.items()} for a, b in ((0, 5), (5, 6), (6, 7), (7, 8))]
        outputs = [layer(list(call.values()), out_proj=nn.Identity(), use_cache=True) for call in calls]
        tensors[f"cached.{order} {alpha} {beta} {trick}"] = torch.cat(outputs, dim=1)
    return tensors


def make_layer():
    """A layer with projections of its own, with Python's defaults."""
    layer = tptt.LinearAttention(hidden_dim=8, num_heads=2, num_key_value_heads=1).eval()
    x = torch.randn(2, 6, 8)
    weights = {f"layer.{name}": w for name, w in layer.named_parameters() if "proj" in name}
    return weights | {"layer.x": x, "layer.output": layer(x)}


def make_masks():
    """Masks of every kind, and what they leave of ones."""
    keep = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    additive = torch.full((2, 1, 5, 5), -1e4).triu(1) + (1 - keep[:, None, None, :]) * -1e4
    ones = torch.ones(2, 3, 2)
    tensors = {"mask.keep": keep, "mask.additive": additive}
    for name, mask in (("keep", keep), ("additive", additive)):
        for side in ("left", "right"):
            tensors[f"mask.{name}.{side}"] = tptt.apply_linear_attention_mask(mask, ones, side)
    return tensors


@torch.no_grad()
def make_others():
    torch.manual_seed(1)
    return make_parts() | make_cached() | make_layer() | make_masks()


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
    tensors |= {name: x.contiguous() for name, x in make_others().items()}
    save_file(tensors, FOLDER / "operator.safetensors")
    shape = {"batch": BATCH, "heads": HEADS, "groups": GROUPS, "dim": DIM}
    rows = ",\n".join(json.dumps(case) for case in cases)
    (FOLDER / "operator.json").write_text(f'{{"shape": {json.dumps(shape)}, "cases": [\n{rows}\n]}}\n')


main()
