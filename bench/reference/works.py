"""The kinds of work that the reference knows: each gives a function that does the work once."""

import tempfile
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, Gemma3TextConfig
from tptt import TpttConfig, TpttModel
from tptt.modeling_tptt import LinearAttentionOp

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
DEFAULT_BASE = "google/gemma-3-270m"


def token_ids(count, start=0, limit=30_000):
    """The same tokens as ../work.ts has."""
    return [100 + (start + i) * 7919 % (limit - 100) for i in range(count)]


def lora_config():
    return LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=TARGETS)


def load(work, lora):
    """The base model in float32, or a titan of it; with LoRA if that is asked for."""
    if work["memory"] == "off":
        model = AutoModelForCausalLM.from_pretrained(work["model"], dtype=torch.float32)
        return get_peft_model(model, lora_config()) if lora else model
    # Without a hub: the package asks it for its default base model, only to write differences from it.
    ask = AutoConfig.from_pretrained
    AutoConfig.from_pretrained = lambda name, *a, **k: Gemma3TextConfig() if name == DEFAULT_BASE else ask(name, *a, **k)
    config = TpttConfig(
        base_model_config=ask(work["model"]),
        base_model_name=work["model"],
        operator_mode=work["memory"],
        mag_weight=work.get("mu", 0.5),
        lora_config=lora_config().to_dict() if lora else None,
    )
    config._name_or_path = tempfile.mkdtemp()  # An empty folder: no trained weights.
    return TpttModel(config, dtype=torch.float32)


def operator(work):
    shape = (work["batch"], work["heads"], work["length"], work["order"], work["dim"])
    q, k, v, beta = (torch.rand(shape) * scale for scale in (work["dim"] ** -0.5, work["dim"] ** -0.5, 1, 1))
    alpha = torch.ones(shape)
    leaves = [x.requires_grad_(work["backward"]) for x in (q, k, v, beta)]

    def once():
        with torch.set_grad_enabled(work["backward"]):
            output, _ = LinearAttentionOp.chunk_delta_product_forward(
                q, k, v, alpha, beta, 64, use_checkpoint=False
            )
            if work["backward"]:
                torch.autograd.grad((output * output).sum(), leaves)

    return once


def train(work):
    model = load(work, lora=True).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=5e-4, weight_decay=0.0)
    batch, length = work["batch"], work["length"]
    input_ids = torch.tensor([token_ids(length, row * length) for row in range(batch)])

    def once():
        optimizer.zero_grad()
        model(input_ids=input_ids, labels=input_ids, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return once


class Moments:
    """A streamer that keeps when it was given the prompt, and each token."""

    def __init__(self):
        self.moments = []

    def put(self, _):
        self.moments.append(time.perf_counter())

    def end(self):
        pass


def decode(work):
    model = load(work, lora=False).eval()
    input_ids = torch.tensor([token_ids(work["context"])])
    count = work["tokens"]

    def once():
        written = Moments()
        with torch.no_grad():
            output = model.generate(
                input_ids=input_ids,
                attention_mask=torch.ones_like(input_ids),
                do_sample=False,
                min_new_tokens=1 + count,
                max_new_tokens=1 + count,
                use_cache=True,
                streamer=written,
            )
        assert output.shape[1] == work["context"] + 1 + count, output.shape
        first, last = written.moments[1], written.moments[-1]  # [0] is the prompt's.
        return last - first

    return once


def prefill(work):
    model = load(work, lora=False).eval()
    input_ids = torch.tensor([token_ids(work["length"])])

    def once():
        with torch.no_grad():
            model(input_ids=input_ids, use_cache=True, logits_to_keep=1)

    return once


PREPARE = {"operator": operator, "train": train, "decode": decode, "prefill": prefill}
