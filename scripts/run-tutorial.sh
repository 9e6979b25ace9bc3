#!/usr/bin/env bash
# Runs all commands of docs/tutorial.md, in their order, in one shell; the first that fails ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf runs/tutorial

commands=$(mktemp)
trap 'rm -f "$commands"' EXIT
{
  echo 'trap "kill \$(jobs -p) 2> /dev/null" EXIT' # What the walk leaves running, such as the hub.
  awk '/^```sh$/ { shown = 1; next } /^```$/ { shown = 0; print "" } shown' docs/tutorial.md
} > "$commands"
bash -euxo pipefail "$commands" < /dev/null
