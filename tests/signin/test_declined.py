"""The company's provider sends the browser back with an error: what the assistant, and the operator, learn of it."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.signin.assistant import SigningWorld, answered


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("access_denied", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_scope", "server_error"),
        ("unauthorized_client", "server_error"),
        ("<script>", "server_error"),
    ],
)
async def test_an_error_about_our_request_is_not_the_assistants(
    tmp_path: Path, error: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`invalid_scope` there means our `login.scopes`; an assistant that got it would change its own."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        left = await person.get(assistant.address())
        state = answered(left.headers["location"])["state"]
        query = urlencode({"error": error, "state": state, "iss": world.sandbox.issuer})
        back = await person.get(f"/login/callback?{query}")

        said = answered(back.headers["location"])
        assert said["error"] == told and said["state"] == assistant.state
        assert "<" not in said["error_description"]
        readable = "unreadable" if "<" in error else error
        assert f"sent the browser back with the error {readable}" in caplog.text
