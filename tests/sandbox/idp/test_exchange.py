"""Token exchange: the gateway gets a token for Jira, for the same person and for no more."""

from typing import Any

import httpx2
import jwt
import pytest

from sandbox.idp import GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET, Idp, SigningKey
from tests.sandbox.idp.conftest import GATEWAY, JIRA

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class Gateway:
    """The confidential client that may exchange."""

    def __init__(self, idp: Idp, web: httpx2.AsyncClient) -> None:
        self.idp = idp
        self.web = web
        self.auth: tuple[str, str] | None = (GATEWAY_CLIENT_ID, GATEWAY_CLIENT_SECRET)

    async def exchange(self, token: str, /, **overrides: str | list[str] | None) -> httpx2.Response:
        """The exchange of `token`; an override of None leaves a parameter out."""
        form: dict[str, Any] = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "audience": JIRA,
            "scope": "read:jira-work",
            **overrides,
        }
        kept = {name: value for name, value in form.items() if value is not None}
        auth = httpx2.BasicAuth(*self.auth) if self.auth else None
        return await self.web.post("/token", data=kept, auth=auth or httpx2.USE_CLIENT_DEFAULT)


@pytest.fixture
def gateway(idp: Idp, web: httpx2.AsyncClient) -> Gateway:
    """The gateway's client at the provider."""
    return Gateway(idp, web)


def read(token: str) -> dict[str, Any]:
    """The claims, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_good_exchange(gateway: Gateway) -> None:
    """The same person, Jira's audience, the chain of actors, a life of its own that Jira accepts."""
    reply = await gateway.exchange(gateway.idp.mint("ana", "triage-bot"))
    answer = reply.json()
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    assert {k: answer[k] for k in ("issued_token_type", "token_type", "expires_in", "scope")} == {
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "read:jira-work",
    }
    assert "refresh_token" not in answer
    claims = await gateway.idp.jira_claims(answer["access_token"])
    assert claims is not None
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("ana", JIRA, GATEWAY_CLIENT_ID)
    assert claims["act"] == {"sub": GATEWAY_CLIENT_ID, "act": {"sub": "triage-bot"}}
    assert (claims["scope"], claims["exp"] - claims["iat"]) == ("read:jira-work", 300)
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "at+jwt"
    assert gateway.idp.exchange_count == 1


async def test_each_exchange_has_its_own_id(gateway: Gateway) -> None:
    """Two tokens for one subject token can be told apart in the record."""
    token = gateway.idp.mint("ana")
    one, two = [read((await gateway.exchange(token)).json()["access_token"]) for _ in range(2)]
    assert len({one["jti"], two["jti"], read(token)["jti"]}) == 3


async def test_prior_actors_stay_in_the_chain(gateway: Gateway) -> None:
    """RFC 8693 §4.1: what acted before is nested below the assistant."""
    token = gateway.idp.mint("ana", "bot", act={"sub": "planner"})
    claims = read((await gateway.exchange(token)).json()["access_token"])
    assert claims["act"] == {
        "sub": GATEWAY_CLIENT_ID,
        "act": {"sub": "bot", "act": {"sub": "planner"}},
    }


@pytest.mark.parametrize(
    ("held", "asked", "given"),
    [
        ("jira:read", "read:jira-work", "read:jira-work"),
        ("jira:read", None, "read:jira-work"),
        ("jira:write", "write:jira-work read:jira-work", "read:jira-work write:jira-work"),
        ("jira:write", "write:jira-work", "write:jira-work"),
        ("jira:read jira:write", None, "read:jira-work write:jira-work"),
        ("jira:read", "write:jira-work", None),
        ("jira:read", "read:jira-work write:jira-work", None),
        ("jira:read", "read:jira-work admin", None),
        ("openid", "read:jira-work", None),
        ("openid", None, None),
        ("", None, None),
    ],
)
async def test_scopes_are_never_more_than_the_subject_has(
    gateway: Gateway, held: str, asked: str | None, given: str | None
) -> None:
    """Asking for more is `invalid_scope`, never a silent cut."""
    reply = await gateway.exchange(gateway.idp.mint("ana", scope=held), scope=asked)
    if given is None:
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_scope")
    else:
        assert reply.json()["scope"] == read(reply.json()["access_token"])["scope"] == given


async def test_life_ends_with_the_subject_token(gateway: Gateway) -> None:
    """A token with ten seconds left gives a Jira token of ten seconds."""
    token = gateway.idp.mint("ana", exp=int(gateway.idp.now()) + 10)
    answer = (await gateway.exchange(token)).json()
    assert read(answer["access_token"])["exp"] == read(token)["exp"]
    assert answer["expires_in"] <= 10


BAD_SUBJECTS: dict[str, dict[str, Any]] = {
    "for Jira": {"aud": JIRA},
    "for another gateway": {"aud": "http://127.0.0.1:4/mcp"},
    "for a longer audience": {"aud": GATEWAY + "/x"},
    "of another issuer": {"iss": "http://127.0.0.1:5"},
    "expired": {"exp": 1},
    "without expiry": {"exp": None},
    "with expiry in words": {"exp": "tomorrow"},
    "of nobody": {"sub": "nobody"},
    "without subject": {"sub": None},
    "without client": {"client_id": None},
    "bound to a key": {"cnf": {"jkt": "x"}},
    "an ID token": {"headers": {"typ": "JWT"}},
    "a logout token": {"headers": {"typ": "logout+jwt"}},
    "with an unknown key": {"headers": {"kid": "x"}},
}


@pytest.mark.parametrize("overrides", BAD_SUBJECTS.values(), ids=BAD_SUBJECTS)
async def test_a_bad_subject_token_is_invalid_request(gateway: Gateway, overrides: dict[str, Any]) -> None:
    """RFC 8693 §2.2.2, always with the same description."""
    reply = await gateway.exchange(gateway.idp.mint("ana", **overrides))
    assert reply.status_code == 400
    assert reply.json() == {"error": "invalid_request", "error_description": "Invalid token"}


async def test_a_subject_token_of_another_key_is_refused(gateway: Gateway) -> None:
    """A token that somebody else signed under our key's name does not pass."""
    mine = gateway.idp.keys.current
    forger = SigningKey()
    forger.kid = mine.kid
    token = forger.sign(read(gateway.idp.mint("ana")), {"typ": "at+jwt"})
    assert (await gateway.exchange(token)).json()["error_description"] == "Invalid token"


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "é.b.c", "a." * 5_000, "eyJhbGciOiJub25lIn0.e30."])
async def test_no_jwt_at_all_is_refused_likewise(gateway: Gateway, token: str) -> None:
    """Garbage as subject token is a refusal, not a fault."""
    assert (await gateway.exchange(token)).json()["error_description"] == "Invalid token"


async def test_a_disabled_person_is_exchanged_no_more(gateway: Gateway) -> None:
    """An account that is disabled loses Jira at once, though its token still lives."""
    token = gateway.idp.mint("ana")
    gateway.idp.disabled.add("ana")
    assert (await gateway.exchange(token)).json()["error_description"] == "Invalid token"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"subject_token": None}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"audience": None}, "invalid_target"),
        ({"audience": GATEWAY}, "invalid_target"),
        ({"audience": "https://other.example"}, "invalid_target"),
        ({"audience": [JIRA, "https://other.example"]}, "invalid_target"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"scope": "admin"}, "invalid_scope"),
    ],
)
async def test_each_wrong_parameter_has_its_error(
    gateway: Gateway, wrong: dict[str, str | list[str] | None], error: str
) -> None:
    """The error codes of RFC 8693 §2.2.2."""
    reply = await gateway.exchange(gateway.idp.mint("ana"), **wrong)
    assert (reply.status_code, reply.json()["error"]) == (400, error)
    assert "access_token" not in reply.json()


@pytest.mark.parametrize(
    "auth",
    [
        None,
        (GATEWAY_CLIENT_ID, "wrong"),
        (GATEWAY_CLIENT_ID, ""),
        ("nobody", GATEWAY_CLIENT_SECRET),
        ("demo-assistant", "x"),
    ],
)
async def test_only_the_gateway_itself_may_ask(gateway: Gateway, auth: tuple[str, str] | None) -> None:
    """Without the right secret: 401 `invalid_client`, with the scheme to use."""
    gateway.auth = auth
    reply = await gateway.exchange(gateway.idp.mint("ana"))
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    assert "Basic" in reply.headers["www-authenticate"]


async def test_a_public_client_may_not_exchange(gateway: Gateway) -> None:
    """An assistant cannot fetch Jira's token for itself."""
    gateway.auth = None
    reply = await gateway.exchange(gateway.idp.mint("ana"), client_id="demo-assistant")
    assert (reply.status_code, reply.json()["error"]) == (400, "unauthorized_client")


async def test_two_ways_of_authentication_are_refused(gateway: Gateway) -> None:
    """RFC 6749 §2.3: one method in a request."""
    reply = await gateway.exchange(gateway.idp.mint("ana"), client_secret=GATEWAY_CLIENT_SECRET)
    assert reply.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic eA==", "Bearer x", "Basic /w==", "Basic JUZGOng="]
)
async def test_a_broken_authorization_header_is_invalid_client(gateway: Gateway, header: str) -> None:
    """Whatever is in the header, the answer is 401 with a JSON error."""
    reply = await gateway.web.post(
        "/token", data={"grant_type": "refresh_token"}, headers={"Authorization": header}
    )
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


LIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another person": ({"sub": "bo"}, {"sub": "bo"}),
    "a broader audience": (
        {"aud": [JIRA, "https://other.example"]},
        {"aud": [JIRA, "https://other.example"]},
    ),
    "more scopes": (
        {"scope": "read:jira-work write:jira-work"},
        {"scope": "read:jira-work write:jira-work"},
    ),
    "no subject": ({"sub": None}, {"sub": None}),
}


@pytest.mark.parametrize(("lies", "seen"), LIES.values(), ids=LIES)
async def test_the_provider_can_lie(gateway: Gateway, lies: dict[str, Any], seen: dict[str, Any]) -> None:
    """The knob for those who must not believe it: wrong claims, rightly signed."""
    gateway.idp.faults.exchange_claims = lies
    claims = read((await gateway.exchange(gateway.idp.mint("ana"))).json()["access_token"])
    assert {name: claims.get(name) for name in seen} == seen


async def test_the_provider_can_lie_about_life_and_in_its_reply(gateway: Gateway) -> None:
    """A lie may depend on the truth, and the answer around the token can lie too."""
    gateway.idp.faults.exchange_claims = {"exp": lambda honest: honest["exp"] + 86_400}
    gateway.idp.faults.exchange_reply = {"token_type": "N_A", "issued_token_type": None}
    answer = (await gateway.exchange(gateway.idp.mint("ana"))).json()
    assert read(answer["access_token"])["exp"] - gateway.idp.now() > 86_000
    assert answer["token_type"] == "N_A"
    assert "issued_token_type" not in answer
