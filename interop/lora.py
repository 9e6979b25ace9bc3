"""LoRA as every fixture has it."""

import torch
from peft import LoraConfig, get_peft_model


def adapt(model, variant):
    """Puts LoRA into a model; gives its matrices by their names in the plain model."""
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=variant.targets))
    adapters = {
        name.removeprefix("base_model.model.").replace(".default.", ".").replace(".base_attn.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    return model.eval(), adapters


def draw(adapters, generator):
    """Gives the matrices random numbers."""
    with torch.no_grad():
        for parameter in adapters.values():
            parameter.normal_(0, 0.15, generator=generator)


def copy(adapters, to):
    """Gives the matrices of another model the same numbers."""
    assert adapters.keys() == to.keys()
    with torch.no_grad():
        for name, parameter in to.items():
            parameter.copy_(adapters[name])


def gradients(adapters):
    """The gradients by name, none of them zero."""
    for name, parameter in adapters.items():
        assert parameter.grad.abs().max() > 1e-6, f"{name}: no gradient"
    return {name: parameter.grad for name, parameter in adapters.items()}
