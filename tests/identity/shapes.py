"""The recorded shapes of tests/data/identity, with our audience and the present moment in them."""

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

from gateway.identity.profiles import IssuerProfile, profile
from tests.identity.server import GATEWAY, Idp, sign

FOLDER = Path(__file__).resolve().parent.parent / "data" / "identity"
TIMES = {"iat": -5, "nbf": -5, "auth_time": -60, "exp": 300}


@cache
def recorded(name: str) -> Any:
    """A file of the folder."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def claims(kind: str, whose: str = "person", **changes: Any) -> dict[str, Any]:
    """The claims of that provider's token with changes; None leaves one out."""
    found = dict(recorded(kind)[whose]["claims"])
    for name, value in found.items():
        if name in TIMES:
            found[name] = int(time.time()) + TIMES[name]
        elif name == "aud":
            found[name] = [GATEWAY if one == "US" else one for one in value] if value != "US" else GATEWAY
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


def reading(kind: str, **changes: Any) -> IssuerProfile:
    """How that provider's tokens are read, with the settings that its file asks for."""
    shape = recorded(kind)
    wanted = {name: tuple(value) for name, value in shape["person"].get("settings", {}).items()}
    return profile(kind, issuer=shape["issuer"], audience=GATEWAY, **{**wanted, **changes})


def signed(
    idp: Idp, kind: str, whose: str = "person", *, header: dict[str, str] | None = None, **changes: Any
) -> str:
    """The token with changes, signed with a key of the test provider."""
    head = {**recorded(kind)[whose]["header"], "kid": "rsa", **(header or {})}
    return sign(head, claims(kind, whose, **changes), idp.keys["rsa"])
