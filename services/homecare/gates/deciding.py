"""What is made of a wished programme: where each exercise may be done, at most how, and why. Pure."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from services.homecare.dose.traction import GRAVITY_M_PER_S2, Force, angle_for, force_n
from services.homecare.errors import Invalid, said
from services.homecare.exercises.library import library
from services.homecare.exercises.models import Exercise
from services.homecare.gates.models import ORDER, Gate, Screened, Standing, Suspended, stricter
from services.homecare.models import MINUTES_PER_DAY, Caps, Chosen, Decision, Judged, Reason, Verdict, Wanted
from services.kit.language import LANGUAGES, Text

HERE: Final = Path(__file__).parent
LIBRARY: Final = "Library of exercises"
CLINICIAN: Final = "The clinician's ceiling"
CAP_SOURCE: Final = (
    "Inclined boards and inversion: at most 20 minutes; 'a few hours' contradicts every other source"
)
# The IDD trial's ceiling is half the body weight (and 44 N, left out at home): PMC2899427.
MOST_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Asked:
    """One exercise of what was wished, beside the library's row."""

    wanted: Wanted
    chosen: Chosen
    row: Exercise


@cache
def _names() -> dict[str, Text]:
    """What is meant by the codes of screening's rules and reasons; those without words are left out."""
    table = tomllib.loads((HERE / "gates.toml").read_text("utf-8"))
    suspended = [Suspended.model_validate(row) for row in table["suspended"]]
    return {code: row.name for code, row in library().conditions.items()} | {
        row.code: row.name for row in suspended
    }


@cache
def _rows() -> tuple[tuple[Gate, ...], dict[str, Screened]]:
    table = tomllib.loads((HERE / "gates.toml").read_text("utf-8"))
    screened = [Screened.model_validate(row) for row in table["screened"]]
    return tuple(map(Gate.model_validate, table["gate"])), {row.outcome: row for row in screened}


def gates() -> tuple[Gate, ...]:
    """The rules about findings."""
    return _rows()[0]


def decide(wanted: Wanted, standing: Standing | None = None) -> Decision:
    """Every rule that spoke, and what is left. ``standing`` None: nobody asked screening, which is said.

    Raises Invalid for an exercise or a condition that the library does not have.
    """
    _require_conditions(wanted)
    asked = [_Asked(wanted, chosen, _require_exercise(chosen.exercise)) for chosen in wanted.exercises]
    spoke = [gate for gate in gates() if _speaks(gate, wanted)]
    of_all = [_screening(standing), *(_gate(gate) for gate in spoke if gate.of == "all")]
    of_traction = [_gate(gate) for gate in spoke if gate.of == "traction"]
    judged, own = [], []
    for one in asked:
        reasons = [reason for rule in _RULES for reason in rule(one)]
        is_traction = one.row.kind == "traction"
        judged.append(_judged(one, [*of_all, *reasons, *(of_traction if is_traction else [])]))
        own += reasons
    has_traction = any(one.row.kind == "traction" for one in asked)
    caps, capped = _caps(wanted)
    return Decision(
        verdict=min((one.verdict for one in judged), key=ORDER.index),
        exercises=tuple(judged),
        caps=caps,
        reasons=(*of_all, *(of_traction if has_traction else []), *own, *capped),
    )


def _judged(one: _Asked, reasons: list[Reason]) -> Judged:
    verdict: Verdict = "home"
    for reason in reasons:
        verdict = stricter(verdict, reason.verdict)
    ceiling = min(one.chosen.ceiling_level, len(one.row.levels) - 1)
    force = _force(one)
    return Judged(
        exercise=one.row.id,
        verdict=verdict,
        supervised_sessions=one.row.supervised_first_sessions,
        start_level=0 if _hangs(one) else min(one.chosen.start_level, ceiling),
        ceiling_level=ceiling,
        force_n=round(force.force_n, 1) if force else None,
        most_minutes_per_session=one.row.most_minutes_per_session,
        most_minutes_per_day=one.row.most_minutes_per_day,
    )


def _speaks(gate: Gate, wanted: Wanted) -> bool:
    asked = ((gate.hernia, wanted.hernia), (gate.size, wanted.size), (gate.stage, wanted.stage))
    return all(not of or value in of for of, value in asked)


def _gate(gate: Gate) -> Reason:
    return Reason(
        rule=gate.id, verdict=gate.verdict, words=gate.words, source=gate.source, instead=gate.instead
    )


def _screening(standing: Standing | None) -> Reason:
    """What screening means for home; not asked is said, and hinders nothing here."""
    source = "Screening service: contraindications and clearance"
    if standing is None:
        asked: Text = {
            "de": "Ausschlussgründe wurden hier nicht geprüft: das tut die Akte",
            "en": "Contraindications were not looked at here: the file does that",
        }
        return Reason(rule="screening-not-asked", verdict="home", words=asked, source=source)
    row = _rows()[1][standing.outcome]
    known = [_names()[code] for code in standing.rules if code in _names()]
    german, english = (": " + ", ".join(name[key] for name in known) if known else "" for key in LANGUAGES)
    more: Text = {"de": row.words["de"] + german, "en": row.words["en"] + english}
    return Reason(
        rule=f"screening-{row.outcome}", verdict=row.verdict, words=more, source=source, instead=row.instead
    )


def _region(one: _Asked) -> Iterator[Reason]:
    if one.row.region not in (one.wanted.region, "whole"):
        yield Reason(
            rule="region", exercise=one.row.id, verdict="refused", source=LIBRARY,
            words={"de": f"Die Übung ist für {one.row.region}, das Programm für {one.wanted.region}",
                   "en": f"The exercise is for {one.row.region}, the programme for {one.wanted.region}"},
            instead=_left(one),
        )  # fmt: skip


_WHERE: Final[dict[str, Text]] = {
    "supervised": {
        "de": "nur neben einer Therapeutin oder einem Therapeuten", "en": "beside a therapist alone",
    },
    "centre": {"de": "nur in einem Rehabilitationszentrum", "en": "in a rehabilitation centre alone"},
}  # fmt: skip


def _place(one: _Asked) -> Iterator[Reason]:
    if one.row.place != "home":
        where = _WHERE[one.row.place]
        yield Reason(
            rule="place", exercise=one.row.id, verdict=one.row.place, source=LIBRARY,
            words={"de": f"Das geht {where['de']}", "en": f"This is done {where['en']}"},
            instead=_left(one),
        )  # fmt: skip


def _conditions(one: _Asked) -> Iterator[Reason]:
    """Whoever has what the exercise is not for, and what is left for them."""
    for code in one.row.not_for:
        if code in one.wanted.conditions:
            condition = library().conditions[code]
            yield Reason(
                rule=code, exercise=one.row.id, verdict="refused", source=LIBRARY,
                words={"de": f"{condition.name['de']}: {condition.why['de']}",
                       "en": f"{condition.name['en']}: {condition.why['en']}"},
                instead=_left(one),
            )  # fmt: skip


_ALWAYS: Final[Text] = {
    "de": "Die Regeln für den Alltag gelten; Übungen mit der Ärztin oder dem Arzt besprechen",
    "en": "The rules for every day hold; discuss exercises with the clinician",
}


def _left(one: _Asked) -> Text:
    """Exercises of the region for home that none of these conditions forbids; else what is always left."""
    found = [
        row
        for row in library().for_region(one.wanted.region)
        if row.place == "home" and row.kind == "exercise" and not one.wanted.conditions & set(row.not_for)
    ][:3]
    if not found:
        return _ALWAYS
    return {
        "de": "Möglich sind: " + ", ".join(row.name["de"] for row in found),
        "en": "Possible are: " + ", ".join(row.name["en"] for row in found),
    }


def _weight(one: _Asked) -> Iterator[Reason]:
    if one.row.traction is not None and one.wanted.body_weight_kg is None:
        yield Reason(
            rule="body-weight", exercise=one.row.id, verdict="refused", source="docs/homecare.md#dose",
            words={"de": "Ohne Körpergewicht lässt sich der Zug nicht berechnen",
                   "en": "Without body weight the pull cannot be worked out"},
            instead={"de": "Das Körpergewicht eintragen", "en": "Enter the body weight"},
        )  # fmt: skip


def _pull(one: _Asked) -> Iterator[Reason]:
    """The pull by formula, held to the clinician's ceiling and to half the body weight."""
    force = _force(one)
    if force is None:
        return
    weight_n = force.body_weight_kg * GRAVITY_M_PER_S2
    limits = [(MOST_SHARE * weight_n, "PMC2899427 (half the body weight)")]
    if one.chosen.most_n is not None:
        limits.append((one.chosen.most_n, CLINICIAN))
    limit_n, source = min(limits)
    if force.force_n <= limit_n:
        return
    angle = angle_for(limit_n, force.body_weight_kg, force.friction)
    flatter = _left(one)
    if force.mechanics == "board":
        flatter = {"de": f"Höchstens {angle:.0f} Grad", "en": f"At most {angle:.0f} degrees"}
    yield Reason(
        rule="pull", exercise=one.row.id, verdict="refused", source=source, instead=flatter,
        words={"de": f"Der Zug wäre {force.force_n:.0f} N, erlaubt sind {limit_n:.0f} N",
               "en": f"The pull would be {force.force_n:.0f} N, allowed are {limit_n:.0f} N"},
    )  # fmt: skip


def _angle(one: _Asked) -> Iterator[Reason]:
    """Steeper than the source has it only with a ceiling in newtons: the clinician's, not the angle's."""
    traction, angle = one.row.traction, one.chosen.angle_deg
    if traction is None or angle is None or angle <= traction.angle_deg or one.chosen.most_n is not None:
        return
    usual = f"{traction.angle_deg:g}"
    yield Reason(
        rule="angle", exercise=one.row.id, verdict="refused", source=LIBRARY,
        words={"de": f"Die Fläche ist {angle:g} Grad steil, vorgesehen sind höchstens {usual} Grad",
               "en": f"The surface is {angle:g} degrees steep, at most {usual} degrees are provided for"},
        instead={"de": f"Höchstens {usual} Grad, oder eine Obergrenze in Newton festlegen",
                 "en": f"At most {usual} degrees, or set a ceiling in newtons"},
    )  # fmt: skip


def _level(one: _Asked) -> Iterator[Reason]:
    top = len(one.row.levels) - 1
    if one.chosen.ceiling_level > top:
        yield Reason(
            rule="ceiling", exercise=one.row.id, verdict="home", source=LIBRARY,
            words={"de": f"Die höchste Stufe ist {top + 1}, nicht {one.chosen.ceiling_level + 1}",
                   "en": f"The highest level is {top + 1}, not {one.chosen.ceiling_level + 1}"},
        )  # fmt: skip
    if _hangs(one) and one.chosen.start_level > 0:
        yield Reason(
            rule="first-hang", exercise=one.row.id, verdict="home",
            source="Home-traction article: at most 10 s at first",
            words={"de": "Hängen beginnt mit höchstens 10 s", "en": "Hanging begins with at most 10 s"},
        )  # fmt: skip


_RULES: Final[tuple[Callable[[_Asked], Iterator[Reason]], ...]] = (
    _region, _place, _conditions, _weight, _angle, _pull, _level,
)  # fmt: skip


def _hangs(one: _Asked) -> bool:
    return one.row.traction is not None and one.row.traction.mechanics.startswith("hanging")


def _force(one: _Asked) -> Force | None:
    traction, weight = one.row.traction, one.wanted.body_weight_kg
    if traction is None or weight is None:
        return None
    angle = one.chosen.angle_deg if one.chosen.angle_deg is not None else traction.angle_deg
    friction = one.chosen.friction if one.chosen.friction is not None else traction.friction
    return force_n(traction.mechanics, weight, angle, friction)


def _caps(wanted: Wanted) -> tuple[Caps, list[Reason]]:
    """Never hours: what was wished above the cap is cut, and it is said."""
    per_day = min(wanted.minutes_per_day, MINUTES_PER_DAY)
    wished = wanted.minutes_per_week or wanted.minutes_per_day * wanted.days_per_week
    per_week = min(wished, per_day * wanted.days_per_week)
    cut = [("day", wanted.minutes_per_day, per_day)] if wanted.minutes_per_day > per_day else []
    if wanted.minutes_per_week is not None and wanted.minutes_per_week > per_week:
        cut.append(("week", wanted.minutes_per_week, per_week))
    german = {"day": "am Tag", "week": "in der Woche"}
    reasons = [
        Reason(
            rule=f"cap-{name}", verdict="home", source=CAP_SOURCE,
            words={"de": f"Höchstens {cap} Minuten {german[name]}, nicht {asked}",
                   "en": f"At most {cap} minutes a {name}, not {asked}"},
        )
        for name, asked, cap in cut
    ]  # fmt: skip
    return Caps(
        minutes_per_day=per_day, minutes_per_week=per_week, days_per_week=wanted.days_per_week
    ), reasons


def _require_exercise(name: str) -> Exercise:
    row = library().exercises.get(name)
    if row is None:
        raise said(
            Invalid,
            {"de": f"Die Übung {name} gibt es nicht. Es gibt: {', '.join(library().exercises)}",
             "en": f"there is no exercise {name}. There are: {', '.join(library().exercises)}"},
            field="exercises",
        )  # fmt: skip
    return row


def _require_conditions(wanted: Wanted) -> None:
    unknown = sorted(wanted.conditions - set(library().conditions))
    if unknown:
        raise said(
            Invalid,
            {"de": f"Unbekannte Ausschlussgründe: {', '.join(unknown)}. "
                   f"Es gibt: {', '.join(library().conditions)}",
             "en": f"unknown conditions: {', '.join(unknown)}. There are: {', '.join(library().conditions)}"},
            field="conditions",
        )  # fmt: skip
