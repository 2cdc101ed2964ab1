"""Jira's refusals in our words.

Jira's error texts can repeat what people wrote and name what the caller may not see, so no body is
ever passed on: known messages become a sentence of ours, and of the others only well-formed field
names are told.
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any

import orjson

from gateway import clock, limits
from gateway.errors import GatewayError, JiraRefused, OutcomeUnknown, Unavailable
from gateway.http import OutwardError, Reply, UnusableReply

_BY_STATUS = {
    400: "Jira rejects this request, or you may not make it; check the values and your permissions.",
    401: "Jira does not accept your sign-in for this; sign in again, then repeat the call.",
    403: "Jira does not allow you to do this; ask an administrator of the project for the permission.",
    404: "This does not exist in Jira or you may not see it; check the key.",
    409: "Somebody changed this at the same moment; read it again, then repeat the change.",
    410: "This Jira no longer has the function that was called; tell the operator.",
    413: "This is too large for Jira; shorten it and call again.",
    422: "Jira cannot process these values; check them and call again.",
}
UNSEEN_VALUE = "A value in the JQL does not exist or you may not see it; correct it."

_KNOWN = (
    ("scope does not match", "What was granted at Jira does not cover this; sign in again and grant it."),
    ("unbounded jql", "Jira wants a restriction in the JQL; add one, for instance `project = KEY`."),
    ("does not exist for the field", UNSEEN_VALUE),
    ("does not exist for field", UNSEEN_VALUE),  # of keys
    (
        "do not have permission to view it",
        "A field in the JQL does not exist or you may not see it; correct it.",
    ),
    ("transition id", "This transition is not available to you now; read the issue again."),
    ("subtask", "This issue has sub-tasks; delete or move them first."),
    ("sub-task", "This issue has sub-tasks; delete or move them first."),
    ("page token", "This `next` is no longer valid; search again without it."),
    ("nextpagetoken", "This `next` is no longer valid; search again without it."),
)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
_SECONDS = re.compile(r"[0-9]{1,12}")
_UNKNOWN = (
    "The change was sent but Jira gave no usable answer: it may or may not have happened. "
    "Look at the issue before you repeat it."
)
_DOWN = "Jira gives no answer just now; nothing was changed. Try again in a minute."


def refused(reply: Reply, *, read: bool) -> GatewayError:
    """The error for a status of 300 or more (RFC 9110 §15).

    A write that ends in 3xx, 408 or 5xx may have happened; a 429 has not.
    """
    status = reply.status
    if status == 429:
        return limited(reply)
    if not read and (status < 400 or status == 408 or status >= 500):
        return OutcomeUnknown(_UNKNOWN, private=f"Jira answered {status}")
    if status == 408 or status >= 500:
        return Unavailable(_DOWN, part="jira", private=f"Jira answered {status}")
    if status < 400:
        public = "Jira points elsewhere instead of answering; tell the operator to check its address."
        return JiraRefused(public, status=status, private=f"Jira answered {status}")
    return JiraRefused(_explained(reply), status=status, private=f"Jira answered {status}")


def unanswered(failed: OutwardError, *, read: bool) -> GatewayError:
    """The error for a request that brought no reply at all, or one that we do not take."""
    if not read:
        if failed.sent:
            return OutcomeUnknown(_UNKNOWN, private=str(failed))
        return Unavailable(_DOWN, part="jira", private=str(failed))
    if isinstance(failed, UnusableReply):
        public = "Jira's answer is too large to be read safely; ask for less."
        return JiraRefused(public, status=failed.status, private=str(failed))
    return Unavailable(_DOWN, part="jira", private=str(failed))


def unreadable(reply: Reply, why: str, *, read: bool) -> GatewayError:
    """The error for a good status with a body that is not Jira's JSON."""
    private = f"status {reply.status}, {len(reply.body)} bytes: {why}"
    if not read:
        return OutcomeUnknown(_UNKNOWN, private=private)
    public = "What answered in Jira's place did not speak Jira's language; tell the operator."
    return JiraRefused(public, status=reply.status, private=private)


def limited(reply: Reply) -> Unavailable:
    """429: how long to wait, and which limit it was."""
    seconds = retry_after(reply)
    when = "in a minute" if seconds is None else f"in {seconds} seconds"
    reason = reply.headers.get("RateLimit-Reason", "none given")
    return Unavailable(
        f"Jira limits how many requests it takes, and nothing was changed; call again {when}.",
        part="jira",
        private=f"429, RateLimit-Reason: {reason[:60]}",
    )


def retry_after(reply: Reply) -> int | None:
    """Seconds to wait (RFC 9110 §10.2.3), at most `JIRA_WAIT_SECONDS`; None when Jira does not say."""
    said = reply.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(said):
        return min(max(int(said), 1), limits.JIRA_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(ceil(moment.timestamp() - clock.wall()), 1), limits.JIRA_WAIT_SECONDS)


def lacks_scope(reply: Reply) -> bool:
    """Whether a 401 says that the credential may not do this, which another like it may not either."""
    return b"scope does not match" in reply.body


def _explained(reply: Reply) -> str:
    default = _BY_STATUS.get(
        reply.status, f"Jira refuses this (HTTP {reply.status}); check it and call again."
    )
    if reply.status not in (400, 401):
        return default
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return default
    if not isinstance(body, dict):
        return default
    text = " ".join(_texts(body)).lower()
    known = next((ours for theirs, ours in _KNOWN if theirs in text), None)
    if known is not None:
        return known
    errors = body.get("errors")
    names = sorted(f for f in errors if _FIELD.fullmatch(f))[:10] if isinstance(errors, dict) else []
    if names:
        return f"Jira does not accept these values, or not from you: {', '.join(names)}. Correct them."
    return default


def _texts(body: dict[str, Any]) -> list[str]:
    messages, errors = body.get("errorMessages"), body.get("errors")
    found = [*(messages if isinstance(messages, list) else ()), body.get("message")]
    found += errors.values() if isinstance(errors, dict) else ()
    return [text for text in found if isinstance(text, str)]
