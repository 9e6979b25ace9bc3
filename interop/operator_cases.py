"""Cases for the two scripts about the linear attention operator, and what the Python package computes for them."""

import itertools
import random
from pathlib import Path

import torch
from tptt import TpttConfig
from tptt.modeling_tptt import LinearAttention
from torch import nn
from torch.nn import functional as F

HEADS, GROUPS, DIM, BATCH = 2, 1, 5, 2
INPUTS = ("q", "k", "v")
LENGTHS = (1, 7, 64, 100, 127)
MASKS = ("none", "left", "right")
GATES = ("k", "v", "kv", "c")
TRICKS = ("dt", "rot", "rdt")


def all_cases():
    """Every named mode, and every operator that can be put together, over lengths and masks."""
    modes = [(name, dict(config)) for name, config in TpttConfig.RECURRENT_MODES.items()]
    parts = itertools.product((1, 2, 3), GATES, GATES, TRICKS, (True, False))
    for order, alpha, beta, trick, linear in parts:
        modes.append(("", dict(order=order, alpha_gate=alpha, beta_gate=beta, linear=linear, trick=trick)))
    for (mode, config), length, mask in itertools.product(modes, LENGTHS, MASKS):
        if length == 1 and mask != "none":
            continue  # Python's mask fails for one token.
        yield {"mode": mode, **config, "length": length, "mask": mask, "lookahead": False, "bidirectional": False}


def sample(count, seed=0):
    """`count` cases, every named mode at every length first, some with 0.12.0's pool, some in both directions."""
    rng = random.Random(seed)
    cases = list(all_cases())
    named = {}
    for case in rng.sample(cases, len(cases)):
        if case["mode"]:
            named.setdefault((case["mode"], case["length"]), case)
    others = [case for case in cases if not case["mode"]]
    rng.shuffle(others)
    chosen = [dict(case) for case in (list(named.values()) + others)[:count]]
    for case in chosen:
        case["chunk"] = rng.choice((4, 16, 64))
        case["lookahead"] = rng.random() < 0.2
        case["bidirectional"] = rng.random() < 0.1
    return chosen


def make_inputs(seed=0):
    """Raw projections [B, S, features] of the longest case, which shorter ones cut, and the gradient of the output."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda features: torch.randn(BATCH, max(LENGTHS), features, generator=generator)
    return {"q": draw(HEADS * DIM), "k": draw(GROUPS * DIM), "v": draw(GROUPS * DIM), "grad": draw(HEADS * DIM)}


def mask_of(case):
    """[B, S] with a padded second row, or None."""
    if case["mask"] == "none":
        return None
    length = case["length"]
    mask = torch.ones(BATCH, length, dtype=torch.long)
    padding = length // 3
    mask[1, slice(0, padding) if case["mask"] == "left" else slice(length - padding, length)] = 0
    return mask


class LookaheadPool(nn.Module):
    """The pool of tptt 0.12.0: the mean over tokens t, t + 1 and t + 2, the last one standing in for later ones."""

    def forward(self, x):
        padded = F.pad(x.transpose(1, 2), (0, 2), mode="replicate")
        return padded.unfold(-1, 3, 1).mean(-1).transpose(1, 2)


def run(case, inputs, dtype=torch.float32):
    """Output [B, S, H * D], last memory [B, H, D, D], and the gradients to q, k and v, as Python computes them."""
    config = {name: case[name] for name in ("order", "alpha_gate", "beta_gate", "linear", "trick")}
    layer = LinearAttention(
        hidden_dim=HEADS * DIM,
        num_heads=HEADS,
        head_dim=DIM,
        num_key_value_heads=GROUPS,
        linear_precision=dtype,
        padding_side="left" if case["mask"] == "left" else "right",
        shared_attn=True,
        recurrent_config=config,
        max_chunk_size=case["chunk"],
        bidirectional=case["bidirectional"],
    ).to(dtype)
    if case["lookahead"]:
        layer.pool_g = LookaheadPool()
    states = []
    layer.linear_operator.register_forward_hook(lambda _, __, result: states.append(result[1]))
    cut = {name: x[:, : case["length"]].to(dtype) for name, x in inputs.items()}
    leaves = [cut[name].clone().requires_grad_() for name in INPUTS]
    output = layer(leaves, attn_mask=mask_of(case), out_proj=nn.Identity())
    grads = torch.autograd.grad((output * cut["grad"]).sum(), leaves)
    return {
        "output": output.detach(),
        "state": states[0].detach(),
        **{f"grad.{name}": g for name, g in zip(INPUTS, grads)},
    }


def difference(a, b):
    """The largest difference, relative to the largest number of b unless that is 0."""
    largest = b.double().abs().max().item()
    return (a.double() - b.double()).abs().max().item() / (largest or 1)


ROOT = Path(__file__).resolve().parent.parent
