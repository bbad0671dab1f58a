#!/bin/sh
# Install the original Python package in an environment of its own: benchmarks/reference/setup.sh [DIRECTORY]
#
# PYTHON chooses the interpreter (3.11 was used), TORCH_ARGS where torch comes from, for example
#   TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-"$here/.venv"}

"${PYTHON:-python3}" -m venv "$venv"
pip="$venv/bin/python -m pip install --quiet"
# shellcheck disable=SC2086
{
  $pip --upgrade pip wheel "setuptools<81"
  $pip ${TORCH_ARGS:-} torch==2.13.0
  $pip -r "$here/requirements.txt"
  # its setup.py needs the setuptools of this environment
  $pip --no-deps --no-build-isolation spacetravlr==0.1.18
}
"$venv/bin/python" "$here/run_original.py" --check
