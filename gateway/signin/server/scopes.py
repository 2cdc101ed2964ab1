"""What assistants may ask for. Whatever else they ask is left out, and never an error.

Several assistants ask for the whole list of the metadata, others for nothing, and others for scopes of
some other server; each gets what we have (RFC 6749 §3.3 lets us grant less, and the answer says what).
"""

SCOPES = ("jira:read", "jira:write")
OFFLINE = "offline_access"


def granted(asked: str) -> frozenset[str]:
    """The scopes of an authorization request; all that Jira tools need when it names none of ours."""
    known = frozenset(asked.split()) & {*SCOPES}
    return known or frozenset(SCOPES)


def narrowed(asked: str, had: frozenset[str]) -> frozenset[str]:
    """The scopes of a refresh: never more than there were; all of them when it names none of those."""
    return (frozenset(asked.split()) & had) or had
