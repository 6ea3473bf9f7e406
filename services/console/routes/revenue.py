"""Revenue by month, site or item: what was invoiced less what was cancelled, beside what came in."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from babel import dates
from fastapi import APIRouter, Query, Request, Response

from services.console.billing import bars, csv_files, periods, tabs
from services.console.billing.periods import Period
from services.console.context import Console
from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.places import offered
from services.console.planning.problems import problem_of
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of
from services.kit.routes import Routes

Owner = Annotated[Principal, allow("revenue.see")]
Field = Annotated[str, Query(max_length=100)]
KINDS: Final = ("month", "site", "item")
BOTH: Final = {"invoiced": "invoiced", "received": "received"}  # a row's amount: its bar's colour
LONGEST_NAME: Final = 18


def router(console: Console) -> APIRouter:
    """``/billing/revenue`` and its file."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/revenue")
    async def shown(
        request: Request, who: Owner, site: Field = "", by: Field = "month", period: Field = "",
        since: Annotated[Field, Query(alias="from")] = "", until: Annotated[Field, Query(alias="to")] = "",
    ) -> Response:  # fmt: skip
        """Bars and numbers."""
        language = language_of(request)
        by = by if by in KINDS else "month"
        today, problem = formats.now().date(), None
        name, span, found = period, periods.KNOWN["year"](today), None
        try:
            name, span = periods.chosen(period, since, until, today)
            found = await _asked(console, who, site, by, span)
        except (BadSearch, OfficeRefused) as refused:
            problem = refused
        return tabs.page(
            console, request, who, tabs.site_of(console, who, site, "revenue.see"), "billing/revenue.html",
            tab="revenue", status=problem.status if problem else 200, by=by, kinds=KINDS, period=name,
            problem=problem and problem_of(problem, language), periods=tuple(periods.KNOWN), chosen=site,
            since=since or span.since.isoformat(), until=until or span.until.isoformat(),
            offered=offered(console, who, "revenue.see"), it=found and _read(found, language),
            plots=_plots(found, by, language) if found else [],
        )  # fmt: skip

    @routes.get("/billing/revenue/file")
    async def as_file(
        request: Request, who: Owner, site: Field = "", by: Field = "month", period: Field = "",
        since: Annotated[Field, Query(alias="from")] = "", until: Annotated[Field, Query(alias="to")] = "",
    ) -> Response:  # fmt: skip
        """The same rows for a spreadsheet."""
        language = language_of(request)
        by = by if by in KINDS else "month"
        _, span = periods.chosen(period, since, until, formats.now().date())
        rows = _read(await _asked(console, who, site, by, span), language)["rows"]
        columns = ["key", "name", "count", "invoiced"] + (["fees", "received"] if by != "item" else [])
        head = [TEXTS[f"rev_column_{column}"][language] for column in columns]
        name = f"revenue-{site or 'all'}-{by}-{span.since}-{span.until}.csv"
        return csv_files.answer(name, head, [[row[column] for column in columns] for row in rows], language)

    return routes


async def _asked(
    console: Console, who: Principal, site: str, by: str, span: Period
) -> Mapping[str, Any]:  # fmt: skip
    asked = {"site": site, "by": by, "from": span.since.isoformat(), "to": span.until.isoformat()}
    found = await console.billing.ask(who, "/revenue", asked)
    return {**found, "rows": _every_month(found["rows"])} if by == "month" else dict(found)


def _every_month(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """With the months between the first and the last in which nothing was."""
    known = {row["key"]: row for row in rows}
    filled, month = [], date.fromisoformat(f"{min(known)}-01") if known else None
    while month is not None and f"{month:%Y-%m}" <= max(known):
        key = f"{month:%Y-%m}"
        nothing = {
            "key": key,
            "name": key,
            "invoiced": "0.00",
            "count": 0,
            "fees": "0.00",
            "received": "0.00",
        }
        filled.append(known.get(key, nothing))
        month = (month + timedelta(days=32)).replace(day=1)
    return filled


def _read(found: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """Amounts as such, names in words, and how long each row's bar is."""
    rows = [
        {
            **row, "name": _name(row, found["by"], language), "invoiced": Decimal(row["invoiced"]),
            **{name: None if row[name] is None else Decimal(row[name]) for name in ("fees", "received")},
        }
        for row in found["rows"]
    ]  # fmt: skip
    most = max((row["invoiced"] for row in rows), default=Decimal(0))
    if found["by"] == "item":
        rows.sort(key=lambda row: -row["invoiced"])
    return {
        **found, "rows": [{**row, "share": bars.share(row["invoiced"], most)} for row in rows],
        "invoiced": Decimal(found["invoiced"]),
        **{name: None if found[name] is None else Decimal(found[name]) for name in ("fees", "received")},
    }  # fmt: skip


def _plots(found: Mapping[str, Any], by: str, language: Language) -> Sequence[bars.Plot]:
    """Two bars a month or site; items have theirs in the table, where their names have room."""
    if by == "item":
        return []
    groups = bars.groups_of(found["rows"], lambda row: _short_name(row, by, language), BOTH)
    return bars.plots(groups, language)


def _name(row: Mapping[str, Any], by: str, language: Language) -> str:
    if by == "month":
        return dates.format_date(_first(row), "LLLL yyyy", formats.LOCALES[language])
    return str(row["name"])


def _short_name(row: Mapping[str, Any], by: str, language: Language) -> str:
    if by == "month":
        return dates.format_date(_first(row), "LLL yy", formats.LOCALES[language])
    return str(row["name"])[:LONGEST_NAME]


def _first(row: Mapping[str, Any]) -> date:
    return date.fromisoformat(f"{row['key']}-01")
