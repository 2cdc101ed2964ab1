"""Every limit in one place: a number, a unit and a reason."""

REQUEST_BYTES = 256 * 1024
"""bytes. The largest MCP request body: ten times the longest Jira description (32,767 characters)."""

TOKEN_BYTES = 16 * 1024
"""bytes. The largest access token: Entra tokens with 200 groups stay below 12 KiB."""

JSON_DEPTH = 32
"""levels. The deepest request we read; our deepest schema has 3."""

JQL_CHARS = 4_000
"""characters. Longer queries are generated ones; Jira itself gives up near 10,000."""

JQL_DEPTH = 24
"""levels of parentheses and NOT: more than people write, less than the parser's stack."""

JQL_LIST = 200
"""values in one IN list."""

MARKDOWN_CHARS = 32_767
"""characters. Jira's own limit for a text field."""

ANSWER_CHARS = 20_000
"""characters of one tool answer; assistants cut or spill beyond it."""

BODY_CHARS = 8_000
"""characters of one description in an answer before the `truncated` marker."""

COMMENT_CHARS = 2_000
"""characters of one comment in an answer before the `truncated` marker."""

COMMENTS_SHOWN = 5
"""comments, the newest, shown with an issue."""

PAGE_DEFAULT = 25
"""issues a page of a search when the caller does not say."""

PAGE_MAX = 50
"""issues a page of a search at most: 50 lines are about 2,500 tokens."""

UPSTREAM_BYTES = 8 * 1024 * 1024
"""bytes. The largest answer that we read from Jira or the identity provider."""

UPSTREAM_SECONDS = 20.0
"""seconds. Total time for one outward request, connect to last byte."""

UPSTREAM_CONNECTIONS = 128
"""connections to one origin: above Jira's burst limit of 100 requests a second."""

READ_RETRIES = 2
"""more tries of a read that failed with 502, 503, 504 or a broken connection. Writes: none, ever."""

LEEWAY_SECONDS = 30
"""seconds of clock skew allowed on `exp`, `nbf` and `iat`."""

TOKENS_CACHED = 10_000
"""verified tokens kept, about 2 KiB each."""

GRANTS_CACHED = 10_000
"""exchanged Jira tokens kept, about 3 KiB each."""

AUDIT_SECONDS = 5.0
"""seconds. An append that is not durable by then seals the gateway: refuse, do not hang."""

CALLS_AT_ONCE = 256
"""calls in flight in one process; beyond it a call is refused at once as `unavailable`."""

CALLS_PER_PERSON = 32
"""calls in flight of one person in one process, so that one loop starves nobody else."""
