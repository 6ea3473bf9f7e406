"""What is owed at a site: the longest overdue first, how old it is, and the same as a file."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from services.console.billing import csv_files, open_items, tabs
from services.console.billing.open_items import AGES
from services.console.context import Console
from services.console.texts import TEXTS
from services.kit.auth.guard import allow
from services.kit.auth.principal import Principal
from services.kit.pages import language_of
from services.kit.routes import Routes

Reader = Annotated[Principal, allow("billing.see")]
Field = Annotated[str, Query(max_length=100)]
COLUMNS: Final = (  # of the file: text's id, the row's name
    ("inv_number", "number"), ("pay_payer", "recipient"), ("oi_issued_on", "issued_on"),
    ("oi_due_on", "due_on"), ("oi_overdue_days", "overdue_days"), ("pay_total", "total"),
    ("pay_paid", "paid"), ("pay_open", "open"), ("oi_step", "reminded"), ("pay_fees_open", "open_fees"),
)  # fmt: skip


def router(console: Console) -> APIRouter:
    """``/billing/open-items`` and its file."""
    routes = Routes(include_in_schema=False)

    @routes.get("/billing/open-items")
    async def shown(
        request: Request, who: Reader, site: Field = "", q: Field = "", age: Field = ""
    ) -> Response:
        """Open invoices, their sums and ages."""
        place = tabs.site_of(console, who, site)
        language = language_of(request)
        found = await console.billing.ask(who, "/open-items", {"site": place})
        on = date.fromisoformat(found["on"])
        rows = open_items.read(found["items"], on)
        sums = open_items.sums(rows)
        age = age if age in {one.id for one in AGES} else ""
        shown_rows = open_items.narrowed(rows, q, age)
        return tabs.page(
            console, request, who, place, "billing/open_items.html", tab="open-items", rows=shown_rows,
            on=on, sums=sums, plots=open_items.plots(sums, language), q=q,
            age=age, names={one.id: open_items.age_name(one, language) for one in AGES},
            open=sum(row["open"] for row in rows), here_open=sum(row["open"] for row in shown_rows),
            overdue=sum(one.amount for one in sums[1:]), kept=(("q", q), ("age", age)), count=len(rows),
        )  # fmt: skip

    @routes.get("/billing/open-items/file")
    async def as_file(
        request: Request, who: Reader, site: Field = "", q: Field = "", age: Field = ""
    ) -> Response:
        """The same rows for a spreadsheet."""
        place = tabs.site_of(console, who, site)
        language = language_of(request)
        found = await console.billing.ask(who, "/open-items", {"site": place})
        rows = open_items.narrowed(open_items.read(found["items"], date.fromisoformat(found["on"])), q, age)
        head = [TEXTS[text][language] for text, _ in COLUMNS]
        name = f"open-items-{place}-{found['on']}.csv"
        return csv_files.answer(name, head, [_cells(row) for row in rows], language)

    return routes


def _cells(row: open_items.Row) -> Sequence[Any]:
    return [row[name].isoformat() if isinstance(row[name], date) else row[name] for _, name in COLUMNS]
