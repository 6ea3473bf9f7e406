"""The frame of every page about one patient: who it is, and the tabs; a room adds a row to TABS.

    return await tabs.page(console, request, who, patient, "outcomes/course.html", tab="outcomes", rows=rows)

The template extends `patients/frame.html` and fills its block `room`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from fastapi import Request, Response

from services.console import navigation
from services.console.context import Console
from services.console.errors import OfficeNotFound
from services.console.navigation import Tab
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language
from services.kit.pages import language_of

TABS: Final = (
    Tab("file", "tab_file", "", "patients.see"),
    Tab("findings", "tab_findings", "/findings", "patients.see"),
    Tab("questionnaire", "tab_questionnaire", "/questionnaire", "screening.answer"),
    Tab("decision", "tab_decision", "/decision", "patients.see"),
    Tab("consent", "tab_consent", "/consent", "patients.see"),
    Tab("history", "tab_history", "/versions", "patients.see"),
    Tab("clearance", "tab_clearance", "/clearance", "patients.see"),
    Tab("outcomes", "tab_outcomes", "/outcomes", "outcomes.see"),
    Tab("homecare", "tab_homecare", "/homecare", "homecare.see"),
    Tab("costs", "tab_costs", "/costs", "billing.see"),
)


@dataclass(frozen=True, slots=True)
class Head:
    """Who a page is about."""

    patient: UUID
    site: str
    family_name: str
    given_name: str
    birth_date: date

    @property
    def name(self) -> str:
        """``Mustermann, Erika``."""
        return f"{self.family_name}, {self.given_name}"

    @property
    def path(self) -> str:
        """The file's own page."""
        return f"/patients/{self.patient}"

    @property
    def age(self) -> int:
        """Full years today."""
        today, born = formats.now().date(), self.birth_date
        return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def head_of(row: dict[str, Any]) -> Head:
    """The head of what screening answers about a file or a line of a list."""
    said = row.get("content") or row
    return Head(
        UUID(row["patient"]), row["site"], said["family_name"], said["given_name"],
        date.fromisoformat(said["birth_date"]),
    )  # fmt: skip


async def head(console: Console, who: Principal, patient: str) -> Head:
    """Who it is; from here on times are by their site's clock. Raises OfficeNotFound, OfficeUnavailable."""
    return here(console, head_of(await console.screening.ask(who, f"/patients/{known_id(patient)}/head")))


def here(console: Console, about: Head) -> Head:
    """The same one: what this request shows and reads from here on is by the clock of their site."""
    console.at(about.site)
    return about


def known_id(text: str) -> UUID:
    """The id in a page's address. Raises OfficeNotFound, as for one that nobody has."""
    try:
        return UUID(text)
    except ValueError:
        shown = text[:40]
        words = {
            language: TEXTS["patient_unknown"][language].format(value=shown) for language in ("de", "en")
        }
        raise OfficeNotFound(words["en"], 404, words, {}) from None  # type: ignore[arg-type]


def shown(console_app: Any, who: Principal, about: Head, language: Language) -> list[tuple[str, str, str]]:
    """The tabs whose page exists and which this reader may open at the patient's site: id, text, path."""
    return [
        (tab.id, TEXTS[tab.text][language], about.path + tab.path)
        for tab in TABS
        if who.may(tab.permission, about.site) and navigation.exists(console_app, about.path + tab.path)
    ]


async def page(
    console: Console, request: Request, who: Principal, patient: str, template: str, *, tab: str,
    status: int = 200, about: Head | None = None, **context: Any,
) -> Response:  # fmt: skip
    """A page in the patient's frame; ``about`` spares the question who it is."""
    about = here(console, about) if about else await head(console, who, patient)
    language = language_of(request)
    tabs = shown(request.app, who, about, language)
    title = next((text for id_, text, _ in tabs if id_ == tab), TEXTS["tab_file"][language])
    context.setdefault("title", f"{about.name}: {title}")
    return console.page(
        request, template, status=status, page="patients", about=about, tabs=tabs, tab=tab,
        clock=console.clock_of(about.site), **context,
    )  # fmt: skip
