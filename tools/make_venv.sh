#!/bin/sh
# Create the virtual environment named by $1 with Python >= 3.11, unless a working one stands there.
# PYTHON chooses the interpreter; otherwise the first suitable one on PATH, or one that uv can find.
set -eu
venv=$1
suitable='import sys; sys.exit(sys.version_info < (3, 11))'

if "$venv/bin/python" -c "$suitable" 2>/dev/null &&
    { command -v uv >/dev/null || "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    exit 0
fi
for candidate in ${PYTHON:-python3 python python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c "$suitable" 2>/dev/null; then
        echo "creating $venv with $("$candidate" --version)"
        if command -v uv >/dev/null; then
            exec uv venv --quiet --clear --python "$("$candidate" -c 'import sys; print(sys.executable)')" "$venv"
        fi
        exec "$candidate" -m venv --clear "$venv"
    fi
done
if [ -z "${PYTHON:-}" ] && command -v uv >/dev/null; then
    exec uv venv --clear --python '>=3.11' "$venv"
fi
echo "error: no Python >= 3.11 found (tried: ${PYTHON:-python3, python, python3.11 to python3.14}); install one, or name it: make setup PYTHON=/path/to/python" >&2
exit 1
