"""BERT."""

import torch
from transformers import BertConfig, BertModel

from . import VOCABULARY, Variant


def inputs(config, generator):
    """Two rows of two segments, the second row padded."""
    shape = (2, 20)
    attention_mask = torch.ones(shape, dtype=torch.long)
    attention_mask[1, 13:] = 0
    return {
        "input_ids": torch.randint(0, config.vocab_size, shape, generator=generator),
        "attention_mask": attention_mask,
        "token_type_ids": torch.tensor([[0] * 8 + [1] * 12, [0] * 5 + [1] * 15]),
    }


VARIANTS = {
    "bert": Variant(
        BertModel,
        BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=56,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=24,
        ),
        targets=["query", "key", "value", "dense"],
        inputs=inputs,
    ),
}
