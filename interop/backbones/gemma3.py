"""Gemma 3, the text model."""

from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from . import VOCABULARY, Variant


def gemma3(omitted=(), added=None, **options):
    """A Gemma 3 text model with local and global layers; the window is much shorter than the test sequence."""
    config = Gemma3TextConfig(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 12,
            "max_position_embeddings": 128,
            "sliding_window": 8,
            "rope_theta": 20_000.0,
            "rope_local_base_freq": 100.0,
            "query_pre_attn_scalar": 20,
            **options,
        }
    )
    return Variant(Gemma3ForCausalLM, config, omitted=list(omitted), added=added or {}, norm_offset=1.0)


VARIANTS = {
    # Layers local, local, global, local, written as `layer_types`.
    "gemma3": gemma3(
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        omitted=["_sliding_window_pattern"],
    ),
    # Layers local, global, local, global, written as `sliding_window_pattern`; global positions divided by 4.
    "gemma3-scaled": gemma3(
        num_key_value_heads=2,
        sliding_window_pattern=2,
        rope_scaling={"rope_type": "linear", "factor": 4.0},
        omitted=["_sliding_window_pattern", "layer_types"],
        added={"sliding_window_pattern": 2},
    ),
}
