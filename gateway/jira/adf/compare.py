"""Whether Markdown can carry a document."""

from typing import Any

from gateway.errors import InvalidCall
from gateway.jira.adf.from_markdown import to_adf
from gateway.jira.adf.to_markdown import DEEPEST, to_markdown

_DEFAULTS = {
    "localId": None,
    "order": 1,
    "colspan": 1,
    "rowspan": 1,
    "isNumberColumnEnabled": False,
    "layout": "default",
    "text": "\n",  # of a hardBreak
    "language": "",
}


def lossless(doc: Any) -> bool:
    """Whether `doc` comes back the same through `to_markdown` and `to_adf`.

    Ids, defaults, and empty paragraphs beside others do not count. A False means that writing the
    Markdown back would destroy something: a mention, a panel, a picture, a colour.
    """
    try:
        return bool(_plain(doc, 0) == _plain(to_adf(to_markdown(doc)), 0))
    except (InvalidCall, TypeError, AttributeError, KeyError, ValueError):
        return False


def _plain(node: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    attrs = {
        name: value
        for name, value in node.get("attrs", {}).items()
        if name != "localId" and (name not in _DEFAULTS or value != _DEFAULTS[name])
    }
    content = [_plain(child, depth + 1) for child in node.get("content") or ()]
    return {
        "type": node["type"],
        "attrs": attrs,
        "text": node.get("text", ""),
        "marks": sorted(map(repr, node.get("marks") or ())),
        "content": _joined(content),
    }


def _joined(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without empty paragraphs, and neighbouring texts of one look as one."""
    empty = {"type": "paragraph", "attrs": {}, "text": "", "marks": [], "content": []}
    found: list[dict[str, Any]] = []
    for node in content:
        if node == empty:
            continue
        if found and node["type"] == "text" == found[-1]["type"] and node["marks"] == found[-1]["marks"]:
            found[-1] = {**node, "text": found[-1]["text"] + node["text"]}
        else:
            found.append(node)
    return found
