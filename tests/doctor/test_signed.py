"""`doctor user --login`: the person signs in by a browser instead of bringing a token."""

import asyncio
import json
import re
import sys

import httpx2
import pytest

from gateway.doctor.signed import Wish, signed_in
from gateway.doctor.user import draw
from gateway.errors import ConfigError
from gateway.http import Outward
from sandbox.idp.browser import sign_in
from tests.doctor.clinic import Clinic

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def browser(url: str, clinic: Clinic, user: str) -> str:
    """What a person does with the address: sign in; the redirect with the answer."""
    async with Outward() as outward:
        return await sign_in(outward, url, user=user, password=clinic.sandbox.people[user].password)


async def test_a_sign_in_gives_the_persons_own_token(clinic: Clinic) -> None:
    """Of the scripted browser's person, good at the gateway's endpoint; a name of somebody else stays refused."""
    settings = clinic.settings()
    asked: list[str] = []

    async def opened(url: str, redirect: str) -> str:
        asked.append(url)
        return await browser(url, clinic, "ana")

    bearer = await signed_in(settings, settings.identity.issuers[0], Wish("demo-assistant"), opened)
    assert "code_challenge_method=S256" in asked[0] and "client_secret" not in asked[0]
    assert (await draw(settings, "ana", bearer)).good
    assert not (await draw(settings, "bo", bearer)).good


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?code=c&state=forged", "another question"),
        ("?state={state}&code=c&iss=https://other.test", "another question"),
        ("?state={state}&error=access_denied", "access_denied"),
        ("?state={state}&code=invented", "no access token"),
    ],
)
async def test_an_answer_that_is_none_is_told(clinic: Clinic, query: str, told: str) -> None:
    """A forged state, another issuer (RFC 9207), a refusal, a code that is none."""
    settings = clinic.settings()

    async def opened(url: str, redirect: str) -> str:
        state = re.search(r"[?&]state=([^&]+)", url)
        assert state is not None
        return redirect + query.replace("{state}", state[1])

    with pytest.raises(ConfigError) as refused:
        await signed_in(settings, settings.identity.issuers[0], Wish("demo-assistant"), opened)
    assert told in refused.value.problems[0]


async def test_the_command_prints_the_address_and_hears_the_answer(clinic: Clinic) -> None:
    """As an operator runs it: the address on standard error, the portrait on standard output, no token anywhere."""
    command = ("doctor", "user", "ana", "--login", "demo-assistant", "--json", "--config", str(clinic.config))
    pipe = asyncio.subprocess.PIPE
    ran = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *command, stdout=pipe, stderr=pipe
    )
    assert ran.stderr is not None
    told = ""
    async with asyncio.timeout(60):
        while (url := re.search(r"^http\S+$", told, re.MULTILINE)) is None:
            line = await ran.stderr.readline()
            assert line, told
            told += line.decode()
        async with httpx2.AsyncClient(trust_env=False) as http:
            landed = await http.get(await browser(url[0], clinic, "ana"))
        out, err = await ran.communicate()
    assert (landed.status_code, ran.returncode) == (200, 0), err
    found = json.loads(out)
    assert found["name"] == "ana" and found["jira"]["account"]
    assert "eyJ" not in told + out.decode() + err.decode()


async def test_one_of_the_two_is_needed(clinic: Clinic) -> None:
    """3, with both ways."""
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "doctor",
        "user",
        "ana",
        "--config",
        str(clinic.config),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await ran.communicate()
    assert ran.returncode == 3 and b"--login CLIENT_ID" in err
