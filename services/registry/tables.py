"""The tables of the registry. Times are microseconds since the epoch."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Column, MetaData, Table

from services.kit.business.tables import KEY, BusinessTables

PACKAGE: Final = "services.registry"
METADATA: Final = MetaData()
TABLES: Final = BusinessTables.of(METADATA, "registry")

NAME: Final = sa.String(64)

MEMBERS: Final = Table(  # who may have certificates: gateways and integrators
    "registry_members",
    METADATA,
    Column("name", NAME, primary_key=True),
    Column("role", sa.String(20), nullable=False),
    Column("site", sa.String(40)),
    Column("devices", sa.Text(), nullable=False),  # JSON list
    Column("hosts", sa.Text(), nullable=False),  # JSON list: names of the site's broker
    Column("made_us", sa.BigInteger(), nullable=False),
    Column("ended_us", sa.BigInteger()),  # revoked
    Column("version", sa.String(40), nullable=False),  # of the gateway, as it said last
)

CODES: Final = Table(
    "registry_codes",
    METADATA,
    Column("digest", sa.String(64), primary_key=True),  # SHA-256 of the secret
    Column("member", NAME, nullable=False, index=True),
    Column("made_us", sa.BigInteger(), nullable=False),
    Column("ends_us", sa.BigInteger(), nullable=False),
    Column("used_us", sa.BigInteger()),
)

CERTIFICATES: Final = Table(  # append-only
    "registry_certificates",
    METADATA,
    Column("number", KEY, primary_key=True, autoincrement=True),
    Column("serial", sa.String(40), nullable=False, unique=True),
    Column("issuer", sa.String(64), nullable=False),  # fingerprint of the authority
    Column("name", NAME, nullable=False, index=True),  # the common name
    Column("member", NAME, index=True),  # whose machine has the key; none: a service of the centre
    Column("part", sa.String(20), nullable=False),
    Column("issued_us", sa.BigInteger(), nullable=False),
    Column("ends_us", sa.BigInteger(), nullable=False),
    Column("pem", sa.Text(), nullable=False),
)

REVOCATIONS: Final = Table(  # append-only
    "registry_revocations",
    METADATA,
    Column("serial", sa.String(40), primary_key=True),
    Column("at_us", sa.BigInteger(), nullable=False),
    Column("reason", sa.String(200), nullable=False),
)
