#!/bin/sh
# Make the virtual environment $VENV with $PYTHON, or say what is missing.
set -eu

if ! command -v "$PYTHON" >/dev/null; then
    echo "There is no '$PYTHON' here. puna needs Python 3.11 or newer: install it, or name one: make PYTHON=python3.12" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$PYTHON" --version) is too old. puna needs Python 3.11 or newer: name one: make PYTHON=python3.12" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
fi
echo "Making a Python environment in $VENV"
"$PYTHON" -m venv --clear "$VENV"
