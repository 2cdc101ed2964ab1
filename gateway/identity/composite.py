"""Signed tokens are verified here, opaque ones are asked about; which it is shows in the form alone."""

from gateway.identity.introspection import IntrospectionAuthenticator, opaque
from gateway.identity.tokens import TokenAuthenticator
from gateway.model import Bearer, Caller


class EveryToken:
    """An `Authenticator` of both."""

    def __init__(self, signed: TokenAuthenticator, asked: IntrospectionAuthenticator) -> None:
        self._signed = signed
        self._asked = asked

    async def authenticate(self, bearer: Bearer) -> Caller:
        """The caller. Raises `Unauthenticated`, or `Unavailable` with part `identity`."""
        return await (self._asked if opaque(bearer) else self._signed).authenticate(bearer)

    def state(self) -> tuple[bool, str]:
        """Ready when either is, for then somebody gets in; one line for both."""
        ready, line = self._signed.state()
        also, asked = self._asked.state()
        return ready or also, f"{line}; {asked}"
