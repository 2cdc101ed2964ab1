"""How the sandbox's Jira refuses: a status and Atlassian's `ErrorCollection`."""

from collections.abc import Mapping
from typing import Any


class JiraError(Exception):
    """Becomes an answer of `status` with `errorMessages` and `errors`, or with `body` as it is."""

    def __init__(
        self,
        status: int,
        *messages: str,
        errors: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, *messages)
        self.status = status
        self.body: Any = (
            body if body is not None else {"errorMessages": list(messages), "errors": dict(errors or {})}
        )
        self.headers = dict(headers or {})


def unseen_issue() -> JiraError:
    """The one answer for an issue that does not exist and one that the caller may not see."""
    return JiraError(404, "Issue does not exist or you do not have permission to see it.")


def unseen_project(key: str) -> JiraError:
    """The one answer for a project that does not exist and one that the caller may not see."""
    return JiraError(404, f"No project could be found with key '{key}'.")


def unsettable(field: str) -> JiraError:
    """A field that is on no screen."""
    why = f"Field '{field}' cannot be set. It is not on the appropriate screen, or unknown."
    return JiraError(400, errors={field: why})
