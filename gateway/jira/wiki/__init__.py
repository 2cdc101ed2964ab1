"""Jira's wiki text (REST v2) to Atlassian Document Format and back.

    to_wiki(doc)        # wiki text; what wiki text has no word for comes out as its words
    from_wiki(text)     # a `doc` that validates against Atlassian's JSON Schema; never raises

No word is ever lost either way. What cannot be said in Markdown (a panel, a mention, a colour, a picture)
becomes the ADF node that says so, and `gateway.jira.adf.lossless` tells an edit of it.

Source: Atlassian, *Text Formatting Notation Help* of Jira 9 to 11; no live server was asked how it renders.
"""

from gateway.jira.wiki.from_wiki import from_wiki
from gateway.jira.wiki.to_wiki import to_wiki

__all__ = ["from_wiki", "to_wiki"]
