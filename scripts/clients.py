"""Writes what `make test-clients` showed into docs/connect.md, between `<!-- clients -->` and `<!-- /clients -->`.

python scripts/clients.py            # write
python scripts/clients.py --print    # the table alone
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ROOT / ".work/clients/acceptance.json"
PAGE = ROOT / "docs/connect.md"
BEGIN, END = "<!-- clients -->", "<!-- /clients -->"
COLUMNS = ("discover", "register", "sign in", "call", "refresh", "step up", "revoke")


LEGEND = """\
From `make test-clients`, against a gateway in front of the sandbox. *real*: that version of the client itself did it; \
*replay*: its sequence was done in its place (`doctor --client`), from published sources, with its document served \
from loopback; –: it does not do that, is not known to, or it was not tried. Revoke: a real client whose grant was \
ended sends its person to sign in again; a replay ends its own grant, and nothing of it is of use after.
"""


def table(shown: dict[str, dict[str, str]]) -> str:
    """Client by column; those that were really run first."""
    ordered = sorted(shown.items(), key=lambda one: ("replay" in one[1].values(), one[0].lower()))
    rows = [f"| client | {' | '.join(COLUMNS)} |", f"|{' --- |' * (len(COLUMNS) + 1)}"]
    for client, cells in ordered:
        version = cells.get("version", "")
        row = [f"{cells[name]} {version}".strip() if name in cells else "–" for name in COLUMNS]
        rows.append(f"| {client} | {' | '.join(row)} |")
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """0; 1 when there is nothing to write, or nowhere."""
    if not SHOWN.is_file():
        print("Nothing was shown yet: make test-clients", file=sys.stderr)
        return 1
    made = table(json.loads(SHOWN.read_text(encoding="utf-8")))
    if "--print" in arguments:
        print(made)
        return 0
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE.name} has no {BEGIN} … {END}", file=sys.stderr)
        return 1
    PAGE.write_text(f"{before}{BEGIN}\n\n{LEGEND}\n{made}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
