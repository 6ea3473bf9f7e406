"""Estimates and fee agreements in the database: added, handed over, withdrawn, never changed."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Select, func, insert, select

from services.billing.charges import patients
from services.billing.errors import NotFound, said
from services.billing.estimates.models import Content, Handing, Kept, Kind
from services.billing.estimates.tables import ESTIMATE_WITHDRAWALS, ESTIMATES, HANDINGS
from services.billing.goae.numbers import tidy
from services.billing.models import cents, euro
from services.kit.language import Text

MOST: Final = 500
WORDS: Final[dict[Kind, Text]] = {
    "estimate": {"de": "Kostenvoranschlag", "en": "estimate"},
    "agreement": {"de": "Honorarvereinbarung", "en": "fee agreement"},
}


def one(connection: Connection, kind: Kind, estimate: UUID) -> Kept:
    """By its id. Raises NotFound."""
    found = _kept(connection, _all(kind).where(ESTIMATES.c.id == str(estimate)))
    if not found:
        what = WORDS[kind]
        raise said(
            NotFound,
            {"de": f"{what['de']} {estimate} gibt es nicht.", "en": f"there is no {what['en']} {estimate}"},
        )
    return found[0]


def by_request(connection: Connection, kind: Kind, request: UUID) -> Kept | None:
    """What this request made already."""
    found = _kept(connection, _all(kind).where(ESTIMATES.c.request == str(request)))
    return found[0] if found else None


def listed(connection: Connection, kind: Kind, site: str, patient: UUID | None = None) -> list[Kept]:
    """A site's, or one person's there, newest first."""
    wanted = _all(kind).where(ESTIMATES.c.site == site).order_by(ESTIMATES.c.seq.desc()).limit(MOST)
    if patient is not None:
        wanted = wanted.where(ESTIMATES.c.patient.in_(patients.files(connection, patient)))
    return _kept(connection, wanted)


def of_patients(connection: Connection, kind: Kind, site: str, files: Iterable[str]) -> list[Kept]:
    """Of these files, newest first."""
    wanted = _all(kind).where(ESTIMATES.c.site == site, ESTIMATES.c.patient.in_(list(files)))
    return _kept(connection, wanted.order_by(ESTIMATES.c.seq.desc()))


def next_version(connection: Connection, kind: Kind, site: str, patient: UUID, region: str) -> int:
    """The number of this person's next paper of the kind, for that region."""
    at = (ESTIMATES.c.patient == str(patient)) & (ESTIMATES.c.site == site)
    found = select(func.max(ESTIMATES.c.version)).where(
        at, ESTIMATES.c.kind == kind, ESTIMATES.c.region == region
    )
    return (connection.execute(found).scalar() or 0) + 1


def add(
    connection: Connection, kind: Kind, key: UUID, request: UUID, site: str, patient: UUID,
    content: Content, pdf: bytes, sha256: str, version: int, by: str, at_us: int, cure: UUID | None = None,
) -> None:  # fmt: skip
    """Keep a paper; the database refuses a version that there is (IntegrityError)."""
    plan = content.plan
    connection.execute(
        insert(ESTIMATES).values(
            id=str(key), request=str(request), kind=kind, site=site, patient=str(patient),
            cure=cure and str(cure), region=plan.region if plan else "", version=version,
            issued_on=content.issued_on, valid_until=plan and plan.valid_until,
            total_ct=plan and cents(plan.totals.expected), content=content.model_dump(mode="json"), pdf=pdf,
            sha256=sha256, by=by[:80], at_us=at_us,
        )
    )  # fmt: skip


def pdf(connection: Connection, estimate: UUID) -> bytes:
    """What is handed out, to the byte."""
    found = connection.execute(select(ESTIMATES.c.pdf).where(ESTIMATES.c.id == str(estimate))).scalar_one()
    return bytes(found)


def handed_by_request(connection: Connection, request: UUID) -> UUID | None:
    """Which paper this request said was handed over."""
    wanted = select(HANDINGS.c.estimate).where(HANDINGS.c.request == str(request))
    found = connection.execute(wanted).scalar()
    return None if found is None else UUID(found)


def hand_over(
    connection: Connection, estimate: UUID, request: UUID, handing: Handing, content: bytes | None
) -> None:
    """Keep how it came to whoever it is for, and the signed copy."""
    connection.execute(
        insert(HANDINGS).values(
            id=str(handing.id), request=str(request), estimate=str(estimate), how=handing.how,
            receiver=handing.receiver, on_date=handing.on, note=handing.note, media=handing.media,
            content=content, sha256=handing.sha256, by=handing.by[:80], at_us=handing.at_us,
        )
    )  # fmt: skip


def signed_copy(connection: Connection, estimate: UUID) -> tuple[bytes, str] | None:
    """The newest signed copy with its media type."""
    wanted = (
        select(HANDINGS.c.content, HANDINGS.c.media)
        .where(HANDINGS.c.estimate == str(estimate), HANDINGS.c.content.is_not(None))
        .order_by(HANDINGS.c.at_us.desc())
        .limit(1)
    )
    row = connection.execute(wanted).first()
    return None if row is None else (bytes(row[0]), row[1])


def withdraw(connection: Connection, estimate: UUID, reason: str, by: str, at_us: int) -> None:
    """Let it count no more; once (IntegrityError)."""
    row = {"estimate": str(estimate), "reason": reason, "by": by[:80], "at_us": at_us}
    connection.execute(insert(ESTIMATE_WITHDRAWALS).values(row))


def agreed(connection: Connection, patient: UUID, site: str, number: str, on: date) -> Decimal | None:
    """The factor that a signed agreement, made by that day, has for a number; the newest one counts.

    § 2 Abs. 2 GOÄ: before the service, in writing, signed by both.
    """
    wanted = tidy(number)
    for kept in listed(connection, "agreement", site, patient):
        if kept.withdrawn is not None or not any(
            one.how == "signed" and one.on <= on for one in kept.handings
        ):
            continue
        for clause in kept.content.clauses:
            if clause.line.line.number == wanted:
                return clause.line.line.factor
    return None


def _all(kind: Kind) -> Select[Any]:
    columns = [column for column in ESTIMATES.c if column.name != "pdf"]
    return (
        select(*columns, ESTIMATE_WITHDRAWALS.c.reason)
        .join(ESTIMATE_WITHDRAWALS, ESTIMATE_WITHDRAWALS.c.estimate == ESTIMATES.c.id, isouter=True)
        .where(ESTIMATES.c.kind == kind)
    )


def _kept(connection: Connection, wanted: Select[Any]) -> list[Kept]:
    rows = [dict(row) for row in connection.execute(wanted).mappings()]
    keys = [row["id"] for row in rows]
    handings: dict[str, list[Handing]] = {key: [] for key in keys}
    columns = [column for column in HANDINGS.c if column.name != "content"]
    found = select(*columns).where(HANDINGS.c.estimate.in_(keys)).order_by(HANDINGS.c.at_us)
    for row in connection.execute(found).mappings():
        handings[row["estimate"]].append(_handing(row))
    newer = _newer(connection, rows)
    return [_one(row, handings[row["id"]], newer.get(row["id"])) for row in rows]


def _newer(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, UUID]:
    """The next version of each that there is one of. Agreements stand beside each other."""
    estimates = [row for row in rows if row["kind"] == "estimate"]
    if not estimates:
        return {}
    columns = (ESTIMATES.c.id, ESTIMATES.c.patient, ESTIMATES.c.site, ESTIMATES.c.region, ESTIMATES.c.version)
    wanted = select(*columns).where(
        ESTIMATES.c.patient.in_({row["patient"] for row in estimates}), ESTIMATES.c.kind == "estimate"
    )
    every = {tuple(row[1:]): UUID(row[0]) for row in connection.execute(wanted)}
    following = ((row, (row["patient"], row["site"], row["region"], row["version"] + 1)) for row in estimates)
    return {row["id"]: every[key] for row, key in following if key in every}


def _one(row: dict[str, Any], handings: list[Handing], newer: UUID | None) -> Kept:
    total = row["total_ct"]
    return Kept(
        UUID(row["id"]), row["kind"], row["site"], UUID(row["patient"]), row["cure"] and UUID(row["cure"]),
        row["region"] or None, row["version"], row["issued_on"], row["valid_until"],
        None if total is None else euro(total), Content.model_validate(row["content"]), row["sha256"],
        row["by"], row["at_us"], tuple(handings), row["reason"], newer,
    )  # fmt: skip


def _handing(row: Any) -> Handing:
    return Handing(
        UUID(row["id"]), row["how"], row["receiver"], row["on_date"], row["note"], row["media"],
        row["sha256"], row["by"], row["at_us"],
    )  # fmt: skip
