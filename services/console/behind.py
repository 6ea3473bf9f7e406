"""The services behind a bed's page: whether telemetry and the bedside panel answer, and the last sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from services.console import present
from services.console.archive import Archive
from services.console.detail import Health, Row
from services.console.errors import HistoryRefused, HistoryUnavailable
from services.console.models import STALE_S, Key
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.connections import verification
from services.kit.pages import Language
from services.kit.words import reason

PANEL_S: Final = 2.0
STORED_OLD_S: Final = 10.0
SAID_CHARACTERS: Final = 160


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks on behalf of one reader about one bed."""

    archive: Archive
    caller: Principal
    key: Key
    language: Language

    async def telemetry(self) -> Row | None:
        """How old the newest stored sample is; None for who may not ask."""
        if not self.caller.may("samples.see", self.key.site):
            return None
        try:
            state = await self.archive.ask(
                self.caller, f"/devices/{self.key.device}/state", {"site": self.key.site}
            )
        except HistoryUnavailable as error:
            return self._row(
                "telemetry", "bad", "telemetry_away", detail=error.words[self.language][:SAID_CHARACTERS]
            )
        except HistoryRefused:
            return self._row("telemetry", "unknown", "telemetry_nothing")
        age_s = state.get("age_s")
        if age_s is None:
            return self._row("telemetry", "unknown", "telemetry_nothing")
        health: Health = "good" if age_s <= STORED_OLD_S else "warn"
        text = "telemetry_good" if age_s <= STALE_S else "telemetry_old"
        return self._row("telemetry", health, text, age=present.duration(max(age_s, 0.0), self.language))

    async def panel(self, address: str | None) -> Row:
        """Whether the panel at the bed answers and says that it is ready."""
        if not address:
            return self._row("panel", "unknown", "panel_none")
        parts = urlsplit(address)
        try:
            async with httpx.AsyncClient(timeout=PANEL_S, trust_env=False, verify=verification()) as client:
                answer = await client.get(f"{parts.scheme}://{parts.netloc}/readyz")
            detail = str(answer.json().get("detail", ""))
        except (httpx.HTTPError, ValueError, AttributeError):
            return self._row("panel", "bad", "panel_away")
        if answer.is_success:
            return self._row("panel", "good", "panel_good")
        return self._row("panel", "warn", "panel_unwell", detail=detail[:SAID_CHARACTERS])

    def screens(self, count: int) -> Row:
        """How many screens show the patient's view of this bed."""
        if count == 0:
            return self._row("screens", "unknown", "screens_none")
        return self._row("screens", "good", "screens_some", count=count)

    def _row(self, name: str, health: Health, text: str, **values: object) -> Row:
        return {
            "id": name,
            "label": TEXTS[f"part_{name}"][self.language],
            "health": health,
            "spoken": TEXTS[f"health_{health}"][self.language],
            "text": TEXTS[text][self.language].format(**values),
        }


def session_row(row: dict[str, Any], language: Language) -> dict[str, str]:
    """One past or running session in a line."""
    started = formats.local(datetime.fromisoformat(row["started_at"]))
    summary = row.get("summary") or {}
    state = row["state"] if f"ran_{row['state']}" in TEXTS else "lost"
    return {
        "id": row["session"],
        "href": f"/sessions/{row['session']}",
        "date": formats.day(started, language),
        "time": started.strftime("%H:%M"),
        "state": row["state"],
        "text": TEXTS[f"ran_{state}"][language],
        "reason": reason(summary["reason"], language) if summary and state == "aborted" else "",
        "traction": present.clock(summary["traction_s"]) if summary else present.BLANK,
        "peak": f"{present.newtons(summary['peak_n'])} N" if summary else present.BLANK,
        "guardings": str(summary["guardings"]) if summary else present.BLANK,
    }
