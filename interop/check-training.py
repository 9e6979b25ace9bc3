"""Trains what check-training.ts has trained, from the same weights with the same batches, and compares every step.

    interop/.venv/bin/python interop/check-training.py FOLDER RESULTS

Writes RESULTS/training.json.
"""

import json
import sys
from pathlib import Path

from python_package import check, write_rows  # isort: skip

import torch
import tptt
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, get_scheduler

EAGER = {"attn_implementation": "eager"}


def load(folder):
    """The titan or the adapter in a folder, ready to be trained."""
    if (folder / "config.json").exists():
        return tptt.TpttModel(AutoConfig.from_pretrained(folder, trust_remote_code=True), **EAGER)
    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    base = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **EAGER)
    return PeftModel.from_pretrained(base, folder, is_trainable=True)


def batch_of(examples):
    """Examples side by side, padded on the right."""
    rows = [torch.tensor(example) for example in examples]
    pad = lambda rows, value: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)  # noqa: E731
    mask = pad([torch.ones_like(row) for row in rows], 0)
    return {"input_ids": pad(rows, 0), "attention_mask": mask, "labels": pad(rows, -100)}


def train(folder):
    """The largest differences of loss and gradient norm over all steps, and of the weights after them."""
    run = json.loads(folder.with_suffix(".json").read_text())
    model = load(folder).train()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=run["learning_rate"], weight_decay=run["weight_decay"])
    schedule = get_scheduler(run["lr_scheduler_type"], optimizer, run["warmup_steps"], run["max_steps"])
    losses, norms = [], []
    for examples in run["steps"]:
        loss = model(**batch_of(examples), use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained.values(), run["max_grad_norm"]).item())
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
    after = load_file(folder.with_name(f"{folder.name}-after") / "adapter_model.safetensors")
    plain = lambda name: name.split("layers.")[-1].replace(".default.", ".")  # noqa: E731
    after = {plain(name): tensor for name, tensor in after.items()}
    assert after.keys() == {plain(name) for name in trained}, "other weights were trained"
    moved = load_file(folder / "adapter_model.safetensors")
    assert max((tensor - after[plain(name)]).abs().max() for name, tensor in moved.items()) > 1e-2, "nothing was learned"
    largest = lambda ours, theirs: max(abs(a - b) for a, b in zip(ours, theirs, strict=True))  # noqa: E731
    return {
        "losses": largest(run["losses"], losses),
        "gradient norms": largest(run["norms"], norms),
        "weights": max((after[plain(name)] - p).abs().max().item() for name, p in trained.items()),
    }


def main():
    source, results = map(Path, sys.argv[1:])
    rows = []
    for kind in ("plain", "titan"):
        differences = train(source / kind)
        check(f"{kind}: losses", differences["losses"])
        rows.append({"model": kind, **differences})
    write_rows(results, "training", "Training", TEXT, rows)


TEXT = (
    "LoRA (r 4) on a tiny Llama, plain and as a titan in the form `tptt-0.12` (delta_rule, mu 0.5): 20 steps of AdamW "
    "with weight decay, linear schedule with warmup and clipping to 1, from the same weights over the same padded "
    "batches. Largest differences over all steps, and of the weights after the last."
)

if __name__ == "__main__":
    main()
