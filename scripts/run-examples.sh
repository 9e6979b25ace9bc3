#!/usr/bin/env bash
# Runs every example; each checks its own result.
set -euo pipefail
cd "$(dirname "$0")/.."
for example in examples/*.ts; do
  echo "-- $example"
  node --conditions=source --import tsx "$example"
done
