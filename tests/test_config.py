"""Settings: what is read from where, and how a mistake is told."""

from pathlib import Path

import pytest

from gateway.config import Settings, load, shipped_policies
from gateway.errors import ConfigError

GOOD = """
[server]
public_url = "https://gateway.example.com"
[[identity.issuers]]
issuer = "https://idp.example.com/realms/a"
[[identity.issuers]]
issuer = "https://idp2.example.com/realms/b"
[jira]
url = "https://jira.example.com"
[jira.credential]
token_endpoint = "https://idp.example.com/token"
client_id = "gateway"
client_secret_file = "secret"
audience = "https://jira.example.com"
[audit]
dir = "data/audit"
second = "/somewhere/else"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good configuration with its secret beside it."""
    (tmp_path / "secret").write_text("s3cret\n")
    path = tmp_path / "gateway.toml"
    path.write_text(GOOD)
    return path


def problems(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return caught.value.problems


def test_a_good_file_is_read_with_paths_relative_to_it(file: Path) -> None:
    """Secrets come from their file, relative paths from the file's folder, the rest from defaults."""
    settings = load(file, {})
    assert settings.jira[0].credential[0].client_secret.get_secret_value() == "s3cret"
    assert settings.audit.dir == file.parent / "data/audit"
    assert settings.audit.second == Path("/somewhere/else")
    assert settings.policy.dir == shipped_policies()
    assert [i.issuer[-1] for i in settings.identity.issuers] == ["a", "b"]


def test_a_secret_never_prints(file: Path) -> None:
    """Neither repr nor JSON of the settings holds the secret."""
    settings = load(file, {})
    assert "s3cret" not in repr(settings) and "s3cret" not in settings.model_dump_json()


def test_the_environment_stands_over_the_file(file: Path, tmp_path: Path) -> None:
    """GATEWAY__SECTION__KEY overrides, lists as JSON, a secret from the file that a variable names."""
    (tmp_path / "other").write_text("newer")
    environ = {
        "GATEWAY__SERVER__PORT": "9000",
        "GATEWAY__SERVER__ALLOWED_HOSTS": '["a.example", "b.example"]',
        "GATEWAY__JIRA__CREDENTIAL__CLIENT_SECRET_FILE": str(tmp_path / "other"),
        "UNRELATED": "x",
    }
    settings = load(file, environ)
    assert settings.server.port == 9000
    assert settings.server.allowed_hosts == ("a.example", "b.example")
    assert settings.jira[0].credential[0].client_secret.get_secret_value() == "newer"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[jira]", "[jira]\nurll = 1", ":9: jira.urll: is not a setting"),
        ("[audit]", "[audti]", "audti: is not a setting"),
        ('client_id = "gateway"\n', "", ":10: jira.credential.client_id: is missing"),
        ('url = "https://jira', 'url = "http://jira', "jira.url: must be https://"),
        ("[jira]", '[jira]\nname = "Ji ra"', ":9: jira.name"),
        ("realms/b", "realms/b?x", ":7: identity.issuers.1.issuer: must have no"),
        (
            "idp2.example.com/realms/b",
            "idp.example.com/realms/a",
            ": identity.issuers: two have the `issuer` `https://idp.example.com/realms/a`",
        ),
        ("idp2.example.com", "idp.example.com", ": identity.issuers: two have the `name` `idp.example.com`"),
        ("jira.example.com", "jira.example.com:0", ":9: jira.url: must have a port from 1 to 65535"),
        ("jira.example.com", "jira.example.com:65536", "jira.url: must have a port"),
        ("jira.example.com", "jira.example.com:https", "jira.url: must have a port"),
        ("idp.example.com/token", "idp.example.com:/token", "token_endpoint: must have a port"),
        (
            "token_endpoint",
            'source = "magic"\ntoken_endpoint',
            ":10: jira.credential: `source` must be one of",
        ),
        ('"secret"', '"absent"', ":13: jira.credential.client_secret_file"),
        ("[server]", "[server", "not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_key_line_and_remedy(file: Path, old: str, new: str, told: str) -> None:
    """One sentence a problem, with the file and line where it stands."""
    file.write_text(GOOD.replace(old, new, 1))
    found = problems(file)
    assert any(told in p for p in found), found
    assert all(p.startswith(str(file)) for p in found)


def test_equal_names_of_sites_are_told_with_key_and_name(tmp_path: Path, file: Path) -> None:
    """Also those that nobody named."""
    _, begin, rest = GOOD.partition("[jira]")
    site, end, audit = rest.partition("[audit]")
    two = (begin + site).replace("[jira]", "[[jira]]")
    for name in ("", 'name = "cloud"\n'):
        sites = two.replace("[[jira]]\n", f"[[jira]]\n{name}") * 2
        file.write_text(GOOD.partition("[jira]")[0] + sites + end + audit)
        (found,) = problems(file)
        called = "cloud" if name else "jira"
        assert f"{file}: jira: two have the `name` `{called}`: each must have another one" in found


def test_every_problem_is_named_at_once(file: Path) -> None:
    """Nobody has to run the check three times for three mistakes."""
    file.write_text(GOOD.replace("client_id", "client_di").replace("[jira]\nurl", "[jira]\nulr"))
    assert len(problems(file)) >= 4


def test_a_wrong_variable_is_told_by_its_name(file: Path) -> None:
    """The place of a mistake in the environment is the variable."""
    assert problems(file, {"GATEWAY__SERVER__PORT": "abc"})[0].startswith(
        "GATEWAY__SERVER__PORT: server.port"
    )
    assert "GATEWAY__SECTION__KEY" in problems(file, {"GATEWAY__SERVER": "x"})[0]
    assert "is not a setting" in problems(file, {"GATEWAY__SERVER__PROT": "1"})[0]


def test_no_file_says_what_prints_one(tmp_path: Path) -> None:
    """A newcomer learns the command that makes a configuration."""
    assert "sandbox config" in problems(tmp_path / "nothing.toml")[0]


def test_settings_are_documented() -> None:
    """Every setting has a description, from which docs/settings.md is made."""

    def undescribed(model: type, trail: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            inner = getattr(field.annotation, "__args__", (field.annotation,))[0]
            if hasattr(inner, "model_fields"):
                found += undescribed(inner, f"{trail}{name}.")
            if trail and not field.description:
                found.append(trail + name)
        return found

    assert not undescribed(Settings, "")
