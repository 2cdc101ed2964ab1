"""Which scopes a call needs at Jira: settings of sources that ask for them by read and write."""

from gateway.model import Effect
from gateway.settings import CredentialSettings, Field


class ScopedSettings(CredentialSettings):
    """As whom at this Jira, with no more than the call needs. Scopes are separated by blanks."""

    read_scope: str = Field("read:jira-work", description="Scopes asked for a read.")
    write_scope: str = Field("read:jira-work write:jira-work", description="Scopes asked for a write.")

    def scopes(self, effect: Effect) -> frozenset[str]:
        """What a call of that effect needs."""
        return frozenset((self.read_scope if effect is Effect.READ else self.write_scope).split())
