"""Whose Jira account it is, by the rule of the site."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.credential.match import (
    AccountOf,
    ByConfirmation,
    ByEmail,
    ByMap,
    Matching,
    MatchSettings,
    matching,
)
from gateway.errors import ConfigError, ConfirmationNeeded, LinkRefused
from gateway.model import Account, Person

ISSUERS = {"idp": "https://idp.test", "partner": "https://partner.test"}
ANA = Person("https://idp.test", "ana", "ana@corp.test", "Ana")
HERS = Account("acc-1", "ana@corp.test", "Ana A.")


def links(
    rule: Matching, person: Person, account: Account, before: str = "", confirmed: str | None = None
) -> bool:
    """Whether the account may be linked; a refusal shows nothing of either."""
    try:
        rule.linking(person, account, before=before, confirmed=confirmed)
    except LinkRefused as refused:
        for text in (refused.public, refused.private):
            assert not [told for told in (account.email, person.email, account.id) if told and told in text]
        assert "ask the operator" in refused.public
        return False
    return True


@pytest.mark.parametrize(
    ("email", "shown", "same"),
    [
        ("ana@corp.test", "ana@corp.test", True),
        ("Ana@Corp.TEST", "ana@corp.test", True),
        ("ana@corp.test", "bo@corp.test", False),
        ("ana@corp.test", "ana@corp.test.evil", False),
        ("a.na@corp.test", "ana@corp.test", False),
        ("ana+x@corp.test", "ana@corp.test", False),
        ("ana@corp.test ", "ana@corp.test", False),
        ("anaK@corp.test", "ana\N{KELVIN SIGN}@corp.test", False),
        ("straße@corp.test", "strasse@corp.test", False),
        ("İ@corp.test", "i@corp.test", False),
        ("aná@corp.test", "ana\N{COMBINING ACUTE ACCENT}@corp.test", False),
        ("ana@corp.test", "\N{CYRILLIC SMALL LETTER A}na@corp.test", False),
        (None, "ana@corp.test", False),
        ("ana@corp.test", "", False),
        (None, "", False),
        ("", "", False),
    ],
)
def test_addresses_are_compared_letter_for_letter(email: str | None, shown: str, same: bool) -> None:
    """But that A to Z equal a to z; an address that is not there equals nothing."""
    person = Person(ANA.issuer, ANA.subject, email)
    assert same is links(ByEmail(), person, Account("acc-1", shown))


def test_in_use_an_unknown_address_does_not_count() -> None:
    """It was compared at the link; one that is known and differs does count."""
    rule = ByEmail()
    rule.using(Person(ANA.issuer, "ana"), HERS)
    rule.using(ANA, Account("acc-1"))
    rule.using(ANA, HERS)
    with pytest.raises(LinkRefused):
        rule.using(ANA, Account("acc-1", "bo@corp.test"))


def listed(*entries: tuple[str, str, str], **more: Any) -> Matching:
    """The rule of an operator's list."""
    accounts = tuple(AccountOf(issuer=i, subject=s, account=a) for i, s, a in entries)
    return matching(MatchSettings(match="map", accounts=accounts, **more), ISSUERS)


def test_the_operators_list() -> None:
    """A person is issuer and subject; the address does not matter."""
    rule = listed(("idp", "ana", "acc-1"), ("partner", "bo", "acc-2"))
    assert links(rule, ANA, Account("acc-1", "other@corp.test"))
    assert not links(rule, ANA, Account("acc-2"))
    assert not links(rule, Person(ISSUERS["partner"], "ana"), HERS)
    assert not links(rule, Person(ISSUERS["idp"], "bo"), Account("acc-2"))
    rule.using(ANA, HERS)
    with pytest.raises(LinkRefused):
        rule.using(Person(ANA.issuer, "cy"), HERS)


def test_a_list_in_a_file(tmp_path: Path) -> None:
    """More entries of the same form."""
    file = tmp_path / "accounts.toml"
    file.write_text('[[accounts]]\nissuer = "idp"\nsubject = "ana"\naccount = "acc-1"\n')
    assert links(matching(MatchSettings(match="map", accounts_file=file), ISSUERS), ANA, HERS)
    assert links(listed(("partner", "bo", "acc-2"), accounts_file=file), ANA, HERS)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be used"),
        ("accounts = 3", "cannot be used"),
        ("[[accounts]]\nissuer = 'idp'\n", "cannot be used"),
        ("[[accounts]]\nissuer = 'idp'\nsubject = 'a'\naccount = 'b'\nmore = 1\n", "cannot be used"),
        ("no toml", "cannot be used"),
        ("", "is empty"),
        ("[[accounts]]\nissuer = 'nobody'\nsubject = 'ana'\naccount = 'acc-1'\n", "nobody"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, content: str | None, why: str) -> None:
    """The gateway does not start, and the sentence says what to do."""
    file = tmp_path / "accounts.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=why):
        matching(MatchSettings(match="map", accounts_file=file), ISSUERS)


def test_one_person_has_one_account() -> None:
    """Two entries that contradict each other are an error, the same twice is not."""
    with pytest.raises(ConfigError, match="two accounts"):
        listed(("idp", "ana", "acc-1"), ("idp", "ana", "acc-2"))
    assert links(listed(("idp", "ana", "acc-1"), ("idp", "ana", "acc-1")), ANA, HERS)


def test_the_persons_word() -> None:
    """Asked once, for one account; from then on it is that account."""
    rule = ByConfirmation()
    with pytest.raises(ConfirmationNeeded) as asked:
        rule.linking(ANA, HERS, before="", confirmed=None)
    assert (asked.value.account, asked.value.name) == ("acc-1", "Ana A.")
    assert links(rule, ANA, HERS, confirmed="acc-1")
    assert links(rule, ANA, HERS, before="acc-1")
    assert not links(rule, ANA, HERS, confirmed="acc-2")
    assert not links(rule, ANA, HERS, confirmed="")
    assert not links(rule, ANA, HERS, before="acc-2")
    assert not links(rule, ANA, HERS, before="acc-2", confirmed="acc-1")
    rule.using(ANA, HERS)


def test_the_rule_is_chosen_in_the_settings() -> None:
    """The address is the default; another rule there is not."""
    assert isinstance(matching(MatchSettings(), ISSUERS), ByEmail)
    assert isinstance(matching(MatchSettings(match="confirm"), ISSUERS), ByConfirmation)
    assert isinstance(listed(("idp", "ana", "acc-1")), ByMap)
    with pytest.raises(ValidationError):
        MatchSettings.model_validate({"match": "none"})
