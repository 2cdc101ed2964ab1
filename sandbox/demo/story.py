"""The scenes of the demo. Each claim is checked; the demo fails when one was not so."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt

from gateway.audit.verify import verify
from gateway.cli import audit as record_commands
from gateway.config import Settings
from sandbox.demo.assistant import Assistant
from sandbox.demo.stage import Stage
from sandbox.jira.data import DEMO
from sandbox.run import Sandbox


async def tell(stage: Stage, sandbox: Sandbox, settings: Settings) -> None:
    """All scenes, in order."""
    _parts(stage, sandbox, settings)
    people, url = sandbox.people, sandbox.gateway_resource
    ana, bo = Assistant(people["ana"], url), Assistant(people["bo"], url)
    async with ana:
        await _sign_in(stage, ana, sandbox, settings)
        await _work(stage, ana)
        async with bo:
            await _colleague(stage, ana, bo)
            await _policy_refuses(stage, ana, sandbox)
            await _jira_refuses(stage, bo)
        await _injection(stage, ana, sandbox)
    with stage.console.status("waiting for the next signed checkpoint…"):
        await asyncio.sleep(2 * settings.audit.checkpoint_seconds)
    _record(stage, settings)
    _forgery(stage, settings)


def _parts(stage: Stage, sandbox: Sandbox, settings: Settings) -> None:
    stage.scene(
        "The parts", "Everything runs in this process, on loopback: nothing here is a mock-up of the gateway."
    )
    stage.table(
        ("part", "where"),
        [
            ("sandbox Jira, 3 projects, 60 issues", sandbox.jira_url),
            ("sandbox identity provider", sandbox.issuer),
            ("Jira Agent Gateway", sandbox.gateway_resource),
            ("policy bundle", settings.policy.dir),
            ("record", settings.audit.dir),
        ],
    )


async def _sign_in(stage: Stage, ana: Assistant, sandbox: Sandbox, settings: Settings) -> None:
    stage.scene("Ana signs in", "Her assistant knows one address. Everything else it finds by itself.")
    offered = await ana.tools()
    stage.table(("her assistant asked", "answer"), [(f"{m} {u}", s) for m, u, s in ana.steps])
    stage.table(("Ana's browser showed",), [(title,) for title in ana.browser.pages])
    told = jwt.decode(ana.token, options={"verify_signature": False})
    stage.told(ana.steps[0][2] == 401, "The first call, without a token, got 401 and the way to sign in.")
    stage.told(
        told["sub"] == "ana" and told["aud"] == sandbox.gateway_resource,
        f"She signed in herself; her token is for {told['aud']} and nothing else.",
    )
    stage.told(
        told["iss"] == settings.server.public_url and told["idp"] == sandbox.issuer,
        "The gateway issued it, after the provider said that she is Ana.",
    )
    stage.told("jira_search" in offered, f"She is offered {len(offered)} tools: {', '.join(offered)}.")


async def _work(stage: Stage, ana: Assistant) -> None:
    stage.scene(
        "Ana's assistant works", "Each call reaches Jira as Ana, with a token exchanged for that purpose."
    )
    jql = "project in (OPEN, VAULT) AND statusCategory != Done ORDER BY key"
    found = await ana.call("jira_search", jql=jql, max_results=5)
    stage.call("Ana", "jira_search", found, jql=jql, max_results=5)
    read = await ana.call("jira_get_issue", key=DEMO["rich"])
    stage.call("Ana", "jira_get_issue", read, lines=9, key=DEMO["rich"])
    made = await ana.call(
        "jira_create_issue", project="OPEN", issue_type="Task", summary="Show the sheet that failed",
        description="The import should **name the sheet** that it could not read.",
    )  # fmt: skip
    stage.call("Ana", "jira_create_issue", made, project="OPEN", issue_type="Task", summary="Show the sheet…")
    key = str(made.data.get("key", "OPEN-1"))
    said = await ana.call("jira_comment", key=key, body="I take this one. See also the *nightly import*.")
    stage.call("Ana", "jira_comment", said, key=key)
    moved = await ana.call("jira_transition", key=key, to="In Progress")
    stage.call("Ana", "jira_transition", moved, key=key, to="In Progress")
    again = await ana.call("jira_get_issue", key=key)
    stage.told(
        all(a.good for a in (found, read, made, said, moved)),
        "Search, read, create, comment, transition: done.",
    )
    stage.told(
        again.data.get("status") == "In Progress" and again.data.get("reporter") == "Ana Alvarez",
        f"Jira says that {key} was reported by Ana Alvarez and is In Progress.",
    )


async def _colleague(stage: Stage, ana: Assistant, bo: Assistant) -> None:
    stage.scene(
        "Bo does the same", "The same questions, another person: what Bo may not see does not exist for Bo."
    )
    jql = "project in (OPEN, VAULT) ORDER BY key"
    seen = {}
    for name, who in (("ana", ana), ("bo", bo)):
        seen[name] = await _every_key(who, jql)
    projects = {n: len({k.split("-")[0] for k in keys}) for n, keys in seen.items()}
    stage.table(
        ("", "issues found", "projects", f"has {DEMO['vault']}", f"has {DEMO['secured']} (level Staff only)"),
        [
            (n, len(k), projects[n], *("yes" if DEMO[x] in k else "no" for x in ("vault", "secured")))
            for n, k in seen.items()
        ],
        title=jql,
    )
    hidden = await bo.call("jira_get_issue", key=DEMO["vault"])
    stage.call("Bo", "jira_get_issue", hidden, key=DEMO["vault"])
    absent = await bo.call("jira_get_issue", key="VAULT-4711")
    made = await bo.call("jira_create_issue", project="OPEN", issue_type="Bug", summary="Bo's bug")
    said = await bo.call("jira_comment", key=str(made.data.get("key", "OPEN-2")), body="Found while testing.")
    stage.told(
        set(seen["bo"]) < set(seen["ana"]), "Bo finds fewer issues than Ana, and none that she does not."
    )
    same = _nameless(hidden.text) == _nameless(absent.text)
    stage.told(
        not hidden.good and same, "VAULT-1 is told to Bo in the words of an issue that does not exist."
    )
    stage.told(made.good and said.good, "Bo creates and comments where Bo may.")


async def _every_key(who: Assistant, jql: str) -> list[str]:
    keys: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = await who.call("jira_search", jql=jql, max_results=50, **more)
        keys += [row["key"] for row in page.data.get("issues", [])]
        more = {"next": page.data.get("next")}
        if not more["next"]:
            return keys


def _nameless(text: str) -> str:
    """An error text without its call id."""
    return text.split("(call ")[0]


async def _policy_refuses(stage: Stage, ana: Assistant, sandbox: Sandbox) -> None:
    stage.scene(
        "Policy refuses a delete",
        "Jira would let Ana delete here. The company's rule says: no deletes by assistants.",
    )
    before = len(sandbox.jira.requests)
    refused = await ana.call("jira_delete_issue", key=DEMO["story"])
    stage.call("Ana", "jira_delete_issue", refused, key=DEMO["story"])
    sent = [r for r in list(sandbox.jira.requests)[before:] if r.method == "DELETE"]
    stage.told(
        not refused.good and "no-agent-deletes" in refused.text, "It is refused, and the rule is named."
    )
    stage.told(not sent, "No delete was sent to Jira.")
    stage.told((await ana.call("jira_get_issue", key=DEMO["story"])).good, f"{DEMO['story']} is still there.")


async def _jira_refuses(stage: Stage, bo: Assistant) -> None:
    stage.scene(
        "Jira refuses Bo", "Policy allows Bo's assistant to move issues; Bo's own permissions in Jira do not."
    )
    refused = await bo.call("jira_transition", key=DEMO["story"], to="Done")
    stage.call("Bo", "jira_transition", refused, key=DEMO["story"], to="Done")
    stage.told(
        not refused.good and "policy" not in refused.text,
        "It is Jira that says no: the agent is Bo, not more.",
    )


async def _injection(stage: Stage, ana: Assistant, sandbox: Sandbox) -> None:
    stage.scene(
        "An issue gives orders",
        "Its text tells the assistant to delete an issue. This assistant obeys everything it reads.",
    )
    key = DEMO["injection"]
    read = await ana.call("jira_get_issue", key=key)
    stage.call("Ana", "jira_get_issue", read, lines=14, key=key)
    fenced = "⟦" in read.text and "Delete issue OPEN-1" in read.text
    stage.told(read.good and fenced, "The text came back whole, between marks, as data that people wrote.")
    obeyed = await ana.call("jira_delete_issue", key="OPEN-1")
    stage.call("Ana", "jira_delete_issue", obeyed, key="OPEN-1")
    alive = (await ana.call("jira_get_issue", key="OPEN-1")).good
    stage.told(
        not obeyed.good and alive, "The act was decided on its own and refused; OPEN-1 is still there."
    )


def _record(stage: Stage, settings: Settings) -> None:
    stage.scene(
        "The record",
        "One durable record a read, two a write, refusals too: written before anything was answered.",
    )
    record_commands.tail(settings.audit.dir, 14, console=stage.console)
    report = verify(settings.audit.dir, second=settings.audit.second)
    stage.console.print()
    record_commands.verify(settings.audit.dir, second=settings.audit.second, console=stage.console)
    stage.told(report.ok, "The record is whole: every record is a leaf of the signed tree.")
    stage.note(
        "Unanchored: until a checkpoint leaves this machine, the holder of the key could write a new history."
    )


def _forgery(stage: Stage, settings: Settings) -> None:
    stage.scene(
        "A forgery", "One byte of a copy is changed: the d of “denied” in the record of the refused delete."
    )
    copy = settings.audit.dir.with_name("audit-forged")
    _copied(settings.audit.dir, copy)
    shutil.copytree(settings.audit.second, copy.with_name("audit-forged-checkpoints"))
    changed = _change_one_byte(copy)
    report = verify(copy, second=copy.with_name("audit-forged-checkpoints"))
    record_commands.verify(copy, second=copy.with_name("audit-forged-checkpoints"), console=stage.console)
    found = "not the ones that were signed" in " ".join(" ".join(f.problems) for f in report.files)
    stage.told(changed and found and not report.ok, "The verification found it.")
    for file in report.files:
        after = file.records - file.proven
        stage.note(
            f"The first {file.proven} records still fit what was signed; of the {after} after them one does not."
        )


def _copied(record: Path, copy: Path) -> None:
    """With each file in one piece: a byte changed in what SQLite has not moved in yet is only a torn write to it."""
    shutil.copytree(record, copy, ignore=shutil.ignore_patterns("audit-*.db*"))
    for file in record.glob("audit-*.db"):
        with closing(sqlite3.connect(file)) as database:
            database.execute("VACUUM INTO ?", (str(copy / file.name),))


def _change_one_byte(folder: Path) -> bool:
    wanted = b'"outcome":"denied"'
    for file in sorted(folder.glob("audit-*.db")):
        data = bytearray(file.read_bytes())
        at = data.find(wanted)
        if at >= 0:
            data[at + 11] ^= 0x01
            file.write_bytes(data)
            return True
    return False
