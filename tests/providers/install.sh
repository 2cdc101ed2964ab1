#!/bin/sh
# Installs the pinned Keycloak into .work/keycloak, built for a quick start, and prints its folder, alone on
# the last line. Needs Maven and Java 17 or newer; brings nothing but the one archive from Maven Central.
set -eu
version=26.7.3
sha256=27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f
here=$(cd "$(dirname "$0")" && pwd)
into=$(cd "$here/../.." && pwd)/.work/keycloak
home="$into/keycloak-$version"

need() { # need COMMAND WHAT PACKAGE
    command -v "$1" >/dev/null 2>&1 && return
    echo "$2 is missing: install it (Debian: apt-get install $3), then run this again." >&2
    exit 1
}

need java "A Java runtime of version 17 or newer" openjdk-17-jre-headless
java=$(java -XshowSettings:properties -version 2>&1 | sed -n 's/ *java.specification.version = //p')
if [ "${java%%.*}" -lt 17 ]; then
    echo "Java is of version $java: install 17 or newer (Debian: apt-get install openjdk-17-jre-headless)." >&2
    exit 1
fi

if [ ! -f "$home/built" ]; then
    need mvn Maven maven
    mkdir -p "$into"
    # One installation at a time; an unfinished one is of a run that was ended.
    exec 9>"$into/lock"
    if command -v flock >/dev/null 2>&1; then flock 9; fi
fi
if [ ! -f "$home/built" ]; then
    echo "Fetching Keycloak $version from Maven Central (once, 177 MB)..." >&2
    rm -rf "$home"
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$into" >&2
    archive="$into/keycloak-quarkus-dist-$version.zip"
    "${PYTHON:-python3}" - "$archive" "$sha256" "$into" >&2 <<'PYTHON'
import hashlib, pathlib, sys, zipfile

archive, wanted, into = sys.argv[1:]
found = hashlib.sha256(pathlib.Path(archive).read_bytes()).hexdigest()
if found != wanted:
    sys.exit(f"{archive} has the SHA-256 {found} instead of {wanted}; it is not used.")
zipfile.ZipFile(archive).extractall(into)
PYTHON
    rm "$archive"
    chmod +x "$home/bin/kc.sh"
    echo "Building Keycloak for a quick start (once, about a minute)..." >&2
    "$home/bin/kc.sh" build --db=dev-mem >&2
    touch "$home/built"
fi
echo "$home"
