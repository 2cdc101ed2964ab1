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

RETRY_PAUSE_SECONDS = 0.2
"""seconds. Longest pause before the first repeat of a read; doubles each time; drawn at random below it."""

JIRA_WAIT_SECONDS = 3_600
"""seconds. The longest wait that Jira's `Retry-After` makes us tell: its longest quota window is an hour."""

ACCOUNTS_KNOWN = 10_000
"""people whose Jira account is remembered, so that another one is noticed; about 0.3 KiB each."""

PAGE_TOKEN_CHARS = 4_096
"""characters of a `next` token: Jira's own are below 2,000 and grow by a third when sealed."""

FIELDS_ASKED = 20
"""more fields that one look at an issue may ask for by name."""

FIELD_CHARS = 500
"""characters of one field that was asked for by name, before the `truncated` marker."""

LABELS_SHOWN = 20
"""labels, components or relations of one issue in an answer; a count tells of the rest."""

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

AUDIT_PROBE_SECONDS = 2.0
"""seconds between probe writes while sealed: soon enough for a person, rare enough for a full disk."""

AUDIT_BATCH = 256
"""records in one commit: as many as there can be calls at once."""

AUDIT_BUSY_SECONDS = 1.0
"""seconds that a commit waits for another process that locked the file; then it fails, and seals."""

AUDIT_LOOK_SECONDS = 1.0
"""seconds between looks whether the open file is still the one under its name (SQLite does not tell)."""

CHECKPOINT_SECONDS = 10.0
"""seconds, unless set otherwise. A record is under a signed checkpoint at the latest this long after it was written."""

UNSIGNED_SECONDS = 60.0
"""seconds. A file of the record that is older and has no signed checkpoint at all is not believed."""

CHECKPOINT_RECORDS = 10_000
"""records between two checkpoints at most, so that a busy minute is not one large unproven tail."""

STRANGERS_SECONDS = 60.0
"""seconds that failed sign-ins are counted before one record tells of all of them."""

STRANGERS_SOURCES = 100
"""source addresses named in such a record; the rest is one number, so that strangers cannot fill the disk."""

TOKEN_LIFE_SECONDS = 24 * 3600 + 60
"""seconds from `iat` to `exp`: the longest default of a large provider (a day); beyond it a token is a password."""

CLAIM_CHARS = 256
"""characters of one identifier in a token (subject, client, group, key id); OpenID Connect allows `sub` 255."""

GROUPS_READ = 2_000
"""groups of one person, in a token or a directory: Entra allows 2,048 a person; beyond it nobody is let in."""

GROUPS_SECONDS = 300.0
"""seconds that groups of a directory are used: as long as a short-lived token would carry them."""

GROUPS_CACHED = 10_000
"""people whose groups of a directory are kept, about 4 KiB each, and group names whose roles are."""

DIRECTORY_SECONDS = 5.0
"""seconds for one request to a directory: callers wait for it."""

DIRECTORY_PAGES = 20
"""pages of one person's groups: twice what `GROUPS_READ` needs at 200 a page."""

ROLE_RULES = 1_000
"""rules of one provider's `roles` table."""

INTROSPECTION_SECONDS = 5.0
"""seconds for one question about an opaque token, waiting for a turn included: the caller waits for it."""

INTROSPECTED_SECONDS = 30.0
"""seconds that a good answer about an opaque token is used, and so until its revocation shows."""

INTROSPECTED_BAD_SECONDS = 10.0
"""seconds that an opaque token that was refused is not asked about again."""

INTROSPECTIONS_AT_ONCE = 16
"""questions about opaque tokens at one time: strangers who invent tokens cannot turn us on the provider."""

JWKS_BYTES = 256 * 1024
"""bytes of an issuer's key set or metadata: Entra's, the largest, is below 32 KiB."""

JWKS_KEYS = 64
"""keys of one issuer: several times what any provider publishes during a rotation."""

JWKS_TTL_SECONDS = 300.0
"""seconds until a key set is fetched again, and so until a withdrawn key stops working."""

JWKS_STALE_SECONDS = 3600.0
"""seconds that keys are still used while the issuer does not answer; after that nobody gets in."""

JWKS_COOLDOWN_SECONDS = 30.0
"""seconds between fetches that a token caused (unknown key), and after a failed fetch with keys in hand."""

JWKS_RETRY_SECONDS = 2.0
"""seconds after a failed fetch with no keys in hand: short, so that the order of start-up does not matter."""

JWKS_NEGATIVE_SECONDS = 120.0
"""seconds that one unknown key id causes no other fetch, so that one stale client does not use up the cooldown."""

JWKS_NEGATIVE_KEPT = 1024
"""unknown key ids remembered for one issuer."""

JWKS_FETCH_SECONDS = 5.0
"""seconds for one fetch of keys or metadata: callers wait for it."""

EXCHANGE_SECONDS = 10.0
"""seconds for one token exchange."""

GRANT_SKEW_SECONDS = UPSTREAM_SECONDS
"""seconds before its end that a grant is no longer handed out: a call begun with it can still finish."""

RETRY_AFTER_SECONDS = 5
"""seconds. When a client should try again while sign-in cannot be checked: above the key cache's cooldown."""

TOOLS_FRESH_MS = 60_000
"""milliseconds that an assistant may keep its tool list: a changed policy shows within a minute."""

DISCOVER_FRESH_MS = 3_600_000
"""milliseconds that an assistant may keep `server/discover`: it changes only with a release."""

LISTINGS_CACHED = 256
"""tool lists kept as bytes, one for each protocol era and visible set; a company has a handful."""

ENVELOPES_CACHED = 512
"""request envelopes (client info and capabilities) known to be good; one for each client release in use."""

ENVELOPE_BYTES = 4 * 1024
"""bytes. The largest request envelope remembered as good; larger ones are checked each time."""

METADATA_FRESH_SECONDS = 3_600
"""seconds that clients may keep the sign-in metadata: it changes only with the settings."""

POLICY_BYTES = 1024 * 1024
"""bytes of one file of a policy bundle: a thousand rules are about 300 KiB."""

POLICY_FILES = 200
"""files of a policy bundle."""

PERSONAS_CACHED = 2_000
"""sets of people and agents that the rules treat alike, each with its parsed Cedar entities, about 10 KiB."""

VERDICTS_CACHED = 20_000
"""answers of Cedar kept by everything that they depend on, about 1.5 KiB each."""

FILE_LOOK_SECONDS = 1.0
"""seconds between looks at a file that may be replaced while we run: a secret, a key."""

ASSERTION_SECONDS = 60.0
"""seconds that a client assertion of ours is good (RFC 7523): it is made for one request and sent at once."""

SECRET_WARN_DAYS = 23.0
"""days after which a client secret is warned of: a week before the 30 days that companies commonly ask for."""

SECRET_REMIND_SECONDS = 86_400.0
"""seconds between two warnings of the same old secret in the log."""

SAID_CHARS = 400
"""characters of a provider's refusal in our log: its sentence, not its stack trace."""

LINK_LOOK_SECONDS = 60.0
"""seconds that a linked grant is used before the vault is asked again: another replica may have refreshed it,
and Atlassian lets the old access token live for ten minutes only."""

LINK_CONFIRM_SECONDS = 600.0
"""seconds for a person to say that a Jira account is theirs; as long as the sign-in state in the browser."""

LINK_LIFE_UNTOLD_SECONDS = 300.0
"""seconds that an access token is taken to live whose life is not told (RFC 6749 §5.1 only recommends it)."""

OUR_JWKS_FRESH_SECONDS = 300
"""seconds that providers may keep our public keys; the next key is published long before it signs."""

FLOW_SECONDS = 600.0
"""seconds from the beginning of a sign-in or a connection in the browser to its end: time to find one's phone."""

SESSION_IDLE_SECONDS = 1_800.0
"""seconds without a visit after which a browser is signed out."""

SESSION_SECONDS = 8 * 3_600.0
"""seconds after which a browser is signed out in any case: a working day."""

QUERY_BYTES = 16_384
"""bytes of a page's query: the longest codes of providers and states of assistants are a quarter of it."""

PAGES_SECONDS = 60.0
"""seconds in which visits of the sign-in and connect pages are counted."""

PAGES_PER_SOURCE = 600
"""such visits of one source address that is not signed in; behind a proxy that is a whole company."""

PAGES_PER_PERSON = 120
"""such visits of one person who is signed in: more than anybody clicks."""

FORM_BYTES = 8 * 1024
"""bytes of a form that a page of ours sends: its fields are tokens of ours."""

DATABASE_CONNECTIONS = 8
"""connections of one process to its database, and threads that wait for it: PostgreSQL allows 100 in all."""

DATABASE_SECONDS = 5.0
"""seconds for one piece of work in the database, waiting for a connection included: a person waits for it."""

DATABASE_CONNECT_SECONDS = 3
"""seconds to reach the database; less than the whole work, so that the reason is told."""

MIGRATION_SECONDS = 300.0
"""seconds that a starting replica waits for another one that brings the schema up to date."""

DATA_KEY_SECONDS = 300.0
"""seconds that an unwrapped data key stays in memory: one use of the key service in five minutes and person."""

DATA_KEYS_CACHED = 10_000
"""unwrapped data keys kept, about 0.5 KiB each."""

KEY_SERVICE_SECONDS = 5.0
"""seconds for one request to OpenBao or KMS: a person waits for it."""

LINK_TRIES = 64
"""times that a new link is tried while others link the same: each time one of them got through."""

LINK_TOUCH_SECONDS = 3_600.0
"""seconds between two notes that a link was used: it is shown to the hour."""

LINK_TOMBSTONE_SECONDS = 86_400.0
"""seconds that a disconnected link, whose refresh was under way, keeps its generation, so that the late answer
of that refresh cannot pass for one of a new link."""

INTENTS_READ = 1_000
"""begun refreshes read at a time by the sweeper: after a crash there are as many as calls in flight."""

PART_LOOK_SECONDS = 5.0
"""seconds between looks whether the database, or a key service that failed, answers: `/readyz` is as old."""

ID_JAG_SECONDS = 600.0
"""seconds until an identity assertion ends, at most: the draft's example has 300, and it is spent at once."""

STORE_SECONDS = 2.0
"""seconds for one piece of work in Redis, waiting for a connection included: it takes a millisecond or is down."""

STORE_CONNECTIONS = 32
"""connections of one process to Redis: each is used for a millisecond at a time."""

STORE_RELISTEN_SECONDS = 1.0
"""seconds until a listener whose connection to Redis broke makes another one."""

STORE_ENTRIES = 100_000
"""entries of a store in memory, about 0.5 KiB each: strangers who are counted cannot fill the memory."""

REVOCATIONS_LOOK_SECONDS = 0.4
"""seconds between looks at the revocations: a person who was cut off is out within a second on every replica."""

EVENT_KEPT_SECONDS = 86_400.0
"""seconds for which the id of a security event is kept: a provider sends one again for hours, not for days."""

REVOCATIONS_OVERLAP = 100
"""rows read again at each look: numbers are given out before they are committed, and not in that order."""

REVOCATIONS_BLIND_SECONDS = 10.0
"""seconds after which a replica that cannot read the revocations refuses everybody: long enough for a database
to fail over, short enough that nobody who was cut off goes on for long."""

REFRESH_SKEW_SECONDS = (60.0, 120.0)
"""seconds before its end that an access token is refreshed, drawn anew for each so that replicas do not do it
at once; at most half of its life. Longer than any call that may be under way with it."""

REFRESH_LEASE_SECONDS = 30.0
"""seconds that one replica alone may refresh a grant. Atlassian's leeway is 600: time for twenty failed owners."""

REFRESH_ASK_SECONDS = 11.0
"""seconds for the one request to the authorization server: below 40 % of the lease, so that with a start in its
first half the answer is there, and a fifth of it is left to save; above `EXCHANGE_SECONDS`, which tells more."""

REFRESH_WAIT_SECONDS = 15.0
"""seconds that a call waits for a refresh, whoever makes it: the one request, and the saving."""

REFRESH_POLL_SECONDS = 0.25
"""seconds between looks whether another replica is done, when its message is lost."""

REFRESH_BACKOFF_SECONDS = (2.0, 60.0)
"""seconds after a refresh that failed until the next, at first and at most: doubled each time in ten minutes."""

REFRESH_SAVE_PAUSE_SECONDS = 0.5
"""seconds between tries to save new tokens while the database is away; we try for as long as we live."""

REFRESH_SWEEP_SECONDS = 30.0
"""seconds between looks for refreshes whose end nobody wrote: one lease, far within Atlassian's ten minutes."""

REFRESH_TEND_SECONDS = 3_600.0
"""seconds between looks for grants that nobody uses."""

REFRESH_TEND_LINKS = 1_000
"""grants refreshed at one such look: at eight at once it takes minutes."""

REFRESH_AT_ONCE = 8
"""refreshes at one time that nobody waits for."""

REFRESH_IDLE_SECONDS = 30 * 86_400.0
"""seconds after which an unused grant is refreshed: a third of the ninety days that both Jiras allow."""

REFRESH_NOTICE_SECONDS = 45 * 86_400.0
"""seconds before a grant's greatest age from which a refresh notes it: more than `REFRESH_IDLE_SECONDS`, so
that one falls into them."""

REFRESH_NOTED_SECONDS = 7 * 86_400.0
"""seconds until it is noted again."""

REFRESH_STOP_SECONDS = 20.0
"""seconds that a stopping process gives refreshes under way: the one request and the saving, below the thirty
that orchestrators wait."""

RENEWALS_IN_WINDOW = 20
"""refreshes of one grant because Jira refused a token that had not ended, in ten minutes; beyond it a new token
does not help, and Jira is what is wrong."""

YOUNG_OBJECTS = 20_000
"""objects made since the last look before Python looks for cycles among them; a call makes some hundreds
that outlive a moment, and at the default of 700 the looking is a twentieth of its cost."""

# The authorization server towards assistants.

REGISTRATIONS_PER_HOUR = 30
"""dynamic registrations from one address in an hour: a company's people behind one address, not a flood."""

CLIENT_BYTES = 16_384
"""bytes of a registration request (RFC 7591)."""

CLIENT_DOCUMENT_BYTES = 5_120
"""bytes of a client ID metadata document, as its specification advises (5 KB)."""

CLIENT_DOCUMENT_SECONDS = 3.0
"""seconds to fetch one: a person is waiting."""

CLIENT_DOCUMENT_FRESH = (300.0, 86_400.0)
"""seconds, least and most, that a fetched one is used whatever its headers say."""

CLIENT_KEYS_BYTES = 16_384
"""bytes of the key set that a document names: two RSA keys with their certificates."""

CLIENT_DOCUMENT_RETRY_SECONDS = 15.0
"""seconds that a document that could not be had, or is not good, is not fetched again: nobody can make us knock
at somebody's door all the time, and who mends a document need not wait long."""

CLIENT_DOCUMENT_FAILURES = 2_000
"""failures remembered, about 2 KiB each at most."""

CLIENT_DOCUMENTS_A_MINUTE = 60
"""fetches from one host in a minute: a thousand invented paths at one host make no flood from us."""

INTERNET_CONNECTIONS = 32
"""connections to places that strangers name, at one time: each lasts three seconds at most."""

NAME_THREADS = 4
"""threads that look up names that strangers give: a name server that never answers holds these, and no others."""

NAME_SECONDS = 2.0
"""seconds to look up such a name, of the three for the whole fetch."""

NAME_ADDRESSES = 16
"""addresses of one name that are looked at; real ones have at most eight of each kind."""

CLIENT_UNUSED_SECONDS = 30 * 86_400.0
"""seconds after which a client that registered itself and was not used is forgotten."""

CLIENT_DOCUMENT_STALE_SECONDS = 7 * 86_400.0
"""seconds that the last good copy of a document serves while it cannot be fetched: a long weekend of its host."""

CLIENT_TOUCH_SECONDS = 3_600.0
"""seconds between two notes that a client was used: it is shown to the hour."""

CLIENTS_CACHED = 10_000
"""clients of which a process knows that their use is noted, about 0.2 KiB each."""

CLIENT_NAME_CHARS = 100
"""characters of a client's name, which it gives itself and pages show."""

CLIENT_KEYS = 10
"""public keys of one client that registers them; two suffice to roll them."""

REDIRECTS_PER_CLIENT = 20
"""redirect URIs of one client; real ones have at most four."""

URI_CHARS = 2_000
"""characters of a redirect URI, `client_id` or `resource`; longer ones are cut by browsers and proxies."""

CODE_SECONDS = 60.0
"""seconds that an authorization code is good (RFC 6749 §4.1.2 allows ten minutes; assistants redeem at once)."""

OAUTH_FORM_BYTES = 65_536
"""bytes of a form at `/token`: an assertion of 16 KiB fits, a flood does not."""

TOKEN_REQUESTS_PER_MINUTE = 600
"""requests at `/token` from one address in a minute: assistants in the cloud come from few addresses."""

SIGN_IN_MOST_SECONDS = 400 * 86_400.0
"""seconds that a provider may say its session lasts; what is longer is nonsense and taken for untold."""

RENEWAL_COUNTS_SECONDS = 60.0
"""seconds in which one re-validation of a person at the provider serves all refreshes of that sign-in: assistants
refresh twice at once, and each use of the provider's refresh token spends it."""

SHOWN_NAME_CHARS = 60
"""characters that people are shown of the name that an assistant gives itself: one line."""

SHOWN_CHARS = 300
"""characters that people are shown of any other text of strangers."""

ASKED_SECONDS = 86_400.0
"""seconds that the Connect page remembers that an assistant came as far as a person's sign-in."""

ASKED_CLIENTS = 20
"""such assistants of one person."""

CALLED_SECONDS = 90 * 86_400.0
"""seconds that the pages remember when an assistant first and last called: the longest life of a sign-in."""

CALLED_NOTED_SECONDS = 60.0
"""seconds between notes of the last call of one sign-in, by one replica: people look at days and hours."""

FAMILIES_NOTED = 20_000
"""sign-ins whose last note one replica remembers; of a forgotten one it is only written again."""

WATCHES = 60
"""times that the Connect page looks again by itself, when a person asked for it."""

WATCH_SECONDS = 5
"""seconds between these: with the times, five minutes, so that an open page keeps nobody signed in for long."""

SIGN_INS_SHOWN = 500
"""sign-ins on one page of an administrator."""

SIGN_IN_UNFINISHED_SECONDS = 1_800.0
"""seconds after which the provider's grant of a sign-in must belong to a family: signing in and consenting have
`FLOW_SECONDS` each, and the code a minute."""

SIGN_IN_SWEEP_SECONDS = 900.0
"""seconds between looks for grants whose sign-in ended or came to nothing."""

SIGN_IN_GRANTS = 1_000_000
"""grants looked at in one such look, about 0.5 KiB each for the moment: fifty for each of 20,000 people."""

FORGET_SECONDS = 86_400.0
"""seconds between two looks for sign-ins and assistants that can be forgotten."""

SCIM_BYTES = 65_536
"""bytes of a SCIM request: a user of a directory with every attribute is a tenth of it."""

SCIM_PAGE = 200
"""people on a page of a SCIM list."""

SCIM_FAILURES_PER_MINUTE = 60
"""SCIM requests with a wrong token from one address in a minute."""

IDLE_GAP_SECONDS = 1_800.0
"""seconds without a call after which the record calls the next one a new session: what web analytics, and people
who review, mean by one sitting."""

SESSIONS_FOLLOWED = 10_000
"""sessions that one process follows; the one that was idle longest is forgotten first."""

HEARTBEAT_SECONDS = 10.0
"""seconds of a call after which, and between which, it says that it lives: assistants and proxies give up a silent
connection after 30 or 60."""
