"""What an estimate and a fee agreement say, as letters of the house."""

from collections.abc import Iterable
from typing import Final

from services.billing.estimates.models import Condition, Content, Kind, Part, Plan, Position
from services.billing.models import Language
from services.billing.papers import letters
from services.billing.papers.letters import Letter, Row, Section
from services.billing.papers.wording import day, money
from services.kit.language import Table, Text

PHRASES: Final[Table] = {
    "valid_until": {"de": "Gültig bis", "en": "Valid until"},
    "payer": {"de": "Kostenträger", "en": "Payer"},
    "version": {"de": "Fassung", "en": "Version"},
    "sessions": {"de": "{count} Sitzungen, {part}", "en": "{count} sessions, {part}"},
    "session": {"de": "1 Sitzung, {part}", "en": "1 session, {part}"},
    "each": {"de": "Je Sitzung {each} €.", "en": "{each} € a session."},
    "may": {"de": "Was hinzukommen kann", "en": "What can come in addition"},
    "may_note": {
        "de": "Nicht in den voraussichtlichen Kosten enthalten.",
        "en": "Not part of the expected costs.",
    },
    "expected": {"de": "Voraussichtliche Kosten", "en": "Expected costs"},
    "range": {
        "de": "Sicher fallen bei {count} vollständigen Sitzungen {certain} € an, voraussichtlich "
        "{expected} €, mit allem, was hinzukommen kann, {at_most} €.",
        "en": "With {count} complete sessions {certain} € are certain, {expected} € are expected, and "
        "{at_most} € with everything that can come in addition.",
    },
    "shortened": {
        "de": "{text}. Bei der Hälfte der Zeit: {less} € weniger.",
        "en": "{text}. At half the time: {less} € less.",
    },
    "others": {
        "de": "Auslagen nach § 10 GOÄ, etwa für Porto, werden nach Anfall berechnet. Ändert sich die "
        "geplante Behandlung wesentlich, erhalten Sie vorher einen neuen Kostenvoranschlag.",
        "en": "Outlays under § 10 GOÄ, such as postage, are charged as they arise. If the planned "
        "treatment changes substantially, you get a new estimate first.",
    },
    "holds": {
        "de": "Dieser Kostenvoranschlag gilt für Behandlungen, die bis zum {until} beginnen.",
        "en": "This estimate is valid for treatments that begin by {until}.",
    },
}
PARTS: Final[Table] = {
    "lumbar": {"de": "Lendenwirbelsäule", "en": "lumbar spine"},
    "cervical": {"de": "Halswirbelsäule", "en": "cervical spine"},
}
SIGNED: Final[Text] = {
    "de": "Erhalten: Ort, Datum, Unterschrift Patient/in oder Zahlungspflichtige/r",
    "en": "Received: place, date, signature of the patient or of the person who pays",
}


def pdf(kind: Kind, content: Content, version: int, language: Language) -> bytes:
    """The paper as PDF/A-3b; in English a copy of which only the German original counts."""
    return letters.pdf(kind, letter(content, version, language), language)


def letter(content: Content, version: int, language: Language) -> Letter:
    """What it says."""
    if content.plan is None:
        return _agreement(content, language)
    return estimate(content, content.plan, version, language)


def estimate(content: Content, plan: Plan, version: int, language: Language) -> Letter:
    """A cure with its first visit, what is certain, what depends, what nobody promises to reimburse."""
    facts = [
        (_say("valid_until", language), day(plan.valid_until, language)),
        (_say("payer", language), plan.payer_text.text(language)),
        *([(_say("version", language), str(version))] if version > 1 else []),
    ]
    return Letter(
        clinic=content.clinic, recipient=content.recipient, patient=content.patient,
        issued_on=content.issued_on, facts=tuple(facts), diagnosis=content.diagnosis,
        sections=tuple(_sections(plan, language)), total=plan.totals.expected,
        total_label=_say("expected", language), closing=tuple(_closing(plan, language)),
        signatures=(SIGNED[language],),
    )  # fmt: skip


def _agreement(content: Content, language: Language) -> Letter:
    """Nothing but what § 2 Abs. 2 GOÄ lets stand on it."""
    rows = tuple(letters.row_of(clause.line, language) for clause in content.clauses)
    return Letter(
        clinic=content.clinic, recipient=content.recipient, patient=content.patient,
        issued_on=content.issued_on, sections=(Section(rows=rows),),
    )  # fmt: skip


def _sections(plan: Plan, language: Language) -> Iterable[Section]:
    """The visit, the sessions, what can come: the first two add up to what is expected."""
    visit = [one for one in plan.positions if one.part == "first_visit"]
    sessions = [one for one in plan.positions if one.part in ("session", "infrared")]
    more = [one for one in plan.positions if not one.certain and one.part != "infrared"]
    if visit:
        yield Section(
            title=plan.visit.text(language), rows=_rows(plan, visit, language), total=plan.totals.first_visit
        )
    phrase = "session" if plan.sessions == 1 else "sessions"
    yield Section(
        title=_say(phrase, language).format(count=plan.sessions, part=PARTS[plan.region][language]),
        note=_say("each", language).format(each=money(plan.totals.per_session, language)),
        rows=_rows(plan, sessions, language), total=plan.totals.sessions,
    )  # fmt: skip
    if more:
        yield Section(
            title=_say("may", language), note=_say("may_note", language), rows=_rows(plan, more, language)
        )


def _rows(plan: Plan, positions: list[Position], language: Language) -> tuple[Row, ...]:
    """A row a position; what a part depends on stands below its last."""
    last = {one.part: at for at, one in enumerate(positions)}
    return tuple(_row(plan, one, language, is_last=last[one.part] == at) for at, one in enumerate(positions))


def _row(plan: Plan, position: Position, language: Language, *, is_last: bool) -> Row:
    row = letters.row_of(position.in_language(language), language, times=position.times)
    condition = _condition(plan, position.part)
    if position.certain or condition is None or not is_last:
        return row
    note = f"{condition.text.text(language)} ({condition.paragraph})"
    return row.model_copy(update={"notes": (*row.notes, note)})


def _closing(plan: Plan, language: Language) -> Iterable[str]:
    totals = plan.totals
    yield _say("range", language).format(
        count=plan.sessions, certain=money(totals.certain, language),
        expected=money(totals.expected, language), at_most=money(totals.at_most, language),
    )  # fmt: skip
    shortened = _condition(plan, "shortened")
    if shortened is not None:
        yield _say("shortened", language).format(
            text=shortened.text.text(language), less=money(-shortened.amount, language)
        )
    yield _say("others", language)
    yield _say("holds", language).format(until=day(plan.valid_until, language))
    yield plan.note.text(language)


def _condition(plan: Plan, part: Part) -> Condition | None:
    return next((one for one in plan.conditions if one.part == part), None)


def _say(phrase: str, language: Language) -> str:
    return PHRASES[phrase][language]
