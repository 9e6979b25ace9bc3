"""Dream, which transformers does not have: its Qwen2 without the causal mask, checked against a plain loop."""

import json

import numpy as np
from reference.dream import Dream, diffuse
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from . import VOCABULARY, Variant
from .qwen import SHAPE

MASK = VOCABULARY - 1
CASES = [
    {"alg": "maskgit_plus", "max_new_tokens": 12, "steps": 12},
    {"alg": "maskgit_plus", "max_new_tokens": 12, "steps": 5, "top_k": 4},
    {"alg": "topk_margin", "max_new_tokens": 12, "steps": 30},
    {"alg": "topk_margin", "max_new_tokens": 9, "steps": 4, "top_p": 0.9},
    {"alg": "entropy", "max_new_tokens": 12, "steps": 6, "eps": 0.1},
    {"alg": "entropy", "max_new_tokens": 10, "steps": 7, "top_p": 0.7, "top_k": 3},
]


class DreamConfig(Qwen2Config):
    """Qwen2's, with the token that stands for one not yet known."""

    model_type = "Dream"

    def __init__(self, mask_token_id=151_666, **options):
        super().__init__(**options)
        self.mask_token_id = mask_token_id


class DreamModel(Qwen2ForCausalLM):
    """Every token sees every other."""

    config_class = DreamConfig

    def forward(self, input_ids=None, attention_mask=None, **options):
        """As Qwen2's; padding is hidden, nothing else."""
        bias = None
        if attention_mask is not None:
            bias = (attention_mask[:, None, None, :] == 0) * -1e30
        return super().forward(input_ids, {"full_attention": bias}, **options)


AutoConfig.register("Dream", DreamConfig)
AutoModelForCausalLM.register(DreamConfig, DreamModel)


def witness(folder, tensors):
    """Holds the logits against the loop's, and writes what the loop decodes."""
    model = Dream(folder)
    ids, mask = tensors["input_ids"].numpy(), tensors["attention_mask"].numpy() == 1
    for row, (tokens, real) in enumerate(zip(ids, mask, strict=True)):
        differences = [
            np.abs(model.logits(tokens) - tensors["logits"][row].numpy()).max(),
            np.abs(model.logits(tokens, real) - tensors["padded_logits"][row].numpy())[real].max(),
        ]
        assert max(differences) < 2e-5, differences
    prompts = [ids[0, :5].tolist(), [*ids[1, :3].tolist(), MASK, MASK, int(ids[1, 3])]]
    generated = [
        {"prompt": prompt, **case, "ids": diffuse(model, prompt, **case)}
        for case in CASES
        for prompt in prompts
    ]
    (folder / "generated.json").write_text("[\n" + ",\n".join(map(json.dumps, generated)) + "\n]\n")


VARIANTS = {
    "dream": Variant(
        DreamModel,
        DreamConfig(**SHAPE, mask_token_id=MASK, rope_theta=1_000_000.0),
        omitted=["layer_types"],
        witness=witness,
    ),
}
