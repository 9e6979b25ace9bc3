#!/usr/bin/env bash
# Compares with Python, and writes what it measured to docs/interop.md: the operator; titans, adapters and merged models,
# whoever wrote them; training; event files and model cards; the committed fixtures; a real BERT; and what the Python package does wrong.
# Makes interop/.venv when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x interop/.venv/bin/python ] || sh interop/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python() { interop/.venv/bin/python "$@"; }
typescript() { node --conditions=source --import tsx "$@"; }
models=$PWD/test/fixtures/models

python interop/check-operator.py "$work/operator"
typescript interop/check-operator.ts "$work/operator" "$work/results"

python interop/make-fixtures.py --to "$work/models"
python interop/compare-fixtures.py "$work/models" "$models"
typescript interop/check-backbones.ts "$work/models" "$work/results"
typescript interop/check-encoders.ts "$work/results"

python interop/make-titans.py "$models" "$work/python"
typescript interop/check-titans.ts "$work/python" "$work/results"
typescript interop/write-titans.ts "$models" "$work/ours"
python interop/read-titans.py "$work/ours" "$work/results"

typescript interop/check-training.ts "$models" "$work/training"
python interop/check-training.py "$work/training" "$work/results"

typescript interop/write-run.ts "$models" "$work/run"
python interop/check-tensorboard.py "$work/run" "$work/results"
python interop/check-cards.py "$work/run" "$work/results"

typescript interop/check-hub.ts fill "$work/hub" "$work/caches" "$models/llama-gqa"
# Not through the function, which would be a process between.
node --conditions=source --import tsx scripts/local-hub.ts --folder "$work/hub" > "$work/hub-address" &
hub=$!
trap 'kill "$hub" 2> /dev/null || true; rm -rf "$work"' EXIT
until [ -s "$work/hub-address" ]; do kill -0 "$hub"; sleep 0.1; done
HF_ENDPOINT=$(cat "$work/hub-address") HF_TOKEN=hf_local typescript interop/check-hub.ts ours "$work/caches"
python interop/check-hub.py "$(cat "$work/hub-address")" "$work/caches" "$work/results"
kill "$hub"
typescript interop/check-hub.ts python "$work/caches" "$work/results"

python interop/check-minilm.py "$work/minilm"
typescript interop/check-minilm.ts "$work/minilm" "$work/results"

python interop/check-faults.py "$work/results/faults.json"
typescript interop/write-report.ts "$work/results"
