"""What a site says of itself: the newest version counts, every older one stays."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from services.billing.clinics.tables import CLINICS, TARIFFS
from services.billing.goae import catalogue, tariffs
from services.billing.goae.tariffs import Tariff
from services.billing.models import Clinic
from services.kit.moments import instant_of


def clinic_of(connection: Connection, site: str) -> Clinic | None:
    """The newest version; None when the site said nothing yet."""
    row = _newest(connection, CLINICS, site)
    return None if row is None else Clinic.model_validate(row["content"])


def put_clinic(connection: Connection, site: str, clinic: Clinic, by: str, at_us: int) -> None:
    """One more version, unless it says what the newest one said."""
    if clinic_of(connection, site) != clinic:
        _add(connection, CLINICS, site, clinic.model_dump(mode="json"), by, at_us)


def versions(connection: Connection, site: str) -> list[dict[str, Any]]:
    """Every version, newest first: ``content``, ``by``, ``at_us``."""
    wanted = select(CLINICS).where(CLINICS.c.site == site).order_by(CLINICS.c.seq.desc())
    return [dict(row) for row in connection.execute(wanted).mappings()]


def every_version(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """The same of every site."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(select(CLINICS).order_by(CLINICS.c.seq.desc())).mappings():
        found.setdefault(row["site"], []).append(dict(row))
    return found


def factors_of(connection: Connection, site: str) -> dict[str, dict[str, str]]:
    """What a site set in place of a tariff's factors: by tariff, then number, section or "*"."""
    wanted = select(TARIFFS).where(TARIFFS.c.site == site).order_by(TARIFFS.c.seq)
    newest = {row["name"]: row["content"] for row in connection.execute(wanted).mappings()}
    return {name: factors for name, factors in newest.items() if factors}


def tariff_of(connection: Connection, site: str, name: str, day: date) -> Tariff:
    """A tariff with the site's factors, of the catalogue of a day. Raises Invalid for a name there is not."""
    return tariffs.named(name, catalogue.at(day), factors_of(connection, site))


def put_factors(
    connection: Connection, site: str, name: str, factors: Mapping[str, str], by: str, at_us: int
) -> None:
    """One more version of a tariff's factors; those of the program by an empty one. Raises Invalid."""
    told = {key: str(factor) for key, factor in factors.items()}
    tariffs.named(name, catalogue.at(instant_of(at_us).date()), {name: told} if told else None)
    if factors_of(connection, site).get(name, {}) != told:
        _add(connection, TARIFFS, site, told, by, at_us, name=name)


def _newest(connection: Connection, table: Table, site: str, *also: Any) -> Any:
    wanted = select(table).where(table.c.site == site, *also).order_by(table.c.seq.desc()).limit(1)
    return connection.execute(wanted).mappings().first()


def _add(
    connection: Connection, table: Table, site: str, content: Any, by: str, at_us: int, **also: str
) -> None:
    connection.execute(insert(table).values(site=site, content=content, by=by[:80], at_us=at_us, **also))
