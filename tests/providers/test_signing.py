"""Where assistants sign in at the gateway, each provider behind it: what its word does to a sign-in of ours.

Where time passes, only the gateway's clock is moved: the provider knows at once, and what we keep of it gets old.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway import clock
from tests.providers.place import Place
from tests.providers.provider import Refused
from tests.providers.signing import SigningPlace
from tests.providers.test_acceptance import Show, show
from tests.providers.tokens import unverified

__all__ = ["show"]

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("mode", ["signin"], indirect=True),
]

STEP = 5.0
"""seconds between two attempts of whoever left"""


def signing(place: Place) -> SigningPlace:
    """The place in that mode."""
    assert isinstance(place, SigningPlace)
    return place


async def seconds_until(refused: Callable[[], Awaitable[bool]]) -> float:
    """How much older the gateway must get until it refuses."""
    for step in range(int(3600 / STEP)):
        with clock.shifted(wall=step * STEP):
            if await refused():
                return step * STEP
    raise AssertionError("never refused")


async def test_a_leaver_is_out(place: Place, show: Show) -> None:
    """Switched off right after a sign-in and a call, which is the worst moment: what is refused when."""
    show("a leaver, without any push")
    provider = place.provider
    calling, refreshing = await provider.token("hana"), await provider.token("hana")
    assert (await place.call(calling.access, "jira_whoami")).result

    async def call_refused() -> bool:
        return (await place.call(calling.access, "jira_whoami")).status == 401

    async def refresh_refused() -> bool:
        nonlocal refreshing
        try:
            refreshing = await provider.refresh(refreshing)
        except Refused as no:
            return no.error == "invalid_grant"
        return False

    await provider.disable("hana")
    try:
        calls, refreshes = await seconds_until(call_refused), await seconds_until(refresh_refused)
        with clock.shifted(wall=refreshes):
            held = unverified(refreshing.access)["exp"] - clock.wall()
            assert (await place.call(refreshing.access, "jira_whoami")).status == 401
            with pytest.raises(Refused):
                await provider.refresh(calling)
    finally:
        await provider.enable("hana")
    for tokens in (calling, refreshing):  # let in again at the provider, she signs in anew
        with pytest.raises(Refused):
            await provider.refresh(tokens)
        assert (await place.call(tokens.access, "jira_whoami")).status == 401
    assert 0 < calls <= 300
    assert refreshes == place.unasked
    show(
        shown=f"a call is refused after {calls:.0f} s, a refresh after {refreshes:.0f} s; the access token had "
        f"{round(held, -1):.0f} s left, and ends with the refused refresh"
    )


async def test_two_refreshes_at_once(place: Place, show: Show) -> None:
    """One successor; the provider, whose refresh token rotates, is asked once, and the sign-in goes on."""
    show("two refreshes at once")
    tokens = await place.provider.token("bo")
    await signing(place).later()
    first, second = await asyncio.gather(*(place.provider.refresh(tokens) for _ in range(2)))
    assert first.refresh == second.refresh
    await signing(place).later()
    third = await place.provider.refresh(second)
    assert (await place.call(third.access, "jira_whoami")).result
    show(shown="one successor, and the next refresh goes on")


async def test_a_restart_in_the_middle(place: Place, show: Show) -> None:
    """Signed in, restarted: the access token is good, the refresh token too, and the provider's grant is at hand."""
    show("the gateway is restarted")
    tokens = await place.provider.token("ana")
    await signing(place).restart()
    assert (await place.call(tokens.access, "jira_whoami")).result
    await signing(place).later()
    renewed = await place.provider.refresh(tokens)
    await signing(place).restart()
    assert (await place.provider.refresh(tokens)).refresh == renewed.refresh
    await signing(place).later()
    again = await place.provider.refresh(renewed)
    comment = {"key": "OPEN-2", "body": "After the restart."}
    assert (await place.call(again.access, "jira_comment", **comment)).result
    show(shown="access and refresh token, the grace of the refresh token and the provider's grant outlast it")
