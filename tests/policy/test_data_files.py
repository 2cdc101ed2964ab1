"""The data beside the rules: YAML with everything surprising taken out, and names that exist."""

import pytest

from gateway.errors import ConfigError
from gateway.policy.directory import Agent, read_directory
from gateway.policy.plain import read
from tests.policy.making import DATA

WRONG_YAML: dict[str, tuple[str | bytes, str]] = {
    "a key that is a boolean": ("on: 1", "not a text"),
    "a key that is a number": ("a:\n  1: 1", "x.yaml:2"),
    "two equal keys": ("a: 1\nb: 2\na: 3", "x.yaml:3: the key `a` is there twice"),
    "an alias": ("a: &x [1]\nb: *x", "x.yaml:2: aliases"),
    "a list": ("- a", "must be a mapping"),
    "an open bracket": ("a: [1\nb: 2", "x.yaml:2"),
    "an object of Python's": ("a: !!python/object/apply:os.system [x]", "x.yaml:1"),
    "two documents": ("a: 1\n---\nb: 2", "x.yaml:2"),
    "a control character": ("a: \x01", "x.yaml:1"),
    "not UTF-8": (b"a: \xff", "x.yaml:1"),
}


@pytest.mark.parametrize("name", WRONG_YAML)
def test_surprising_yaml_is_refused(name: str) -> None:
    """Each of these means something else than it seems to."""
    text, expected = WRONG_YAML[name]
    with pytest.raises(ConfigError) as wrong:
        read("x.yaml", text if isinstance(text, bytes) else text.encode())
    assert expected in wrong.value.problems[0]


def test_dates_stay_texts_and_nothing_is_nothing() -> None:
    """A date is what was written; an empty file is an empty mapping."""
    assert read("x.yaml", b"at: 2026-03-02T09:30:00Z") == {"at": "2026-03-02T09:30:00Z"}
    assert read("x.yaml", b"# only words\n") == {}


WRONG_DATA = {
    "a missing file": ("agents.yaml", None, "agents.yaml:1: this file is missing"),
    "an unknown key": ("agents.yaml", "group: [x]", "`group` is not known here"),
    "groups that are a text": ("agents.yaml", "groups: x", "must be a list of texts"),
    "a budget that is a text": ("agents.yaml", "default: {writesPerHour: many}", "must be a whole number"),
    "a budget below nothing": ("agents.yaml", "default: {writesPerHour: -1}", "must be a whole number"),
    "a budget that is a boolean": ("agents.yaml", "default: {writesPerHour: true}", "must be a whole number"),
    "a client in an unknown group": (
        "agents.yaml",
        "groups: [small]\nclients:\n  x: {groups: [smal]}",
        "agents.yaml:3: the assistant group `smal`",
    ),
    "a client without a name": ("agents.yaml", 'clients: {"": {}}', "must have an id"),
    "clients that are a list": ("agents.yaml", "clients: [x]", "must be a mapping"),
    "a clearance for an unknown group": ("clearances.yaml", "L1: [leds]", "names the group `leds`"),
    "an unknown kind of name": ("known.yaml", "people: [ana]", "`people` is not known here"),
}


@pytest.mark.parametrize("name", WRONG_DATA)
def test_wrong_data_is_refused(name: str) -> None:
    """A wrong line names its file and line."""
    file, text, expected = WRONG_DATA[name]
    files = {**DATA, file: (text or "").encode()}
    if text is None:
        del files[file]
    with pytest.raises(ConfigError) as wrong:
        read_directory(files)
    assert any(expected in problem for problem in wrong.value.problems), wrong.value.problems


def test_a_listed_assistant_has_only_what_stands_there() -> None:
    """One that is not listed is the default one."""
    directory = read_directory(DATA)
    assert directory.agent("tiny") == Agent(frozenset({"small"}))
    assert directory.agent("never-heard-of") == Agent(writes_per_hour=5)


def test_clearances_come_from_groups() -> None:
    """A person is cleared for a level when any group of theirs is."""
    directory = read_directory(DATA)
    assert directory.clearances(frozenset({"leads"})) == ("L1", "L2")
    assert directory.clearances(frozenset({"hr", "staff"})) == ("L2",)
    assert directory.clearances(frozenset()) == ()
