#!/usr/bin/env bash
# Compares with Python: titans written here give the same logits there, and the committed fixtures are what
# transformers computes. Makes interop/.venv when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x interop/.venv/bin/python ] || sh interop/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

node --conditions=source --import tsx interop/write-titan.ts "$work/titans"
interop/.venv/bin/python interop/check-titan.py "$work/titans"
interop/.venv/bin/python interop/make-fixtures.py --to "$work/models"
interop/.venv/bin/python interop/compare-fixtures.py "$work/models" test/fixtures/models
node --conditions=source --import tsx interop/check-encoders.ts "$work/results"
interop/.venv/bin/python interop/check-minilm.py "$work/minilm"
node --conditions=source --import tsx interop/check-minilm.ts "$work/minilm" "$work/results"
