"""The form of a programme: what it begins with, what the gates say of it, what each exercise looks like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from services.console.context import Console
from services.console.errors import BadSearch, OfficeNotFound, OfficeRefused, OfficeUnavailable
from services.console.homecare import typed
from services.console.homecare.shelf import Books
from services.console.homecare.typed import Typed, problem_of
from services.console.patients.tabs import Head
from services.console.planning.problems import Problem
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language

Row = Mapping[str, Any]
BOARD: Final = "board"
MOST_CHART: Final = 100_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One exercise of the form: the library's row, its levels in words, what the gates say."""

    row: Row
    levels: list[str]
    is_chosen: bool
    judged: Row | None = None
    reasons: list[Row] = field(default_factory=list)
    chart: str = ""

    @property
    def id(self) -> str:
        """Its code."""
        return str(self.row["id"])


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything below the finding: exercises, what is said of all of them, what hinders it."""

    exercises: list[Shown]
    decision: Row | None = None
    reasons: list[Row] = field(default_factory=list)  # of the whole programme
    problem: Problem | None = None

    @property
    def chosen(self) -> list[Shown]:
        """Those of the programme."""
        return [one for one in self.exercises if one.is_chosen]

    @property
    def others(self) -> list[Shown]:
        """What the library has for the region beside them."""
        return [one for one in self.exercises if not one.is_chosen]


async def begun(console: Console, who: Principal, about: Head, given: Mapping[str, str]) -> Typed:
    """A fresh form: of the file what it says, nothing of the finding that nobody has judged."""
    made = Typed(typed.DEFAULTS)
    made |= {
        "request": str(uuid4()), "starts_on": formats.now().date().isoformat(), "language": "de",
        "cure": given.get("cure", ""),
    }  # fmt: skip
    try:
        content = (await console.screening.ask(who, f"/patients/{about.patient}"))["content"]
    except OfficeNotFound:
        raise
    except (OfficeRefused, OfficeUnavailable):
        content = {}
    made["region"] = given.get("region") or str(content.get("region") or "lumbar")
    made["language"] = "en" if content.get("language") == "en" else "de"
    if content.get("body_weight_kg"):
        made["body_weight_kg"] = f"{content['body_weight_kg']:g}"
    made.conditions = frozenset(await known_conditions(console, who, about))
    return made


async def known_conditions(console: Console, who: Principal, about: Head) -> set[str]:
    """What screening's newest answers say yes to, by the rules' codes; nothing while it is away."""
    try:
        found = await console.screening.ask(who, f"/patients/{about.patient}/answers")
    except (OfficeRefused, OfficeUnavailable):
        return set()
    newest = {str(row["rule"]): str(row.get("answer")) for row in found["answers"]}  # oldest first
    return {rule for rule, answer in newest.items() if answer == "yes"}


async def fill(console: Console, who: Principal, about: Head, form: Typed, language: Language) -> Typed:
    """The form with the template that fits. Raises BadSearch, OfficeRefused."""
    said = await console.homecare.send(who, "POST", "/fill", typed.finding(form), query=_of(about))
    return typed.filled(form, said["wanted"], language)


def _of(about: Head) -> dict[str, str]:
    """Whose file has its word in it."""
    return {"site": about.site, "patient": str(about.patient)}


async def plan(
    console: Console, who: Principal, about: Head, books: Books, form: Typed, language: Language,
    problem: Problem | None = None,
) -> Plan:  # fmt: skip
    """What the form comes to now; ``problem``: why it is shown again, else why the gates cannot say."""
    decision: Row | None = None
    if form.exercises:
        try:
            body = typed.wanted(form)
            decision = await console.homecare.send(who, "POST", "/decide", body, query=_of(about))
        except (BadSearch, OfficeRefused) as error:
            problem = problem or problem_of(error, form, language)
    return Plan(
        [await _one(console, who, row, books, form, decision, language) for row in _rows(books, form)],
        decision, [row for row in (decision or {}).get("reasons", ()) if not row.get("exercise")], problem,
    )  # fmt: skip


def _rows(books: Books, form: Typed) -> list[Row]:
    """The region's exercises; what was chosen before the region changed stays, so that nothing is lost."""
    rows = {str(row["id"]): row for row in books.for_region(form["region"])}
    chosen = {name: books.exercises[name] for name in form.exercises if name in books.exercises}
    return list({**chosen, **rows}.values())


async def _one(
    console: Console, who: Principal, row: Row, books: Books, form: Typed, decision: Row | None,
    language: Language,
) -> Shown:  # fmt: skip
    exercise = str(row["id"])
    said = decision or {}
    judged = next((one for one in said.get("exercises", ()) if one["exercise"] == exercise), None)
    return Shown(
        row, books.levels(exercise, language), exercise in form.exercises, judged,
        [one for one in said.get("reasons", ()) if one.get("exercise") == exercise],
        await _chart(console, who, row, form, language) if judged else "",
    )  # fmt: skip


async def _chart(console: Console, who: Principal, row: Row, form: Typed, language: Language) -> str:
    """The pull over the angle of a board, as homecare draws it; nothing where there is no weight."""
    traction = row.get("traction")
    if not traction or traction["mechanics"] != BOARD:
        return ""
    try:
        weight = typed.number(form, "body_weight_kg")
        query = {
            "body_weight_kg": weight, "language": language,
            "angle_deg": _or(typed.number(form, f"angle-{row['id']}"), traction["angle_deg"]),
            "friction": _or(typed.number(form, f"friction-{row['id']}"), traction["friction"]),
        }  # fmt: skip
        return await drawing(console, who, "/dose/chart.svg", query) if weight else ""
    except (BadSearch, OfficeRefused, OfficeUnavailable):
        return ""


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


async def drawing(console: Console, who: Principal, path: str, query: Row | None = None) -> str:
    """A drawing of homecare's as SVG. Raises OfficeUnavailable, OfficeRefused."""
    async with console.homecare.file(who, path, query) as file:
        parts = [part async for part in file.parts]
    return b"".join(parts)[:MOST_CHART].decode("utf-8", "replace")
