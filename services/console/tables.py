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

from services.kit.columns import KEY, NAME, SHA256, SLUG, UUID_TEXT, trail_columns

METADATA: Final = MetaData()

USERS: Final = Table(
    "console_users",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),  # lower case: what is typed to sign in
    Column("title", NAME, nullable=False),  # how the person is called
    Column("password", Text),  # argon2id; none: signs in by OpenID Connect only
    Column("must_change", Boolean, nullable=False),
    Column("issuer", String(300)),  # OpenID Connect: who vouches, and for whom
    Column("subject", String(300)),
    Column("pin", Text),  # argon2id of the bedside PIN
    Column("badge", SHA256),  # keyed digest of the badge's number
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
    Column("role", SLUG, primary_key=True),
    Column("site", SLUG, primary_key=True),  # * is every site
)

SIGN_INS: Final = Table(
    "console_sign_ins",
    METADATA,
    Column("id", SHA256, primary_key=True),  # SHA-256 of the cookie: a stolen table opens no door
    Column("user_id", ForeignKey("console_users.id"), nullable=False),
    Column("forgery", SHA256, nullable=False),  # what a form must send back
    Column("address", NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("seen_at_us", BigInteger, nullable=False),
    Column("ends_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),
)
Index("console_sign_ins_user", SIGN_INS.c.user_id)

ACKNOWLEDGEMENTS: Final = Table(
    "console_acknowledgements",
    METADATA,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("condition", NAME, nullable=False),
    Column("occurrence", NAME, nullable=False),  # which one: boot and since of the gateway, or the console's
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("site", "device", "condition", "occurrence", name="console_acknowledged_once"),
)

NOTES: Final = Table(
    "console_notes",
    METADATA,
    Column("id", KEY, primary_key=True, autoincrement=True),
    Column("session", UUID_TEXT, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("account", UUID_TEXT, nullable=False),
    Column("name", NAME, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
)
Index("console_notes_session", NOTES.c.session, NOTES.c.id)

SCREENS: Final = Table(
    "console_screens",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("secret", SHA256, nullable=False, unique=True),  # SHA-256 of what the link carries
    Column("site", SLUG, nullable=False),
    Column("device", SLUG, nullable=False),
    Column("account", UUID_TEXT, nullable=False),  # who made it
    Column("name", NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("ends_at_us", BigInteger, nullable=False),
    Column("ended_at_us", BigInteger),  # withdrawn
)
Index("console_screens_bed", SCREENS.c.site, SCREENS.c.device)

HANDOVERS: Final = Table(
    "console_handovers",
    METADATA,
    Column("id", UUID_TEXT, primary_key=True),
    Column("secret", SHA256, nullable=False, unique=True),  # SHA-256 of what the tablet's cookie carries
    Column("patient", UUID_TEXT, nullable=False),
    Column("region", SLUG, nullable=False),
    Column("site", SLUG, nullable=False),
    Column("account", UUID_TEXT, nullable=False),  # who handed it over
    Column("name", NAME, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("ends_at_us", BigInteger, nullable=False),
    Column("done_at_us", BigInteger),  # the last answer was sent
    Column("ended_at_us", BigInteger),  # withdrawn, or the staff has the tablet back
)
Index("console_handovers_patient", HANDOVERS.c.patient)

TRAIL: Final = Table(
    "console_trail",
    METADATA,
    *trail_columns(),
)
