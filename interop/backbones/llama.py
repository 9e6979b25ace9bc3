"""Llama."""

import torch
from reference.titan import Memory, titanize
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from . import VOCABULARY, Variant

TITANS = {
    "causal": Memory(order=2, alpha_gate="k", beta_gate="k", trick="dt"),
    "bidirectional": Memory(order=2, alpha_gate="k", beta_gate="k", trick="dt", bidirectional=True),
}


def exact_titans(folder, tensors):
    """Writes what the reference titan makes of the padded rows."""
    inputs = {name: tensors[name] for name in ("input_ids", "attention_mask")}
    found = {}
    for name, memory in TITANS.items():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        with torch.no_grad():
            logits = titanize(model, memory, inputs["attention_mask"])(**inputs, use_cache=False).logits
        found[name] = logits.float().contiguous()
    save_file(found, folder / "exact.safetensors")


def llama(omitted=(), witness=None, **options):
    """A Llama of two layers; `options` override."""
    config = LlamaConfig(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 56,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5,
            **options,
        }
    )
    return Variant(LlamaForCausalLM, config, omitted=list(omitted), witness=witness)


VARIANTS = {
    # Two q heads share a key head, 4 x 12 is not the hidden size, the head is a matrix of its own.
    "llama-gqa": llama(num_key_value_heads=2, head_dim=12, tie_word_embeddings=False, witness=exact_titans),
    # Rope frequencies that are kept, blended and divided; a bias wherever Llama can have one.
    "llama-tied-llama3": llama(
        num_key_value_heads=2,
        head_dim=12,
        tie_word_embeddings=True,
        attention_bias=True,
        mlp_bias=True,
        rope_theta=1000.0,
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    # As many key heads as q heads; a config as short as old ones are, with the rest left to defaults.
    "llama-mha": llama(
        num_key_value_heads=4,
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
        omitted=[
            "head_dim",
            "num_key_value_heads",
            "attention_bias",
            "mlp_bias",
            "rope_scaling",
            "tie_word_embeddings",
        ],
    ),
}
