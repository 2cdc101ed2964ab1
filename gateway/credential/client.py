"""The gateway as a client of one provider: how it proves itself at a token endpoint.

    client_secret_basic, client_secret_post   RFC 6749 §2.3.1
    private_key_jwt                           RFC 7523 §2.2: a signed assertion for this one request
    none                                      a public client: its id alone

There may be two secrets. The second is used as soon as the provider refuses the first, so that a
secret is changed on both sides without a moment at which nobody gets in.
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway import clock, limits
from gateway.credential.keys import ClientKeys
from gateway.errors import ConfigError
from gateway.files import Watched
from gateway.model import Secret
from gateway.secret import basic
from gateway.settings import ClientSettings, SecretFile, SecretStr

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DAY = 86_400.0

log = logging.getLogger("gateway.credential")


@dataclass(frozen=True, slots=True)
class Proof:
    """What one request carries to show who asks."""

    form: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: Secret | None = None
    """The client secret in it, where there is one."""


class OAuthClient:
    """One client. `audience` is the authorization server's issuer, for whom our assertions are.

    Holds no state of any person; which of its two secrets is in use is the provider's doing.
    """

    def __init__(
        self, settings: ClientSettings, keys: ClientKeys | None = None, *, audience: str = ""
    ) -> None:
        """Raises `ConfigError` when assertions are wanted and there is no key or nobody to address."""
        self.id = settings.client_id
        self.method = settings.client_auth
        self._audience = settings.client_audience or audience
        self._keys = keys
        self._most_days = settings.client_secret_max_days
        held = (
            HeldSecret("current", settings.client_secret),
            HeldSecret("next", settings.next_client_secret, optional=True),
        )
        self._held = held if self.method.startswith("client_secret") else ()
        self._in_use: Secret | None = None
        self._reminded = -limits.SECRET_REMIND_SECONDS
        if self.method == "private_key_jwt" and (keys is None or not self._audience):
            raise ConfigError(
                ["`client_audience` is missing: name the provider's issuer for our assertions."]
            )

    def proofs(self) -> list[Proof]:
        """What to try, in this order; the second only when the provider refuses the first."""
        if self.method == "private_key_jwt":
            return [Proof(form=(*self._named(), *self._assertion()))]
        if self.method == "none":
            return [Proof(form=self._named())]
        self._remind()
        return [self._with(held.secret()) for held in self._ordered()]

    def accepted(self, proof: Proof) -> None:
        """The provider took this one: it is tried first from now on."""
        if proof.secret is not None and not _same(proof.secret, self._ordered()[0].secret()):
            log.warning("client %s: the provider now takes the next secret; it is in use", self.id)
            self._in_use = proof.secret

    def secrets(self) -> tuple[Secret, ...]:
        """What must not get into any text."""
        return tuple(held.secret() for held in self._ordered())

    def in_use(self) -> str:
        """`current` or `next`, or the method where there is no secret."""
        return self._ordered()[0].name if self._held else self.method

    def age_days(self) -> float | None:
        """`client_secret_age_days`: days since the file of the secret in use was written; None without one."""
        return self._ordered()[0].age_days() if self._held else None

    def warnings(self) -> tuple[str, ...]:
        """What an operator should do, in whole sentences."""
        age, found = self.age_days(), [held.problem() for held in self._held if held.problem()]
        if age is not None and age >= limits.SECRET_WARN_DAYS:
            found.append(f"{self.id}: the client secret is {age:.0f} days old: rotate it")
        if self.in_use() == "next":
            found.append(f"{self.id}: the next secret is in use: make it the current one")
        return tuple(found)

    def state(self) -> tuple[bool, str]:
        """(ready, one line): not ready only beyond the age that the settings set."""
        age = self.age_days()
        told = () if age is None else (f"client_secret_age_days {age:.0f}",)
        ready = age is None or self._most_days is None or age < self._most_days
        return ready, "; ".join((*told, *self.warnings()))

    def _ordered(self) -> list["HeldSecret"]:
        """The secrets that there are, the one in use first: a promoted one, while it is still among them."""
        there: list[HeldSecret] = []
        for held in self._held:
            secret = held.secret()
            if secret.reveal() and not any(_same(secret, other.secret()) for other in there):
                there.append(held)
        return sorted(there, key=lambda held: self._in_use is None or not _same(held.secret(), self._in_use))

    def _with(self, secret: Secret) -> Proof:
        if self.method == "client_secret_post":
            return Proof(form=(*self._named(), ("client_secret", secret.reveal())), secret=secret)
        return Proof(headers={"Authorization": basic(self.id, secret)}, secret=secret)

    def _named(self) -> tuple[tuple[str, str], ...]:
        return (("client_id", self.id),)

    def _assertion(self) -> tuple[tuple[str, str], ...]:
        assert self._keys is not None
        now = int(clock.wall())
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": self._audience,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + int(limits.ASSERTION_SECONDS),
        }
        signed = self._keys.signing.sign(claims)
        return (("client_assertion_type", ASSERTION_TYPE), ("client_assertion", signed))

    def _remind(self) -> None:
        """An old secret in the log, once a day."""
        old = [warning for warning in self.warnings() if "days old" in warning]
        if old and clock.mono() - self._reminded >= limits.SECRET_REMIND_SECONDS:
            self._reminded = clock.mono()
            log.warning("client %s", old[0])


class HeldSecret:
    """One secret of the settings; that of a file as the file has it now."""

    def __init__(self, name: str, configured: SecretStr, *, optional: bool = False) -> None:
        """`optional`: its file may be empty, until there is one."""
        self.name = name
        self._fixed = Secret(configured.get_secret_value())
        self._file: Watched[Secret] | None = None
        if isinstance(configured, SecretFile):
            try:
                self._file = Watched(configured.path, _maybe if optional else _secret)
            except (OSError, ValueError) as unusable:
                raise ConfigError(
                    [f"{configured.path}: {unusable}. Write the client secret into it."]
                ) from None

    def secret(self) -> Secret:
        return self._fixed if self._file is None else self._file.value()

    def age_days(self) -> float | None:
        return None if self._file is None else max(0.0, clock.wall() - self._file.changed_at()) / DAY

    def problem(self) -> str:
        return "" if self._file is None else self._file.problem


def _maybe(content: bytes) -> Secret:
    return Secret(content.decode("utf-8").strip())


def _secret(content: bytes) -> Secret:
    found = _maybe(content)
    if not found.reveal():
        raise ValueError("it is empty")
    return found


def _same(one: Secret, other: Secret) -> bool:
    return one.reveal() == other.reveal()
