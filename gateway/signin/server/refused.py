"""A request that an OAuth endpoint refuses: the RFC's error code and a sentence for the developer."""


class OAuthError(Exception):
    """`error` is a registered code (RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, RFC 7591 §3.2.2), `description`
    one sentence that tells nothing of any person, `status` the HTTP status of a JSON answer."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status
