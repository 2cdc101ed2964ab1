"""Identity assertions from the sandbox's provider (ID-JAG; IDENTITY.md §6 #7, #17, #20)."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gateway import clock, limits
from gateway.credential.keys import ClientKeys
from gateway.errors import ConfigError, Unauthenticated, Unavailable
from gateway.http import Outward
from gateway.identity.own import OwnTokens
from gateway.identity.roles import RoleTable
from gateway.model import Bearer, Caller
from gateway.settings import Issuer
from gateway.signin.server import Client
from gateway.signin.server.access import AccessTokens
from gateway.signin.server.families import Facts, FamilyHead
from gateway.signin.server.form import Sent
from gateway.signin.server.idjag import Accepted, Assertions, Grant, assertion_grant, assertion_profile
from gateway.signin.server.refused import OAuthError
from gateway.signin.server.resources import Resources
from gateway.store.memory import MemoryStore
from sandbox import idp as sandbox_idp
from sandbox.idp.idjag import TYP, id_token
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen
from tests.identity.server import private_key, sign
from tests.signin.world import TLS

US = "https://gateway.example"
MCP, OTHER = f"{US}/mcp", f"{US}/mcp/second"
SITES = {MCP: "jira", OTHER: "second"}
CLIENT = Client("assistant", "static", auth_method="client_secret_basic", secret_digest="00")
BY_KEY = Client("https://assistant.example/c", "document", auth_method="private_key_jwt")
ROLES: list[dict[str, str]] = [{"group": "devs", "role": "developer"}]


@dataclass
class Bench:
    """A provider, and us who take its word."""

    idp: sandbox_idp.Idp
    outward: Outward
    store: MemoryStore = field(default_factory=MemoryStore)

    def issuer(self, **more: Any) -> Issuer:
        """Its settings; only those of ID-JAG and roles matter here."""
        return Issuer.model_validate(
            {"issuer": self.idp.issuer, "name": "corp", "id_jag": True, "roles": ROLES, **more}
        )

    def assertions(self, *issuers: Issuer) -> Assertions:
        """As the gateway has them."""
        return Assertions(
            issuers or [self.issuer()],
            issuer=US,
            resources=Resources(SITES),
            outward=self.outward,
            store=self.store,
        )

    def claims(self, **lies: Any) -> dict[str, Any]:
        """Of a good assertion for `CLIENT`; None leaves one out."""
        now = int(clock.wall())
        good = {
            "iss": self.idp.issuer,
            "sub": "ana",
            "aud": US,
            "client_id": CLIENT.id,
            "resource": MCP,
            "scope": "jira:read jira:write",
            "jti": "j-1",
            "iat": now,
            "exp": now + 300,
            "groups": ["devs"],
        }
        return {name: value for name, value in {**good, **lies}.items() if value is not None}

    def made(self, headers: Mapping[str, Any] | None = None, **lies: Any) -> str:
        """Signed by the provider."""
        return self.idp.sign(self.claims(**lies), {"typ": TYP, **(headers or {})})

    async def accept(self, text: str | None = None, client: Client = CLIENT, **asked: Any) -> Accepted:
        """By a process of its own, so that only the store remembers."""
        return await self.assertions().accept(self.made() if text is None else text, client, **asked)

    async def refused(self, text: str | None = None, client: Client = CLIENT, **asked: Any) -> OAuthError:
        """The refusal."""
        with pytest.raises(OAuthError) as no:
            await self.accept(text, client, **asked)
        return no.value


@asynccontextmanager
async def provider() -> AsyncIterator[sandbox_idp.Idp]:
    """The sandbox's, at a port of its own."""
    sock = listen("127.0.0.1", 0)
    app = sandbox_idp.create_app(
        issuer=f"http://127.0.0.1:{sock.getsockname()[1]}",
        gateway_resource=MCP,
        jira_audience="https://jira.test",
        people=PEOPLE,
    )
    async with Served(app, sock):
        idp: sandbox_idp.Idp = app.state.idp
        yield idp


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    """One provider."""
    async with provider() as idp, Outward(tls=TLS) as outward:
        yield Bench(idp, outward)


async def test_the_providers_own_assertion(bench: Bench) -> None:
    """Step 1 at the provider, as the draft has it; its answer names the person for us and that client."""
    bench.idp.partners[US] = CLIENT.id
    asked = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        "audience": US,
        "resource": MCP,
        "scope": "jira:read",
        "subject_token": id_token(bench.idp, "ana", sandbox_idp.GATEWAY_CLIENT_ID),
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
    login = (sandbox_idp.GATEWAY_CLIENT_ID, sandbox_idp.GATEWAY_CLIENT_SECRET)
    async with httpx2.AsyncClient(verify=TLS, trust_env=False) as http:
        told = (await http.post(f"{bench.idp.issuer}/token", data=asked, auth=login)).json()
    accepted = await bench.accept(told["access_token"], resource=MCP, scope="jira:read jira:write")
    assert (accepted.person.issuer, accepted.person.subject) == (bench.idp.issuer, "ana")
    assert accepted.scopes == {"jira:read"} and accepted.resource == MCP
    assert accepted.person.email is None  # nobody said that it is verified
    assert "used before" in str(await bench.refused(told["access_token"], resource=MCP))


async def test_what_it_says_of_the_person(bench: Bench) -> None:
    """Groups as they were sent, and how the person signed in there."""
    more: dict[str, Any] = {
        "email": "ana@corp.test",
        "email_verified": True,
        "acr": "mfa",
        "amr": ["pwd", "otp"],
        "sid": "s",
    }
    accepted = await bench.accept(bench.made(auth_time=1_000_000, **more))
    assert accepted.who.groups == {"devs"} and accepted.person.email == "ana@corp.test"
    assert (accepted.who.acr, accepted.who.sid) == ("mfa", "s") and accepted.who.amr == {"pwd", "otp"}
    assert accepted.who.auth_time == 1_000_000


@pytest.mark.parametrize("client", [CLIENT, replace(CLIENT, auth_method="client_secret_post")])
async def test_a_client_with_a_secret(bench: Bench, client: Client) -> None:
    """Either way of sending it."""
    assert (await bench.accept(client=client)).person.subject == "ana"


async def test_a_client_with_a_key(bench: Bench) -> None:
    """Its id is the address of its document."""
    text = bench.made(client_id=BY_KEY.id)
    assert (await bench.accept(text, BY_KEY)).person.subject == "ana"


@pytest.mark.parametrize("kind", ["static", "dynamic", "document"])
async def test_a_public_client_is_refused(bench: Bench, kind: Any) -> None:
    """Whoever got hold of an assertion could use it; and it is not spent by that."""
    public = replace(CLIENT, registration=kind, auth_method="none")
    assert (await bench.refused(client=public)).error == "unauthorized_client"
    assert await bench.accept()


async def test_replay(bench: Bench) -> None:
    """Good once, in any process, until long after it ended; another with the same id is the same."""
    text = bench.made()
    await bench.accept(text)
    for again in (text, bench.made(sub="ben"), bench.made(exp=int(clock.wall()) + 200)):
        no = await bench.refused(again)
        assert no.error == "invalid_grant" and "used before" in no.description
    assert (await bench.accept(bench.made(jti="j-2"))).person.subject == "ana"
    with clock.shifted(wall=315, mono=315):  # past its end, and still within the leeway
        assert "used before" in (await bench.refused(text)).description
    with clock.shifted(wall=331, mono=331):
        assert "exp" in (await bench.refused(text)).description


async def test_only_a_good_assertion_spends_it(bench: Bench) -> None:
    """What is refused for any reason leaves the id as it was."""
    text = bench.made(scope="jira:read")
    await bench.refused(text, replace(CLIENT, id="thief"))
    await bench.refused(text, resource="https://elsewhere.example/mcp")
    await bench.refused(text, resource=OTHER)
    await bench.refused(bench.made(aud="https://elsewhere.example"))
    assert await bench.accept(text)


WRONG: dict[str, dict[str, Any]] = {
    "another client": {"client_id": "another"},
    "no client": {"client_id": None},
    "a client of another type": {"client_id": [CLIENT.id]},
    "another audience": {"aud": "https://elsewhere.example"},
    "our endpoint for audience": {"aud": MCP},
    "our token endpoint for audience": {"aud": US + "/token"},
    "a slash behind": {"aud": US + "/"},
    "one more audience": {"aud": [US, "https://elsewhere.example"]},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "ourselves as issuer": {"iss": US},
    "nobody": {"sub": None},
    "somebody of another type": {"sub": 7},
    "no id": {"jti": None},
    "an id of another type": {"jti": 7},
    "a long id": {"jti": "j" * (limits.CLAIM_CHARS + 1)},
    "no end": {"exp": None},
    "an end as text": {"exp": "9999999999"},
    "no beginning": {"iat": None},
    "bound to a key": {"cnf": {"jkt": "x"}},
    "a nonce": {"nonce": "n"},
    "a logout": {"events": {}},
    "scope as a list": {"scope": ["jira:read"]},
    "resource of another type": {"resource": 7},
    "no resource in a list": {"resource": []},
    "resources of another type": {"resource": [7]},
    "groups left out": {"groups": None, "_claim_names": {"groups": "src1"}},
}


@pytest.mark.parametrize("kind", WRONG)
async def test_a_wrong_claim(bench: Bench, kind: str) -> None:
    """`invalid_grant`, with a sentence."""
    no = await bench.refused(bench.made(**WRONG[kind]))
    assert (no.error, no.status) == ("invalid_grant", 400) and no.description.endswith(".")


ODD: tuple[Any, ...] = (None, True, 0, -1, 1e300, 7, "", "x", "\x00", "é" * 300, [], ["x", 7], {}, {"x": []})


async def test_whatever_an_assertion_says(bench: Bench) -> None:
    """Every claim with every odd value: good or refused, and never another error."""
    named = (
        *bench.claims(),
        "nbf",
        "auth_time",
        "acr",
        "amr",
        "sid",
        "email",
        "email_verified",
        "name",
        "act",
    )
    assertions, good = bench.assertions(), 0
    header, key = {"alg": "ES256", "kid": "k", "typ": TYP}, private_key("P-256", 9)
    for claim in named:
        for number, value in enumerate(ODD):
            claims = bench.claims(jti=f"{claim}-{number}") | {claim: value}
            try:
                text = bench.idp.sign(claims, {"typ": TYP}) if claim != "iss" else sign(header, claims, key)
                accepted = await assertions.accept(text, CLIENT)
            except OAuthError as no:
                assert no.error in ("invalid_grant", "invalid_target", "invalid_scope")
            else:
                assert accepted.person.subject and accepted.resource in SITES
                good += claim in ("name", "email")
    assert good == 2 * len(ODD)


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ((-400, -100), "exp"),
        ((0, limits.ID_JAG_SECONDS + 1), "lives too long"),
        ((100, 300), "iat"),
        ((0, 0), "lives too long"),
    ],
)
async def test_expired_or_too_long(bench: Bench, times: tuple[float, float], why: str) -> None:
    """Its life is bounded by us, whatever it says."""
    now = int(clock.wall())
    text = bench.made(iat=now + times[0], exp=now + times[1])
    assert why in (await bench.refused(text)).description


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "logout+jwt", "dpop+jwt", "id-jag+jwt", ""])
async def test_pitfall_07_another_kind_of_token(bench: Bench, typ: str) -> None:
    """An ID token or an access token with the very same claims is no assertion."""
    assert (await bench.refused(bench.made({"typ": typ}))).error == "invalid_grant"


@pytest.mark.parametrize("typ", [TYP, "application/" + TYP, TYP.upper()])
async def test_its_kind_in_any_spelling(bench: Bench, typ: str) -> None:
    """RFC 7515 §4.1.9: a media type, without regard to case."""
    assert await bench.accept(bench.made({"typ": typ}))


async def test_another_key(bench: Bench) -> None:
    """Signed by somebody else under the provider's key id; not at all; and with what is no token."""
    text = bench.made()
    header, payload, signature = text.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"sub": "ben"}
    forged = {"alg": "ES256", "kid": bench.idp.keys.current.kid, "typ": TYP}
    other = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": TYP}).encode()).rstrip(b"=").decode()
    for bad in (
        f"{header}.{other}.{signature}",
        sign(forged, bench.claims(), private_key("P-256", 9)),
        f"{none}.{payload}.{signature}",
        f"{none}.{payload}.",
        "x",
        "",
        "é.é.é",
        "a." * 20_000,
    ):
        assert (await bench.refused(bad)).error == "invalid_grant"


async def test_a_provider_whose_word_is_not_taken(bench: Bench) -> None:
    """Off by default: then it may sign people in, and no more."""
    quiet = bench.assertions(bench.issuer(id_jag=False))
    assert not quiet and bench.assertions()
    assert not Issuer.model_validate({"issuer": bench.idp.issuer}).id_jag
    with pytest.raises(OAuthError) as no:
        await quiet.accept(bench.made(), CLIENT)
    assert no.value.error == "invalid_grant"


async def test_pitfall_17_one_provider_does_not_speak_for_another(bench: Bench) -> None:
    """Two providers whose word is taken: each has its own keys and its own people."""
    async with provider() as second:
        both = bench.assertions(bench.issuer(), bench.issuer(issuer=second.issuer, name="partner"))
        lie = second.sign(bench.claims(), {"typ": TYP})
        with pytest.raises(OAuthError):
            await both.accept(lie, CLIENT)
        other = await both.accept(second.sign(bench.claims(iss=second.issuer), {"typ": TYP}), CLIENT)
        own = await both.accept(bench.made(), CLIENT)  # the same id, of another provider
        assert {other.person.issuer, own.person.issuer} == {second.issuer, bench.idp.issuer}


SCOPES = [
    ("jira:read jira:write", "", {"jira:read", "jira:write"}),
    ("jira:read jira:write", "jira:read", {"jira:read"}),
    ("jira:read", "jira:read jira:write", {"jira:read"}),
    ("jira:read", "jira:write", {"jira:read"}),
    ("jira:read admin", "admin", {"jira:read"}),
    ("jira:write", "offline_access", {"jira:write"}),
    (None, "jira:read", {"jira:read"}),
    (None, "", {"jira:read", "jira:write"}),
]


@pytest.mark.parametrize(("asserted", "asked", "given"), SCOPES)
async def test_pitfall_20_scopes_are_an_intersection(
    bench: Bench, asserted: str | None, asked: str, given: set[str]
) -> None:
    """Never more than was asserted, nor anything that is not ours."""
    assert (await bench.accept(bench.made(scope=asserted), scope=asked)).scopes == given


async def test_pitfall_20_scopes_of_another_server(bench: Bench) -> None:
    """An assertion that names scopes, and none of ours, gives nothing."""
    for none in ("admin", ""):
        assert (await bench.refused(bench.made(scope=none))).error == "invalid_scope"


RESOURCES = [
    (MCP, None, MCP),
    (MCP, MCP, MCP),
    (MCP + "/", MCP, MCP),
    (OTHER, None, OTHER),
    (OTHER, OTHER, OTHER),
    ([MCP, OTHER], OTHER, OTHER),
    (["https://elsewhere.example", OTHER], None, OTHER),
    (None, OTHER, OTHER),
    (None, None, MCP),
    (MCP, OTHER, ""),
    ([MCP], OTHER, ""),
    (MCP, "https://elsewhere.example/mcp", ""),
    ("https://elsewhere.example/mcp", None, ""),
    ("https://elsewhere.example/mcp", MCP, ""),
    (None, "https://elsewhere.example/mcp", ""),
]


@pytest.mark.parametrize(("asserted", "asked", "given"), RESOURCES)
async def test_the_resource_is_asserted_and_ours(
    bench: Bench, asserted: Any, asked: str | None, given: str
) -> None:
    """A token is for one endpoint of ours: the one that both name, where both name one."""
    text = bench.made(resource=asserted)
    if given:
        assert (await bench.accept(text, resource=asked)).resource == given
    else:
        assert (await bench.refused(text, resource=asked)).error == "invalid_target"


async def test_the_provider_is_down(bench: Bench) -> None:
    """Not the client's fault, and the assertion is still good afterwards."""
    text = bench.made()
    bench.idp.faults.status = 503
    with pytest.raises(Unavailable):
        await bench.accept(text)
    bench.idp.faults.status = None
    assert await bench.accept(text)


async def test_the_store_is_down(bench: Bench) -> None:
    """Whether it was used before is not known, so nobody gets in."""

    class Down(MemoryStore):
        async def add(self, key: str, value: bytes, seconds: float) -> bool:
            raise Unavailable("The store cannot be reached; try again in a minute.", part="store")

    bench.store = Down()
    with pytest.raises(Unavailable):
        await bench.accept()


@pytest.mark.parametrize(
    ("kind", "issuer"),
    [
        ("rfc9068", "https://idp.example"),
        ("keycloak", "https://kc.example/realms/corp"),
        ("okta", "https://corp.okta.com/oauth2/default"),
        ("okta_org", "https://corp.okta.com"),
        ("auth0", "https://corp.auth0.com/"),
        ("ping", "https://auth.pingone.eu/env/as"),
    ],
)
def test_each_vendors_assertions_name_people_as_its_id_tokens_do(kind: str, issuer: str) -> None:
    """One person is one person, however they came; and only assertions are read so."""
    profile = assertion_profile(Issuer.model_validate({"issuer": issuer, "profile": kind}), US)
    assert profile.subject == ("sub",) and profile.types == {TYP} and profile.audience == US
    assert "typ" not in profile.fixed and not profile.beside
    assert profile.longest == limits.ID_JAG_SECONDS


def test_a_profile_that_is_none() -> None:
    """Told at start."""
    with pytest.raises(ConfigError):
        assertion_profile(Issuer.model_validate({"issuer": "https://idp.example", "profile": "nothing"}), US)


class Desk:
    """The grant at the token endpoint."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.cut_off = False
        self.checked: list[Caller] = []
        table = RoleTable(bench.issuer().roles)
        self.access = AccessTokens(
            US, ClientKeys(folder / "keys.pem"), lambda _, groups: groups & {"devs"}, seconds=1800
        )
        self.own = OwnTokens(US, MCP, self.access.keys, {bench.idp.issuer: table}, None)
        self.begun: list[FamilyHead] = []
        families: Any = self  # of `Families` only `begin` is asked for
        self.grant: Grant = assertion_grant(
            bench.assertions(), self.access, families, self._check, lambda _, groups: groups, self._record
        )

    async def begin(self, head: FamilyHead, facts: Facts) -> None:
        self.begun.append(head)

    def _check(self, caller: Caller) -> None:
        self.checked.append(caller)
        if self.cut_off:
            raise Unauthenticated("revoked")

    async def _record(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))


async def test_an_assertion_becomes_an_access_token(bench: Bench, tmp_path: Path) -> None:
    """For the person at their company's provider, attested, audience-restricted, and without a refresh token."""
    desk = Desk(bench, tmp_path)
    text = bench.made(groups=["devs", "secret-project"], acr="mfa")
    told = await desk.grant(Sent({"assertion": text, "scope": "jira:read", "resource": MCP}, "", "s"), CLIENT)
    assert told.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 1800, "jira:read")
    caller = await desk.own.authenticate(Bearer(told["access_token"]))
    assert (caller.issuer, caller.subject, caller.client) == (bench.idp.issuer, "ana", CLIENT.id)
    assert caller.assurance == "attested" and caller.groups == {"developer"} and caller.acr == "mfa"
    assert caller.scopes == {"jira:read"} and caller.claimed_groups == {"devs"}
    [(kind, fields)] = desk.events
    assert kind == "assistant.signed_in" and fields["family"] == caller.family != ""
    assert text not in str(desk.events)


async def test_a_client_for_some_groups_is_for_nobody_else(bench: Bench, tmp_path: Path) -> None:
    """Also where no browser opens."""
    desk = Desk(bench, tmp_path)
    sent = Sent({"assertion": bench.made()}, "", "s")
    with pytest.raises(OAuthError) as no:
        await desk.grant(sent, replace(CLIENT, groups=frozenset({"nobody-has-this"})))
    assert no.value.error == "access_denied" and not desk.begun


async def test_who_was_cut_off_stays_out(bench: Bench, tmp_path: Path) -> None:
    """By the time at which the provider gave its word, not by ours."""
    desk = Desk(bench, tmp_path)
    desk.cut_off = True
    issued = int(clock.wall()) - 100
    with pytest.raises(OAuthError) as no:
        await desk.grant(Sent({"assertion": bench.made(iat=issued)}, "", "s"), CLIENT)
    assert no.value.error == "invalid_grant" and not desk.events
    assert desk.checked[0].issued_at == issued and desk.checked[0].subject == "ana"


async def test_no_assertion(bench: Bench, tmp_path: Path) -> None:
    """`invalid_request`."""
    with pytest.raises(OAuthError) as no:
        await Desk(bench, tmp_path).grant(Sent({}, "", "s"), CLIENT)
    assert no.value.error == "invalid_request"
