"""Atlassian Document Format (v1, npm `@atlaskit/adf-schema`) to Markdown and back.

    to_adf("# Plan\\n- [ ] ask *Bo*")     # a `doc` that validates against Atlassian's JSON Schema
    to_markdown(doc, limit=8_000)         # compact Markdown for a model; never raises
    lossless(doc)                         # whether an edit through Markdown would keep all of it

Markdown is CommonMark with tables, ~~strikethrough~~ and task lists; HTML in it is text.
"""

import asyncio
from typing import Any

from gateway.jira.adf.compare import lossless
from gateway.jira.adf.from_markdown import to_adf
from gateway.jira.adf.to_markdown import to_markdown

__all__ = ["document", "lossless", "to_adf", "to_markdown"]

SHORT = 4_000
"""characters that are read in well under a millisecond; longer text leaves the event loop."""


async def document(markdown: str) -> dict[str, Any]:
    """`to_adf`, in a thread when the text is long: a hostile one takes half a second. Raises `InvalidCall`."""
    return to_adf(markdown) if len(markdown) <= SHORT else await asyncio.to_thread(to_adf, markdown)
