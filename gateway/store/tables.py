"""What outlives a restart, as tables. A change here comes with a file in `migrations/versions/`.

links         one grant of one person at one upstream; its tokens sealed (gateway/credential/sealed.py)
revocations   who was cut off, in the order in which it was written
clients       assistants that may ask people to sign in here
consents      to whom people have said yes
families      one sign-in of one person with one assistant, and the refresh token that continues it
pushed_people whom the provider pushes (SCIM), and whether they still belong there

Times are Unix seconds.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers only a column of exactly this type."""

links = Table(
    "links",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # separated by spaces; for people to see, the sealed ones count
    Column("version", SmallInteger, nullable=False),  # of the envelope
    Column("key_id", Text, nullable=False),  # whose key wraps the data key; empty when there is none any more
    Column("wrapped", LargeBinary),  # the data key
    Column("sealed", LargeBinary),  # nonce and AES-256-GCM ciphertext; gone when the grant ended
    Column("linked_at", Double, nullable=False),
    Column("refreshed_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("intent_at", Double),
    Column("ended", Text, nullable=False, server_default=""),
    Column("ended_at", Double),
    Index("ix_links_person", "issuer", "subject"),
    Index("ix_links_intent_at", "intent_at"),
    Index("ix_links_refreshed_at", "refreshed_at"),
    Index("ix_links_key_id", "key_id"),
)

revocations = Table(
    "revocations",
    metadata,
    # Two writers may commit in the other order than their numbers: who follows it reads a little back.
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # user, client, agent, session
    Column("issuer", Text, nullable=False, server_default=""),
    Column("subject", Text, nullable=False, server_default=""),
    Column("client", Text, nullable=False, server_default=""),
    Column("session", Text, nullable=False, server_default=""),
    Column("not_before", Double, nullable=False),  # what was issued before it is refused
    Column("reason", Text, nullable=False, server_default=""),
    Column("created", Double, nullable=False),
    Index("ix_revocations_created", "created"),
    sqlite_autoincrement=True,
)

clients = Table(
    "clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("registration", Text, nullable=False),  # static, dynamic, document
    Column("name", Text, nullable=False, server_default=""),
    Column("facts", Text, nullable=False),  # JSON: redirects, method, keys, grant types
    Column("secret_digest", Text, nullable=False, server_default=""),
    Column("admission", Text, nullable=False),  # admitted, pending, refused
    Column("owner", Text, nullable=False, server_default=""),
    Column("groups", Text, nullable=False, server_default=""),  # separated by spaces
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("fetched_at", Double),  # of a document
    Column("fresh_until", Double),
    Column("expires_at", Double),
    Index("ix_clients_used_at", "used_at"),
)

consents = Table(
    "consents",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("client", Text, primary_key=True),
    Column("host", Text, primary_key=True),  # to which the answer went
    Column("resource", Text, primary_key=True),  # for which endpoint of ours
    Column("scopes", Text, nullable=False),
    Column("given_at", Double, nullable=False),
)

families = Table(
    "families",
    metadata,
    Column("id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),  # the company's provider
    Column("subject", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("assurance", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("facts", Text, nullable=False),  # JSON: e-mail, groups, sid, acr, amr, auth_time
    Column("generation", BigInteger, nullable=False),
    Column("current", Text, nullable=False),  # SHA-256 of the refresh token that is good
    Column("previous", Text, nullable=False, server_default=""),  # of the one before it
    Column("rotated_at", Double),
    Column("successor", LargeBinary),  # the current one, sealed with the previous one, for the grace
    Column("began_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),  # whatever is refreshed
    Column("ended", Text, nullable=False, server_default=""),
    Column("ended_at", Double),
    Index("ix_families_person", "issuer", "subject"),
    Index("ix_families_client", "client"),
    Index("ix_families_expires_at", "expires_at"),
)

pushed_people = Table(
    "pushed_people",
    metadata,
    Column("id", Text, primary_key=True),  # ours, in the provider's requests
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("external_id", Text, nullable=False),  # the provider's, of which the subject is made
    Column("user_name", Text, nullable=False),
    Column("display_name", Text, nullable=False, server_default=""),
    Column("active", SmallInteger, nullable=False),
    Column("deleted", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Index("ix_pushed_people_person", "issuer", "subject", unique=True),
    Index("ix_pushed_people_user_name", "user_name"),
)
