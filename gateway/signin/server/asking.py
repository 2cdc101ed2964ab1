"""What an authorization request becomes: a family that may begin, and the same request once more."""

from typing import Any
from urllib.parse import urlencode

from gateway import clock
from gateway.signin.flows import Facts
from gateway.signin.idtoken import SignedIn
from gateway.signin.server import Client, assurance, host_of
from gateway.signin.server.families import new_id
from gateway.signin.server.metadata import AUTHORIZE


def begun(client: Client, who: SignedIn, asked: Facts, ends_at: float) -> dict[str, Any]:
    """What a family begins with, as JSON has it (`families.py`)."""
    back = asked["redirect_uri"]
    return {
        "id": new_id(),
        "issuer": who.person.issuer,
        "subject": who.person.subject,
        "client": client.id,
        "host": host_of(back),
        "assurance": assurance(client, back),
        "scopes": list(asked["scopes"]),
        "resource": asked["resource"],
        "began_at": clock.wall(),
        "expires_at": min(ends_at, who.ends_at or ends_at),
        "facts": {
            "email": who.person.email,
            "groups": sorted(who.groups),
            "sid": who.sid,
            "acr": who.acr,
            "amr": sorted(who.amr),
            "auth_time": who.auth_time,
            "until": ends_at,
        },
    }


def again(asked: Facts) -> str:
    """The same request of the assistant, for which the provider asks anew who it is."""
    query = {
        "response_type": "code",
        "client_id": asked["client_id"],
        "redirect_uri": asked["redirect_uri"] if asked["redirect_given"] else "",
        "scope": " ".join(asked["scopes"]),
        "resource": asked["resource"],
        "state": asked["state"],
        "code_challenge": asked["challenge"],
        "code_challenge_method": "S256",
        "prompt": "login",
    }
    return f"{AUTHORIZE}?{urlencode({name: value for name, value in query.items() if value})}"
