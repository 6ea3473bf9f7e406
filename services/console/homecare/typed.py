"""What somebody types into the form of a programme, as homecare wants it; a refusal names its field."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from starlette.datastructures import FormData

from services.console.billing import typed
from services.console.errors import BadSearch, OfficeRefused
from services.console.homecare.shelf import Books
from services.console.planning.problems import Problem
from services.console.sessions.asking import refusal
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.language import Language

REGIONS: Final = ("lumbar", "thoracic", "cervical")
STAGES: Final = ("acute", "subacute", "chronic", "remission")
HERNIAS: Final = ("none", "bulge", "protrusion", "extrusion", "sequestrum")
SIZES: Final = ("slight", "moderate", "large")
CAPS: Final = ("weeks", "days_per_week", "minutes_per_day", "minutes_per_week", "pain_limit_nrs")
MAY_BE_EMPTY: Final = ("minutes_per_week",)
LEVELS: Final = ("start", "ceiling")
PULLS: Final = {"angle": "angle_deg", "friction": "friction", "most": "most_n"}
USE: Final = "use-"
TICKED: Final = "yes"
LONGEST: Final = 1000
MOST_FIELDS: Final = 400  # of an honest form: some thirty exercises with six fields each
DEFAULTS: Final = {
    "weeks": "6", "days_per_week": "5", "minutes_per_day": "20", "pain_limit_nrs": "4",
}  # fmt: skip

Row = Mapping[str, Any]


class Typed(dict[str, str]):
    """The form's fields; one that nobody filled in is empty. ``conditions``: codes that were ticked."""

    conditions: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()

    def __missing__(self, _name: str) -> str:
        return ""

    @property
    def exercises(self) -> list[str]:
        """Those that were chosen, in their order on the page."""
        return [name.removeprefix(USE) for name in self if name.startswith(USE)]

    @property
    def has_finding(self) -> bool:
        """Whether there is enough for a template."""
        return all(self[name] for name in ("region", "stage", "hernia"))


def of(form: FormData) -> Typed:
    """Every field as text."""
    made = Typed({name: value[:LONGEST] for name, value in form.items() if isinstance(value, str)})
    made.conditions = _ticked(form, "condition")
    made.again = _ticked(form, "again")
    return made


def _ticked(form: FormData, name: str) -> frozenset[str]:
    return frozenset(str(one)[:60] for one in form.getlist(name) if isinstance(one, str))


def finding(form: Typed) -> dict[str, Any]:
    """What a template is looked for by. Raises BadSearch at the field."""
    for name, choices in (("region", REGIONS), ("stage", STAGES), ("hernia", HERNIAS)):
        require(form, name, choices)
    if form["hernia"] != "none":
        require(form, "size", SIZES)
    return {
        "region": form["region"], "stage": form["stage"], "hernia": form["hernia"],
        "size": form["size"] if form["hernia"] != "none" else None,
        "body_weight_kg": number(form, "body_weight_kg"), "conditions": sorted(form.conditions),
        "starts_on": typed.day(form["starts_on"], "starts_on").isoformat(),
    }  # fmt: skip


def wanted(form: Typed) -> dict[str, Any]:
    """The whole programme. Raises BadSearch at the field."""
    body = finding(form)
    for name in CAPS:
        if form[name] or name not in MAY_BE_EMPTY:
            body[name] = whole(form, name)
    body["exercises"] = [_chosen(form, exercise) for exercise in form.exercises]
    if not body["exercises"]:
        raise refusal("home_no_exercise", "exercises")
    body["note"] = form["note"].strip()
    body["reminders"] = form["reminders"] == TICKED
    if form["template"]:
        body["template"] = form["template"]
    return body


def _chosen(form: Typed, exercise: str) -> dict[str, Any]:
    levels = {f"{name}_level": whole(form, f"{name}-{exercise}", least=1) - 1 for name in LEVELS}
    if levels["start_level"] > levels["ceiling_level"]:
        raise refusal(
            "home_start_above", f"start-{exercise}", start=str(levels["start_level"] + 1),
            ceiling=str(levels["ceiling_level"] + 1),
        )  # fmt: skip
    pulls = {body: number(form, f"{name}-{exercise}") for name, body in PULLS.items()}
    return {"exercise": exercise, **levels, **{name: it for name, it in pulls.items() if it is not None}}


def filled(form: Typed, said: Row, language: Language) -> Typed:
    """The form with what a template (or a version) says instead of what stood there."""
    kept = {name: value for name, value in form.items() if "-" not in name}
    made = Typed(kept | fields(said, language))
    made.conditions = frozenset(said.get("conditions") or ())
    made.again = form.again
    return made


def fields(said: Row, language: Language) -> dict[str, str]:
    """What homecare calls a programme, as the form's fields."""
    names = ("region", "stage", "hernia", "size", "starts_on", "template", "note", *CAPS)
    found = {name: str(said[name]) for name in names if said.get(name) is not None}
    if said.get("body_weight_kg") is not None:
        found["body_weight_kg"] = decimal(said["body_weight_kg"], language)
    if said.get("reminders"):
        found["reminders"] = TICKED
    for row in said.get("exercises") or ():
        exercise = row["exercise"]
        found[USE + exercise] = TICKED
        found |= {f"{name}-{exercise}": str(row[f"{name}_level"] + 1) for name in LEVELS}
        for name, body in PULLS.items():
            if row.get(body) is not None:
                found[f"{name}-{exercise}"] = decimal(row[body], language)
    return found


def decimal(value: float, language: Language) -> str:
    """A number as a field has it, without zeros that say nothing."""
    shown = f"{value:g}"
    return shown.replace(".", ",") if language == "de" else shown


def require(form: Typed, name: str, choices: Collection[str]) -> None:
    """Raise BadSearch unless the field has one of these."""
    if form[name] not in choices:
        raise refusal("out_needed", name)


def number(form: Typed, name: str) -> float | None:
    """A number in either language's writing, none where nothing was typed. Raises BadSearch."""
    text = form[name].strip()
    if not text:
        return None
    try:
        found = float(text[:20].replace(",", "."))
    except ValueError:
        found = float("nan")
    if not abs(found) < 1e6:  # noqa: PLR2004  (NaN, infinity, and what no scale has)
        raise refusal("home_no_number", name, value=text[:20])
    return found


def whole(form: Typed, name: str, least: int = 0) -> int:
    """A whole number. Raises BadSearch."""
    text = form[name].strip()
    if not (text.isascii() and text.isdigit() and len(text) < 5 and int(text) >= least):  # noqa: PLR2004  (digits)
        raise refusal("out_no_number", name, value=text[:20] or formats.NOTHING)
    return int(text)


def problem_of(error: BadSearch | OfficeRefused, form: Typed, language: Language) -> Problem:
    """A refusal as the page shows it: at each field that homecare names."""
    if isinstance(error, BadSearch):
        return Problem(error.status, error.words[language], error.field)
    rows: Iterable[Row] = error.body.get("errors") or ()  # type: ignore[assignment]  # (a problem's body)
    at = {_field(str(row.get("field", "")), form) for row in rows} - {""}
    own = str(error.body.get("field") or "")
    words = dict.fromkeys(sorted(at | ({own} if own else set())), error.words[language])
    return Problem(error.status, error.words[language], next(iter(words), ""), fields=words)


def _field(path: str, form: Typed) -> str:
    """``body.wanted.exercises.2.ceiling_level`` as this page's field."""
    parts = path.split(".")
    if "exercises" not in parts:
        return parts[-1]
    after = parts[parts.index("exercises") + 1 :]
    names = {**{f"{name}_level": name for name in LEVELS}, **{body: name for name, body in PULLS.items()}}
    chosen = form.exercises
    at = int(after[0]) if after and after[0].isdigit() else len(chosen)
    if at < len(chosen) and after[-1] in names:
        return f"{names[after[-1]]}-{chosen[at]}"
    return "exercises"


def choices(names: Iterable[str], prefix: str, language: Language) -> list[tuple[str, str]]:
    """Codes with their words, for a field."""
    return [(name, TEXTS[f"{prefix}{name}"][language]) for name in names]


def ticked_first(books: Books, form: Typed, known: Collection[str]) -> list[tuple[Row, bool, bool]]:
    """Conditions: what is ticked or known first; whether it is ticked, whether screening says it."""
    rows = [
        (row, code in form.conditions or code in known, code in known)
        for code, row in books.conditions.items()
    ]
    return sorted(rows, key=lambda row: not row[1])
