"""What is asked of the whole index at once, however many boots it has: audit, statistics, devices."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from services.kit.auth.principal import Sites
from services.telemetry.archive.index import Index
from services.telemetry.archive.rows import Marks, Span, source_of, spans_of
from services.telemetry.archive.tables import BOOTS, GAPS, OBJECTS, SESSIONS, TOMBSTONES
from services.telemetry.models import KINDS, Gap, Kind, Source

SpansByKind = dict[Kind, list[Span]]
PAGE: Final = 10_000  # rows fetched at once


def all_spans(index: Index, since_us: int | None = None, sites: Sites = None) -> dict[Source, SpansByKind]:
    """Every boot's stretches in the order in which they were archived, what has expired included.

    Only those that end after ``since_us``, and of these sites; every boot of theirs is named all the same.
    """
    found: dict[Source, SpansByKind] = {}
    with index.read() as connection:
        boots = {
            row["id"]: source_of(row)
            for row in connection.execute(select(BOOTS).where(*_of(sites))).mappings()
        }
        for table, order in ((TOMBSTONES, TOMBSTONES.c.started_at_us), (OBJECTS, OBJECTS.c.id)):
            query = select(table.c.boot_id, table.c.spans).order_by(order)
            if sites is not None:
                query = query.join(BOOTS).where(*_of(sites))
            if since_us is not None:
                query = query.where(table.c.ended_at_us >= since_us)
            for boot_id, text in connection.execute(query.execution_options(yield_per=PAGE)):
                known = found.setdefault(boots[boot_id], {kind: [] for kind in KINDS})
                for kind, spans in spans_of(text).items():
                    known[kind] += spans
    return {source: found.get(source, {kind: [] for kind in KINDS}) for source in boots.values()}


def reached_before(index: Index, since_us: int, sites: Sites = None) -> dict[Source, Marks]:
    """How far the objects of each boot of these sites reach that end before then."""
    furthest = [func.max(OBJECTS.c[f"{kind}_after"]).label(f"{kind}_reached") for kind in KINDS]
    query = select(BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot, *furthest).join(OBJECTS)
    query = query.where(OBJECTS.c.ended_at_us < since_us, *_of(sites)).group_by(BOOTS.c.id)
    with index.read() as connection:
        rows = connection.execute(query).mappings().all()
    return {source_of(row): {kind: row[f"{kind}_reached"] or 0 for kind in KINDS} for row in rows}


def all_gaps(index: Index, sites: Sites = None) -> dict[Source, list[Gap]]:
    """The numbers of every boot of these sites that are known to come never, as far as the archive goes."""
    query = select(GAPS, BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot).join(BOOTS).where(*_of(sites))
    found: dict[Source, list[Gap]] = {}
    with index.read() as connection:
        for row in connection.execute(query.order_by(GAPS.c.kind, GAPS.c.first)).mappings():
            source = source_of(row)
            gap = Gap(row["kind"], source, row["first"], row["after"], row["reason"])
            found.setdefault(source, []).append(gap)
    return found


def _of(sites: Sites) -> list[ColumnElement[bool]]:
    return [] if sites is None else [BOOTS.c.site.in_(sorted(sites))]


def ends(index: Index) -> dict[Source, int]:
    """The seq behind every boot's last archived sample; a device's oldest boot first."""
    query = select(BOOTS.c.site, BOOTS.c.device, BOOTS.c.boot, BOOTS.c.tension_after).order_by(BOOTS.c.id)
    with index.read() as connection:
        return {source_of(row): row["tension_after"] for row in connection.execute(query).mappings()}


def session_texts(index: Index, since_us: int) -> Iterator[list[tuple[Any, ...]]]:
    """Pages of (id, site, device, cure, patient, region, segment, started_at_us, ended_by, summary,
    statistics), the last two as JSON texts, of the sessions archived since then.
    """
    wanted = ("id", "site", "device", "cure", "patient", "region", "segment", "started_at_us", "ended_by",
              "summary", "statistics")  # fmt: skip
    query = select(*(SESSIONS.c[name] for name in wanted)).where(SESSIONS.c.archived_at_us >= since_us)
    with index.read() as connection:
        found = connection.execution_options(yield_per=PAGE).execute(query)
        for page in found.partitions():
            yield [tuple(row) for row in page]


def newest_session_us(index: Index) -> int:
    """When the last session was archived; 0 before the first."""
    with index.read() as connection:
        return connection.execute(select(func.max(SESSIONS.c.archived_at_us))).scalar_one() or 0
