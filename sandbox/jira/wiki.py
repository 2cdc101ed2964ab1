"""Wiki text: the demo documents written in it, and what callers wrote as they wrote it."""

from sandbox.jira.model import Adf

_MARKS = {"strong": "*{}*", "em": "_{}_", "strike": "-{}-", "code": "{{{{{}}}}}"}
_LISTS = {"bulletList": "*", "orderedList": "#"}


def written(document: Adf) -> str:
    """A document as wiki text; one that came as such is kept in it."""
    if "wiki" in document:
        return str(document["wiki"])
    return "\r\n\r\n".join(_block(node) for node in document["content"])


def _block(node: Adf) -> str:
    kind, content = node["type"], node.get("content", [])
    match kind:
        case "heading":
            return f"h{node['attrs']['level']}. {_line(node)}"
        case "bulletList" | "orderedList":
            return "\r\n".join(f"{_LISTS[kind]} {_line(item['content'][0])}" for item in content)
        case "codeBlock":
            return f"{{code}}\r\n{content[0]['text']}\r\n{{code}}"
        case "blockquote":
            return "{quote}" + "\r\n".join(map(_line, content)) + "{quote}"
        case "panel":
            return f"{{panel:title={node['attrs']['panelType']}}}{_line(content[0])}{{panel}}"
        case "table":
            return "\r\n".join(_row(row) for row in content)
    return _line(node)


def _row(row: Adf) -> str:
    sign = "||" if row["content"][0]["type"] == "tableHeader" else "|"
    cells = sign.join(_line(cell["content"][0]) for cell in row["content"])
    return f"{sign}{cells}{sign}"


def _line(node: Adf) -> str:
    found = ""
    for child in node.get("content", []):
        text = str(child.get("text", "")).replace("_", "\\_").replace("[", "\\[")
        for mark in child.get("marks", []):
            text = _MARKS[mark["type"]].format(text)
        found += text
    return found
