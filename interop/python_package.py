"""The Python package tptt, made to work without a network."""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors import safe_open
from transformers import AutoConfig, Gemma3TextConfig
from tptt import TpttConfig

from backbones import dream, openelm  # noqa: F401  (they tell transformers what it does not know)

DEFAULT_BASE = "google/gemma-3-270m"
TOLERANCE = 1e-4

ask = AutoConfig.from_pretrained


def answer(name, *arguments, **options):
    """A default config, which the package makes only to write differences from it, names a model on the hub."""
    return Gemma3TextConfig() if name == DEFAULT_BASE else ask(name, *arguments, **options)


AutoConfig.from_pretrained = answer
torch.set_num_threads(1)


def titanizable(models):
    """The tiny models that the package can titanize, with the names of the layers that have LoRA in their fixtures."""
    for folder in sorted(path for path in Path(models).iterdir() if path.is_dir()):
        with safe_open(folder / "expected.safetensors", "pt") as expected:
            names = list(expected.keys())
        if "titan_logits" in names:
            lora = [name.split(".lora_")[0] for name in names if ".lora_" in name and "grad." not in name]
            yield folder, sorted({name.split(".")[-1] for name in lora})


def new_config(base, empty, **options):
    """The config of a new titan; the package looks for trained weights, so it is shown an empty folder."""
    config = TpttConfig(base_model_config=ask(base), base_model_name=str(base), **options)
    config._name_or_path = str(empty)
    return config


def write_rows(folder, name, title, text, rows):
    """Writes what was measured, a table of docs/interop.md."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    document = {"title": title, "text": text, "rows": rows}
    (Path(folder) / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def check(what, difference, tolerance=TOLERANCE):
    """Fails when a difference is too large, or is no number."""
    assert difference < tolerance, f"{what}: differs by {difference}, more than {tolerance}"
    return difference
