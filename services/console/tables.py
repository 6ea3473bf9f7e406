"""The console's tables: the same on SQLite and PostgreSQL, made by the migrations beside the service.

Times are microseconds since the epoch.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData()
_SLUG: Final = String(40)
_UUID: Final = String(36)
_NAME: Final = String(80)
_KEY: Final = BigInteger().with_variant(Integer, "sqlite")

USERS: Final = Table(
    "console_users",
    METADATA,
    Column("id", _UUID, primary_key=True),
    Column("name", _NAME, nullable=False, unique=True),  # lower case: what is typed to sign in
    Column("title", _NAME, nullable=False),  # how the person is called
    Column("password", Text),  # argon2id; none: signs in by OpenID Connect only
    Column("must_change", Boolean, nullable=False),
    Column("issuer", String(300)),  # OpenID Connect: who vouches, and for whom
    Column("subject", String(300)),
    Column("pin", Text),  # argon2id of the bedside PIN
    Column("badge", String(64)),  # keyed digest of the badge's number
    Column("language", String(2)),
    Column("theme", String(10)),
    Column("failures", Integer, nullable=False),  # wrong passwords since the last right one
    Column("locked_until_us", BigInteger, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("disabled_at_us", BigInteger),
    UniqueConstraint("issuer", "subject", name="console_users_vouched"),
)

GRANTS: Final = Table(
    "console_grants",
    METADATA,
    Column("user_id", ForeignKey("console_users.id"), primary_key=True),
    Column("role", _SLUG, primary_key=True),
    Column("site", _SLUG, primary_key=True),  # * is every site
)

SIGN_INS: Final = Table(
    "console_sign_ins",
    METADATA,
    Column("id", String(64), primary_key=True),  # SHA-256 of the cookie: a stolen table opens no door
    Column("user_id", ForeignKey("console_users.id"), nullable=False),
    Column("forgery", String(64), nullable=False),  # what a form must send back
    Column("address", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("seen_at_us", BigInteger, nullable=False),
    Column("ends_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
)
Index("console_sign_ins_user", SIGN_INS.c.user_id)

ACKNOWLEDGEMENTS: Final = Table(
    "console_acknowledgements",
    METADATA,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("site", _SLUG, nullable=False),
    Column("device", _SLUG, nullable=False),
    Column("condition", _NAME, nullable=False),
    Column("occurrence", _NAME, nullable=False),  # which one: boot and since of the gateway, or the console's
    Column("account", _UUID, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("site", "device", "condition", "occurrence", name="console_acknowledged_once"),
)

NOTES: Final = Table(
    "console_notes",
    METADATA,
    Column("id", _KEY, primary_key=True, autoincrement=True),
    Column("session", _UUID, nullable=False),
    Column("site", _SLUG, nullable=False),
    Column("account", _UUID, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
)
Index("console_notes_session", NOTES.c.session, NOTES.c.id)

SCREENS: Final = Table(
    "console_screens",
    METADATA,
    Column("id", _UUID, primary_key=True),
    Column("secret", String(64), nullable=False, unique=True),  # SHA-256 of what the link carries
    Column("site", _SLUG, nullable=False),
    Column("device", _SLUG, nullable=False),
    Column("account", _UUID, nullable=False),  # who made it
    Column("name", _NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("ends_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),  # withdrawn
)
Index("console_screens_bed", SCREENS.c.site, SCREENS.c.device)

TRAIL: Final = Table(
    "console_trail",
    METADATA,
    Column("seq", _KEY, primary_key=True, autoincrement=False),  # from 1, no gap
    Column("at_us", BigInteger, nullable=False),
    Column("account", _UUID, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("address", _NAME, nullable=False),
    Column("action", _NAME, nullable=False),
    Column("site", _SLUG),
    Column("record", String(200)),
    Column("detail", Text, nullable=False),  # JSON
    Column("previous", String(64), nullable=False),  # hash of the row before
    Column("hash", String(64), nullable=False),
)
