"""`client …`, as an operator runs it beside a gateway: what it changes, prints, and cuts off."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway import clock
from gateway.cli import main
from gateway.identity.revocation import Revocation, Revocations
from gateway.jose import new_signing_key
from gateway.settings.signin import SignIn
from gateway.signin.server import Client
from gateway.signin.server.clients import Registry
from gateway.store.sql import Database
from tests.signin.registries import CODE, Published
from tests.test_config import GOOD

CLAUDE = "https://claude.ai/api/mcp/auth_callback"
T = TypeVar("T")


class Operator:
    """Types commands, and can look into the database as a gateway does."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "secret").write_text("s3cret\n")
        self.url = f"sqlite:///{folder}/gateway.db"
        self.config = folder / "gateway.toml"
        self.config.write_text(f'{GOOD}\n[database]\nurl = "{self.url}"\n[signin]\nadmission = "pending"\n')
        self._capsys = capsys

    def types(self, *words: str, status: int = 0) -> tuple[str, str]:
        """What the command prints, and says."""
        assert main(["client", *words, "--config", str(self.config)]) == status
        told = self._capsys.readouterr()
        assert "Traceback" not in told.err
        return told.out, told.err

    def said(self) -> str:
        """What a command said that did not end."""
        return self._capsys.readouterr().err

    def json(self, *words: str) -> Any:
        """What the command prints as data."""
        return json.loads(self.types(*words, "--json")[0])

    def inside(self, work: Callable[[Registry], Awaitable[T]]) -> T:
        """What a gateway's registry says."""

        async def opened() -> T:
            async with Database(self.url) as database:
                return await work(Registry(database, Published(), SignIn(admission="pending")))

        return asyncio.run(opened())

    def cut_off(self) -> list[Revocation]:
        """The revocations that a gateway reads."""
        found: list[Revocation] = []

        async def opened() -> None:
            async with Database(self.url) as database:
                revocations = Revocations(database, found.append)
                revocations._read_at = 1.0  # as after a first look
                await revocations.load()

        asyncio.run(opened())
        return found


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    """With an empty database."""
    return Operator(tmp_path, capsys)


def test_a11_a_client_is_issued_with_its_secret_this_once(operator: Operator) -> None:
    """And the gateway knows it at once; no later command prints the secret."""
    words = ("add", "--name", "Reports", "--redirect", CLAUDE, "--redirect", "http://localhost/cb")
    more = ("--owner", "it@corp.test", "--group", "jira-users", "--days", "90")
    made = operator.json(*words, *more, "--method", "client_secret_basic")
    client = operator.inside(lambda registry: registry.find(made["id"]))
    assert client.secret_digest == hashlib.sha256(made["client_secret"].encode()).hexdigest()
    assert client.redirect_uris == (CLAUDE, "http://localhost/cb") and client.admission == "admitted"
    assert client.owner == "it@corp.test" and client.groups == {"jira-users"}
    assert client.expires_at is not None and 89 < (client.expires_at - clock.wall()) / 86_400 <= 90
    for later in (
        operator.types("show", made["id"]),
        operator.types("list"),
        operator.types("list", "--json"),
    ):
        assert made["client_secret"] not in "".join(later) and client.secret_digest not in "".join(later)
    out, said = operator.types(*words, "--method", "client_secret_post")
    assert "client_id      static-" in out and "client_secret  " in out and "this once" in said
    out, said = operator.types(*words)
    assert "client_secret" not in out and "secret" not in said


def test_a11_keys_of_a_client_come_from_a_file(operator: Operator, tmp_path: Path) -> None:
    """With them it is attested."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [new_signing_key().jwk()]}))
    words = ("add", "--name", "x", "--method", "private_key_jwt", "--redirect", CLAUDE)
    assert operator.json(*words, "--jwks", str(keys))["assurance"] == ["attested"]
    keys.write_text("[]")
    for wrong in (str(keys), str(tmp_path / "absent")):
        assert "--jwks" in operator.types(*words, "--jwks", wrong, status=2)[1]
    operator.types(*words, status=2)


def test_a_list_says_who_how_sure_and_whose(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a table of which a terminal obeys nothing, and as data."""
    wish = Client(
        "", "dynamic", "Evil\x1b[2J [bold]", ("http://localhost:1/cb", "cursor://x/cb")
    )  # in the table by another way
    dynamic = operator.inside(lambda registry: registry.register_dynamic(wish)).client
    document = operator.inside(lambda registry: registry.find(CODE))
    monkeypatch.setenv("COLUMNS", "200")
    found = {one["id"]: one for one in operator.json("list")}
    assert found.keys() == {dynamic.id, document.id}
    mine = found[dynamic.id]
    assert mine["hosts"] == ["this computer", "the app that opens cursor: links"]
    assert (mine["assurance"], mine["admission"], mine["used"]) == (["asserted"], "pending", None)
    table = operator.types("list")[0]
    for column in (
        "name",
        "id",
        "registration",
        "host",
        "assurance",
        "admission",
        "owner",
        "used",
        "pending",
        "never",
    ):
        assert column in table
    shown = operator.types("show", dynamic.id)[0]
    assert "\x1b" not in table + shown and "Evil" in shown and "[bold]" in shown


def test_admitted_refused_and_revoked(operator: Operator) -> None:
    """Each holds at once; who is refused or revoked is cut off too, as `kill` does it."""
    wish = Client("", "dynamic", "Cursor", ("http://localhost:1/cb",))
    id = operator.inside(lambda registry: registry.register_dynamic(wish)).client.id
    assert operator.json("admit", id, "--owner", "ana", "--group", "jira-users")["admission"] == "admitted"
    assert operator.cut_off() == []
    kept = operator.json("admit", id, "--days", "1")
    assert (kept["owner"], kept["groups"]) == ("ana", ["jira-users"]) and kept["expires"]
    assert operator.json("admit", id, "--days", "0")["expires"] is None
    assert "Cursor" in operator.types("refuse", id)[1]
    assert operator.inside(lambda registry: registry.find(id)).admission == "refused"
    (first,) = operator.cut_off()
    assert (first.kind, first.client, first.reason) == ("client", id, "killed")
    assert "client refuse" in operator.types("revoke", id)[1]
    assert operator.inside(lambda registry: registry.peek(id)) is None
    assert [one.client for one in operator.cut_off()] == [id, id]


def test_a_document_is_admitted_by_its_address(operator: Operator) -> None:
    """Before anybody used it; the gateway fetches it when it comes."""
    operator.types("admit", CODE, "--owner", "ana")
    assert operator.json("show", CODE)["hosts"] == []
    found = operator.inside(lambda registry: registry.find(CODE))
    assert (found.admission, found.owner, found.name) == ("admitted", "ana", "Claude Code")


def test_mistakes_are_one_sentence(operator: Operator) -> None:
    """1 for a client that is not there, 2 for words that cannot be meant."""
    for kind in ("show", "admit", "refuse", "revoke"):
        out, said = operator.types(kind, "nobody", status=1)
        assert out == "" and said.strip().endswith(".") and said.count("\n") == 1
    for words in (("--redirect", "http://corp.test/"), (), ("--redirect", CLAUDE, "--group", "two words")):
        out, said = operator.types("add", "--name", "x", *words, status=2)
        assert out == "" and said.strip().endswith(".") and said.count("\n") == 1
    for days in ("-3", "99999999999", "x"):
        with pytest.raises(SystemExit, match="2"):
            operator.types("admit", "x", "--days", days)
        assert "from 0 (it stays) to 99999" in operator.said()
    assert operator.json("list") == []


def test_ids_are_whole_in_a_narrow_terminal(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns each id stands on a line, name and all beside it; where there is room it is one line each."""
    long = "https://login.assistant.example/" + "oauth/" * 30 + "client.json"
    wish = Client("", "dynamic", "Cursor \x1b[2J[bold]", ("http://localhost:1/cb",))
    id = operator.inside(lambda registry: registry.register_dynamic(wish)).client.id
    operator.types("admit", long, "--owner", "ana")
    monkeypatch.setenv("COLUMNS", "80")
    out = operator.types("list")[0]  # not into a terminal: a line each, for tools
    (line,) = [line for line in out.splitlines() if id in line]
    assert "Cursor" in line and "pending" in line and any(long in one for one in out.splitlines())
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes it a terminal
    monkeypatch.setenv("TERM", "dumb")
    lines = operator.types("list")[0].splitlines()
    for whole in (id, long):
        assert [line for line in lines if whole in line], lines
    assert sum(bool(re.match(r"(\x1b\[2m)?name ", line)) for line in lines) == 2
    assert "\x1b[2J" not in "".join(lines) and "[bold]" in "".join(lines)
