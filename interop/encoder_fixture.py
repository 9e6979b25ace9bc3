"""What transformers, PEFT and the reference titan compute with a model that predicts no tokens."""

import torch
from lora import adapt, copy, draw, gradients
from reference.titan import Memory, titanize

TITANS = {
    "causal": Memory(order=2, alpha_gate="k", beta_gate="k", trick="dt"),
    "bidirectional": Memory(order=3, alpha_gate="v", beta_gate="kv", trick="rot", bidirectional=True),
}


def load(folder, variant):
    """The model without its head."""
    model = variant.model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.base_model.eval()


def weigh(out, weights):
    """A scalar of all outputs, so that gradients are those of all."""
    return sum((out[name] * weight).sum() for name, weight in weights.items())


def expect(folder, variant, generator):
    """The outputs, and for LoRA, plain and in titans, the gradients of their weighted sum."""
    model = load(folder, variant)
    inputs = variant.inputs(model.config, generator)
    with torch.no_grad():
        plain = model(**inputs)
        bare = model(**{model.main_input_name: inputs[model.main_input_name]})
    outputs = [name for name in ("last_hidden_state", "pooler_output") if plain.get(name) is not None]
    tensors = dict(inputs) | {name: plain[name] for name in outputs} | {"bare_hidden_state": bare.last_hidden_state}
    weights = {name: torch.randn(plain[name].shape, generator=generator) for name in outputs}
    mask = inputs.get("attention_mask")
    if mask is not None:
        weights["last_hidden_state"] *= mask[..., None]
    tensors |= {f"weight.{name}": weight for name, weight in weights.items()}

    model, adapters = adapt(model, variant)
    draw(adapters, generator)
    tensors |= adapters | run_adapted(model, adapters, inputs, weights, "lora")
    for name, memory in TITANS.items():
        titan, titan_adapters = adapt(titanize(load(folder, variant), memory, mask), variant)
        copy(adapters, titan_adapters)
        doubled = {key: x.double() if x.is_floating_point() else x for key, x in inputs.items()}
        tensors |= run_adapted(titan.double(), titan_adapters, doubled, weights, name)
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def run_adapted(model, adapters, inputs, weights, prefix):
    """Outputs, their weighted sum and the gradients of the adapters."""
    out = model(**inputs)
    value = weigh(out, weights)
    value.backward()
    found = {f"{prefix}_{name}": out[name] for name in weights} | {f"{prefix}_value": value}
    found |= {f"{prefix}_grad.{name}": grad for name, grad in gradients(adapters).items()}
    return {name: tensor.float() for name, tensor in found.items()}
