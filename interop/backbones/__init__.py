"""The tiny random models that the fixtures are made of: one file a family, each with a dictionary VARIANTS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

VOCABULARY = 96


@dataclass
class Variant:
    """A tiny model: how it is built, and what is done to its files."""

    model_class: Any
    config: Any
    # The linear layers that get LoRA: PEFT's target_modules.
    targets: list[str] = field(default_factory=lambda: ["q_proj", "k_proj", "v_proj", "o_proj"])
    # Fields taken out of config.json again: what a reader has to derive by itself.
    omitted: list[str] = field(default_factory=list)
    # Fields written into config.json.
    added: dict[str, Any] = field(default_factory=dict)
    # What norms multiply by is this plus their weight.
    norm_offset: float = 0.0
    # Whether the Python package can titanize it.
    titan: bool = True
    # Draws inputs for a model that predicts no tokens, of a config and a generator.
    inputs: Callable | None = None
    # Checks, by other means, what was computed with the model in a folder; may write more files there.
    witness: Callable | None = None
