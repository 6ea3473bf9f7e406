"""What a cure is expected to cost, worked out by the fee schedule and held against its rules.

What stands on an estimate is what an invoice could charge: every line goes through the same check, laid out
over the weeks of a cure, and what a rule would refuse is not counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from services.billing.errors import Invalid, said
from services.billing.estimates import menu
from services.billing.estimates.menu import Version, Visit
from services.billing.estimates.models import (
    Both,
    Condition,
    LeftOut,
    Part,
    PayerName,
    Plan,
    Position,
    Region,
    Totals,
)
from services.billing.goae import catalogue as catalogues
from services.billing.goae import charges, pricing, rulebook, sheet
from services.billing.goae.catalogue import Catalogue
from services.billing.goae.charges import SessionFacts
from services.billing.goae.findings import Finding
from services.billing.goae.lines import Line
from services.billing.goae.tariffs import Tariff
from services.billing.models import PricedLine
from services.kit.language import Language, Text

WEEK: Final = 7
FULL_S: Final = 1800.0  # a pull as long as one is planned; its share is what counts
STOPS: Final = frozenset({"forbidden", "justification"})
INFRARED: Final[Text] = {
    "de": "nur in Sitzungen, in denen die Lampe wirklich eingesetzt wird",
    "en": "only in sessions in which the lamp is really used",
}
SHORTENED: Final[Text] = {
    "de": "Eine vorzeitig beendete Sitzung kostet weniger (einfacher Gebührensatz); eine, die nicht "
    "begonnen oder gleich abgebrochen wird, nichts",
    "en": "A session that ends early costs less (simple rate); one that does not begin, or is aborted at "
    "once, nothing",
}


def plan(
    region: Region, sessions: int, payer: PayerName, tariff: Tariff, on: date, first_visit: str = "usual",
    before: Sequence[Line] = (),
) -> Plan:  # fmt: skip
    """A cure priced and checked beside what was charged ``before``, each line with its illness.

    Raises Invalid for a visit there is not, or that the rules refuse.
    """
    version, who, schedule = menu.at(on), menu.payer(payer), catalogues.at(on)
    visit, rules = menu.visit(version, first_visit), _Rules(tariff, region, tuple(before))
    certain = [
        *_visit_positions(schedule, visit, tariff, on),
        *_session_positions(region, sessions, tariff, on, lamp=False),
    ]
    lamp = list(_lamp(region, sessions, tariff, on))
    _require_allowed(rules, laid_out(schedule, version, [*certain, *lamp]), visit)
    added, left_out = _additions(schedule, version, rules, [*certain, *lamp], sessions, on)
    more = [*lamp, *added]
    return Plan(
        region=region, sessions=sessions, payer=payer, tariff=tariff.name, kind=tariff.kind,
        first_visit=visit.id, on=on, valid_until=on + timedelta(days=version.holds_days),
        visit=_both(visit.text), payer_text=_both(who.text), note=_both(who.note),
        positions=(*certain, *more), totals=_totals(certain, more, sessions), left_out=tuple(left_out),
        conditions=tuple(_conditions(version, certain, more, region, tariff, on)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rules:
    """What an invoice's check says of lines, beside what was charged before."""

    tariff: Tariff
    region: Region
    before: tuple[Line, ...]

    def stops(self, lines: Sequence[Line], *, alone: bool = False) -> list[Finding]:
        """What forbids these lines, or wants a reason; ``alone``: had nothing been charged before."""
        own = [line.model_copy(update={"illness": self.region}) for line in lines]
        paper = sheet.Sheet(tariff=self.tariff.kind, lines=tuple(own), history=() if alone else self.before)
        return [one for one in sheet.check(paper).findings if one.verdict in STOPS]


def _visit_positions(schedule: Catalogue, visit: Visit, tariff: Tariff, on: date) -> Iterator[Position]:
    for number in visit.items:
        yield _position("first_visit", _service(schedule, number, tariff, on), (0,), certain=True)


def _session_positions(
    region: Region, sessions: int, tariff: Tariff, on: date, *, lamp: bool
) -> list[Position]:
    """What every session has; ``lamp``: only what depends on the lamp."""
    wanted = _session(region, tariff, on, "de", with_lamp=True)
    english = {line.number: line.analogue for line in _session(region, tariff, on, "en", with_lamp=True)}
    always = {line.number for line in _session(region, tariff, on, "de", with_lamp=False)}
    part: Part = "infrared" if lamp else "session"
    every = tuple(range(1, sessions + 1))
    return [
        _position(part, _priced(line, tariff), every, certain=not lamp, analogue_en=english[line.number])
        for line in wanted
        if (line.number in always) is not lamp
    ]


def _lamp(region: Region, sessions: int, tariff: Tariff, on: date) -> list[Position]:
    return _session_positions(region, sessions, tariff, on, lamp=True)


def _session(
    region: Region,
    tariff: Tariff,
    on: date,
    language: Language,
    *,
    with_lamp: bool,
    share: Decimal = Decimal(1),
) -> tuple[Line, ...]:
    """The lines of a session; ``share`` of the planned pull was given."""
    facts = SessionFacts(
        date=on, region=region, completed=share == 1, traction_s=FULL_S * float(share),
        planned_traction_s=FULL_S, heat_s=charges.at(on).least_infrared_s if with_lamp else 0.0,
    )  # fmt: skip
    return charges.of_session(facts, tariff, language).lines


def _additions(
    schedule: Catalogue, version: Version, rules: _Rules, before: list[Position], sessions: int, on: date
) -> tuple[list[Position], list[LeftOut]]:
    """What can come, as often as the rules let it be charged beside everything else; what was charged."""
    laid = laid_out(schedule, version, before)
    found: list[Position] = []
    left_out: list[LeftOut] = []
    for addition in version.additions:
        lines = [_service(schedule, number, rules.tariff, on) for number in addition.items]
        times: list[int] = []
        charged: dict[str, Finding] = {}  # by its rule: the first that stops it says enough
        for behind in _when(addition.every_sessions, sessions):
            day = _day(version, on, behind)
            more = [*laid, *(_dated(schedule, line.line, day) for line in lines)]
            stops = rules.stops(more)
            if not stops:
                laid = more
                times.append(behind)
            elif not rules.stops(more, alone=True):
                charged = {one.rule: one for one in stops} | charged
        left_out += [
            LeftOut(part=_part(addition.id), text=_both(one.text), paragraph=one.paragraph)
            for one in charged.values()
        ]
        if times:
            found += [_position(_part(addition.id), line, tuple(times), certain=False) for line in lines]
    return found, left_out


def _when(every: int, sessions: int) -> range:
    """Behind which sessions; an addition on demand comes with the last."""
    return range(every, sessions, every) if every else range(sessions, sessions + 1)


def _part(addition: str) -> Part:
    return "control" if addition == "control" else "report"


def _conditions(
    version: Version, certain: list[Position], more: list[Position], region: Region, tariff: Tariff, on: date
) -> Iterator[Condition]:
    """What each part that is not certain depends on."""
    lamp = [one for one in more if one.part == "infrared"]
    if lamp:
        yield _condition("infrared", INFRARED, "§ 4 Abs. 2 Satz 1 GOÄ", lamp)
    whole = _added(one.line.amount for one in certain if one.part == "session")
    short = _session(region, tariff, on, "de", with_lamp=False, share=version.shortened_share)
    less = _added(line.amount or Decimal(0) for line in short) - whole
    yield Condition(
        part="shortened", text=_both(SHORTENED), paragraph="§ 5 Abs. 2, § 4 Abs. 2 Satz 1 GOÄ", amount=less
    )
    for addition in version.additions:
        own = [one for one in more if one.part == _part(addition.id)]
        if own:
            yield _condition(_part(addition.id), addition.text, addition.paragraph, own)


def _condition(part: Part, text: Text, paragraph: str, own: list[Position]) -> Condition:
    each = _added(one.line.amount for one in own)
    return Condition(part=part, text=_both(text), paragraph=paragraph, amount=each, times=own[0].times)


def _totals(certain: list[Position], more: list[Position], sessions: int) -> Totals:
    lamp = [one for one in more if one.part == "infrared"]
    visit = _added(one.amount for one in certain if one.part == "first_visit")
    per_session = _added(one.line.amount for one in [*certain, *lamp] if one.part != "first_visit")
    return Totals(
        first_visit=visit, per_session=per_session, sessions=per_session * sessions,
        certain=_added(one.amount for one in certain),
        expected=visit + per_session * sessions,
        at_most=_added(one.amount for one in [*certain, *more]),
    )  # fmt: skip


def _require_allowed(rules: _Rules, lines: list[Line], visit: Visit) -> None:
    """Raises Invalid with the words of the rule that an invoice of this cure would break."""
    stops = rules.stops(lines)
    if stops:
        raise said(
            Invalid,
            {
                "de": f"{visit.text['de']}: " + _sourced(stops, "de"),
                "en": f"{visit.text['en']}: " + _sourced(stops, "en"),
            },
            field="first_visit",
        )  # fmt: skip


def _sourced(stops: Sequence[Finding], language: Language) -> str:
    return " ".join(f"{one.text[language]} ({one.paragraph})" for one in stops)


def laid_out(schedule: Catalogue, version: Version, positions: Iterable[Position]) -> list[Line]:
    """Every line on a day: the first visit's on the first, then session by session."""
    return [
        _dated(schedule, one.line.line, _day(version, one.line.line.date, session))
        for one in positions
        for session in one.behind
    ]


def _day(version: Version, first: date, session: int) -> date:
    """The day of a session, from 1 on; 0 is the first visit."""
    if session == 0:
        return first
    week, place = divmod(session - 1, version.sessions_a_week)
    return first + timedelta(days=1 + week * WEEK + place * WEEK // version.sessions_a_week)


def _dated(schedule: Catalogue, line: Line, day: date) -> Line:
    """On that day, as long as the fee schedule asks for at least."""
    least = rulebook.minutes(schedule, line.number)
    return line.model_copy(update={"date": day, "duration_min": least, "illness": "cure"})


def _service(schedule: Catalogue, number: str, tariff: Tariff, on: date) -> PricedLine:
    """A number at the tariff's factor."""
    line = Line(date=on, number=number, factor=tariff.factor(schedule.item(number)))
    return _priced(line, tariff)


def _priced(line: Line, tariff: Tariff) -> PricedLine:
    schedule = catalogues.at(line.date)
    price = pricing.of_line(schedule, line, tariff.kind)
    told = line.model_copy(update={"amount": price.amount, "body_part": None, "time": None})
    return PricedLine(
        line=told, name=price.name, section=price.section, points=price.points,
        minimum_min=rulebook.minutes(schedule, line.number), gross=price.amount, amount=price.amount,
    )  # fmt: skip


def _position(
    part: Part, line: PricedLine, behind: tuple[int, ...], *, certain: bool, analogue_en: str | None = None
) -> Position:
    return Position(
        part=part, certain=certain, line=line, analogue_en=analogue_en, behind=behind,
        amount=line.amount * len(behind),
    )  # fmt: skip


def _added(amounts: Iterable[Decimal]) -> Decimal:
    return pricing.added(amounts)


def _both(text: Text) -> Both:
    return Both(de=text["de"], en=text["en"])
