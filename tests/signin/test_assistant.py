"""An assistant signs a person in and works: the whole way, over the settings of a composed gateway."""

from pathlib import Path

from tests.signin.assistant import SigningWorld, code_of


async def test_an_assistant_registers_signs_in_calls_and_refreshes(tmp_path: Path) -> None:
    """Registration, sign-in at the provider, consent, code, token, a call as that person, a refresh, another call."""
    async with SigningWorld(tmp_path) as world:
        assistant, person = await world.assistant(), await world.person()
        code = await code_of(person, assistant)
        reply = await assistant.redeem(code)
        assert reply.status_code == 200, reply.text
        tokens = reply.json()
        answer = await world.call(tokens["access_token"], "jira_whoami")
        assert "Ana" in str(answer["result"]), answer
        renewed = (await assistant.refresh(tokens["refresh_token"])).json()
        assert renewed["refresh_token"] != tokens["refresh_token"], renewed
        answer = await world.call(renewed["access_token"], "jira_search", jql="project = OPEN")
        assert not answer["result"]["isError"], answer
        assert world.checked().ok
