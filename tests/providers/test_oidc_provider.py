"""oidc-provider, as we set it up, does what the acceptance suite and the credential sources rely on."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway import clock
from sandbox.idp import GATEWAY_CLIENT_ID
from sandbox.people import PEOPLE
from sandbox.serve import Served, listen
from tests.providers.browser import Browser, fetched, post_form
from tests.providers.oidc_provider import (
    EXCHANGE,
    GATEWAY_KEY_CLIENT_ID,
    OTHER_ASSISTANT,
    REPORTS,
    SERVICE_CLIENT_ID,
    TOKEN_TYPE,
    OidcProvider,
)
from tests.providers.provider import ASSISTANT, READ, REDIRECT, Parties, Provider, Refused
from tests.providers.tokens import unverified

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY, JIRA, JIRA_ISSUER = "http://127.0.0.1:20500/mcp", "http://127.0.0.1:20501", "https://as.example.com"
KEY, STRANGE_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def public_jwk(key: Any, kid: str = "gateway") -> dict[str, Any]:
    """The public half (RFC 7517)."""
    told = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    return {
        **{name: told[name] for name in ("kty", "crv", "x", "y")},
        "kid": kid,
        "use": "sig",
        "alg": "ES256",
    }


def make(folder: Path) -> OidcProvider:
    """A provider with everything that it offers."""
    return OidcProvider(
        Parties(GATEWAY, JIRA, folder),
        client_keys={"jwks": {"keys": [public_jwk(KEY)]}},
        id_jag={JIRA_ISSUER: {"client_id": "gateway-there", "scopes": ["read:jira-work"]}},
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OidcProvider]:
    """One provider for the tests that leave it as it was."""
    async with make(tmp_path_factory.mktemp("oidc")) as provider:
        yield provider


@pytest_asyncio.fixture(loop_scope="module")
async def own(tmp_path: Path) -> AsyncIterator[OidcProvider]:
    """A provider for one test that changes it."""
    async with make(tmp_path) as provider:
        yield provider


def typ(token: str) -> Any:
    return jwt.get_unverified_header(token).get("typ")


def authorization(provider: OidcProvider, **more: str) -> tuple[str, str]:
    """An authorization URL, and the verifier of its challenge."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": ASSISTANT,
        "redirect_uri": REDIRECT,
        "scope": READ,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **more,
    }
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{provider.metadata['authorization_endpoint']}?{query}", verifier


async def redeem(provider: OidcProvider, code: str, verifier: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "client_id": ASSISTANT,
        "code_verifier": verifier,
    }
    return await post_form(provider.metadata["token_endpoint"], form)


class TestSignIn:
    """The code flow, through the provider's own page."""

    async def test_it_has_the_face_of_a_provider(self, shared: OidcProvider) -> None:
        """mypy compares the methods; the settings name what the gateway must know."""
        provider: Provider = shared
        settings = provider.settings()
        assert settings.issuer == shared.metadata["issuer"] == shared.issuer
        assert settings.token_endpoint == shared.metadata["token_endpoint"]
        assert EXCHANGE in shared.metadata["grant_types_supported"]
        assert shared.metadata["code_challenge_methods_supported"] == ["S256"]
        assert shared.metadata["authorization_response_iss_parameter_supported"] is True
        assert await fetched(f"{shared.issuer}/.well-known/oauth-authorization-server") == shared.metadata

    async def test_the_token_is_for_the_gateway_and_says_who(self, shared: OidcProvider) -> None:
        """RFC 9068: typ at+jwt, one audience as text, groups and how the person signed in."""
        tokens = await shared.token("ana")
        claims = unverified(tokens.access)
        assert typ(tokens.access) == "at+jwt"
        assert (claims["aud"], claims["sub"], claims["client_id"]) == (GATEWAY, "ana", ASSISTANT)
        assert claims["groups"] == list(PEOPLE["ana"].groups)
        assert (claims["acr"], claims["amr"]) == ("urn:corp:password", ["pwd"])
        assert (claims["email"], claims["email_verified"]) == (PEOPLE["ana"].email, True)
        assert tokens.scope == {"jira:read", "jira:write"} and tokens.refresh

    async def test_a_person_without_groups_has_none(self, shared: OidcProvider) -> None:
        """Not a missing claim, and not somebody else's."""
        assert unverified((await shared.token("mallory")).access)["groups"] == []

    async def test_only_scopes_that_were_asked_for(self, shared: OidcProvider) -> None:
        """Reading is not writing."""
        assert (await shared.token("bo", READ)).scope == {"jira:read"}

    async def test_an_unknown_resource_is_refused(self, shared: OidcProvider) -> None:
        """RFC 8707; and nobody signs in for Jira itself."""
        for resource in ("https://elsewhere.example.com/mcp", JIRA):
            with pytest.raises(Refused, match="invalid_target"):
                await shared.token("ana", resource=resource)

    async def test_a_wrong_password_is_told_on_the_page(self, own: OidcProvider) -> None:
        """And it says nothing about whether the name exists."""
        url, _ = authorization(own)
        said = set()
        for name in ("ana", "nobody"):
            async with Browser(replace(PEOPLE["ana"], name=name, password="guess")) as browser:
                with pytest.raises(Refused, match="password is not right") as refused:
                    await browser.open(url)
            said.add(refused.value.description)
        assert len(said) == 1

    async def test_no_sign_in_without_pkce(self, shared: OidcProvider) -> None:
        """Neither without a challenge nor with `plain`."""
        for more in ({"code_challenge": "", "code_challenge_method": ""}, {"code_challenge_method": "plain"}):
            url, _ = authorization(shared, **more)
            async with Browser(PEOPLE["ana"]) as browser:
                assert (await browser.open(url))["error"] == "invalid_request"

    async def test_a_code_needs_its_verifier_and_serves_once(self, shared: OidcProvider) -> None:
        """RFC 7636 §4.6, RFC 6749 §4.1.2."""
        url, verifier = authorization(shared)
        async with Browser(PEOPLE["ana"]) as browser:
            code = (await browser.open(url))["code"]
        with pytest.raises(Refused, match="invalid_grant"):
            await redeem(shared, code, secrets.token_urlsafe(48))
        url, verifier = authorization(shared)
        async with Browser(PEOPLE["ana"]) as browser:
            code = (await browser.open(url))["code"]
        await redeem(shared, code, verifier)
        with pytest.raises(Refused, match="invalid_grant"):
            await redeem(shared, code, verifier)

    async def test_a_client_may_register_itself(self, shared: OidcProvider) -> None:
        """RFC 7591, which assistants use when nobody registered them."""
        asked = {
            "client_name": "New assistant",
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
            reply = await http.post(shared.metadata["registration_endpoint"], json=asked)
        client = reply.json()["client_id"]
        assert unverified((await shared.token("bo", client=client)).access)["client_id"] == client


class TestStepUp:
    """A second factor, when the client asks for it (RFC 9470 §5)."""

    async def test_only_who_is_asked_shows_a_second_factor(self, shared: OidcProvider) -> None:
        """The same person, with and without `acr_values`."""
        plain = unverified((await shared.token("lee")).access)
        raised = unverified((await shared.token("lee", acr=shared.mfa)).access)
        assert (plain["acr"], plain["amr"]) == ("urn:corp:password", ["pwd"])
        assert (raised["acr"], raised["amr"]) == ("urn:corp:mfa", ["pwd", "otp"])

    async def test_a_session_without_it_is_asked_again(self, shared: OidcProvider) -> None:
        """Being signed in is not enough, and afterwards it is."""
        seen = []
        async with Browser(PEOPLE["lee"]) as browser:
            for acr in ("", shared.mfa, ""):
                url, verifier = authorization(shared, acr_values=acr)
                answer = await browser.open(url)
                seen.append(
                    unverified((await redeem(shared, answer["code"], verifier))["access_token"])["acr"]
                )
        assert seen == ["urn:corp:password", "urn:corp:mfa", "urn:corp:mfa"]

    async def test_nobody_passes_without_the_factor(self, shared: OidcProvider) -> None:
        """Neither with a wrong code nor without having one."""
        url, _ = authorization(shared, acr_values=shared.mfa)
        for person in (PEOPLE["ana"], replace(PEOPLE["lee"], otp_secret="AAAAAAAAAAAAAAAA")):
            async with Browser(person) as browser:
                with pytest.raises(Refused, match=r"second factor|one-time code"):
                    await browser.open(url)

    async def test_an_old_sign_in_is_asked_again(self, shared: OidcProvider) -> None:
        """`max_age=0` (OpenID Connect §3.1.2.1) refuses without a page where none may be shown."""
        async with Browser(PEOPLE["lee"]) as browser:
            await browser.open(authorization(shared)[0])
            answer = await browser.open(authorization(shared, max_age="0", prompt="none")[0])
        assert answer["error"] == "login_required"


class TestExchange:
    """RFC 8693, as the gateway does it."""

    async def test_it_is_the_same_person_and_says_who_acts(self, shared: OidcProvider) -> None:
        """For Jira alone, signed with its own algorithm, and `act` nested (§4.1)."""
        tokens = await shared.token("ana")
        answer = await shared.exchange(tokens.access)
        claims = await shared.jira_claims(answer["access_token"])
        assert claims is not None
        assert (claims["sub"], claims["aud"], claims["scope"]) == ("ana", JIRA, "read:jira-work")
        assert claims["act"] == {"sub": GATEWAY_CLIENT_ID, "act": {"sub": ASSISTANT}}
        assert jwt.get_unverified_header(answer["access_token"])["alg"] == "PS256"
        assert answer["issued_token_type"] == TOKEN_TYPE + "access_token"
        assert claims["exp"] <= unverified(tokens.access)["exp"]

    async def test_its_result_lives_no_longer_than_the_subject(self, own: OidcProvider) -> None:
        """A short token of an assistant gives a shorter one for Jira."""
        await own.lives(access=60)
        subject = (await own.token("ana")).access
        answer = await own.exchange(subject)
        assert unverified(answer["access_token"])["exp"] <= unverified(subject)["exp"]
        assert answer["expires_in"] <= 60

    async def test_jira_knows_only_its_own_tokens(self, shared: OidcProvider) -> None:
        """`jira_claims` is how the sandbox Jira verifies."""
        tokens = await shared.token("ana")
        good = (await shared.exchange(tokens.access))["access_token"]
        head, body, signature = good.split(".")
        forged = f"{head}.{body}.{signature[:-8]}AAAAAAAA"
        for token in (tokens.access, tokens.id, forged, "x", ""):
            assert await shared.jira_claims(token) is None

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"audience": "https://other.example.com"}, "invalid_target"),
            ({"audience": REPORTS}, "invalid_target"),
            ({"audience": ""}, "invalid_target"),
            ({"audience": GATEWAY}, "invalid_target"),
            ({"resource": "https://other.example.com"}, "invalid_target"),
            ({"scope": "read:jira-work write:jira-work"}, "invalid_scope"),
            ({"scope": "manage:jira"}, "invalid_scope"),
            ({"scope": " "}, "invalid_scope"),
            ({"actor_token": "x", "actor_token_type": TOKEN_TYPE + "jwt"}, "invalid_request"),
            ({"requested_token_type": TOKEN_TYPE + "refresh_token"}, "invalid_request"),
            ({"subject_token_type": TOKEN_TYPE + "id_token"}, "invalid_request"),
            ({"subject_token": ""}, "invalid_request"),
        ],
        ids=str,
    )
    async def test_more_than_the_policy_is_refused(
        self, shared: OidcProvider, more: dict[str, str], error: str
    ) -> None:
        """Never granted silently and never cut: another audience, a broader scope, another kind of token."""
        subject = (await shared.token("bo", READ)).access
        with pytest.raises(Refused, match=error):
            await shared.exchange(subject, **more)

    async def test_two_audiences_are_refused(self, shared: OidcProvider) -> None:
        """Exactly one, even when each alone would be allowed."""
        subject = (await shared.token("bo", READ)).access
        form = [
            ("grant_type", EXCHANGE),
            ("subject_token", subject),
            ("subject_token_type", TOKEN_TYPE + "access_token"),
            ("audience", JIRA),
            ("audience", REPORTS),
        ]
        async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
            reply = await http.post(
                shared.metadata["token_endpoint"],
                content=urlencode(form),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                auth=(GATEWAY_CLIENT_ID, shared.secrets["gateway"]),
            )
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_target")

    async def test_other_tokens_are_no_subject(self, shared: OidcProvider) -> None:
        """ID token, refresh token, a token for Jira, one for another service, a forged one: one answer."""
        tokens = await shared.token("ana")
        for_jira = (await shared.exchange(tokens.access))["access_token"]
        for_reports = (await shared.token("ana", "openid reports:read", resource=REPORTS)).access
        forged = jwt.encode(
            unverified(tokens.access), STRANGE_KEY, "ES256", jwt.get_unverified_header(tokens.access)
        )
        said = set()
        for wrong in (tokens.id, tokens.refresh, for_jira, for_reports, forged, "x"):
            with pytest.raises(Refused) as refused:
                await shared.exchange(wrong)
            said.add(str(refused.value))
        assert said == {"400 invalid_request: subject_token is invalid"}

    async def test_each_client_has_its_own_audiences(self, shared: OidcProvider) -> None:
        """The other service reaches its own, not Jira; an assistant, being public, exchanges nothing."""
        subject = (await shared.token("ana")).access
        answer = await shared.exchange_as_service(subject, REPORTS, "reports:read")
        assert unverified(answer["access_token"])["aud"] == REPORTS
        with pytest.raises(Refused, match="invalid_target"):
            await shared.exchange_as_service(subject, JIRA, "read:jira-work")
        form = {"grant_type": EXCHANGE, "client_id": ASSISTANT, "subject_token": subject}
        with pytest.raises(Refused, match="not allowed for this client"):
            await post_form(shared.metadata["token_endpoint"], form)

    async def test_a_service_calls_in_its_own_name(self, shared: OidcProvider) -> None:
        """Client credentials: the subject is the client, and no person."""
        claims = unverified((await shared.service_token(scope="jira:read"))["access_token"])
        assert (claims["sub"], claims["client_id"]) == (SERVICE_CLIENT_ID, SERVICE_CLIENT_ID)
        assert (claims["aud"], claims["scope"]) == (GATEWAY, "jira:read")
        assert "groups" not in claims

    async def test_a_client_is_believed_by_its_key(self, shared: OidcProvider) -> None:
        """private_key_jwt: the registered key, once for each assertion, and no other key."""
        subject = (await shared.token("ana")).access
        answer = await shared.exchange_by_key(subject, KEY)
        assert unverified(answer["access_token"])["client_id"] == GATEWAY_KEY_CLIENT_ID
        with pytest.raises(Refused, match="invalid_client"):
            await shared.exchange_by_key(subject, STRANGE_KEY)
        form = {
            "token": "x",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": shared.assertion(KEY),
        }
        assert await post_form(shared.metadata["introspection_endpoint"], form) == {"active": False}
        with pytest.raises(Refused, match="invalid_client"):
            await post_form(shared.metadata["introspection_endpoint"], form)

    async def test_a_clients_published_keys_may_roll(self, tmp_path: Path) -> None:
        """The new key is believed once the provider has fetched it, and the old one until it is withdrawn."""
        published = [public_jwk(KEY, "old")]

        async def jwks(request: Request) -> JSONResponse:
            return JSONResponse({"keys": published})

        sock = listen("127.0.0.1", 0)
        uri = f"http://127.0.0.1:{sock.getsockname()[1]}/jwks"
        provider = OidcProvider(Parties(GATEWAY, JIRA, tmp_path), client_keys={"jwks_uri": uri})
        async with Served(Starlette(routes=[Route("/jwks", jwks)]), sock), provider:
            subject = (await provider.token("ana")).access
            await provider.exchange_by_key(subject, KEY, "old")
            published.insert(0, public_jwk(STRANGE_KEY, "new"))
            await provider.forget_client_keys()
            await provider.exchange_by_key(subject, STRANGE_KEY, "new")
            await provider.exchange_by_key(subject, KEY, "old")
            published.pop()
            await provider.forget_client_keys()
            with pytest.raises(Refused, match="invalid_client"):
                await provider.exchange_by_key(subject, KEY, "old")


class TestRefresh:
    """RFC 6749 §6, with strict rotation (RFC 9700 §4.14.2)."""

    async def test_a_used_token_ends_its_family(self, shared: OidcProvider) -> None:
        """The thief's and the owner's alike; a family of the same person elsewhere goes on."""
        first, other = await shared.token("ana"), await shared.token("ana")
        second = await shared.refresh(first)
        assert second.refresh != first.refresh and unverified(second.access)["acr"] == "urn:corp:password"
        for dead in (first, second):
            with pytest.raises(Refused, match="invalid_grant"):
                await shared.refresh(dead)
        await shared.refresh(other)

    async def test_it_is_the_clients_own(self, shared: OidcProvider) -> None:
        """Another client cannot use it."""
        tokens = await shared.token("ana")
        form = {
            "grant_type": "refresh_token",
            "refresh_token": tokens.refresh,
            "client_id": OTHER_ASSISTANT,
        }
        with pytest.raises(Refused, match="invalid_grant"):
            await post_form(shared.metadata["token_endpoint"], form)


class TestIdJag:
    """An assertion of who the person is, for another authorization server."""

    @pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
    async def test_it_names_the_person_and_our_client_there(self, shared: OidcProvider, kind: str) -> None:
        """The claims of the draft, for five minutes."""
        tokens = await shared.gateway_sign_in("ana")
        subject = tokens.id if kind == "id_token" else tokens.refresh
        answer = await shared.id_jag(subject, kind, JIRA_ISSUER, resource="https://jira.example.com")
        assertion, claims = answer["access_token"], unverified(answer["access_token"])
        assert typ(assertion) == "oauth-id-jag+jwt"
        assert (answer["issued_token_type"], answer["token_type"]) == (TOKEN_TYPE + "id-jag", "N_A")
        assert (claims["sub"], claims["aud"], claims["client_id"]) == ("ana", JIRA_ISSUER, "gateway-there")
        assert (claims["scope"], claims["resource"]) == ("read:jira-work", "https://jira.example.com")
        assert claims["exp"] - claims["iat"] == 300 and claims["jti"]
        keys = {key["kid"]: key for key in (await fetched(shared.metadata["jwks_uri"]))["keys"]}
        key = jwt.PyJWK(keys[jwt.get_unverified_header(assertion)["kid"]], "ES256").key
        jwt.decode(assertion, key, algorithms=["ES256"], audience=JIRA_ISSUER, issuer=shared.issuer)

    async def test_only_for_servers_and_scopes_of_the_policy(self, shared: OidcProvider) -> None:
        """Not for any audience, not for more."""
        token = (await shared.gateway_sign_in("ana")).id
        for audience in ("https://other.example.com", JIRA, ""):
            with pytest.raises(Refused, match="invalid_target"):
                await shared.id_jag(token, "id_token", audience)
        with pytest.raises(Refused, match="invalid_scope"):
            await shared.id_jag(token, "id_token", JIRA_ISSUER, scope="write:jira-work")

    async def test_only_for_what_the_client_itself_was_given(self, shared: OidcProvider) -> None:
        """Not for an assistant's tokens, not for an access token, not for one as another kind."""
        theirs, ours = await shared.token("ana"), await shared.gateway_sign_in("ana")
        wrong = [
            (theirs.id, "id_token"),
            (theirs.refresh, "refresh_token"),
            (ours.access, "id_token"),
            (ours.access, "access_token"),
            (ours.refresh, "id_token"),
            (ours.id, "refresh_token"),
        ]
        for token, kind in wrong:
            with pytest.raises(Refused, match="invalid_request"):
                await shared.id_jag(token, kind, JIRA_ISSUER)

    async def test_a_used_refresh_token_gives_none(self, shared: OidcProvider) -> None:
        """It is dead for this as for refreshing."""
        tokens = await shared.gateway_sign_in("ana")
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        auth = (GATEWAY_CLIENT_ID, shared.secrets["gateway"])
        await post_form(shared.metadata["token_endpoint"], form, auth=auth)
        with pytest.raises(Refused, match="invalid_request"):
            await shared.id_jag(tokens.refresh, "refresh_token", JIRA_ISSUER)

    async def test_nobody_who_signed_out_is_vouched_for(self, shared: OidcProvider) -> None:
        """Neither by the refresh token nor by the ID token, which would both still be in their time."""
        tokens = await shared.gateway_sign_in("hana")
        await shared.sign_out("hana")
        for token, kind in ((tokens.refresh, "refresh_token"), (tokens.id, "id_token")):
            with pytest.raises(Refused, match="invalid_request"):
                await shared.id_jag(token, kind, JIRA_ISSUER)


class TestIntrospection:
    """RFC 7662, for tokens that say nothing themselves."""

    async def test_an_opaque_token_is_told_to_the_gateway(self, shared: OidcProvider) -> None:
        """Its audience is the gateway, and it can be exchanged."""
        token = (await shared.token("bo", resource=shared.opaque)).access
        told = await shared.introspect(token)
        assert token.count(".") == 0
        assert (told["active"], told["sub"], told["aud"]) == (True, "bo", GATEWAY)
        assert told["groups"] == list(PEOPLE["bo"].groups) and told["exp"] > clock.wall()
        answer = await shared.exchange(token)
        assert unverified(answer["access_token"])["sub"] == "bo"

    async def test_it_ends_with_the_session(self, own: OidcProvider) -> None:
        """After signing out it is not active, and not exchanged."""
        token = (await own.token("bo", resource=own.opaque)).access
        await own.sign_out("bo")
        assert await own.introspect(token) == {"active": False}
        with pytest.raises(Refused, match="subject_token is invalid"):
            await own.exchange(token)

    async def test_a_signed_token_is_not_introspected(self, shared: OidcProvider) -> None:
        """This provider refuses them there, which the gateway must not take for `inactive`."""
        with pytest.raises(Refused, match="unsupported_token_type"):
            await shared.introspect((await shared.token("bo")).access)


class TestAdministration:
    """What an administrator does while everything runs."""

    async def test_a_disabled_account_can_do_nothing(self, own: OidcProvider) -> None:
        """Sign in, refresh, exchange, ID-JAG; enabled again it can, and nobody else noticed."""
        bo, ours, ana = await own.token("bo"), await own.gateway_sign_in("bo"), await own.token("ana")
        await own.disable("bo")
        with pytest.raises(Refused, match="disabled"):
            await own.token("bo")
        with pytest.raises(Refused, match="invalid_grant"):
            await own.refresh(bo)
        with pytest.raises(Refused, match="subject_token is invalid"):
            await own.exchange(bo.access)
        with pytest.raises(Refused, match="subject_token is invalid"):
            await own.id_jag(ours.id, "id_token", JIRA_ISSUER)
        await own.exchange((await own.refresh(ana)).access)
        await own.enable("bo")
        await own.exchange((await own.refresh(bo)).access)
        await own.token("bo")

    async def test_signing_out_ends_what_was_given(self, own: OidcProvider) -> None:
        """Refresh and exchange; signing in anew works at once."""
        before, other = await own.token("bo"), await own.token("ana")
        await own.sign_out("bo")
        with pytest.raises(Refused, match="invalid_grant"):
            await own.refresh(before)
        with pytest.raises(Refused, match="subject_token is invalid"):
            await own.exchange(before.access)
        await own.exchange((await own.token("bo")).access)
        await own.refresh(other)

    async def test_keys_change_while_it_serves(self, own: OidcProvider) -> None:
        """Old tokens stay good until the old keys are withdrawn; refresh tokens stay good throughout."""
        old = await own.token("ana")
        for_jira = (await own.exchange(old.access))["access_token"]
        assert len((await own.rotate_keys())["keys"]) == 4
        new = await own.token("ana")
        assert jwt.get_unverified_header(new.access)["kid"] != jwt.get_unverified_header(old.access)["kid"]
        assert await own.jira_claims((await own.exchange(old.access))["access_token"])
        await own.withdraw_old_keys()
        published = (await fetched(own.metadata["jwks_uri"]))["keys"]
        assert len(published) == 2 and not any("d" in key for key in published)
        assert jwt.get_unverified_header(for_jira)["kid"] not in {key["kid"] for key in published}
        with pytest.raises(Refused, match="subject_token is invalid"):
            await own.exchange(old.access)
        await own.exchange((await own.refresh(old)).access)

    async def test_a_restart_changes_nothing(self, own: OidcProvider) -> None:
        """The same address, keys, sessions, refresh tokens, and people who are disabled."""
        issuer, ana = own.issuer, await own.token("ana")
        await own.disable("bo")
        before = await fetched(own.metadata["jwks_uri"])
        await own.stop()
        await own.start()
        assert own.issuer == issuer and await fetched(own.metadata["jwks_uri"]) == before
        await own.exchange((await own.refresh(ana)).access)
        with pytest.raises(Refused, match="disabled"):
            await own.token("bo")

    async def test_it_says_what_it_does_not_know(self, shared: OidcProvider) -> None:
        """A misspelt name is an error, not a silent success."""
        with pytest.raises(Refused, match="nobody is called"):
            await shared.disable("nobody")

    async def test_it_ends_with_whoever_started_it(self, own: OidcProvider) -> None:
        """No orphan keeps a port: the closed pipe ends it."""
        assert own._process is not None
        assert await own._process.ended() == 0
