"""Audit trails of services, asked of them page by page: telemetry's, who read from it past the console,
billing's and homecare's.
"""

from typing import Any, Final, Protocol

from services.kit.auth.principal import Principal
from services.kit.trail import Entry
from services.kit.trail_pages import LONGEST, Page, Wanted

PATH: Final = "/trail"


class Service(Protocol):
    """Whom the trail is asked of."""

    async def ask(self, caller: Principal, path: str, query: dict[str, Any] | None = None, /) -> Any:
        """The JSON at a path."""


async def read(
    service: Service, who: Principal, asked: Wanted, *, before: int | None = None, after: int | None = None
) -> Page:
    """One page of its rows, as ``trail_pages.read`` gives one of ours.

    Raises HistoryUnavailable, HistoryRefused; of billing OfficeUnavailable, OfficeRefused.
    """
    texts = {"who": asked.who, "action": asked.action, "record": asked.record, "site": asked.site}
    query = {
        **{name: text[:LONGEST] for name, text in texts.items()},
        "first": asked.first_day, "last": asked.last_day, "before": before, "after": after,
    }  # fmt: skip
    body = await service.ask(who, PATH, query)
    return Page([Entry(**row) for row in body["rows"]], body["older"], body["newer"])
