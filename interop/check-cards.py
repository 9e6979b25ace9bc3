"""Reads the cards of a titan that write-run.ts made, and of what it became without its memories, with the hub's own
library: check-cards.py RUN RESULTS

Writes RESULTS/cards.json. Nothing is asked of the network.
"""

import json
import sys
from pathlib import Path

from python_package import write_rows  # isort: skip

from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import EvalResult, ModelCardData, eval_results_to_model_index

run, results = map(Path, sys.argv[1:])


def read(folder, name, library, tags, count):
    """The results in a card's header, which has to be the one that was expected, and the same when it is written again."""
    card = ModelCard.load(folder / "README.md", ignore_metadata_errors=False)
    raw = metadata_load(folder / "README.md")
    assert isinstance(card.data, ModelCardData)
    assert card.data.library_name == library and card.data.pipeline_tag == "text-generation", raw
    assert card.data.license == raw["license"] == "mit", raw
    assert card.data.tags == tags, raw
    assert card.data.model_name == name, raw
    found = card.data.eval_results
    assert len(found) == count and all(isinstance(result, EvalResult) for result in found), raw
    assert all(isinstance(result.metric_value, (int, float)) for result in found), raw
    assert eval_results_to_model_index(name, found) == raw["model-index"], raw
    return found


cards = {
    "titan": read(run, run.name, "tptt", ["tptt", "titans", "linear-attention", "lora"], 4),
    "adapter": read(Path(f"{run}-adapter"), f"{run.name}-base-adapter", "peft", ["tptt", "lora"], 1),
    "merged": read(Path(f"{run}-merged"), f"{run.name}-base-merged", "transformers", ["tptt", "lora"], 1),
}
for kind in ("adapter", "merged"):
    assert cards[kind][0].metric_value == 2.5, cards[kind]

last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
held_out = [line["eval_loss"] for line in last if "eval_loss" in line][-1]
difference = abs(cards["titan"][0].metric_value - held_out)
assert difference <= 1e-4 * held_out, difference

write_rows(
    results,
    "cards",
    "Model cards",
    "The cards of a trained titan, and of the adapter and the merged model that were made of it, read by `huggingface_hub`: each "
    "header is a `ModelCardData`, and the results in its `model-index` become `EvalResult`s and the same `model-index` again. Without "
    "its memories a model has those results only that were measured without.",
    [
        {
            "card": kind,
            "task": result.task_name or result.task_type,
            "metric": result.metric_type,
            "data": result.dataset_name,
        }
        for kind, found in cards.items()
        for result in found
    ],
)
