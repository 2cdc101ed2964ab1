"""Each reason for which a token is refused has its line, all at once; the verdict is the gateway's own."""

import time
from typing import Any

import pytest

from tests.doctor.clinic import Clinic, wrong

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = int(time.time())
TOKENS: dict[str, tuple[dict[str, Any], set[str], str, str]] = {
    # claims, what is wrong besides the verdict, found, do
    "another audience": (
        {"aud": "https://elsewhere.example"},
        {"token: audience"},
        "https://elsewhere.example; the settings say",
        "exactly the gateway's audience",
    ),
    "one audience too many": (
        {"aud": lambda good: [good["aud"], "account"]},
        {"token: audience"},
        "also for account",
        "`beside`",
    ),
    "ended": ({"iat": NOW - 900, "exp": NOW - 600}, {"token: life"}, "ended", "fresh"),
    "too long": ({"exp": NOW + 400_000}, {"token: life"}, "s", "24 h"),
    "no times": ({"iat": None}, {"token: life"}, "iat", "both"),
    "another kind": ({"headers": {"typ": "JWT"}}, {"token: kind"}, "typ JWT", "access token"),
    "an ID token": ({"nonce": "n"}, {"token: claims"}, "nonce shows another kind", "access token"),
    "a bound one": ({"cnf": {"jkt": "x"}}, {"token: claims"}, "cnf", "DPoP"),
    "no id": ({"jti": None}, {"token: claims"}, "no jti", "access tokens"),
    "no client": ({"client_id": None}, {"token: claims"}, "no client_id (the client)", "access tokens"),
    "no subject": ({"sub": None}, {"token: claims"}, "no sub", "access tokens"),
    "scopes as a list": ({"scope": ["jira:read"]}, {"token: scopes"}, "not one text", "profile"),
    "another issuer": (
        {"iss": "https://elsewhere.example"},
        {"token: issuer"},
        "elsewhere",
        "letter for letter",
    ),
    "an unknown key": ({"headers": {"kid": "gone"}}, {"token: signature"}, "no key 'gone'", "fresh"),
    "overage": (
        {"groups": None, "_claim_names": {"groups": "src1"}},
        {"groups"},
        "_claim_names tells of groups",
        "`directory`",
    ),
}
HARMLESS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # claims, line, state, found
    "no scopes": ({"scope": ""}, "token: scopes", "note", "none in `scope`"),
    "no groups": ({"groups": None}, "groups", "wrong", "no `groups`"),
    "groups as a text": ({"groups": "staff,leads"}, "groups", "wrong", "not a list"),
    "nobody's groups": ({"groups": ["strangers"]}, "roles", "note", "no rule fits strangers"),
    "some without a rule": ({"groups": ["staff", "strangers"]}, "roles", "good", "without a rule: strangers"),
    "a path": ({"groups": ["/staff"]}, "roles", "wrong", "no rule fits"),
    "in no group": ({"groups": []}, "roles", "note", "in no group"),
}


@pytest.mark.parametrize("why", TOKENS)
async def test_each_reason_has_its_line(clinic: Clinic, why: str) -> None:
    """What is wrong, what was found, where to click; and the gateway refuses it as well."""
    claims, expected, found, do = TOKENS[why]
    lines = await clinic.lines(clinic.token(**claims))
    assert wrong(lines) == expected | {"token: verdict"}
    line = lines[min(expected)]
    assert found in line.found and do in line.do, line
    assert "the gateway refuses it" in lines["token: verdict"].found
    assert "exchange (sandbox)" in lines  # a token that is refused is presented nowhere


@pytest.mark.parametrize("why", HARMLESS)
async def test_what_lets_nobody_in_further_is_told_too(clinic: Clinic, why: str) -> None:
    """Such a token is let in, but is worth less than was meant."""
    claims, what, state, found = HARMLESS[why]
    lines = await clinic.lines(clinic.token(**claims))
    assert lines["token: verdict"].state == "good"
    assert lines[what].state == state and found in lines[what].found


async def test_a_rule_that_differs_in_a_slash_is_named(clinic: Clinic) -> None:
    """What to write instead stands there."""
    lines = await clinic.lines(clinic.token(groups=["/staff"]))
    assert "Write '/staff' instead of 'staff'" in lines["roles"].do


async def test_several_reasons_are_told_at_once(clinic: Clinic) -> None:
    """The gateway stops at the first; here nobody has to come back for the next."""
    token = clinic.token(aud="https://elsewhere.example", jti=None, headers={"typ": "JWT"})
    assert wrong(await clinic.lines(token)) == {
        "token: audience",
        "token: claims",
        "token: kind",
        "token: verdict",
    }


async def test_a_token_that_was_changed_or_is_none(clinic: Clinic) -> None:
    """A changed one is not believed; an opaque one needs introspection; nonsense is nonsense."""
    token = clinic.token()
    head, payload, signature = token.split(".")
    changed = f"{head}.{payload}.{('A' if signature[0] != 'A' else 'B') + signature[1:]}"
    lines = await clinic.lines(changed)
    assert wrong(lines) == {"token: signature", "token: verdict"}
    assert "copy it whole" in lines["token: signature"].do
    for text, found in (("opaque-0123456789", "opaque"), (f"{head}.{payload}", "no signed token"), ("", "")):
        lines = await clinic.lines(text)
        assert "token: verdict" in wrong(lines) and found in lines["token"].found


async def test_what_a_stranger_wrote_cannot_move_the_terminal(clinic: Clinic) -> None:
    """Escape sequences of a token stay out of the lines."""
    lines = await clinic.lines(clinic.token(aud="\x1b[2J\x1b]0;owned\x07", sub="\u202eana"))
    shown = "".join(line.found + line.do for line in lines.values())
    assert shown.isprintable()


async def test_a_program_is_told_as_one(clinic: Clinic) -> None:
    """Its exchange is not tried: sources for people do not serve it."""
    lines = await clinic.lines(clinic.token(sub="demo-assistant", groups=None))
    assert "a program" in lines["token: claims"].found
    assert "exchange (sandbox)" in lines
