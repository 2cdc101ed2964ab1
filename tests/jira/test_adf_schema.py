"""Every document that we make validates against Atlassian's JSON Schema, and keeps the words."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.errors import InvalidCall
from gateway.jira.adf import lossless, to_adf, to_markdown

SCHEMA = Path(__file__).parents[1] / "data" / "adf" / "adf-schema-v1-full.json"
VALID = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))

EXAMPLES = 300
"""The same ones in every run; change the number to try others."""

PIECES = [
    *(
        "# ",
        "## ",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "7) ",
        "> ",
        "    ",
        "  ",
        "\t",
        "\n",
        "\n\n",
        "- [ ] ",
        "- [x] ",
        "---\n",
    ),
    *(
        "===\n",
        "```\n",
        "```py\n",
        "~~~\n",
        "| a | b |\n|---|---|\n| c | d |\n",
        "|",
        "|---|\n",
        ":-:",
        "<br>",
        "<b>",
    ),
    *(
        "**",
        "*",
        "_",
        "__",
        "~~",
        "~",
        "`",
        "``",
        "[",
        "]",
        "](http://x/)",
        "](",
        ")",
        "![",
        "<http://a/b>",
        "\\",
        "\\\n",
    ),
    *(
        "  \n",
        "&amp;",
        "&#98;",
        "&nbsp;",
        "&",
        "<!-- x -->",
        "[x]: http://y",
        "javascript:x",
        "(",
        '"',
        "'",
        "!",
        ".",
    ),
    *(
        "word",
        "a",
        "b",
        "snake_case",
        "é",
        "漢字",
        "\U0001f600",
        "\u00a0",
        "\u200b",
        "#",
        "0",
        "\x00",
        "http://x/y_z",
    ),
]
soup = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def texts(node: dict[str, Any]) -> str:
    own = node.get("text", "") if node["type"] == "text" else " "
    return own + "".join(map(texts, node.get("content", ())))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(soup)
def test_markdown_soup_becomes_a_valid_document_that_is_stable(markdown: str) -> None:
    """Valid for any input; its Markdown keeps the words and is read back as itself."""
    doc = to_adf(markdown)
    VALID.validate(doc)
    once = to_markdown(doc)
    again = to_adf(once)
    VALID.validate(again)
    assert words(texts(again)) == words(texts(doc))
    assert lossless(again)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_becomes_a_valid_document(markdown: str) -> None:
    """Whatever Unicode holds."""
    doc = to_adf(markdown)
    VALID.validate(doc)
    assert lossless(to_adf(to_markdown(doc)))


plain = st.one_of(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12),
    st.lists(st.sampled_from(PIECES).filter(lambda piece: piece != "\x00"), min_size=1, max_size=6).map(
        "".join
    ),
)
marks = st.lists(
    st.sampled_from(
        [{"type": "strong"}, {"type": "em"}, {"type": "strike"}, {"type": "code"}, {"type": "underline"}]
    ),
    unique_by=str,
    max_size=3,
)
inline = st.one_of(
    st.builds(lambda t, m: {"type": "text", "text": t, "marks": m}, plain, marks),
    st.builds(
        lambda t, h: {"type": "text", "text": t, "marks": [{"type": "link", "attrs": {"href": h}}]},
        plain,
        st.one_of(plain, st.just("https://x.example/a_(b)")),
    ),
    st.just({"type": "hardBreak"}),
    st.just({"type": "mention", "attrs": {"id": "1", "text": "@Ana"}}),
)
paragraph = st.builds(lambda c: {"type": "paragraph", "content": c}, st.lists(inline, max_size=5))
blocks = st.recursive(
    st.one_of(
        paragraph,
        st.builds(
            lambda c, n: {"type": "heading", "attrs": {"level": n}, "content": c},
            st.lists(inline),
            st.integers(1, 6),
        ),
        st.builds(lambda t: {"type": "codeBlock", "content": [{"type": "text", "text": t}]}, plain),
        st.just({"type": "rule"}),
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda kind, many: {"type": kind, "content": [{"type": "listItem", "content": c} for c in many]},
            st.sampled_from(["bulletList", "orderedList"]),
            st.lists(st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3),
        ),
        st.builds(lambda c: {"type": "blockquote", "content": c}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda rows: {
                "type": "table",
                "content": [
                    {"type": "tableRow", "content": [{"type": "tableCell", "content": [c]} for c in row]}
                    for row in rows
                ],
            },
            st.lists(st.lists(inner, min_size=1, max_size=2), min_size=1, max_size=2),
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(st.lists(paragraph, min_size=1, max_size=3))
def test_paragraphs_stay_paragraphs_with_their_words(content: list[dict[str, Any]]) -> None:
    """No text of a paragraph is taken for a heading, list, quotation, table, link or emphasis of its own."""
    again = to_adf(to_markdown({"type": "doc", "version": 1, "content": content}))
    assert {node["type"] for node in again["content"]} <= {"paragraph"}
    expected = [words(shown(node)) for node in content]
    found = [words(shown(node)) for node in again["content"]]
    assert [f for f in found if f] == [e for e in expected if e]


def shown(node: dict[str, Any]) -> str:
    if node["type"] == "mention":
        return str(node["attrs"]["text"])
    own = node.get("text", "") if node["type"] == "text" else " "
    return own + "".join(map(shown, node.get("content", ())))


@settings(max_examples=EXAMPLES // 2, deadline=None, derandomize=True)
@given(st.lists(blocks, max_size=4))
def test_documents_of_jira_can_be_sent_back(content: list[dict[str, Any]]) -> None:
    """Markdown of any document, sent back, is a valid document."""
    once = to_markdown({"type": "doc", "version": 1, "content": content})
    VALID.validate(to_adf(once))


garbage = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.one_of(
                    inner, st.sampled_from(["paragraph", "text", "table", "bulletList", "media", "date"])
                ),
                "content": st.one_of(inner, st.lists(inner, max_size=3)),
                "text": inner,
                "marks": inner,
                "attrs": inner,
            },
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(garbage)
def test_garbage_becomes_some_text(doc: Any) -> None:
    """Reading never raises, and what we do not understand is not lossless."""
    assert isinstance(to_markdown(doc), str)
    assert isinstance(lossless(doc), bool)


@pytest.mark.parametrize(
    "piece",
    [
        "> ",
        "- ",
        "1. ",
        "*a **b ",
        "[",
        "![",
        "`",
        "<",
        "**",
        "_a",
        "|",
        "| a ",
        "&#",
        "\\",
        "a~~",
        "](",
        "\n- ",
        "*_",
    ],
)
def test_absurd_input_is_bounded(piece: str) -> None:
    """32,767 characters of one sign are converted or refused; 32,768 are refused."""
    text = (piece * limits.MARKDOWN_CHARS)[: limits.MARKDOWN_CHARS]
    try:
        doc = to_adf(text)
    except InvalidCall as refused:
        assert re.search("nested too deeply|too many brackets|too large a table", refused.public)
    else:
        VALID.validate(doc)
        to_markdown(doc)
    with pytest.raises(InvalidCall, match="too long for Jira"):
        to_adf(text + "x")


def test_depth_is_bounded_both_ways() -> None:
    """Lists 20 deep are converted, 21 deep refused; a document 5,000 deep is cut, not a crash."""
    VALID.validate(to_adf("\n".join("  " * n + "- x" for n in range(20))))
    with pytest.raises(InvalidCall, match="nested too deeply"):
        to_adf("\n".join("  " * n + "- x" for n in range(21)))
    doc: dict[str, Any] = {"type": "paragraph"}
    for kind in ("blockquote", "listItem", "panel", "bulletList", "table") * 1000:
        doc = {"type": kind, "content": [doc]}
    assert "[unsupported: nested too deeply]" in to_markdown(doc)
    assert not lossless(doc)
