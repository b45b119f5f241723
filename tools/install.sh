#!/bin/sh
# Install this project, editable, with the extras $2 into the virtual environment $1, pinned by constraints.txt.
set -eu
venv=$1
extras=$2
if command -v uv >/dev/null; then
    exec uv pip install --compile-bytecode --python "$venv/bin/python" --constraint constraints.txt --editable ".[$extras]"
fi
exec "$venv/bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[$extras]"
