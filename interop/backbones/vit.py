"""ViT."""

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTModel

from . import Variant

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def inputs(config, generator):
    """Two images."""
    size = config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return {"pixel_values": torch.randn((2, config.num_channels, height, width), generator=generator)}


VARIANTS = {
    "vit": Variant(
        ViTModel,
        ViTConfig(image_size=16, patch_size=4, **SHAPE),
        targets=["query", "key", "value", "dense"],
        inputs=inputs,
    ),
    # A classifier: its files put `vit.` before all names and have no pooler. Patches leave two columns of the image over.
    "vit-oblong": Variant(
        ViTForImageClassification,
        ViTConfig(image_size=[12, 20], patch_size=[4, 6], num_channels=1, qkv_bias=False, **SHAPE),
        targets=["query", "key", "value", "dense"],
        inputs=inputs,
    ),
}
