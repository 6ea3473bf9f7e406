"""Telemetry's own audit trail, who read from it past the console: asked of it over HTTP, page by page."""

from typing import Final

from services.console.archive import Archive
from services.kit.auth.principal import Principal
from services.kit.trail import Entry
from services.kit.trail_pages import LONGEST, Page, Wanted

PATH: Final = "/trail"


async def read(
    archive: Archive, who: Principal, asked: Wanted, *, before: int | None = None, after: int | None = None
) -> Page:
    """One page of its rows, as ``trail_pages.read`` gives one of ours.

    Raises HistoryUnavailable, HistoryRefused.
    """
    texts = {"who": asked.who, "action": asked.action, "record": asked.record, "site": asked.site}
    query = {
        **{name: text[:LONGEST] for name, text in texts.items()},
        "first": asked.first_day, "last": asked.last_day, "before": before, "after": after,
    }  # fmt: skip
    body = await archive.ask(who, PATH, query)
    return Page([Entry(**row) for row in body["rows"]], body["older"], body["newer"])
