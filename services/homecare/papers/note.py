"""The note that a patient takes to a gym or a therapist: what is allowed, how much, what is not, until when.

It names a person only where the caller gives a name: the service itself keeps none.
"""

from datetime import date
from typing import Final, Literal

from services.homecare.exercises.library import Library, library
from services.homecare.exercises.models import Exercise
from services.homecare.models import Judged, Programme, Verdict
from services.homecare.progression.today import last_day
from services.kit.language import Language, Text
from services.kit.paper import Drawing, Paper, pdf

Reader = Literal["gym", "therapist"]
Words = dict[str, Text]
WORDS: Final[Words] = {
    "gym": {"de": "Hinweise für das Training", "en": "Notes for the gym"},
    "therapist": {"de": "Hinweise für die Therapie", "en": "Notes for the therapist"},
    "person": {"de": "Für", "en": "For"},
    "region": {"de": "Abschnitt", "en": "Region"},
    "valid": {"de": "Gilt", "en": "Valid"},
    "span": {"de": "{first} bis {last}", "en": "{first} to {last}"},
    "caps": {"de": "Höchstens", "en": "At most"},
    "minutes": {
        "de": "{day} Minuten am Tag, {week} Minuten in der Woche, an {days} Tagen",
        "en": "{day} minutes a day, {week} minutes a week, on {days} days",
    },
    "clinic": {"de": "Standort", "en": "Site"},
    "version": {"de": "Programm", "en": "Programme"},
    "intro": {
        "de": "## Erlaubt\nDiese Übungen sind ärztlich festgelegt. Nichts wird hinzugefügt oder gesteigert, "
        "was hier nicht steht. Keine ruckartigen Bewegungen. **Bei jedem Unwohlsein sofort aufhören.**",
        "en": "## Allowed\nThese exercises were set by a clinician. Nothing is added and nothing grows that "
        "does not stand here. No sudden jerks. **Stop at once at any discomfort.**",
    },
    "none": {"de": "Zurzeit keine Übung.", "en": "No exercise at present."},
    "not": {"de": "Nicht erlaubt", "en": "Not allowed"},
    "everything": {
        "de": "Alles, was oben nicht steht: besonders schweres Heben, ruckartiges Drehen, Sprünge, Hängen "
        "und Zug ohne ärztliche Festlegung",
        "en": "Whatever does not stand above: heavy lifting, sudden twists, jumps, hanging and traction that "
        "no clinician has set above all",
    },
    "everyday": {"de": "Für jeden Tag", "en": "For every day"},
    "dose": {
        "de": "**{sets} x {repetitions}**, {hold}{side} höchstens {minutes} Minuten am Tag",
        "en": "**{sets} x {repetitions}**, {hold}{side} at most {minutes} minutes a day",
    },
    "hold": {"de": "je {seconds} s halten,", "en": "each held {seconds} s,"},
    "sides": {"de": " je Seite,", "en": " each side,"},
    "force": {
        "de": "Zug nach Formel etwa {force} N (Modell, keine Messung)",
        "en": "pull by formula about {force} N (a model, not a measurement)",
    },
    "avoid": {"de": "Vermeiden: {what}", "en": "Avoid: {what}"},
    "footer": {
        "de": "Kein Rezept. Diese Software ist kein zugelassenes Medizinprodukt.",
        "en": "No prescription. This software is not a certified medical device.",
    },
}
WHERE: Final[dict[Verdict, Text]] = {
    "home": {"de": "selbstständig", "en": "alone"},
    "supervised": {"de": "nur unter Aufsicht", "en": "under supervision alone"},
    "centre": {"de": "nur in einem Rehabilitationszentrum", "en": "in a rehabilitation centre alone"},
    "refused": {"de": "nicht erlaubt", "en": "not allowed"},
}
REGIONS: Final[Words] = {
    "lumbar": {"de": "Lendenwirbelsäule", "en": "Lumbar spine"},
    "thoracic": {"de": "Brustwirbelsäule", "en": "Thoracic spine"},
    "cervical": {"de": "Halswirbelsäule", "en": "Cervical spine"},
}


def render(
    programme: Programme,
    levels: dict[str, int],
    reader: Reader,
    language: Language,
    person: str | None = None,
    closed: frozenset[str] = frozenset(),
) -> bytes:
    """The note as PDF. ``levels``: each exercise's present one; ``closed``: locked, or stays off."""
    return pdf(paper(programme, levels, reader, language, person, closed))


def paper(
    programme: Programme,
    levels: dict[str, int],
    reader: Reader,
    language: Language,
    person: str | None,
    closed: frozenset[str],
) -> Paper:
    """What stands on it."""
    books = library()
    judged = programme.decision.exercises
    allowed = [one for one in judged if _may(one, reader) and one.exercise not in closed]
    say = _Say(language)
    return Paper(
        title=say(reader),
        body=say("intro") if allowed else f"{say('intro')}\n\n{say('none')}",
        language=language,
        footer=say("footer"),
        facts=_facts(programme, say, person),
        drawings=[_drawn(books.of(one.exercise), one, levels, say) for one in allowed],
        closing=_closing([one for one in judged if one not in allowed], books, say),
    )


class _Say:
    """Words in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, name: str, **values: object) -> str:
        return WORDS[name][self.language].format(**values)

    def day(self, day: date) -> str:
        """A day as people write it."""
        return day.strftime("%d.%m.%Y") if self.language == "de" else f"{day.day} {day:%b %Y}"


def _may(one: Judged, reader: Reader) -> bool:
    """A gym has nobody who supervises; a therapist has."""
    return one.verdict == "home" or (one.verdict == "supervised" and reader == "therapist")


def _facts(programme: Programme, say: _Say, person: str | None) -> list[tuple[str, str]]:
    wanted, caps = programme.wanted, programme.decision.caps
    minutes = say(
        "minutes", day=caps.minutes_per_day, week=caps.minutes_per_week, days=caps.days_per_week
    )  # fmt: skip
    return [
        *([(say("person"), person)] if person else []),
        (say("region"), REGIONS[programme.region][say.language]),
        (say("valid"), say("span", first=say.day(wanted.starts_on), last=say.day(last_day(wanted)))),
        (say("caps"), minutes),
        (say("clinic"), programme.site),
        (say("version"), f"{programme.id} · {programme.version}"),
    ]


def _drawn(row: Exercise, judged: Judged, levels: dict[str, int], say: _Say) -> Drawing:
    """One exercise: how, how much, what to avoid."""
    dose = row.levels[min(levels.get(row.id, judged.start_level), judged.ceiling_level)]
    language = say.language
    lines = [
        say(
            "dose", sets=dose.sets, repetitions=dose.repetitions, minutes=judged.most_minutes_per_day,
            hold=say("hold", seconds=dose.hold_s) if dose.hold_s else "",
            side=say("sides") if row.each_side else "",
        ),
        WHERE[judged.verdict][language],
        *(step[language] for step in row.steps),
        say("avoid", what="; ".join(one[language] for one in row.avoid)),
    ]  # fmt: skip
    if judged.force_n is not None:
        lines.insert(1, say("force", force=f"{judged.force_n:.0f}"))
    body = "\n".join(f"- {line}" for line in lines)
    return Drawing(library().drawing(row.id), row.name[language], body)


def _closing(refused: list[Judged], books: Library, say: _Say) -> str:
    language = say.language
    lines = [f"## {say('not')}", f"- {say('everything')}"]
    lines += [
        f"- {books.of(one.exercise).name[language]}: {WHERE[_stricter(one)][language]}" for one in refused
    ]
    lines.append(f"## {say('everyday')}")
    lines += [f"- **{rule.name[language]}**: {rule.text[language]}" for rule in books.everyday.values()]
    return "\n".join(lines)


def _stricter(one: Judged) -> Verdict:
    """What is open at home and still not on the note is closed by pain or an answer."""
    return "refused" if one.verdict == "home" else one.verdict
