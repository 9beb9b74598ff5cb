#!/bin/sh
# Get the registry that the tests push to and pull from, Debian's docker-registry: nothing is done when it is on the PATH
# or was fetched before. Without root it is unpacked under $VENV/peers.
set -eu

: "${VENV:=.venv}"
package=docker-registry
peers=$VENV/peers

have() {
    command -v "$package" >/dev/null || [ -x "$peers/usr/bin/$package" ]
}

# Run apt-get in the folder $1, with lists and caches of its own there, so that it works where apt was never updated.
own_apt() {
    folder=$1
    shift
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    (cd "$folder" && apt-get -qq -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@")
}

unpack() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    if ! (cd "$folder" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$package") 2>/dev/null; then
        own_apt "$folder" update && own_apt "$folder" download "$package"
    fi || return 1
    mkdir -p "$peers"
    dpkg-deb -x "$folder/$package"_*.deb "$peers"
}

install() {
    [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install --no-install-recommends "$package"
}

if have; then
    exit 0
fi
echo "Fetching $package, the registry of the tests"
if command -v apt-get >/dev/null && { unpack || install; } && have; then
    exit 0
fi
echo "There is no '$package' here and Debian's package of that name could not be fetched: install it, so that it is on" \
    "the PATH. Until then the tests in tests/registry fail." >&2
exit 1
