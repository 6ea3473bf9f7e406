"""Several sessions beside each other: their curves from one start, their summaries, the course of a cure."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from services.console.archive import Archive
from services.console.errors import HistoryRefused, HistoryUnavailable
from services.console.sessions import curve as curves
from services.console.sessions.asking import refusal, session_id
from services.console.sessions.curve import Curve, SessionCurve
from services.console.sessions.drawing import Scale, drawing, top_of
from services.console.sessions.models import Json, Session
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.auth.principal import Principal
from services.kit.language import Language

FEWEST: Final = 2
MOST: Final = 12  # curves in one picture; more is no comparison
MOST_OF_CURE: Final = 200
POINTS: Final = 500
WIDTHS: Final = (1000, 440)  # of the course of a cure: at a desk, on a phone
GROUND: Final = 160.0  # of 190: below it stand the sessions' numbers
TOP: Final = 36.0  # above it stand the first and the last peak in newtons
NUMBER_ROOM: Final = 40.0  # between two sessions whose numbers are written
PAIN_MOST: Final = 10


@dataclass(frozen=True, slots=True)
class Fact:
    """A column of the table: the id of its heading, the summary's number, digits after the point."""

    text: str
    name: str
    digits: int = 0

    def value(self, session: Session, language: Language) -> str:
        """``28 min``, ``297 N``; a dash where the session has no such number."""
        value = session.said(self.name)
        if value is None:
            return formats.NOTHING
        return self._number(value, language) + (f"{formats.UNBROKEN}N" if self.name.endswith("_n") else "")

    def more(self, session: Session, first: Session, language: Language) -> str:
        """How much more than in the first, with its sign; empty where the same is shown."""
        mine, theirs = session.said(self.name), first.said(self.name)
        if mine is None or theirs is None or self.value(session, language) == self.value(first, language):
            return ""
        sign = "+" if mine > theirs else formats.MINUS
        return sign + self._number(abs(mine - theirs), language)

    def _number(self, value: float, language: Language) -> str:
        if self.name.endswith("_s"):
            return formats.duration(value, language)
        return formats.number(value, language, self.digits)


FACTS: Final = (
    Fact("traction_time", "traction_s"),
    Fact("peak_reached", "peak_n"),
    Fact("hold_mean", "hold_mean_n"),
    Fact("hold_rms", "hold_rms_n", 1),
    Fact("guardings", "guardings"),
    Fact("pain_before", "pain_before"),
    Fact("pain_after", "pain_after"),
)


@dataclass(frozen=True, slots=True)
class Compared(SessionCurve):
    """One of them; ``number`` is its place in the picture and in the table, from 0."""

    number: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a cure as a picture: places of peaks, of pain before and after, from left to right.

    ``numbers`` are those of the sessions that there is room to write.
    """

    width: int
    numbers: list[tuple[float, int]]
    peaks: list[tuple[float, float, float]]  # x, y, newtons
    before: list[tuple[float, float, int]]
    after: list[tuple[float, float, int]]

    @staticmethod
    def line(points: Sequence[tuple[float, float, float]]) -> str:
        """The points as a polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)


def chosen(texts: Sequence[str]) -> list[UUID]:
    """The sessions that are to be compared, each once. Raises BadSearch."""
    ids = list(dict.fromkeys(session_id(text, "session") for text in texts))
    if not FEWEST <= len(ids) <= MOST:
        raise refusal("compare_count", "session", count=str(len(ids)), most=str(MOST))
    return ids


async def compared(archive: Archive, caller: Principal, ids: Sequence[UUID]) -> list[Compared]:
    """The sessions with their curves, oldest first. Raises HistoryNotFound, HistoryUnavailable."""
    rows = await asyncio.gather(*(archive.ask(caller, f"/sessions/{one}") for one in ids))
    return await with_curves(archive, caller, [Session.of(row) for row in rows])


async def with_curves(archive: Archive, caller: Principal, sessions: Sequence[Session]) -> list[Compared]:
    """The same of sessions that are known; of one that goes on, what its samples come to so far."""
    known = await asyncio.gather(*(_as_far_as_known(archive, caller, session) for session in sessions))
    ordered = sorted(known, key=lambda session: (session.started_at, str(session.id)))
    found = await asyncio.gather(*(_curve(archive, caller, session.id) for session in ordered))
    pairs = zip(ordered, found, strict=True)
    return [Compared(session, curve, number=number) for number, (session, curve) in enumerate(pairs)]


async def _curve(archive: Archive, caller: Principal, session: UUID) -> Curve:
    """Its curve; none where its samples are not to be had, for the others are worth a look."""
    try:
        return await curves.window(archive, caller, session, points=POINTS)
    except HistoryRefused:
        return Curve()


async def _as_far_as_known(archive: Archive, caller: Principal, session: Session) -> Session:
    """The session; where its gateway has not said what it came to, with what was measured."""
    if session.summary:
        return session
    try:
        told: Json = await archive.ask(caller, f"/sessions/{session.id}/summary")
    except (HistoryRefused, HistoryUnavailable):
        return session
    return replace(session, summary=told.get("measured") or {})


def pictures(rows: Sequence[Compared]) -> tuple[Scale, list[str]]:
    """The curves of all over one scale, as paths of the greatest tension."""
    scale = Scale(max((row.total_s for row in rows), default=0.0), top_of(row.curve for row in rows))
    return scale, [drawing(row.curve, row.first, scale).tension for row in rows]


def mixture(sessions: Sequence[Session]) -> str:
    """The id of what must be said of sessions that do not belong together; empty where they do."""
    first = sessions[0]
    if len({session.patient for session in sessions if session.patient}) > 1:
        return "past_mixed_patients"
    if not all(session.shares_patient(first) for session in sessions):
        return "past_unsure_patients"
    return "past_mixed_cures" if len({session.cure for session in sessions}) > 1 else ""


def base_of(rows: Sequence[Compared]) -> Compared:
    """The one that others are measured by: the first that is over, for what goes on is no measure."""
    return next((row for row in rows if not row.session.is_running), rows[0])


def alike(rows: Sequence[Compared], base: Compared) -> set[int]:
    """The others of the same person: only of them it is told how much more than in the base."""
    others = (row for row in rows if row is not base)
    return {row.number for row in others if row.session.shares_patient(base.session)}


def line(sessions: Sequence[Session], language: Language) -> str:
    """How many and when: ``3 sessions from 1 Nov 2026 to 22 Nov 2026``, ``1 session on 22 Nov 2026``."""
    first, last = (formats.day(sessions[at].started_at, language) for at in (0, -1))
    days = "past_on_day" if first == last else "past_on_days"
    count = "past_one_session" if len(sessions) == 1 else "past_sessions"
    when = TEXTS[days][language].format(first=first, last=last)
    return TEXTS[count][language].format(count=len(sessions), when=when)


def courses(sessions: Sequence[Session]) -> list[Course]:
    """How peak and pain of one person went, wide and narrow; none before there are two sessions."""
    if not all(session.shares_patient(sessions[0]) for session in sessions):
        return []
    numbered = enumerate(sessions, 1)
    done = [(number, session) for number, session in numbered if session.said("peak_n") is not None]
    return [_course(done, width) for width in WIDTHS] if len(done) >= FEWEST else []


def _course(done: Sequence[tuple[int, Session]], width: int) -> Course:
    top_n = max(session.said("peak_n") or 0.0 for _, session in done) or 1.0
    step = (width - 80) / (len(done) - 1)
    every = math.ceil(NUMBER_ROOM / step)

    def places(name: str, scale: float) -> list[tuple[float, float, float]]:
        values = ((place, session.said(name)) for place, (_, session) in enumerate(done))
        return [
            (50 + place * step, GROUND - (GROUND - TOP) * value / scale, value)
            for place, value in values
            if value is not None
        ]

    pain = [[(x, y, int(value)) for x, y, value in places(name, PAIN_MOST)] for name in _PAIN]
    numbers = [(50 + place * step, number) for place, (number, _) in enumerate(done) if place % every == 0]
    return Course(width, numbers, places("peak_n", top_n), *pain)


_PAIN: Final = ("pain_before", "pain_after")
