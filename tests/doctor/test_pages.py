"""What the pages tell an administrator to copy is taken by the gateway, letter for letter."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.app import Gateway
from gateway.config import load
from tests.doctor.clinic import rules
from tests.test_docs import ROOT

FOLDER = ROOT / "docs/identity"
VENDORS = ("okta", "entra", "google", "keycloak", "auth0", "ping", "generic")
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in sorted(FOLDER.glob("*.md"))
    for number, block in enumerate(BLOCK.findall(page.read_text("utf-8")), 1)
]
REST = {
    "server": '[server]\npublic_url = "https://gateway.example.com"\n',
    "identity": '[[identity.issuers]]\nname = "corp"\nissuer = "https://id.example.com"\n'
    '[identity.issuers.login]\nclient_id = "login"\nclient_secret = "s"\n',
    "jira": '[jira]\nurl = "https://jira.example.com"\n[jira.credential]\nsource = "exchange"\n'
    'token_endpoint = "https://id.example.com/token"\nclient_id = "gateway"\nclient_secret = "s"\n'
    'audience = "jira"\nissuers = ["{first}"]\n',
    "policy": '[policy]\ndir = "rules"\n',
    "audit": '[audit]\ndir = "audit"\nsecond = "second"\n',
}
"""What a page leaves out because it is the same everywhere."""


def whole(block: str) -> str:
    """The block, and the sections that it leaves out."""
    told = tomllib.loads(block)
    issuers = told.get("identity", {}).get("issuers", [{"name": "corp"}])
    first = issuers[0].get("name") or str(urlsplit(issuers[0]["issuer"]).hostname)
    left = [text.replace("{first}", first) for name, text in REST.items() if name not in told]
    if "jira" in told and "url" not in told["jira"]:
        left.append('[jira]\nurl = "https://jira.example.com"\n')
    return "\n".join([block, *left])


def write_secrets(folder: Path, block: str) -> None:
    """The files that the block names: a service account's key for Google's, else a word."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {
        "client_email": "a@b.example",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": pem,
    }
    for name in re.findall(r'^\w+_secret_file = "([^"]+)"', block, re.MULTILINE):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(account) if name.endswith(".json") else "s3cret")
    for name in re.findall(r'^key_file = "([^"]+)"', block, re.MULTILINE):
        (folder / name).write_text("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
        (folder / name).chmod(0o600)


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_is_a_configuration(block: str, tmp_path: Path) -> None:
    """It loads, and a whole gateway can be made of it; no placeholder is of the wrong form."""
    write_secrets(tmp_path, block)
    rules(tmp_path)
    file = tmp_path / "gateway.toml"
    file.write_text(whole(block).replace("CLOUD_ID", "11111111-2222-3333-4444-555555555555"))
    Gateway(load(file, {}))


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_page_opens_with_what_is_needed(vendor: str) -> None:
    """Licences, roles and approvals come before any step, and there is a block to copy."""
    text = (FOLDER / f"{vendor}.md").read_text("utf-8")
    first = re.findall(r"^## (.*)$", text, re.MULTILINE)[0]
    assert first == "Before you begin"
    opening = text.split("\n## ")[1].lower()
    assert "licence" in opening and "approval" in opening
    assert BLOCK.search(text)


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "generic"])
def test_each_mark_of_a_document_names_one(vendor: str) -> None:
    """`[doc N]` leads to number N of the list at the end, every number is used, and each names its month."""
    text, _, documents = (FOLDER / f"{vendor}.md").read_text("utf-8").partition("\n## Documents\n")
    listed = re.split(r"^\d+\. ", documents.strip(), flags=re.MULTILINE)[1:]
    used = {
        int(number) for marks in re.findall(r"\[(doc [^\]]*)\]", text) for number in re.findall(r"\d+", marks)
    }
    assert used <= set(range(1, len(listed) + 1)), used
    assert all(re.search(r"20\d\d|As \d", one) for one in listed)


@pytest.mark.parametrize("vendor", ["okta", "entra", "google", "auth0", "ping"])
def test_nothing_is_said_to_have_run_where_nothing_ran(vendor: str) -> None:
    """[run] is for what a test of ours holds against the real thing."""
    text = (FOLDER / f"{vendor}.md").read_text("utf-8")
    assert "[run]" not in text and "Nothing here was run" in text
