#!/usr/bin/env bash
# Compares with Python: titans, adapters and merged models give the same logits on both sides, whoever wrote them;
# training takes the same steps; and the committed fixtures are what transformers computes. Makes interop/.venv when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x interop/.venv/bin/python ] || sh interop/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

interop/.venv/bin/python interop/check-operator.py "$work/operator"
node --conditions=source --import tsx interop/check-operator.ts "$work/operator" "$work/results"
models=$PWD/test/fixtures/models
interop/.venv/bin/python interop/make-titans.py "$models" "$work/python"
node --conditions=source --import tsx interop/check-titans.ts "$work/python" "$work/results"
node --conditions=source --import tsx interop/write-titans.ts "$models" "$work/ours"
interop/.venv/bin/python interop/read-titans.py "$work/ours" "$work/results"
node --conditions=source --import tsx interop/check-training.ts "$models" "$work/training"
interop/.venv/bin/python interop/check-training.py "$work/training" "$work/results"
interop/.venv/bin/python interop/make-fixtures.py --to "$work/models"
interop/.venv/bin/python interop/compare-fixtures.py "$work/models" test/fixtures/models
node --conditions=source --import tsx interop/check-encoders.ts "$work/results"
interop/.venv/bin/python interop/check-minilm.py "$work/minilm"
node --conditions=source --import tsx interop/check-minilm.ts "$work/minilm" "$work/results"
