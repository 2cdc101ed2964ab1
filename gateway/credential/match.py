"""Whose is that Jira account? It is used for a person only when it is theirs, by the rule of the site.

    email     the address of the account is the one that the person's provider has verified
    map       the operator lists whose each account is
    confirm   the person says so in the browser, once; from then on it must stay that account

Two addresses are equal when they are the same letter for letter, but that A to Z equal a to z. Nothing
else is done to them: dots, `+tags`, other alphabets and look-alikes make another address.
"""

import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from gateway.errors import ConfigError, ConfirmationNeeded, LinkRefused
from gateway.model import Account, Person
from gateway.settings import Field, Section

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class AccountOf(Section):
    """Whose a Jira account is."""

    issuer: str = Field(min_length=1, description="Name of the person's provider in the settings.")
    subject: str = Field(min_length=1, description="The person's subject there, as `explain user` prints it.")
    account: str = Field(min_length=1, description="Cloud: the `accountId`; Data Center: the user's `key`.")


class MatchSettings(Section):
    """When a Jira account is the person's who links it."""

    match: Literal["email", "map", "confirm"] = Field(
        "email",
        description="`email`: its address is the one that the provider has verified; `map`: `accounts` says so; "
        "`confirm`: the person says so in the browser at the first link, and it stays that account.",
    )
    accounts: tuple[AccountOf, ...] = Field((), description="map: `issuer`, `subject` and `account` of each.")
    accounts_file: Path | None = Field(
        None, description="map: a TOML file with more `[[accounts]]` of the same form; read at start."
    )
    shared_accounts: bool = Field(
        False, description="Whether two people may link the same account (one person at two providers)."
    )


class Matching(Protocol):
    """One rule. Both raise `LinkRefused`; neither tells anything of the other person."""

    def linking(self, person: Person, account: Account, *, before: str, confirmed: str | None) -> None:
        """Whether the account may be linked. `before` is the account of an earlier link, or empty;
        `confirmed` the one that the person just confirmed. Raises also `ConfirmationNeeded`."""

    def using(self, person: Person, account: Account) -> None:
        """Whether a linked account is still the person's, by what is known of both now."""


class ByEmail:
    """The addresses are equal. In use an unknown one does not count: it was compared at the link."""

    def linking(self, person: Person, account: Account, *, before: str, confirmed: str | None) -> None:
        if not person.email:
            raise _refused(
                "your identity provider vouches for no e-mail address of yours", "no verified e-mail"
            )
        if not account.email:
            raise _refused("Jira does not show its e-mail address", "/myself shows no e-mail address")
        self.using(person, account)

    def using(self, person: Person, account: Account) -> None:
        if person.email and account.email and _plain(person.email) != _plain(account.email):
            raise _refused("its e-mail address is not yours", "the e-mail addresses differ")


class ByMap:
    """The operator's list says so."""

    def __init__(self, accounts: Mapping[tuple[str, str], str]) -> None:
        self._accounts = accounts

    def linking(self, person: Person, account: Account, *, before: str, confirmed: str | None) -> None:
        self.using(person, account)

    def using(self, person: Person, account: Account) -> None:
        listed = self._accounts.get((person.issuer, person.subject))
        if listed is None:
            raise _refused("the operator has listed no account for you", "not in `accounts`")
        if listed != account.id:
            raise _refused("the operator has listed another one for you", "`accounts` lists another account")


class ByConfirmation:
    """The person says so, once."""

    def linking(self, person: Person, account: Account, *, before: str, confirmed: str | None) -> None:
        if before and before != account.id:
            raise _refused("you connected another one before", "another account than at the first link")
        if not before and confirmed is None:
            raise ConfirmationNeeded(
                "Say in the browser whether this Jira account is yours; nothing is used before.",
                account=account.id,
                name=account.name,
            )
        if confirmed not in (None, account.id):
            raise _refused("it is not the one that you confirmed", "another account than was confirmed")

    def using(self, person: Person, account: Account) -> None:
        """What was confirmed stays so."""


def matching(settings: MatchSettings, issuers: Mapping[str, str]) -> Matching:
    """The rule that the settings choose; `issuers` maps names to identifiers. Raises `ConfigError`."""
    if settings.match == "email":
        return ByEmail()
    if settings.match == "confirm":
        return ByConfirmation()
    listed = (*settings.accounts, *_read(settings.accounts_file))
    unknown = sorted({entry.issuer for entry in listed} - set(issuers))
    if unknown or not listed:
        why = f"names no provider of the settings: {', '.join(unknown)}" if unknown else "is empty"
        raise ConfigError(
            [f"jira.credential.accounts {why}. List issuer, subject and account of each person."]
        )
    found: dict[tuple[str, str], str] = {}
    for entry in listed:
        whose = (issuers[entry.issuer], entry.subject)
        if found.setdefault(whose, entry.account) != entry.account:
            raise ConfigError(
                [f"jira.credential.accounts: {entry.subject} is listed with two accounts. Keep one."]
            )
    return ByMap(found)


def _read(file: Path | None) -> tuple[AccountOf, ...]:
    if file is None:
        return ()
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
        return tuple(AccountOf.model_validate(entry) for entry in tree.get("accounts", ()))
    except (OSError, TypeError, ValueError) as wrong:
        raise ConfigError(
            [f"jira.credential.accounts_file: {file} cannot be used ({wrong}). Write `[[accounts]]` into it."]
        ) from None


def _plain(address: str) -> str:
    return address.translate(_ASCII_LOWER)


def _refused(why: str, private: str) -> LinkRefused:
    return LinkRefused(
        f"This Jira account was not connected: {why}. "
        "Connect your own Jira account, or ask the operator of this gateway.",
        private=private,
    )
