"""Writes test/fixtures/models/<name>/: tiny random Hugging Face models and what transformers computes with them.

    interop/.venv/bin/python interop/make-fixtures.py [FOLDER]

Everything is seeded, in float32 with eager attention. The numbers come from the model as it is loaded back from its
own folder, so they belong to the files and not to what was in memory. See test/fixtures/models/README.md.
"""

import json
import shutil
import sys
import zlib
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

FOLDER = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "models"
VOCABULARY = 96
LENGTH = 28
PADDED = 11  # tokens at the end of the second row that the padded run masks
SIZE_LIMIT = 300_000  # bytes, of a whole folder
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def llama(**options):
    """A Llama of two layers; `options` override."""
    return LlamaForCausalLM, LlamaConfig(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 56,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 128,
            "rms_norm_eps": 1e-5,
            **options,
        }
    )


def gemma3(**options):
    """A Gemma 3 text model with local and global layers; the window is much shorter than the test sequence."""
    return Gemma3ForCausalLM, Gemma3TextConfig(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 12,
            "max_position_embeddings": 128,
            "sliding_window": 8,
            "rope_theta": 20_000.0,
            "rope_local_base_freq": 100.0,
            "query_pre_attn_scalar": 20,
            **options,
        }
    )


VARIANTS = {
    # Two q heads share a key head, 4 x 12 is not the hidden size, the head is a matrix of its own.
    "llama-gqa": llama(num_key_value_heads=2, head_dim=12, tie_word_embeddings=False),
    # Rope frequencies that are kept, blended and divided; a bias wherever Llama can have one.
    "llama-tied-llama3": llama(
        num_key_value_heads=2,
        head_dim=12,
        tie_word_embeddings=True,
        attention_bias=True,
        mlp_bias=True,
        rope_theta=1000.0,
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    ),
    # As many key heads as q heads; a config as short as old ones are, with the rest left to defaults.
    "llama-mha": llama(num_key_value_heads=4, rms_norm_eps=1e-6, tie_word_embeddings=False),
    # Layers local, local, global, local, written as `layer_types`.
    "gemma3": gemma3(
        num_hidden_layers=4,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
    ),
    # Layers local, global, local, global, written as `sliding_window_pattern`; global positions divided by 4.
    "gemma3-scaled": gemma3(
        num_hidden_layers=4,
        num_key_value_heads=2,
        sliding_window_pattern=2,
        rope_scaling={"rope_type": "linear", "factor": 4.0},
    ),
}

# Fields taken out of config.json again: what a reader has to derive by itself.
OMITTED = {
    "llama-mha": ["head_dim", "num_key_value_heads", "attention_bias", "mlp_bias", "rope_scaling", "tie_word_embeddings"],
    "gemma3": ["_sliding_window_pattern"],
    "gemma3-scaled": ["_sliding_window_pattern", "layer_types"],
}


def randomize(model, generator):
    """Weights large enough that every one of them shows in the logits, those of norms included."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                low = -0.5 if model.config.model_type == "gemma3_text" else 0.5  # Gemma multiplies by 1 + weight
                parameter.uniform_(low, low + 1, generator=generator)
            else:
                std = 0.1 if name.endswith("bias") or "embed_tokens" in name else 0.18
                parameter.normal_(0, std, generator=generator)


def write_model(name, folder, generator):
    """Writes config.json and model.safetensors."""
    model_class, config = VARIANTS[name]
    model = model_class(config)
    randomize(model, generator)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    for key in OMITTED.get(name, ()):  # the spelling of older configs, of which the Hub is full
        edit_config(folder, lambda fields, key=key: fields.pop(key))
    if name == "gemma3-scaled":
        edit_config(folder, lambda fields: fields.update(sliding_window_pattern=2))
    for path in folder.iterdir():
        path.chmod(0o644)


def edit_config(folder, change):
    """Rewrites config.json after `change` has been at its fields."""
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(dict(sorted(fields.items())), indent=2) + "\n")


def expect(folder, generator):
    """What transformers and PEFT compute with the model in `folder`."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
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

    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=TARGETS)).eval()
    adapters = {
        name.removeprefix("base_model.model.").replace(".default.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    assert len(adapters) == 2 * len(TARGETS) * model.config.num_hidden_layers
    with torch.no_grad():
        for parameter in adapters.values():
            parameter.normal_(0, 0.15, generator=generator)
    adapted = model(input_ids=input_ids, labels=labels, use_cache=False)
    adapted.loss.backward()
    tensors |= {"lora_logits": adapted.logits, "lora_loss": adapted.loss}
    for name, parameter in adapters.items():
        assert parameter.grad.abs().max() > 1e-6, f"{name}: no gradient"
        tensors |= {name: parameter, f"grad.{name}": parameter.grad}
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def main():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name in VARIANTS:
        folder = target / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        write_model(name, folder, generator)
        tensors = expect(folder, generator)
        save_file(tensors, folder / "expected.safetensors")

        size = sum(path.stat().st_size for path in folder.iterdir())
        assert size < SIZE_LIMIT, f"{name}: {size} bytes, more than {SIZE_LIMIT}"
        logits = tensors["logits"]
        print(
            f"{name}: {size} bytes, loss {tensors['loss']:.4f}, with LoRA {tensors['lora_loss']:.4f}, "
            f"logits {logits.min():.2f} .. {logits.max():.2f}"
        )


if __name__ == "__main__":
    main()
