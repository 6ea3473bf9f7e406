"""`/statistics` over the whole chain, and `/audit`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.telemetry.audit import audit
from services.telemetry.errors import ArchiveUnavailable
from services.telemetry.query import History
from services.telemetry.routes.answers import Audits, Edge, Name, Statistics, day_of
from services.telemetry.statistics import DEFAULT, GROUPS, MEASURES, MOST_GROUPS, Chain, Question, names
from services.telemetry.trail import ReadTrail
from services.telemetry.windows import moment


def add(router: APIRouter, history: History, trail: ReadTrail) -> None:
    """The routes of the chain."""
    chains: dict[int, Chain] = {}  # of the one archive, which may be opened later

    @router.get("/statistics")
    def statistics(
        reader: Statistics,
        group_by: Annotated[str, Query(max_length=200, description=", ".join(GROUPS))] = "site",
        measures: Annotated[str, Query(max_length=500, description=", ".join(MEASURES))] = ",".join(DEFAULT),
        since: Edge = None,
        until: Edge = None,
        site: Name = None,
        cursor: Annotated[str | None, Query(max_length=1000)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Archived sessions of the caller's sites in groups: one row a group, in order of the groups."""
        archive = history.archive
        if archive is None:
            raise ArchiveUnavailable("statistics are asked of the archive, and there is none here")
        chain = chains.setdefault(id(archive), Chain(archive.index))
        question = Question(
            names("group_by", group_by, tuple(GROUPS), MOST_GROUPS),
            names("measures", measures, tuple(MEASURES), len(MEASURES)),
            None if since is None else moment("since", since),
            None if until is None else moment("until", until),
            site,
            cursor,
            limit,
            reader.sites,
        )
        return trail.shown(
            reader, chain.ask(question), None, site or reader.site,
            group_by=group_by, since=day_of("since", since), until=day_of("until", until),
        )  # fmt: skip

    @router.get("/audit")
    def whole_audit(where: Audits, since: Edge = None) -> dict[str, Any]:
        """First and last seq, gaps and duplicates of every device and boot, in Redis and archive alike."""
        return audit(history, None if since is None else moment("since", since), where)
