"""Writes titans with the Python package, and what it computes with them, for check-titans.ts.

    interop/.venv/bin/python interop/make-titans.py MODELS FOLDER    titans of every tiny model, LoRA and full
    interop/.venv/bin/python interop/make-titans.py --fixtures       test/fixtures/titans

A titan is FOLDER/<name>/, its tokens and logits are FOLDER/<name>.safetensors.
"""

import json
import shutil
import sys
import zlib
from pathlib import Path

from python_package import new_config, titanizable  # isort: skip

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tptt import TpttModel
from transformers import AutoModelForCausalLM

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
VOCABULARY = 96
MU = 0.5


def randomize(model, generator):
    """Moves what is trained away from where it starts."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def expect(model, generator):
    """Tokens and logits. Lengths have divisors below the chunk size, as the package's chunks must."""
    input_ids = torch.randint(0, VOCABULARY, (2, 24), generator=generator)
    with torch.no_grad():
        logits = model(input_ids=input_ids, use_cache=False).logits
    return {"input_ids": input_ids, "logits": logits.contiguous()}


def write_titan(base, folder, lora_config, operator_mode):
    """Saves a titan as a user of the package does."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(zlib.crc32(folder.name.encode()))
    lora = None if lora_config is None else lora_config.to_dict()
    config = new_config(base, folder, operator_mode=operator_mode, mag_weight=MU, lora_config=lora)
    model = TpttModel(config, attn_implementation="eager").eval()
    randomize(model, generator)
    model.save_pretrained(f"{folder}/")
    save_file(expect(model, generator), folder.with_suffix(".safetensors"))


def write_adapter(base, folder, lora_config):
    """Saves a plain PEFT adapter."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(zlib.crc32(folder.name.encode()))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(model, lora_config).eval()
    randomize(model, generator)
    model.save_pretrained(folder)
    save_file(expect(model, generator), folder.with_suffix(".safetensors"))


def adapters():
    """Plain adapters, one for each way to name layers; the first two cannot be said together."""
    saved = {"modules_to_save": ["lm_head"]}
    return {
        "layers": LoraConfig(
            r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "down_proj"], layers_to_transform=[1], **saved
        ),
        "pattern": LoraConfig(
            r=2,
            lora_alpha=6,
            target_modules=r".*\.(?P<layer>0|1)\.self_attn\.[qv]_proj",
            exclude_modules=["layers.1.self_attn.v_proj"],
            rank_pattern={r"layers\.0\..*q_proj": 3},
            alpha_pattern={"v_proj": 4},
        ),
        "all-linear": LoraConfig(r=2, target_modules="all-linear"),
    }


def write_fixtures():
    """A titan with LoRA, one without, and plain adapters, whose base models are found beside them."""
    target = FIXTURES / "titans"
    name = "llama-gqa"
    base = FIXTURES / "models" / name
    write_titan(base, target / "lora", LoraConfig(r=2, target_modules=["q_proj", "v_proj"]), "delta_rule")
    write_titan(base, target / "full", None, "delta_product")
    for kind in ("layers", "pattern"):
        write_adapter(base, target / f"peft-{kind}", adapters()[kind])
    for path in target.glob("*/*"):
        if path.name not in ("config.json", "adapter_config.json", "adapter_model.safetensors"):
            path.unlink()
        elif path.suffix == ".json":
            path.write_text(path.read_text().replace(str(base), f"../../models/{name}"))


def main():
    if sys.argv[1:] == ["--fixtures"]:
        return write_fixtures()
    models, target = map(Path, sys.argv[1:])
    for base, targets in titanizable(models.resolve()):
        lora = lambda: LoraConfig(r=4, lora_alpha=8, target_modules=targets)  # noqa: E731
        for mode in ("delta_rule", "delta_product"):
            write_titan(base, target / f"{base.name}-lora-{mode}", lora(), mode)
        write_titan(base, target / f"{base.name}-full-delta_product", None, "delta_product")
        print(base.name, "written")
    for base in (models.resolve() / "llama-gqa", models.resolve() / "llama-mha"):
        for kind, config in adapters().items():
            write_adapter(base, target / f"{base.name}-peft-{kind}", config)


if __name__ == "__main__":
    main()
