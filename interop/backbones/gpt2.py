"""GPT-2."""

from transformers import GPT2Config, GPT2LMHeadModel

from . import VOCABULARY, Variant


def gpt2(**options):
    """A GPT-2 of two layers; `options` override."""
    config = GPT2Config(
        **{
            "vocab_size": VOCABULARY,
            "n_positions": 64,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "bos_token_id": 0,
            "eos_token_id": 0,
            **options,
        }
    )
    return Variant(GPT2LMHeadModel, config, targets=["c_attn", "c_proj"])


VARIANTS = {
    "gpt2": gpt2(),
    # Another activation and width, scores divided by the layer's number, the head a matrix of its own.
    "gpt2-scaled": gpt2(
        n_layer=3,
        n_inner=40,
        activation_function="gelu",
        scale_attn_by_inverse_layer_idx=True,
        reorder_and_upcast_attn=True,
        tie_word_embeddings=False,
    ),
}
