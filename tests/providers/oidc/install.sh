#!/bin/sh
# Installs the pinned packages of package-lock.json and idp.mjs itself into .work/node-idp, and prints the
# path of a Node.js that can run it (22 or newer), alone on the last line. Needs npm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=$(cd "$here/../../.." && pwd)/.work/node-idp
mkdir -p "$into"
cp "$here"/*.mjs "$into/" # Node.js looks for packages beside the file that asks for them
exec sh "$here/../../node/install.sh" "$here" "$into"
