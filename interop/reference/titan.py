"""A titan in the exact form as one loop over tokens, in float64: nothing of the Python package is used.

It stands in for the package where that cannot run a backbone (BERT, ViT), and beside this project's chunked operator.
"""

from dataclasses import dataclass
from math import comb

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Memory:
    """The operator, and how much of a layer's output comes from it."""

    order: int = 1
    alpha_gate: str = "c"
    beta_gate: str = "k"
    trick: str = "dt"
    bidirectional: bool = False
    mu: float = 0.5


def pool(x):
    """Mean of tokens t, t - 1 and t - 2, the first standing in for those before it."""
    steps = torch.arange(x.shape[1])
    return sum(x[:, (steps - lag).clamp(min=0)] for lag in range(3)) / 3


def virtual_tokens(x, order, trick):
    """[B, S, H, D] -> [B, S, order, H, D]"""
    if trick == "rdt":
        return (virtual_tokens(x, order, "dt") + virtual_tokens(x, order, "rot")) / 2
    return torch.stack([virtual_token(x, j, order, trick) for j in range(order)], 2)


def virtual_token(x, j, order, trick):
    """Virtual token j of every token."""
    if trick == "cte" or order == 1:
        return x
    if trick == "dt":
        last = order - 1
        coefficient = (-1) ** (last - j) * comb(last, last - j) / 2**last
        return coefficient * F.pad(x, (0, 0, 0, 0, j, 0))[:, : x.shape[1]]
    angle = torch.tensor(2 * torch.pi * j / order, dtype=x.dtype)
    even = x.shape[-1] - x.shape[-1] % 2
    a, b = x[..., 0:even:2], x[..., 1:even:2]
    turned = torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)
    return torch.cat([turned.flatten(-2), x[..., even:]], -1)


def delta_rule(q, k, v, alpha, beta, tokens):
    """What each token reads from the memory, the tokens taken in the given order."""
    batch, length, heads, dim = q.shape
    state = q.new_zeros(batch, heads, dim, dim)
    read = [None] * length
    for t in tokens:
        state = state * alpha[:, t, :, None, :]
        for j in range(k.shape[2]):
            erased = torch.einsum("bhk,bhkv->bhv", beta[:, t] * k[:, t, j], state)
            written = beta[:, t] * v[:, t, j] - erased
            state = state + k[:, t, j, :, :, None] * written[:, :, None, :]
        read[t] = torch.einsum("bhk,bhkv->bhv", q[:, t], state)
    return torch.stack(read, 1)


def read_memory(q, k, v, dim, memory, real=None):
    """Raw projections [B, S, features] to merged heads over their RMS, [B, S, features of q]; padding on the right."""
    if real is None:
        real = torch.ones(q.shape[:2], dtype=torch.bool)
    assert (real[:, 1:] <= real[:, :-1]).all(), "padding on the left"
    real = real[..., None]
    v = v * real
    forget, write = pool(k).sigmoid(), pool(v).sigmoid()
    gates = {"k": forget, "v": write, "kv": forget * write}
    alpha = gates.get(memory.alpha_gate, torch.ones_like(forget)).where(real, 1.0)
    beta = gates.get(memory.beta_gate, torch.full_like(forget, 0.5)).where(real, 0.0)

    group = q.shape[-1] // k.shape[-1]
    q = F.normalize(F.silu(q.unflatten(-1, (-1, dim))), dim=-1, eps=1e-6)
    k, v, alpha, beta = (x.unflatten(-1, (-1, dim)).repeat_interleave(group, 2) for x in (k, v, alpha, beta))
    k = F.normalize(F.silu(k), dim=-1, eps=1e-6)
    k, v = (virtual_tokens(x, memory.order, memory.trick) for x in (k, v / dim**0.5))
    tokens = range(q.shape[1])
    read = delta_rule(q, k, v, alpha, beta, tokens)
    if memory.bidirectional:
        read = (read + delta_rule(q, k, v, alpha, beta, reversed(tokens))) / 2
    merged = read.flatten(-2)
    return merged / (merged.square().mean(-1, keepdim=True) + 1e-6).sqrt()


class ReferenceTitan(nn.Module):
    """A layer of transformers and its memory."""

    def __init__(self, base_attn, memory):
        super().__init__()
        self.base_attn = base_attn
        self.memory = memory
        # [B, S], true at real tokens; set before a run on padded sequences.
        self.real = None

    def forward(self, hidden_states, *args, **options):
        """As the layer's own."""
        base = self.base_attn
        # BERT and ViT call the module of the projections differently.
        inner = getattr(base, "self", getattr(base, "attention", None))
        if inner is None:
            projections, out, dim = (base.q_proj, base.k_proj, base.v_proj), base.o_proj, base.head_dim
            softmax, *rest = base(hidden_states, *args, **options)
        else:
            projections, out = (inner.query, inner.key, inner.value), base.output.dense
            dim = inner.attention_head_size
            softmax = out(inner(hidden_states, *args, **options)[0])
        q, k, v = (projection(hidden_states) for projection in projections)
        mu = self.memory.mu
        mixed = (1 - mu) * softmax + mu * out(read_memory(q, k, v, dim, self.memory, self.real))
        if inner is None:
            return mixed, *rest
        if hasattr(base, "self"):
            return (base.output.LayerNorm(mixed + hidden_states),)
        return mixed


def titanize(model, memory, attention_mask=None):
    """Puts memories around the attention layers of a model, in float64."""
    for layer in list(model.modules()):
        for name in ("attention", "self_attn"):
            found = getattr(layer, name, None)
            # A layer of ViT's has an `attention` of its own, which is but its projections.
            if isinstance(found, nn.Module) and (hasattr(found, "output") or hasattr(found, "o_proj")):
                titan = ReferenceTitan(found, memory)
                titan.real = None if attention_mask is None else attention_mask.bool()
                setattr(layer, name, titan)
    return model.double().eval()
