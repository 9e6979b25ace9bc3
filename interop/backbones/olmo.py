"""OLMo, OLMo 2 and OLMoE."""

from transformers import (
    Olmo2Config,
    Olmo2ForCausalLM,
    OlmoConfig,
    OlmoeConfig,
    OlmoeForCausalLM,
    OlmoForCausalLM,
)

from . import VOCABULARY, Variant

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 1,
    "eos_token_id": 2,
}
# Experts and the router get LoRA too.
MOE_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate", "up_proj", "down_proj"]


def olmoe(omitted=(), targets=None, **options):
    """A small mixture of experts."""
    config = OlmoeConfig(**{**SIZES, "hidden_size": 32, "intermediate_size": 20, **options})
    return Variant(OlmoeForCausalLM, config, omitted=list(omitted), **({"targets": targets} if targets else {}))


VARIANTS = {
    # A clip that cuts about a third of q, k and v; biases.
    "olmo": Variant(OlmoForCausalLM, OlmoConfig(**SIZES, clip_qkv=0.75, attention_bias=True)),
    # As many key heads as q heads; a config as short as those of the Hub, which do not clip.
    "olmo-mha": Variant(
        OlmoForCausalLM,
        OlmoConfig(**SIZES | {"num_key_value_heads": 4, "rope_theta": 500.0}),
        omitted=["clip_qkv", "attention_bias", "rope_scaling", "num_key_value_heads"],
    ),
    "olmo2": Variant(Olmo2ForCausalLM, Olmo2Config(**SIZES, rope_theta=5000.0, attention_bias=True)),
    # Two of seven experts a token, their weights as the router gives them.
    "olmoe": olmoe(num_experts=7, num_experts_per_tok=2, targets=MOE_TARGETS, omitted=["norm_topk_prob"]),
    # Two of three, their weights normalised: more tokens than fit the experts' tiles; a clip after the norms.
    "olmoe-normalized": olmoe(
        num_experts=3, num_experts_per_tok=2, num_hidden_layers=1, norm_topk_prob=True, clip_qkv=0.7, attention_bias=True
    ),
}
