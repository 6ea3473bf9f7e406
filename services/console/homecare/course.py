"""What one programme's page shows: exercises as they stand today, 28 days, the diary, open pain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from services.console.context import Console
from services.console.errors import OfficeRefused, OfficeUnavailable
from services.console.homecare import reading
from services.console.homecare.shelf import Books, dose
from services.console.outcomes import drawing
from services.console.outcomes.drawing import Plot, Series
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language

Row = Mapping[str, Any]
DAYS: Final = 28
NOTABLE_NRS: Final = 4  # the usual limit of a programme: pain above it is marked in a strip of days
MOST_DIARY: Final = 60  # days of the diary on the page


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise as it stands today."""

    id: str
    name: str
    judged: Row
    status: str
    level: int
    levels: int
    dose: str
    signed: int
    reasons: list[Row]

    @property
    def is_signable(self) -> bool:
        """Whether a session beside a therapist is to be signed of it."""
        if self.status in ("off", "refused"):
            return False
        return self.waits > 0 or self.judged["verdict"] in ("supervised", "centre")

    @property
    def waits(self) -> int:
        """Sessions that are still to be signed before it opens at home."""
        return max(0, int(self.judged["supervised_sessions"]) - self.signed)


@dataclass(frozen=True, slots=True)
class Course:
    """Everything beside the programme itself."""

    exercises: list[Exercise]
    reasons: list[Row]
    open_pains: list[Row]
    diary: list[Row]
    report: Row | None  # of the last days; none while it cannot be had
    strip: list[Row]
    pain_plots: Sequence[Plot]


async def of(console: Console, who: Principal, it: Row, books: Books, language: Language) -> Course:
    """Read what there is; what cannot be had is missing, and the page says so."""
    today = formats.now().date()
    asked = {"from": (today - timedelta(days=DAYS - 1)).isoformat(), "to": today.isoformat()}
    path = f"/programmes/{it['id']}"
    report = reading.read(await _asked(console, who, f"{path}/report", asked))
    pains = await _asked(console, who, "/pains", {"site": it["site"], "open": "true"}) or {"pains": []}
    diary = reading.read(await _asked(console, who, f"{path}/diary")) or {"entries": []}
    days = list(report["days"]) if report else []
    return Course(
        [_exercise(item, it, books, language) for item in it["today"]["items"]],
        [one for one in it["decision"]["reasons"] if not one.get("exercise")],
        [pain(row, books, language) for row in pains["pains"] if row["programme"] == it["id"]],
        _by_day(diary["entries"], books, language), report, strip(days),
        pain_plots(days, report["pain_limit_nrs"], language) if report else [],
    )  # fmt: skip


async def _asked(console: Console, who: Principal, path: str, query: Row | None = None) -> Any:
    """What there is at a path; none while homecare cannot say it."""
    try:
        return await console.homecare.ask(who, path, query)
    except (OfficeRefused, OfficeUnavailable):
        return None


def _exercise(item: Row, it: Row, books: Books, language: Language) -> Exercise:
    name = item["exercise"]
    judged = next(one for one in it["decision"]["exercises"] if one["exercise"] == name)
    return Exercise(
        name, books.name(name, language), judged, item["status"], item["level"] + 1,
        judged["ceiling_level"] + 1, dose(item, language), item["signed"],
        [one for one in it["decision"]["reasons"] if one.get("exercise") == name],
    )  # fmt: skip


def pain(row: Row, books: Books, language: Language) -> dict[str, Any]:
    """A report of pain in words."""
    read: dict[str, Any] = reading.read(dict(row))
    return {
        **read, "name": books.name(read["exercise"], language),
        "place": reading.said(read["where"]["words"], language),
        "signs": [reading.said(one["words"], language) for one in read["signs"]],
    }  # fmt: skip


def strip(days: Sequence[Row]) -> list[Row]:
    """Each day as a strip draws it; a day that is not over and has nothing yet says nothing."""
    return [
        {
            "day": one["day"],
            "status": "outside" if one["status"] == "missing" and not one["is_over"] else one["status"],
            "has_pain": (one["pain"]["most"] or 0) > NOTABLE_NRS,
        }
        for one in days
    ]  # fmt: skip


def pain_plots(days: Sequence[Row], limit: int, language: Language) -> list[Plot]:
    """The worst pain that was said of each day; a day on which nobody said any has no point."""
    values = [one["pain"]["most"] for one in days]
    if not any(value is not None for value in values):
        return []
    words = [_short(one["day"], language) for one in days]
    lines = (Series("pain-before", values),)
    return [Plot(width, 0.0, 10.0, 2.0, words, lines, float(limit)) for width in drawing.WIDTHS]


def _short(day: date, language: Language) -> str:
    shown = formats.day(day, language)
    return shown[:6] if language == "de" else shown.rpartition(" ")[0]


def _by_day(entries: Sequence[Row], books: Books, language: Language) -> list[Row]:
    """The diary, the newest day first: what was done, felt and marked."""
    found: dict[date, list[Row]] = {}
    for row in entries:
        name = books.name(row["exercise"], language)
        marks = [reading.said(one["words"], language) for one in row["marks"]]
        found.setdefault(row["day"], []).append({**row, "name": name, "said_marks": marks})
    days = sorted(found, reverse=True)[:MOST_DIARY]
    return [{"day": day, "entries": sorted(found[day], key=_told)} for day in days]


def _told(row: Row) -> tuple[datetime, bool]:
    """When it was; what was told at once stands after what it is about."""
    return row["at"], row["kind"] != "exercise"
