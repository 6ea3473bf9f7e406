"""Reports over HTTP: who needs a call today, one programme by days, a site or the chain by figures."""

from datetime import date, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from broker.fields import Slug
from services.homecare.errors import Invalid, said
from services.homecare.programmes import course
from services.homecare.programmes.api import own
from services.homecare.programmes.states import State
from services.homecare.reminders import store as reminders
from services.homecare.reports import rows, store
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.business.service import Office
from services.kit.business.sites import here
from services.kit.database import reading
from services.kit.moments import Now
from services.kit.routes import Routes, gives

Row = dict[str, Any]
Reader = Annotated[Principal, allow("homecare.see")]
States = Annotated[list[State] | None, Query(max_length=5)]
FIRST, LAST = date(2000, 1, 1), date(2199, 12, 31)  # what a report can be of
From = Annotated[date | None, Query(alias="from", ge=FIRST, le=LAST)]
To = Annotated[date | None, Query(alias="to", ge=FIRST, le=LAST)]
BACK: Final = timedelta(days=35)  # what the overview reads of the past
MOST_DAYS: Final = 400  # of one report
USUAL: Final = timedelta(days=27)


def router(office: Office, now: Now) -> APIRouter:
    """The routes."""
    made = Routes(tags=["reports"])
    _overview(made, office, now)
    _one(made, office, now)
    _chain(made, office, now)
    return made


def _overview(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/overview")
    def overview(who: Reader, site: Slug | None = None, state: States = None) -> Row:
        """A row a programme: whether it is done, whether it hurts, who needs a call today and why.

        Without `state` those that may still change, and those with a report that nobody answered. What is not
        known is null, never zero.
        """
        _require(who, site)
        with reading(office.engine) as connection:
            ids = store.listed(connection, who.sites("homecare.see"), site, state or ())
            found = rows.overview(store.cases(connection, ids, now(), now().date() - BACK))
        office.seen(who, "overview.seen", None, site, count=len(found))
        return {"at": now(), "site": site, "rows": found, "note": rows.NOTE}


def _one(router: APIRouter, office: Office, now: Now) -> None:
    @router.get("/programmes/{programme}/report")
    def report(who: Reader, programme: UUID, since: From = None, until: To = None) -> Row:
        """Each day: done, nothing, missing (nothing heard since), closed; pain; the exercises' levels."""
        found = own(office, who, "homecare.see", programme)
        with reading(office.engine) as connection:
            (case,) = store.cases(connection, [str(programme)], now())
            first = since or case.past.first
            last = until or max(
                first, min(case.past.last, case.today, first + (MOST_DAYS - 1) * timedelta(1))
            )
            _require_span(first, last)
            levels = course.of(connection, case.programme, case.today)
            sent = reminders.of_programme(connection, programme, first, last)
            made = rows.one(case, levels, first, last) | {"reminders": [dict(row) for row in sent]}
        office.seen(who, "report.seen", str(found.patient), found.site, programme=str(programme))
        return made


def _chain(router: APIRouter, office: Office, now: Now) -> None:
    def figures(who: Principal, site: str | None, since: date | None, until: date | None) -> Row:
        _require(who, site)
        with reading(office.engine) as connection:
            last = until or store.today(connection, now(), site) - timedelta(days=1)  # what is over
            first = since or last - USUAL
            _require_span(first, last)
            ids = store.between(connection, who.sites("homecare.see"), site, first, last)
            made = rows.chain(store.cases(connection, ids, now(), first), first, last)
        office.seen(who, "figures.seen", None, site, first=str(first), last=str(last))
        return {"at": now(), "site": site, **made}

    @router.get("/report")
    def report(who: Reader, site: Slug | None = None, since: From = None, until: To = None) -> Row:
        """By site: programmes, adherence (median, quartiles), pain, what was completed, what is missing."""
        return figures(who, site, since, until)

    @router.get("/report.csv", **gives("text/csv"))
    def report_csv(who: Reader, site: Slug | None = None, since: From = None, until: To = None) -> Response:
        """The same, a line a figure; what is not known is empty."""
        found = figures(who, site, since, until)
        name = f"home-programmes-{found['from']}-{found['to']}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(rows.as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)


def _require(who: Principal, site: str | None) -> None:
    if site is not None:
        here(who, "homecare.see", site)


def _require_span(first: date, last: date) -> None:
    """Raises Invalid."""
    count = (last - first).days + 1
    if 1 <= count <= MOST_DAYS:
        return
    raise said(
        Invalid,
        {"de": f"Von {first} bis {last} sind {count} Tage: 1 bis {MOST_DAYS} sind möglich (docs/homecare.md)",
         "en": f"from {first} to {last} are {count} days: 1 to {MOST_DAYS} are possible (docs/homecare.md)"},
    )  # fmt: skip
