"""What the registry tells whoever watches it: the age of revocation lists, renewals that fail."""

import time
from collections.abc import Iterator
from typing import Final

from cryptography import x509
from sqlalchemy import Connection, func, select

from services.kit.metrics import Row
from services.registry.desk import Desk
from services.registry.files import CRL
from services.registry.tables import CERTIFICATES, MEMBERS

SOON_S: Final = 14 * 86_400
END: Final = "-----END X509 CRL-----\n"


def figures(desk: Desk, connection: Connection) -> Iterator[Row]:
    """One file and one query."""
    if (age_s := _crl_age_s(desk)) is not None:
        yield "spondyl_crl_age_seconds", (), age_s
    newest = (
        select(func.max(CERTIFICATES.c.ends_us).label("ends_us"))
        .join(MEMBERS, MEMBERS.c.name == CERTIFICATES.c.member)
        .where(MEMBERS.c.ended_us.is_(None))
        .group_by(CERTIFICATES.c.member, CERTIFICATES.c.part)
        .subquery()
    )
    soon_us = round((desk.now().timestamp() + SOON_S) * 1e6)
    ending = select(func.count()).where(newest.c.ends_us < soon_us)
    yield "spondyl_registry_certificates_ending", (), connection.execute(ending).scalar_one()


def _crl_age_s(desk: Desk) -> float | None:
    """Of the oldest list in the broker's file; None while there is none."""
    try:
        parts = (desk.settings.centre / CRL).read_text(encoding="ascii").split(END)[:-1]
        lists = [x509.load_pem_x509_crl((part + END).encode()) for part in parts]
    except (OSError, ValueError):
        return None
    return max((time.time() - one.last_update_utc.timestamp() for one in lists), default=None)
