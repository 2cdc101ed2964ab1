"""Bodies are bounded while they stream; a closed connection cancels the work."""

import asyncio
from typing import Any

import pytest

from gateway import limits
from gateway.transport.asgi import Headers, HungUp, TooLarge, read_body, unless_hung_up


def receiving(*messages: dict[str, Any]) -> Any:
    """A `receive` that gives these messages and then waits for ever; `.left` counts those not taken."""
    queue = list(messages)

    async def receive() -> Any:
        if not queue:
            await asyncio.get_running_loop().create_future()
        return queue.pop(0)

    receive.left = queue  # type: ignore[attr-defined]
    return receive


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    """One piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


async def test_a_body_is_put_together() -> None:
    """From one piece or many, up to the limit exactly."""
    assert await read_body(receiving(part(b"ab", more=False)), None) == b"ab"
    assert await read_body(receiving(part(b"a"), part(b""), part(b"b", more=False)), "2") == b"ab"
    whole = b"x" * limits.REQUEST_BYTES
    assert await read_body(receiving(part(whole[:-1]), part(b"x", more=False)), None) == whole


async def test_a_declared_large_body_is_not_read_at_all() -> None:
    """The header is enough; a number of a thousand digits is no trouble."""
    for declared in (str(limits.REQUEST_BYTES + 1), "9" * 5000):
        receive = receiving(part(b"x"))
        with pytest.raises(TooLarge):
            await read_body(receive, declared)
        assert len(receive.left) == 1


async def test_a_streamed_large_body_is_refused_as_soon_as_it_is_one() -> None:
    """Whatever Content-Length claims, nothing beyond the limit is kept."""
    for declared in (None, "5", "-1", "abc"):
        receive = receiving(part(b"x" * limits.REQUEST_BYTES), part(b"x"), part(b"x"))
        with pytest.raises(TooLarge):
            await read_body(receive, declared)
        assert len(receive.left) == 1
    with pytest.raises(TooLarge):
        await read_body(receiving(part(b"x" * (limits.REQUEST_BYTES + 1))), None)


async def test_a_client_that_leaves_while_sending_is_noticed() -> None:
    """Half a request is never acted upon."""
    for messages in ((GONE,), (part(b"a"), GONE)):
        with pytest.raises(HungUp):
            await read_body(receiving(*messages), None)


def test_header_values_are_trimmed_and_repetitions_known() -> None:
    """httptools keeps trailing white space; the first of several values is shown."""
    lines = [(b"a", b" 1\t "), (b"b", b"2"), (b"a", b"3"), (b"c", b"\xa0x\x85")]
    headers = Headers.of({"headers": lines})
    assert headers.values == {"a": "1", "b": "2", "c": "\xa0x\x85"}
    assert headers.repeated == {"a"}


async def test_work_that_ends_gives_its_result_or_error() -> None:
    """The watcher leaves no trace: no task stays."""

    async def fails() -> None:
        raise ValueError("x")

    before = asyncio.all_tasks()
    assert await unless_hung_up(receiving(), asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="x"):
        await unless_hung_up(receiving(), fails())
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("reaction", ["obey", "swallow", "replace"])
async def test_a_client_that_leaves_cancels_the_work(reaction: str) -> None:
    """Whatever the work makes of it, the outcome is `HungUp`, and the task can go on afterwards."""
    cancelled = False

    async def work() -> str:
        nonlocal cancelled
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled = True
            if reaction == "swallow":
                return "done all the same"
            if reaction == "replace":
                raise ValueError("outcome unknown") from None
            raise
        return "never"

    with pytest.raises(HungUp):
        await unless_hung_up(receiving(part(b""), GONE), work())
    assert cancelled
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_shutdown_is_not_mistaken_for_a_client_that_left() -> None:
    """A cancellation from elsewhere stays a cancellation, even when the client left as well."""
    for messages in ((), (GONE,)):
        stopping = asyncio.Event()

        async def work(stopping: asyncio.Event = stopping) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopping.set()
                await asyncio.sleep(0.02)
                raise

        task = asyncio.create_task(unless_hung_up(receiving(*messages), work()))
        if messages:
            await stopping.wait()
        else:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
