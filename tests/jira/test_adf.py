"""Markdown to ADF and back, sample by sample."""

from typing import Any

import pytest

from gateway.jira.adf import lossless, to_adf, to_markdown


def doc(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def text(words: str, *marks: str, href: str = "") -> dict[str, Any]:
    found: list[dict[str, Any]] = [{"type": mark} for mark in marks]
    if href:
        found.append({"type": "link", "attrs": {"href": href}})
    return {"type": "text", "text": words, "marks": found} if found else {"type": "text", "text": words}


def para(*content: dict[str, Any] | str) -> dict[str, Any]:
    return {"type": "paragraph", "content": [text(c) if isinstance(c, str) else c for c in content]}


def node(kind: str, *content: dict[str, Any], **attrs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind}
    if attrs:
        found["attrs"] = attrs
    if content:
        found["content"] = list(content)
    return found


BOTH_WAYS = {
    "# One\n\n###### Six *em*": doc(
        node("heading", text("One"), level=1), node("heading", text("Six "), text("em", "em"), level=6)
    ),
    "plain **strong** *em* ~~strike~~ `code`": doc(
        para(
            "plain ",
            text("strong", "strong"),
            " ",
            text("em", "em"),
            " ",
            text("strike", "strike"),
            " ",
            text("code", "code"),
        )
    ),
    "**a *b* c**": doc(para(text("a ", "strong"), text("b", "strong", "em"), text(" c", "strong"))),
    "one\\\ntwo": doc(para("one", node("hardBreak"), "two")),
    "[words](https://a.example/x) <https://a.example/y>": doc(
        para(
            text("words", href="https://a.example/x"),
            " ",
            text("https://a.example/y", href="https://a.example/y"),
        )
    ),
    "- a\n- b\n  1. c\n  2. d": doc(
        node(
            "bulletList",
            node("listItem", para("a")),
            node(
                "listItem",
                para("b"),
                node("orderedList", node("listItem", para("c")), node("listItem", para("d"))),
            ),
        )
    ),
    "7. seven\n8. eight": doc(
        node("orderedList", node("listItem", para("seven")), node("listItem", para("eight")), order=7)
    ),
    "> said\n>\n> - so": doc(
        node("blockquote", para("said"), node("bulletList", node("listItem", para("so"))))
    ),
    "```py\nx = '`'\n\n  y\n```": doc(node("codeBlock", text("x = '`'\n\n  y"), language="py")),
    "````\n```\n````": doc(node("codeBlock", text("```"))),
    "a\n\n---\n\nb": doc(para("a"), node("rule"), para("b")),
    "| h | i |\n|---|---|\n| a\\|b | `c\\|d` |\n| x<br>y |  |": doc(
        node(
            "table",
            node("tableRow", node("tableHeader", para("h")), node("tableHeader", para("i"))),
            node("tableRow", node("tableCell", para("a|b")), node("tableCell", para(text("c|d", "code")))),
            node("tableRow", node("tableCell", para("x", node("hardBreak"), "y")), node("tableCell", para())),
        )
    ),
    "- [ ] one **now**\n- [x] two\n  - [ ] three": doc(
        node(
            "taskList",
            node("taskItem", text("one "), text("now", "strong"), localId="task-1", state="TODO"),
            node("taskItem", text("two"), localId="task-3", state="DONE"),
            node(
                "taskList", node("taskItem", text("three"), localId="task-2", state="TODO"), localId="task-4"
            ),
            localId="task-5",
        )
    ),
    "- a\n\n* b": doc(
        node("bulletList", node("listItem", para("a"))), node("bulletList", node("listItem", para("b")))
    ),
}


@pytest.mark.parametrize("markdown", BOTH_WAYS)
def test_both_ways(markdown: str) -> None:
    """What we can write we can read, and the other way round."""
    assert to_markdown(BOTH_WAYS[markdown]) == markdown
    assert lossless(BOTH_WAYS[markdown])
    assert to_markdown(to_adf(markdown)) == markdown
    assert lossless(to_adf(markdown))


@pytest.mark.parametrize(
    "words",
    [
        *(
            "# no heading",
            "#",
            "- no item",
            "+ x",
            "* x",
            "1. x",
            "12) x",
            "> x",
            "---",
            "===",
            "***",
            "```",
            "~~~",
            "[ ] x",
        ),
        *(
            "| a | b |",
            "|---|",
            "*a*",
            "_a_",
            "**a**",
            "~~a~~",
            "`a`",
            "[a](b)",
            "![a](b)",
            "<https://a.example>",
            "&amp;",
        ),
        *(
            "&#35;",
            "\\",
            "\\*",
            "C:\\*",
            "a\\",
            "<br>",
            "__init__",
            "[a]: b",
            ":-:|-",
            "a*",
            "*",
            "_",
            "](",
            "a&b;",
        ),
    ],
)
def test_text_that_looks_like_markdown_stays_text(words: str) -> None:
    """Escaped where it must be, in paragraphs, lists, headings, cells and links."""
    for shape in (
        doc(para(words)),
        doc(para("x", node("hardBreak"), words)),
        doc(para(text(words, "strong"))),
        doc(node("heading", text(words), level=2)),
        doc(node("bulletList", node("listItem", para(words), para(words)))),
        doc(node("blockquote", para(words))),
        doc(
            node(
                "table",
                node("tableRow", node("tableHeader", para(words))),
                node("tableRow", node("tableCell", para(words))),
            )
        ),
        doc(node("taskList", node("taskItem", text(words), localId="1", state="TODO"), localId="2")),
        doc(para(text(words, href="https://a.example/"))),
        doc(para(text(words, "code"))),
    ):
        assert to_adf(to_markdown(shape)) == to_adf(to_markdown(to_adf(to_markdown(shape))))
        assert lossless(shape), to_markdown(shape)


@pytest.mark.parametrize(
    "words", ["snake_case_name", "a * b", "2 < 3 & 4", "C:\\dir", "x [1] y", "#7 - 1.5", "50% ~ 3", "a|b"]
)
def test_ordinary_text_is_left_as_it_was_written(words: str) -> None:
    """A model reads it; escapes cost tokens."""
    assert to_markdown(doc(para(words))) == words


@pytest.mark.parametrize(
    ("adf", "markdown"),
    [
        (para(node("mention", id="1", text="@Ana Bo"), " hi"), "@Ana Bo hi"),
        (para(node("mention", id="1")), "@1"),
        (para(node("status", text="IN *DOUBT*", color="blue")), "[status: IN \\*DOUBT\\*]"),
        (para(node("date", timestamp="1793318400000")), "2026-10-30"),
        (para(node("date", timestamp="soon")), "[unsupported: date]"),
        (para(node("emoji", shortName=":smile:", text="\U0001f604")), "\U0001f604"),
        (para(node("emoji", shortName=":custom:")), ":custom:"),
        (para(node("inlineCard", url="https://a.example/A-1")), "<https://a.example/A-1>"),
        (para(node("inlineCard", data={"url": "https://a.example/"})), "<https://a.example/>"),
        (node("blockCard", url="https://a.example/A-1"), "<https://a.example/A-1>"),
        (node("embedCard", url="https://a.example/", layout="wide"), "<https://a.example/>"),
        (para(node("placeholder", text="type here")), "[placeholder: type here]"),
        (para(node("mediaInline", id="x", collection="c", alt="plan.png")), "[media: plan.png]"),
        (
            para(node("inlineExtension", extensionKey="k", extensionType="t")),
            "[unsupported: inlineExtension]",
        ),
        (
            node(
                "mediaSingle", node("media", type="file", id="x", collection="", alt="a.png"), layout="center"
            ),
            "[media: a.png]",
        ),
        (node("mediaGroup", node("media", type="file", id="x", collection="")), "[media: file]"),
        (node("panel", para("mind"), panelType="warning"), "> [panel: warning]\n>\n> mind"),
        (node("expand", para("more"), title="Why"), "> [expand: Why]\n>\n> more"),
        (node("nestedExpand", para("more")), "> [expand: ]\n>\n> more"),
        (
            node("decisionList", node("decisionItem", text("go"), localId="1", state="DECIDED")),
            "- [decision] go",
        ),
        (
            node("taskList", node("blockTaskItem", para("x"), localId="1", state="DONE"), localId="2"),
            "- [x] x",
        ),
        (
            node(
                "layoutSection",
                node("layoutColumn", para("a"), width=50),
                node("layoutColumn", para("b"), width=50),
            ),
            "a\n\nb",
        ),
        (node("extension", extensionKey="k", extensionType="t"), "[unsupported: extension]"),
        (
            node("bodiedExtension", para("in"), extensionKey="k", extensionType="t"),
            "[unsupported: bodiedExtension]\n\nin",
        ),
        (node("syncBlock", resourceId="r", localId="1"), "[unsupported: syncBlock]"),
        (node("bodiedSyncBlock", para("in"), resourceId="r", localId="1"), "in"),
        (node("futureBlock", para("x")), "[unsupported: futureBlock]"),
        (node("x] **y**"), "[unsupported: unknown]"),
        (
            para(
                {"type": "text", "text": "red", "marks": [{"type": "textColor", "attrs": {"color": "#f00"}}]}
            ),
            "red",
        ),
        (para(text("u", "underline")), "u"),
        (para(text("run", href="javascript:alert(1)")), "run"),
        (node("table", node("tableRow", node("tableCell", para("a"), para("b")))), "| a<br>b |\n|---|"),
    ],
)
def test_what_markdown_has_no_word_for(adf: dict[str, Any], markdown: str) -> None:
    """It is named in brackets or as plain words, and an edit through Markdown would destroy it."""
    assert to_markdown(doc(adf)) == markdown
    assert not lossless(doc(adf))


@pytest.mark.parametrize(
    ("markdown", "kinds"),
    [
        ("- # h", ["paragraph"]),
        ("- > q\n  > r", ["paragraph"]),
        ("- | a |\n  |---|\n  | b |", ["paragraph", "paragraph"]),
        ("- ***", ["paragraph"]),
        ("> > q", ["paragraph"]),
        ("> - [ ] t", ["bulletList"]),
        ("> ## h\n> > - x", ["paragraph", "bulletList"]),
    ],
)
def test_what_may_not_nest_in_adf_is_rewritten(markdown: str, kinds: list[str]) -> None:
    """In a list item or quotation, its nearest relative stands for it."""
    outer = to_adf(markdown)["content"][0]
    inner = outer["content"][0] if outer["type"] == "bulletList" else outer
    assert [child["type"] for child in inner["content"]] == kinds


def test_html_and_pictures_are_text_and_links() -> None:
    """No HTML is passed on, and a picture elsewhere is a link to it."""
    assert to_adf("<b onclick=x>hi</b>")["content"] == [para("<b onclick=x>hi</b>")]
    assert to_adf("<div>\nx\n</div>")["content"] == [para("<div> x </div>")]
    assert to_adf("![a *b*](http://x/)")["content"] == [para(text("a *b*", href="http://x/"))]
    assert to_adf("![](http://x/)")["content"] == [para(text("http://x/", href="http://x/"))]
    assert to_adf("[a](javascript:x)")["content"] == [para("[a](javascript:x)")]
    assert to_adf("[a]: http://x/")["content"] == [para("[a]: http://x/")]


def test_limit_cuts_with_a_marker() -> None:
    """The marker tells how much there is."""
    body = doc(para("word " * 100))
    assert to_markdown(body, limit=499) == to_markdown(body)
    assert to_markdown(body, limit=10) == "word word… [truncated, 499 characters in all]"


def test_lossless_forgives_what_does_not_show() -> None:
    """Ids, defaults, empty paragraphs and texts cut in two are no loss; colours and widths are."""
    table = node(
        "table",
        node("tableRow", node("tableHeader", para("h"), colspan=1, rowspan=1)),
        isNumberColumnEnabled=False,
        layout="default",
        localId="x",
    )
    assert lossless(doc(para("a", "b"), para(), node("paragraph", text("x"), localId="1"), table))
    table["attrs"]["isNumberColumnEnabled"] = True
    assert not lossless(doc(table))
    assert not lossless(
        doc(node("paragraph", text("x")) | {"marks": [{"type": "alignment", "attrs": {"align": "end"}}]})
    )
    assert lossless(doc())
    assert not lossless(None)
    assert not lossless({"type": "doc", "version": 1, "content": [None]})


def test_overlapping_marks_keep_their_words() -> None:
    """Marks that overlap, touch or hold blanks are written so that every reader sees the same words."""
    overlap = para(text("a", "em"), text("b", "em", "strong"), text("c", "strong"))
    assert to_markdown(doc(overlap)) == "*a**b***c"
    assert to_markdown(doc(para(text(" a ", "strong"), "b"))) == "**a** b"
    assert to_markdown(doc(para(text("a.", "strong"), "b"))) == "**a.**&#98;"
    assert to_markdown(doc(para("ab", text(".c", "em")))) == "a&#98;*.c*"
    assert to_markdown(doc(para("so!", text("x", href="http://y/")))) == "so\\![x](http://y/)"
    assert to_markdown(doc(para(text("x", href="http://y/a b(<)")))) == "[x](<http://y/a%20b(%3C)>)"


def test_control_characters_are_left_out() -> None:
    """Escape sequences of terminals, and halves of characters that no JSON may hold, reach nobody."""
    assert to_markdown(doc(para("a\x1b[31m\x00b\x7f\ud800"))) == "a[31mb?"
    assert to_markdown(doc(node("codeBlock", text("a\x1bb\r\n\tc")))) == "```\nab\n\tc\n```"
    assert to_markdown(doc(para(node("status", text="a\x1b", color="red")))) == "[status: a]"


def test_prose_goes_the_short_way_and_comes_out_alike() -> None:
    """A paragraph that needs no escaping is taken as it stands; the long way would give the very same."""
    from importlib import import_module

    module = import_module("gateway.jira.adf.to_markdown")
    signs = "ab1 .,:;!?()'\"#>+-*_=|[]{}<&~`\\/@%"
    short = 0
    for seed in range(20_000):
        words = "".join(signs[(seed * k * k + k) % len(signs)] for k in range(1, 2 + seed % 9))
        found = module._prose(para(words))
        short += bool(found)
        assert not found or found == module._lines(para(words), 0), words
    assert short > 1_000
