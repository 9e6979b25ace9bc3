"""Writes test/fixtures/models/<name>/: tiny random Hugging Face models and what transformers computes with them.

    interop/.venv/bin/python interop/make-fixtures.py [--to FOLDER] [NAME...]

Everything is seeded, in float32 with eager attention. The numbers come from the model as it is loaded back from its
own folder, so they belong to the files and not to what was in memory.
"""

import argparse
import importlib
import json
import pkgutil
import shutil
import zlib
from pathlib import Path

import backbones
import torch
from backbones import VOCABULARY
from encoder_fixture import expect as expect_encoder
from lora import adapt, copy, draw, gradients
from safetensors.torch import save_file
from tptt import TpttConfig, get_tptt_model
from transformers import AutoModelForCausalLM

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "models"
LENGTH = 28
PADDED = 11  # tokens at the end of the second row that the padded run masks
SIZE_LIMIT = 400_000  # bytes, of a whole folder
TITAN_MODE = "gated_delta_product"
MU = 0.5

VARIANTS = {}
for found in pkgutil.iter_modules(backbones.__path__):
    VARIANTS |= getattr(importlib.import_module(f"backbones.{found.name}"), "VARIANTS", {})


def randomize(model, variant, generator):
    """Weights large enough that every one of them shows in the logits, those of norms included."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ("norm" in name.lower() or "ln_" in name) and name.endswith("weight"):
                low = 0.5 - variant.norm_offset
                parameter.uniform_(low, low + 1, generator=generator)
            else:
                std = 0.1 if name.endswith("bias") or "embed" in name else 0.18
                parameter.normal_(0, std, generator=generator)


def write_model(variant, folder, generator):
    """Writes config.json and model.safetensors."""
    model = variant.model_class(variant.config)
    randomize(model, variant, generator)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    for key in variant.omitted:  # the spelling of older configs, of which the Hub is full
        fields.pop(key)
    fields |= variant.added
    path.write_text(json.dumps(dict(sorted(fields.items())), indent=2) + "\n")
    for path in folder.iterdir():
        path.chmod(0o644)


def load(folder):
    """The plain model."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def expect(folder, variant, generator):
    """What transformers and PEFT compute with the model in `folder`, and tptt with the titan that it becomes."""
    model = load(folder)
    input_ids = torch.randint(0, VOCABULARY, (2, LENGTH), generator=generator)
    labels = input_ids.clone()
    labels[0, :5] = -100
    labels[1, LENGTH - PADDED :] = -100
    labels[1, 3] = -100
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, LENGTH - PADDED :] = 0

    tensors = {"input_ids": input_ids, "labels": labels, "attention_mask": attention_mask}
    with torch.no_grad():
        plain = model(input_ids=input_ids, labels=labels, use_cache=False)
        padded = model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
    tensors |= {"logits": plain.logits, "loss": plain.loss, "padded_logits": padded.logits}

    model, adapters = adapt(model, variant)
    draw(adapters, generator)
    tensors |= adapters | run_adapted(model, adapters, input_ids, labels, "lora")
    if variant.titan:
        titan = titanize(load(folder), TpttConfig.RECURRENT_MODES[TITAN_MODE])
        titan, titan_adapters = adapt(titan, variant)
        copy(adapters, titan_adapters)
        tensors |= run_adapted(titan, titan_adapters, input_ids, labels, "titan")
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def titanize(model, recurrent_config):
    """Puts the Python package's memories into a model."""
    get_tptt_model(model, model.config, recurrent_config=recurrent_config, mag_weight=MU)
    return model.eval()


def run_adapted(model, adapters, input_ids, labels, prefix):
    """Logits, loss and the gradients of the adapters."""
    out = model(input_ids=input_ids, labels=labels, use_cache=False)
    out.loss.backward()
    grad = "grad" if prefix == "lora" else f"{prefix}_grad"
    return {f"{prefix}_logits": out.logits, f"{prefix}_loss": out.loss} | {
        f"{grad}.{name}": gradient for name, gradient in gradients(adapters).items()
    }


def main():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, default=FOLDER)
    parser.add_argument("names", nargs="*", default=list(VARIANTS))
    arguments = parser.parse_args()
    for name in arguments.names or VARIANTS:
        variant = VARIANTS[name]
        folder = arguments.to / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        write_model(variant, folder, generator)
        tensors = (expect_encoder if variant.inputs else expect)(folder, variant, generator)
        save_file(tensors, folder / "expected.safetensors")
        if variant.witness:
            variant.witness(folder, tensors)

        size = sum(path.stat().st_size for path in folder.iterdir())
        assert size < SIZE_LIMIT, f"{name}: {size} bytes, more than {SIZE_LIMIT}"
        out = tensors["last_hidden_state" if variant.inputs else "logits"]
        print(f"{name}: {size} bytes, outputs {out.min():.2f} .. {out.max():.2f}")


if __name__ == "__main__":
    main()
