"""Loads what write-titans.ts wrote with the Python packages, and compares logits.

    interop/.venv/bin/python interop/read-titans.py FOLDER RESULTS

Writes RESULTS/titans-to-python.json.
"""

import sys
from pathlib import Path

from python_package import check, write_rows  # isort: skip

import torch
import tptt
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

# The package adds a boolean mask to the scores as 0 and 1; only the eager form has a mask that it can add.
EAGER = {"attn_implementation": "eager"}


def plain(folder):
    """A model as transformers loads it."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **EAGER)


def adapter(folder):
    """An adapter as PEFT loads it over its base model."""
    config = PeftConfig.from_pretrained(folder)
    base = plain(config.base_model_name_or_path)
    model = PeftModel.from_pretrained(base, folder, config=config)
    stored = load_file(folder / "adapter_model.safetensors")
    trained = [n for n, _ in model.named_parameters() if "lora_" in n or ".modules_to_save." in n]
    assert len(stored) == len(trained), f"{folder}: {len(stored)} tensors for {len(trained)} parameters"
    return model


def titans(folder):
    """A titan in every way that the package has to load one."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    yield "TpttModel(config)", tptt.TpttModel(config, **EAGER)
    base = plain(config.base_model_name)
    tied = base.lm_head is None or base.lm_head.weight is base.get_input_embeddings().weight
    if tied or tptt.modeling_tptt.find_embedding_lm(base) is None:
        options = {"trust_remote_code": True, **EAGER}
        yield "TpttModel.from_pretrained", tptt.TpttModel.from_pretrained(folder, **options)
        # Given no config, transformers keeps the option for itself.
        yield "AutoModelForCausalLM", AutoModelForCausalLM.from_pretrained(folder, config=config, **options)


def ways(folder):
    kind = folder.name.split("-")[-1]
    if kind == "titan":
        yield from titans(folder)
    elif kind == "adapter":
        yield "PeftModel.from_pretrained", adapter(folder)
    else:
        yield "AutoModelForCausalLM", plain(folder)


def main():
    source, results = map(Path, sys.argv[1:])
    rows = {}
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        expected = load_file(folder.with_suffix(".safetensors"))
        for way, model in ways(folder):
            with torch.no_grad():
                logits = model.eval()(input_ids=expected["input_ids"], use_cache=False).logits
            difference = (logits - expected["logits"]).abs().max().item()
            base, trained, kind = folder.name.rsplit("-", 2)
            row = rows.setdefault((base, trained), {"base model": base, "trained": trained})
            row[f"{kind}: {way}"] = check(f"{folder.name}, {way}", difference)
    assert rows, f"{source}: nothing to check"
    write_rows(results, "titans-to-python", "Saved here, loaded by Python", TEXT, list(rows.values()))


TEXT = (
    "Titans in the form `tptt-0.12` (mu 0.5; with LoRA, and with the projections trained themselves), plain PEFT adapters "
    "and merged models, saved here: largest difference of logits. `from_pretrained` of the package ties every output "
    "embedding to the input embedding, so titans of models whose embeddings differ are built from their config there."
)

if __name__ == "__main__":
    main()
