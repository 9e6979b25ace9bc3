#!/bin/sh
# Installs what `npm run bench` compares with: llama.cpp (node-llama-cpp with its prebuilt CPU library) into
# bench/.llama, and PyTorch, transformers, PEFT and tptt into interop/.venv (see interop/setup.sh).
set -eu
cd "$(dirname "$0")"

# Neither is a dependency of the package: node-llama-cpp would bring its CUDA and Vulkan libraries, 600 MB, everywhere.
version=3.22.1
platform=$(node -p '({ darwin: { arm64: "mac-arm64-metal", x64: "mac-x64" }, win32: { x64: "win-x64", arm64: "win-arm64" }, linux: { x64: "linux-x64", arm64: "linux-arm64" } })[process.platform]?.[process.arch] ?? ""')
mkdir -p .llama
[ -f .llama/package.json ] || echo '{ "private": true }' > .llama/package.json
npm install --prefix .llama --ignore-scripts --omit=optional --no-audit --no-fund \
  "node-llama-cpp@$version" "@node-llama-cpp/$platform@$version"

[ -x ../interop/.venv/bin/python ] || sh ../interop/setup.sh
echo "npm run bench -- --python interop/.venv/bin/python"
