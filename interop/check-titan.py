"""Loads the titans that write-titan.ts wrote with the Python package, and compares logits.

    interop/.venv/bin/python interop/check-titan.py FOLDER
"""

import inspect
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tptt import TpttConfig, TpttModel

TOLERANCE = 1e-4


def read_config(folder):
    """The titan's config. AutoConfig would ask the hub for the default base model, only to print the config."""
    fields = json.loads((folder / "config.json").read_text())
    known = inspect.signature(TpttConfig.__init__).parameters.keys() & fields.keys()
    own = {name: fields[name] for name in known}
    config = TpttConfig(base_model_config=fields, **own)
    config._name_or_path = str(folder)
    return config


def check(folder):
    """Loads one titan; returns the largest difference of its logits."""
    expected = load_file(folder.with_suffix(".safetensors"))
    config = read_config(folder)
    # The package adds a boolean mask to the scores as 0 and 1; only the eager form has a mask that it can add.
    # And not from_pretrained, which ties the head of every model to its embedding.
    model = TpttModel(config, attn_implementation="eager").eval()
    loaded = {name: p for name, p in model.named_parameters() if "lora_" in name}
    assert loaded and all(p.abs().max() > 0 for p in loaded.values()), f"{folder}: LoRA weights were not loaded"
    with torch.no_grad():
        logits = model(input_ids=expected["input_ids"]).logits
    return (logits - expected["logits"]).abs().max().item()


def main():
    folders = [path for path in sorted(Path(sys.argv[1]).iterdir()) if path.is_dir()]
    assert folders, "no titan to check"
    for folder in folders:
        difference = check(folder)
        print(f"{folder.name}: logits differ by {difference:.2e}")
        assert difference < TOLERANCE, f"{folder.name}: more than {TOLERANCE}"


if __name__ == "__main__":
    main()
