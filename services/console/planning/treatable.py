"""May this patient be treated? Said before a cure is booked: what is against it, and what changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from services.console.context import Console
from services.console.errors import OfficeNotFound, OfficeRefused, OfficeUnavailable
from services.console.planning.wishes import REGIONS
from services.console.texts import TEXTS
from services.kit.auth.principal import Principal
from services.kit.language import Language

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule, or one thing that is missing, and what would change it."""

    text: str
    change: str = ""


@dataclass(frozen=True, slots=True)
class Treatable:
    """How it stands, as a page says it."""

    state: str  # cleared, suspended, refused, waiting
    title: str
    change: str
    path: str
    reasons: Sequence[Reason] = ()

    @classmethod
    def of(cls, care: Row, patient: str, region: str, language: Language) -> Self:
        """From what the scheduler keeps."""
        state = str(care["state"])
        words = Reason(str(care[f"text_{language}"]))
        return cls(
            state, TEXTS.get(f"treatable_{state}", TEXTS["treatable_waiting"])[language],
            str(care[f"change_{language}"]),
            f"/patients/{patient}/{'decision' if state == 'refused' else 'clearance'}?region={region}",
            [] if state == "cleared" else [words],
        )  # fmt: skip

    @property
    def is_cleared(self) -> bool:
        """Whether nothing is to be said."""
        return self.state == "cleared"

    @property
    def is_refused(self) -> bool:
        """Whether nothing may be booked."""
        return self.state == "refused"


async def treatable(
    console: Console, who: Principal, site: str, patient: str, region: str, language: Language,
    care: Row | None = None,
) -> Treatable | None:  # fmt: skip
    """How it stands with a patient and a region; the reasons in screening's words, where it may be asked.

    ``care``: what the scheduler said of it with its last answer. None where nobody knows either.
    """
    if region not in REGIONS:
        return None
    try:
        if care is None:
            query = {"site": site, "patient": patient, "region": region}
            care = await console.scheduler.ask(who, "/standing", query)
    except (OfficeNotFound, OfficeRefused):
        return None
    if care["state"] == "cleared":
        return Treatable.of(care, patient, region, language)
    return await _in_screenings_words(console, who, patient, region, care, language)


async def _in_screenings_words(
    console: Console, who: Principal, patient: str, region: str, care: Row, language: Language
) -> Treatable:
    """Screening knows the rules' texts, and a refusal before the bus has told it."""
    known = Treatable.of(care, patient, region, language)
    path = f"/patients/{patient}"
    try:
        decision = await console.screening.ask(who, f"{path}/decision", {"region": region})
        refused = [row for row in decision["reasons"] if row["kind"] == "refuses"]
        if refused:
            care = {**care, "state": "refused", **_change(language)}
            found = Treatable.of(care, patient, region, language)
            reasons = [
                Reason(str(row[f"text_{language}"]), str(row[f"change_{language}"])) for row in refused
            ]
            return _with(found, reasons)
        if known.is_refused:  # decided otherwise since: the scheduler has to be told
            return _with(known, [*known.reasons, Reason(TEXTS["treatable_anew"][language])])
        regions = (await console.screening.ask(who, f"{path}/clearances"))["regions"]
    except (OfficeNotFound, OfficeRefused, OfficeUnavailable):
        return known
    missing = [row["missing"] for row in regions if row["region"] == region]
    return _with(known, [Reason(str(row[language])) for row in (missing[0] if missing else ())])


def _change(language: Language) -> dict[str, str]:
    return {f"change_{language}": TEXTS["treatable_change"][language]}


def _with(found: Treatable, reasons: Sequence[Reason]) -> Treatable:
    return Treatable(found.state, found.title, found.change, found.path, reasons or found.reasons)
