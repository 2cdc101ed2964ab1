"""Wiki text and ADF: no word is lost, nothing that a person wrote becomes a sign, every document is valid."""

import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.errors import InvalidCall
from gateway.jira.adf import lossless, to_adf, to_markdown
from gateway.jira.wiki import from_wiki, to_wiki
from gateway.jira.wiki.signs import flat as clean

SCHEMA = Path(__file__).parents[1] / "data" / "adf" / "adf-schema-v1-full.json"
VALID = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
EXAMPLES = 120
"""The same ones in every run; change the number to try others."""

SIGNS = [
    *("*", "_", "-", "+", "^", "~", "??", "{{", "}}", "{*}", "{_}", "[", "]", "|", "||", "!", "\\", "\\\\"),
    *("{quote}", "{code}", "{code:java}", "{noformat}", "{panel}", "{panel:bgColor=#fff}", "{color:red}"),
    *("{color}", "{", "}", "(x)", ":)", "&", "&amp;", "&#92;", ";", "@", "(", ")", "'", '"', "<b>", "$"),
    *("\n", "\n\n", "\n* ", "\n** ", "\n# ", "\n#* ", "\n- ", "\nh1. ", "\nh6. ", "\nbq. ", "\n----\n"),
    *("\n||", "\n|", "|\n", " ", "  ", "\t", "\r\n", "\u00a0", "\u2028", "http://x.test/a_b-", "[~", "[^"),
]  # fmt: skip
WORD = st.sampled_from(["alpha", "beta3", "Gamma", "délta", "漢字", "OPEN-1", "w0", "zeta"])
SOUP = st.lists(st.one_of(WORD, WORD.map(lambda w: f" {w} "), st.sampled_from(SIGNS)), max_size=40).map(
    "".join
)
MARKDOWN_SIGNS = [
    *("# ", "- ", "1. ", "> ", "- [ ] ", "- [x] ", "\n", "\n\n", "    ", "```\n", "```java\n", "| a | b |\n"),
    *("|---|---|\n", "**", "*", "_", "~~", "`", "[", "](http://x.test/)", "](x)", "\\", "\\\n", "---\n", " "),
    *("h1. ", "bq. ", "{code}", "{noformat}", "{quote}", "[~ana]", "!a.png!", "{{", "}}", "|", "||", "----"),
    *("&amp;", "{*}", "(x)", "<http://x.test/a|b>", "☐ ", "+", "^", "??", "#", "-", "http://x.test/a_b_ "),
]  # fmt: skip
MARKDOWN = st.lists(
    st.one_of(WORD, WORD.map(lambda w: f" {w} "), st.sampled_from(MARKDOWN_SIGNS)), max_size=40
)


def words(text: str) -> list[str]:
    """The words of the soups, in order."""
    return re.findall("alpha|beta3|Gamma|délta|漢字|OPEN-1|w0|zeta", html.unescape(text))


def plain(node: dict[str, Any]) -> str:
    """Every text of a document, and every code, in order; blanks as one."""
    if node["type"] == "text":
        return str(node["text"])
    inner = "".join(plain(child) for child in node.get("content", ()))
    inline = node["type"] in ("paragraph", "heading", "taskItem", "codeBlock", "hardBreak")
    return f" {inner} " if inline else inner


def flat(text: str) -> str:
    return " ".join(text.split())


@settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
@given(SOUP)
def test_no_word_of_wiki_text_is_lost(text: str) -> None:
    """Whatever the signs, each word comes out once, in order, in a valid document."""
    doc = from_wiki(text)
    assert VALID.is_valid(doc), (text, next(VALID.iter_errors(doc)))
    assert words(to_markdown(doc)) == words(text), (text, to_markdown(doc))


@settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
@given(MARKDOWN.map("".join))
def test_no_word_of_markdown_is_lost(markdown: str) -> None:
    """From an assistant through Jira and back: the same text, and no new node."""
    try:
        doc = to_adf(markdown)
    except InvalidCall:
        return
    back = from_wiki(to_wiki(doc))
    assert VALID.is_valid(back)
    assert words(plain(back)) == words(plain(doc)), to_wiki(doc)
    assert not kinds(back) & {"mention", "mediaInline", "panel"}, to_wiki(doc)


def kinds(node: dict[str, Any]) -> set[str]:
    return {node["type"]}.union(*(kinds(child) for child in node.get("content", ())))


TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([*SIGNS, *MARKDOWN_SIGNS, "a", "b", " ", "x_y"]), max_size=14).map("".join),
)


@settings(max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
@given(TEXT, st.sampled_from([(), ("strong",), ("em",), ("strike",), ("strong", "em"), ("code",)]), TEXT)
def test_text_stays_text(text: str, marks: tuple[str, ...], after: str) -> None:
    """Nothing in it is read as a sign: one paragraph, the same characters, the same marks."""
    nodes: list[dict[str, Any]] = [{"type": "text", "text": part} for part in (text, after) if part]
    if text and marks:
        nodes[0]["marks"] = [{"type": mark} for mark in marks]
    doc = {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": nodes}]}
    wiki = to_wiki(doc)
    back = from_wiki(wiki)
    assert flat(plain(back)) == flat(clean(text + after)), wiki
    assert kinds(back) <= {"doc", "paragraph", "text"}, wiki
    assert len(back["content"]) <= 1
    found = {m["type"] for p in back["content"] for n in p["content"] for m in n.get("marks", ())}
    assert found == (set(marks) if clean(text).strip() else set()), wiki


@pytest.mark.parametrize(
    ("markdown", "wiki"),
    [
        ("# Plan\n\nA **b** *c* ~~d~~ `e`", "h1. Plan\n\nA *b* _c_ -d- {{e}}"),
        ("un**believ**able", "un{*}believ{*}able"),
        ("- a\n  - b\n    1. c\n- d", "* a\n** b\n**# c\n* d"),
        ("- [ ] ask\n- [x] done", "* ☐ ask\n* ☑ done"),
        ("| a | b |\n|---|---|\n| c\\|d |  |", "||a||b||\n|c\\|d| |"),
        ("> quoted\n>\n> more", "{quote}\nquoted\n\nmore\n{quote}"),
        ("```python\nx = {1}\n```", "{code:python}\nx = {1}\n{code}"),
        ("```weird\nx\n```", "{noformat}\nx\n{noformat}"),
        ("[the *page*](https://x.test/a)", "[the|https://x.test/a] [_page_|https://x.test/a]"),
        ("[here](page.html)", "here (page.html)"),
        ("one\\\ntwo", "one\ntwo"),
        ("\\# not a heading", "\\# not a heading"),
        ("h1. not a heading", "&#104;1. not a heading"),
        ("ask [~admin] !x.png! {code}", "ask \\[\\~admin\\] \\!x.png! \\{code\\}"),
        ("snake_case_name and 2-3 and a - b", "snake_case_name and 2-3 and a - b"),
        ("C:\\dir and \\\\\\\\", "C:\\dir and &#92;&#92;"),
        ("see https://x.test/a_b-c_", "see https://x.test/a_b-c_"),
        ("---", "----"),
    ],
)
def test_markdown_to_wiki(markdown: str, wiki: str) -> None:
    """What Jira is sent."""
    assert to_wiki(to_adf(markdown)) == wiki


@pytest.mark.parametrize(
    ("wiki", "markdown"),
    [
        ("h2. What\r\n\r\nA *b* _c_ -d- {{e}}\r\nnext", "## What\n\nA **b** *c* ~~d~~ `e`\\\nnext"),
        ("un{*}believ{*}able", "un**believ**able"),
        ("* a\n** b\n*# c\n* d", "- a\n  - b\n  1. c\n- d"),
        ("||a||b||\n|c|[d|https://x.test/]|", "| a | b |\n|---|---|\n| c | [d](https://x.test/) |"),
        ("bq. said", "> said"),
        ("before{quote}h1. x{quote}after", "before\n\n> **x**\n\nafter"),
        ("{code:title=A.java|java}\nx\n{code}", "**A.java**\n\n```\nx\n```"),
        ("{code:java}x{code}", "```java\nx\n```"),
        ("{noformat}*x*{noformat}", "```\n*x*\n```"),
        ("[~ana] see [^plan.pdf] !shot.png|width=3!", "@ana see [media: plan.pdf] [media: shot.png]"),
        ("{panel:title=Note}x{panel}", "> [panel: info]\n>\n> **Note**\n>\n> x"),
        ("{color:red}hot{color} +u+ ^2^", "hot u 2"),
        ("{{a}} and {{b", "`a` and {{b"),
        ("\\*not bold\\* &#42; &amp;", "\\*not bold\\* * \\&"),
        ("a {code} that nobody closes", "a {code} that nobody closes"),
        ("[not|a link] and [javascript:alert(1)]!", "[not|a link] and [javascript:alert(1)]!"),
        ("-1 -2 snake_case a*b*c", "-1 -2 snake_case a\\*b\\*c"),
        ("* ☐ ask\n* ☑ done", "- [ ] ask\n- [x] done"),
    ],
)
def test_wiki_to_markdown(wiki: str, markdown: str) -> None:
    """What the assistant reads."""
    assert to_markdown(from_wiki(wiki)) == markdown


@pytest.mark.parametrize(
    ("wiki", "kept"),
    [
        ("h1. a\n\n* b\n* c\n\nplain *bold*\nnext", True),
        ("||a||\n|b|", True),
        ("{code:java}\nx\n{code}", True),
        ("[~ana]", False),
        ("{panel}x{panel}", False),
        ("{color:red}x{color}", False),
        ("!shot.png!", False),
        ("x{^}2{^}", False),
        ("x" * (limits.MARKDOWN_CHARS + 1), False),
    ],
)
def test_what_an_edit_would_lose_is_known(wiki: str, kept: bool) -> None:
    """`lossless` sees what Markdown has no word for."""
    assert lossless(from_wiki(wiki)) is kept


@pytest.mark.parametrize(
    "piece",
    ["*", "*a ", "_a", "{{", "[", "[a|", "!", "!a.b", "{quote}", "{code}", "\\\\", "&", "|a", "{*}", "\n* a",
     "\n|a", "{panel:title=x}", "*_-+^~", "[~", "https://", "{color:red}", "\n#*#*#*#*#*#*#*#*#* a"],
)  # fmt: skip
def test_a_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """Four times the text takes about four times the steps: counted, not timed."""

    def steps(text: str) -> int:
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        try:
            from_wiki(text)
        finally:
            sys.setprofile(None)
        return counted

    few, many = steps(piece * 200), steps(piece * 800)
    assert many < few * 5 + 1000


def test_text_that_is_too_long_comes_as_it_stands() -> None:
    """Beyond Jira's own limit nothing is read into it, and nothing is lost."""
    text = "*a* {quote}\n" * 4_000
    assert flat(plain(from_wiki(text))) == flat(text)
