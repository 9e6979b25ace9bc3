"""OpenELM (arXiv 2404.14619), which transformers lacks: written from Apple's public modeling_openelm.py and
configuration_openelm.py (apple/OpenELM-270M on the Hugging Face Hub). interop/reference/openelm.py computes the same
in another way, and must agree."""

import torch
from reference.openelm import check
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from . import VOCABULARY, Variant


class OpenElmConfig(PretrainedConfig):
    """The fields of Apple's config.json, its lists included."""

    model_type = "openelm"


class Norm(nn.Module):
    """x / RMS(x) * weight"""

    def __init__(self, features):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def turn(x, base):
    """Rotary positions of x [B, H, S, D]: channel i turns with channel i + D / 2."""
    length, dim = x.shape[-2:]
    frequencies = base ** (-torch.arange(0, dim, 2, dtype=x.dtype) / dim)
    angles = torch.outer(torch.arange(length, dtype=x.dtype), frequencies)
    cos, sin = torch.cat([angles.cos()] * 2, dim=-1), torch.cat([angles.sin()] * 2, dim=-1)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class SelfAttention(nn.Module):
    """Its properties have the names that the Python package looks for."""

    def __init__(self, config, layer):
        super().__init__()
        self.head_dim = config.head_dim
        self.num_q_heads = config.num_query_heads[layer]
        self.num_k_heads = self.num_v_heads = config.num_kv_heads[layer]
        self.rope_base = config.rope_freq_constant
        heads = self.num_q_heads + self.num_k_heads + self.num_v_heads
        self.qkv_proj = nn.Linear(config.model_dim, heads * self.head_dim, bias=False)
        self.out_proj = nn.Linear(self.num_q_heads * self.head_dim, config.model_dim, bias=False)
        normed = config.normalize_qk_projections
        self.q_norm, self.k_norm = (Norm(self.head_dim) if normed else None for _ in range(2))

    def forward(self, hidden_states, attention_mask=None, **_):
        batch, length, _ = hidden_states.shape
        heads = self.qkv_proj(hidden_states).view(batch, length, -1, self.head_dim).transpose(1, 2)
        q, k, v = heads.split([self.num_q_heads, self.num_k_heads, self.num_v_heads], dim=1)
        q = turn(self.q_norm(q) if self.q_norm else q, self.rope_base)
        k = turn(self.k_norm(k) if self.k_norm else k, self.rope_base)
        k, v = (x.repeat_interleave(self.num_q_heads // self.num_k_heads, dim=1) for x in (k, v))
        scores = q @ k.transpose(2, 3) / self.head_dim**0.5 + attention_mask
        out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, -1)
        return self.out_proj(out)


class FeedForward(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        width = make_divisible(config.ffn_multipliers[layer] * config.model_dim, config.ffn_dim_divisor)
        self.proj_1 = nn.Linear(config.model_dim, 2 * width, bias=False)
        self.proj_2 = nn.Linear(width, config.model_dim, bias=False)

    def forward(self, x):
        gate, up = self.proj_1(x).chunk(2, dim=-1)
        return self.proj_2(F.silu(gate) * up)


def make_divisible(value, divisor):
    """The nearest multiple of the divisor, not more than a tenth below the value."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near


class Layer(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.attn = SelfAttention(config, layer)
        self.ffn = FeedForward(config, layer)
        self.ffn_norm = Norm(config.model_dim)
        self.attn_norm = Norm(config.model_dim)

    def forward(self, x, attention_mask):
        x = x + self.attn(self.attn_norm(x), attention_mask=attention_mask)
        return x + self.ffn(self.ffn_norm(x))


class Transformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.token_embeddings = nn.Embedding(config.vocab_size, config.model_dim)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.num_transformer_layers))
        self.norm = Norm(config.model_dim)

    def forward(self, input_ids, attention_mask):
        x = self.token_embeddings(input_ids)
        length = input_ids.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool).tril()
        if attention_mask is not None:
            seen = seen & attention_mask.bool()[:, None, None, :]
        bias = torch.zeros(seen.shape, dtype=x.dtype).masked_fill(~seen, torch.finfo(x.dtype).min)
        bias = bias.expand(len(x), 1, length, length)
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x)


class OpenELMForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = OpenElmConfig
    base_model_prefix = "transformer"

    def __init__(self, config):
        super().__init__(config)
        self.transformer = Transformer(config)
        shared = config.share_input_output_layers
        self.lm_head = None if shared else nn.Linear(config.model_dim, config.vocab_size, bias=False)

    def get_input_embeddings(self):
        return self.transformer.token_embeddings

    def get_output_embeddings(self):
        """None: there is nothing to tie, a shared embedding is one and the same."""

    def forward(self, input_ids, attention_mask=None, labels=None, **_):
        hidden = self.transformer(input_ids, attention_mask)
        logits = F.linear(hidden, (self.lm_head or self.transformer.token_embeddings).weight)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)


AutoConfig.register(OpenElmConfig.model_type, OpenElmConfig)
AutoModelForCausalLM.register(OpenElmConfig, OpenELMForCausalLM)


def openelm(**options):
    """An OpenELM of three layers, with every field that Apple's config.json has; `options` override."""
    config = OpenElmConfig(
        **{
            "activation_fn_name": "swish",
            "architectures": ["OpenELMForCausalLM"],
            "bos_token_id": 1,
            "eos_token_id": 2,
            "ffn_dim_divisor": 8,
            "ffn_multipliers": [0.5, 1.25, 2.0],
            "ffn_with_glu": True,
            "head_dim": 8,
            "initializer_range": 0.02,
            "max_context_length": 64,
            "model_dim": 32,
            "normalization_layer_name": "rms_norm",
            "normalize_qk_projections": True,
            "num_gqa_groups": 2,
            "num_kv_heads": [1, 2, 2],
            "num_query_heads": [2, 4, 4],
            "num_transformer_layers": 3,
            "qkv_multipliers": [0.5, 1.0],
            "rope_freq_constant": 10_000,
            "rope_max_length": 128,
            "share_input_output_layers": True,
            "vocab_size": VOCABULARY,
            **options,
        }
    )
    return Variant(OpenELMForCausalLM, config, targets=["qkv_proj", "out_proj"], witness=check)


VARIANTS = {
    # Layers of 2 and 4 heads and of three widths.
    "openelm": openelm(),
    # As many key heads as q heads, no norms on them, another rope base, the head a matrix of its own; widths of 11.52
    # and 60.8, which are rounded to 16 (8 is more than a tenth below) and 64.
    "openelm-mha": openelm(
        num_transformer_layers=2,
        num_gqa_groups=1,
        num_query_heads=[2, 4],
        num_kv_heads=[2, 4],
        ffn_multipliers=[0.36, 1.9],
        normalize_qk_projections=False,
        share_input_output_layers=False,
        rope_freq_constant=1000,
    ),
}
