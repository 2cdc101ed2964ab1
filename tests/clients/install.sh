#!/bin/sh
# Installs the assistants that `make test-clients` runs, each of a pinned version: those of package-lock.json and
# of tests/node, and the ones from PyPI, each in an environment of its own. Prints the path of a Node.js that can
# run them (22 or newer), alone on the last line. Needs npm and Python's venv; runs no install scripts of packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=$(cd "$here/../.." && pwd)/.work/clients

if ! command -v chromium >/dev/null 2>&1; then
    echo "Chromium is missing: install it (Debian: apt-get install chromium), then run this again." >&2
    exit 1
fi

venv() { # venv NAME VERSION: a package from PyPI in its own environment
    [ -f "$into/$1/of-$2" ] && return
    rm -rf "${into:?}/$1"
    "${PYTHON:-python3}" -m venv "$into/$1"
    "$into/$1/bin/pip" install --quiet --disable-pip-version-check "$1==$2" >&2
    touch "$into/$1/of-$2"
}

mkdir -p "$into"
venv fastmcp 4.1.2 # 4.1.3 to 4.1.6 need a certifi that PyPI did not serve on 2026-11-22
venv mcp-authlab 0.2.2
venv jbt-mcpcheck 0.1.1
for script in "$here"/*.mjs; do [ ! -f "$script" ] || cp "$script" "$into/"; done # Node.js looks for packages beside the file that asks for them
sh "$here/../node/install.sh" >&2
exec sh "$here/../node/install.sh" "$here" "$into"
