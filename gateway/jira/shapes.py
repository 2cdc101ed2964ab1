"""The structured forms of the answers; each tool's output schema is derived from one of them.

A piece that Jira does not give is left out, which keeps answers short.
"""

import msgspec


class Shape(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """A structured answer."""


class CommentShape(Shape):
    author: str
    at: str
    text: str


class RelationShape(Shape):
    relation: str
    key: str


class IssueShape(Shape):
    key: str
    summary: str
    type: str
    status: str
    url: str
    note: str
    priority: str = ""
    assignee: str = ""
    reporter: str = ""
    security: str = ""
    labels: list[str] = []
    components: list[str] = []
    created: str = ""
    updated: str = ""
    relations: list[RelationShape] = []
    fields: dict[str, str] = {}
    description: str = ""
    comments: list[CommentShape] = []
    comments_in_all: int = 0


class RowShape(Shape):
    key: str
    type: str
    status: str
    updated: str
    summary: str
    priority: str = ""
    assignee: str = ""


class IssuePageShape(Shape):
    note: str
    issues: list[RowShape] = []
    withheld: int = 0
    next: str = ""


class ProjectShape(Shape):
    key: str
    name: str
    category: str = ""


class ProjectPageShape(Shape):
    note: str
    projects: list[ProjectShape] = []
    withheld: int = 0
    next: str = ""


class PersonShape(Shape):
    account_id: str
    name: str
    site: str
    email: str = ""
    time_zone: str = ""


class ReceiptShape(Shape):
    key: str
    done: str
    url: str = ""
