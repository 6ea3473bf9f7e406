"""Several sessions beside each other: their curves from one start, their summaries, the course of a cure."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.console.archive import Archive
from services.console.errors import HistoryRefused
from services.console.sessions import curve as curves
from services.console.sessions.asking import refusal, session_id
from services.console.sessions.curve import Curve, SessionCurve
from services.console.sessions.drawing import Scale, drawing, top_of
from services.console.sessions.models import Session
from services.kit.auth.principal import Principal

FEWEST: Final = 2
MOST: Final = 12  # curves in one picture; more is no comparison
MOST_OF_CURE: Final = 200
POINTS: Final = 500
CHART: Final = (1000.0, 190.0)  # of the course of a cure
PAIN_MOST: Final = 10
# name of the text, number of the summary, digits after the point
FACTS: Final[tuple[tuple[str, str, int], ...]] = (
    ("traction_time", "traction_s", 0),
    ("peak_reached", "peak_n", 0),
    ("hold_mean", "hold_mean_n", 0),
    ("hold_rms", "hold_rms_n", 1),
    ("guardings", "guardings", 0),
    ("pain_before", "pain_before", 0),
    ("pain_after", "pain_after", 0),
)


@dataclass(frozen=True, slots=True)
class Compared(SessionCurve):
    """One of them; ``number`` is its place in the picture and in the table, from 0."""

    number: int = field(kw_only=True)

    def difference(self, other: "Compared", name: str) -> float | None:
        """How much more than the other's; None where one of them has no such number."""
        mine, theirs = self.session.said(name), other.session.said(name)
        return None if mine is None or theirs is None else mine - theirs


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a cure as a picture: places of peaks, of pain before and after, from left to right."""

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
    """The same of sessions that are known."""
    ordered = sorted(sessions, key=lambda session: (session.started_at, str(session.id)))
    found = await asyncio.gather(*(_curve(archive, caller, session.id) for session in ordered))
    pairs = zip(ordered, found, strict=True)
    return [Compared(session, curve, number=number) for number, (session, curve) in enumerate(pairs)]


async def _curve(archive: Archive, caller: Principal, session: UUID) -> Curve:
    """Its curve; none where its samples are not to be had, for the others are worth a look."""
    try:
        return await curves.window(archive, caller, session, points=POINTS)
    except HistoryRefused:
        return Curve()


def pictures(rows: Sequence[Compared]) -> tuple[Scale, list[str]]:
    """The curves of all over one scale, as paths of the greatest tension."""
    scale = Scale(max((row.total_s for row in rows), default=0.0), top_of(row.curve for row in rows))
    return scale, [drawing(row.curve, row.first, scale).tension for row in rows]


def course(sessions: Sequence[Session]) -> Course | None:
    """How peak and pain went from session to session, oldest first; None before there are two."""
    done = [session for session in sessions if session.said("peak_n") is not None]
    if len(done) < FEWEST:
        return None
    width, height = CHART
    top_n = max(session.said("peak_n") or 0.0 for session in done) * 1.1 or 1.0
    step = (width - 80) / (len(done) - 1)

    def places(name: str, scale: float) -> list[tuple[float, float, float]]:
        values = ((number, session.said(name)) for number, session in enumerate(done))
        return [
            (50 + number * step, (height - 30) - (height - 50) * value / scale, value)
            for number, value in values
            if value is not None
        ]

    pain = [[(x, y, int(value)) for x, y, value in places(name, PAIN_MOST)] for name in _PAIN]
    return Course(places("peak_n", top_n), *pain)


_PAIN: Final = ("pain_before", "pain_after")
