"""Reads the cards of a titan that write-run.ts made with the hub's own library: check-cards.py RUN RESULTS

Writes RESULTS/cards.json. Nothing is asked of the network.
"""

import json
import sys
from pathlib import Path

from python_package import write_rows  # isort: skip

from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import EvalResult, ModelCardData, eval_results_to_model_index

run, results = map(Path, sys.argv[1:])

card = ModelCard.load(run / "README.md", ignore_metadata_errors=False)
raw = metadata_load(run / "README.md")
assert isinstance(card.data, ModelCardData)
assert card.data.library_name == "tptt" and card.data.pipeline_tag == "text-generation"
assert card.data.license == raw["license"] == "mit", raw
assert card.data.model_name == run.name
assert len(card.data.eval_results) == 3 and all(isinstance(r, EvalResult) for r in card.data.eval_results)
index = eval_results_to_model_index(card.data.model_name, card.data.eval_results)
assert index == raw["model-index"], (index, raw["model-index"])

last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
held_out = [line["eval_loss"] for line in last if "eval_loss" in line][-1]
rows = []
for result in card.data.eval_results:
    assert isinstance(result.metric_value, (int, float))
    rows.append({"task": result.task_name or result.task_type, "metric": result.metric_type, "data": result.dataset_name})
difference = abs(card.data.eval_results[0].metric_value - held_out)
assert difference <= 1e-4 * held_out, difference

write_rows(
    results,
    "cards",
    "Model cards",
    "The card of a trained titan, read by `huggingface_hub`: its header is a `ModelCardData`, and the results in its "
    "`model-index` become `EvalResult`s and the same `model-index` again.",
    rows,
)
