"""Qwen2 and Qwen3."""

from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from . import VOCABULARY, Variant

SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def qwen2(omitted=(), **options):
    """A Qwen2; `options` override."""
    return Variant(Qwen2ForCausalLM, Qwen2Config(**SHAPE | options), omitted=list(omitted))


def qwen3(omitted=(), **options):
    """A Qwen3 whose heads together are wider than its hidden states; `options` override."""
    return Variant(Qwen3ForCausalLM, Qwen3Config(**SHAPE | {"head_dim": 12} | options), omitted=list(omitted))


VARIANTS = {
    # Tied, as the small ones are; the fields of windows are there, and say that there are none.
    "qwen2": qwen2(tie_word_embeddings=True, rope_theta=1_000_000.0, omitted=["layer_types"]),
    # The first layer sees all, the two above it the last six tokens.
    "qwen2-window": qwen2(
        num_hidden_layers=3,
        use_sliding_window=True,
        sliding_window=6,
        max_window_layers=1,
        omitted=["layer_types"],
    ),
    "qwen3": qwen3(tie_word_embeddings=True, rope_theta=1_000_000.0, omitted=["layer_types"]),
    # A bias on all four projections; the window is in the first layer, as only a list can say.
    "qwen3-window": qwen3(
        attention_bias=True,
        use_sliding_window=True,
        sliding_window=7,
        layer_types=["sliding_attention", "full_attention"],
    ),
}
