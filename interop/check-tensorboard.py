"""Reads the event files of a run that write-run.ts made with TensorBoard's own reader, and compares every number.

    interop/.venv/bin/python interop/check-tensorboard.py RUN RESULTS

Writes RESULTS/tensorboard.json.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from python_package import write_rows  # isort: skip

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run, results = map(Path, sys.argv[1:])

expected = defaultdict(list)
for line in (run / "metrics.jsonl").read_text().splitlines():
    metrics = json.loads(line)
    step = metrics.pop("step")
    for name, value in metrics.items():
        tag = f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}"
        expected[tag].append((step, np.float32(value)))

events = EventAccumulator(str(run / "runs"), size_guidance={"scalars": 0})
events.Reload()
assert set(events.Tags()["scalars"]) == set(expected), (events.Tags()["scalars"], list(expected))
assert {"train/loss", "train/grad_norm", "train/learning_rate", "train/mag_weight", "eval/loss"} <= set(expected)
rows = []
for tag, values in sorted(expected.items()):
    found = [(event.step, np.float32(event.value)) for event in events.Scalars(tag)]
    assert [step for step, _ in found] == [step for step, _ in values], (tag, found, values)
    assert found == values, (tag, found, values)
    rows.append({"tag": tag, "scalars": len(found), "difference": 0})

write_rows(
    results,
    "tensorboard",
    "TensorBoard",
    "The event files of a run that was stopped after step 23 and went on from step 20, read by TensorBoard's own reader: "
    "all scalars are those of metrics.jsonl, in single precision.",
    rows,
)
