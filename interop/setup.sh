#!/bin/sh
# Makes interop/.venv, the Python that the scripts of this folder run with:
#   interop/setup.sh && interop/.venv/bin/python interop/make-fixtures.py
# PYTHON names the interpreter (3.10 or newer); pip's own settings (PIP_INDEX_URL...) choose where packages come from.
set -eu
cd "$(dirname "$0")"

"${PYTHON:-python3}" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check install "$@"; }

pip "$(grep '^torch==' requirements.txt)"
grep -v -e '^#' -e '^torch==' -e '^tptt==' requirements.txt > .venv/rest.txt
pip -r .venv/rest.txt
pip --no-deps "$(grep '^tptt==' requirements.txt)"

.venv/bin/python -c 'import torch, transformers, peft, tptt; print("torch", torch.__version__, "transformers", transformers.__version__, "peft", peft.__version__)'
