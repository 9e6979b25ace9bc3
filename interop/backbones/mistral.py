"""Mistral."""

from transformers import MistralConfig, MistralForCausalLM

from . import VOCABULARY, Variant

VARIANTS = {
    # The window is much shorter than the test sequence, and the heads together are wider than the hidden states.
    "mistral": Variant(
        MistralForCausalLM,
        MistralConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=56,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=12,
            max_position_embeddings=128,
            rms_norm_eps=1e-5,
            sliding_window=6,
        ),
    ),
}
