"""Which samples a window means: from seq to seq of a boot, or from time to time of a device."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from services.kit.moments import EPOCH
from services.telemetry.archive.objects import BlockEntry
from services.telemetry.archive.rows import ObjectRow
from services.telemetry.errors import ArchiveUnavailable, BadQuestion
from services.telemetry.models import MAX_SEQ, Place, Raw, Source
from services.telemetry.query import History, Span

MAX_WINDOW: Final = timedelta(days=31)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST_US: Final = (datetime(3000, 1, 1, tzinfo=UTC) - EPOCH) // _MICROSECOND
_TRIES: Final = 8  # looks at Redis to find a time: one, unless clocks were stepped


class _Head(msgspec.Struct):
    started_at: datetime
    period_ms: float


_HEAD: Final = msgspec.json.Decoder(_Head)


def moment(name: str, text: str, *, or_seq: bool = False) -> int:
    """An ISO 8601 time with a zone as microseconds since the epoch. Raises BadQuestion.

    ``or_seq``: a seq would have been understood too, which is said.
    """
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        neither = "neither a seq nor a time" if or_seq else "not a time"
        raise BadQuestion(f"{name} is {text[:40]!r}: {neither} as 2026-11-22T08:00:00Z") from None
    if at.tzinfo is None:
        raise BadQuestion(f"{name} is {text[:40]!r}: a time needs its zone, as 2026-11-22T08:00:00Z")
    found = (at - EPOCH) // _MICROSECOND
    if not 0 <= found <= _LAST_US:
        raise BadQuestion(f"{name} is {text[:40]!r}: a time from 1970 to 2999 is expected")
    return found


def by_seq(source: Source, first: str, after: str) -> Span:
    """Samples ``first`` .. ``after - 1``. Raises BadQuestion."""
    numbers = {"from": int(first), "to": int(after)}
    for name, number in numbers.items():
        if number > MAX_SEQ:
            raise BadQuestion(f"{name} is {number}: a seq is below {MAX_SEQ} (docs/topics.md)")
    if numbers["to"] <= numbers["from"]:
        raise BadQuestion(f"to is {numbers['to']}: it must be above from, which is {numbers['from']}")
    return Span(source, numbers["from"], numbers["to"])


def by_time(history: History, place: Place, since: str, until: str) -> list[Span]:
    """What a device took between two times, boot by boot. Raises BadQuestion."""
    since_us, until_us = moment("from", since, or_seq=True), moment("to", until, or_seq=True)
    width = timedelta(microseconds=until_us - since_us)
    if until_us <= since_us:
        raise BadQuestion(f"to is {until}: it must be later than from, which is {since}")
    if width > MAX_WINDOW:
        raise BadQuestion(
            f"the window is {width.days} days wide: at most {MAX_WINDOW.days} at once; ask for parts of it"
        )
    found: dict[Source, Span] = {}
    hot = list(_hot(history, place, since_us, until_us))
    try:
        archived = list(_archived(history, place, since_us, until_us))
    except ArchiveUnavailable:
        if not _begins_before(history, hot):
            raise
        archived = []
    for span in (*hot, *archived):
        known = found.get(span.source, span)
        found[span.source] = Span(span.source, min(known.first, span.first), max(known.after, span.after))
    order = {boot: number for number, boot in enumerate(history.boots(place))}
    return sorted(found.values(), key=lambda span: order.get(span.source.boot, -1))


def newest(history: History, source: Source, seconds: float) -> list[Span]:
    """The last seconds of a device's boot."""
    after = history.after(source)
    block = history.hot.newest(source) if history.hot else None
    period_ms = block.period_ms if block else _archived_period(history, source, after)
    return [Span(source, max(0, after - int(seconds * 1000 / period_ms)), after)] if after else []


def _archived_period(history: History, source: Source, after: int) -> float:
    runs = history.runs("tension", source, max(0, after - 1), after)
    return runs[-1].period_ms if runs else 20.0


def _begins_before(history: History, spans: Sequence[Span]) -> bool:
    """Whether Redis has older samples of that boot than the first of these: then it has all of them."""
    if history.hot is None or not spans:
        return False
    return history.hot.look("tension", spans[0].source).begins < spans[0].first


# --- archive ------------------------------------------------------------------------------------------------
def _archived(history: History, place: Place, since_us: int, until_us: int) -> Iterable[Span]:
    archive = history.archive
    if archive is None:
        return
    for row in archive.index.objects_between(place, since_us, until_us):
        if since_us <= row.started_at_us and row.ended_at_us <= until_us:
            spans = row.spans["tension"]
            yield Span(row.source, spans[0][0], spans[-1][1])
        else:
            yield from _within(history, row, since_us, until_us)


def _within(history: History, row: ObjectRow, since_us: int, until_us: int) -> Iterable[Span]:
    assert history.archive is not None  # noqa: S101  (its object is being looked at)
    for block in history.archive.directory(row).of("tension"):
        if block.ended_at_us > since_us and block.started_at_us < until_us:
            first, after = _seq_in(block, since_us), _seq_in(block, until_us)
            if first < after:
                yield Span(row.source, first, after)


def _seq_in(block: BlockEntry, at_us: int) -> int:
    """The seq at a time inside a block, which has no hole."""
    length = max(1, block.ended_at_us - block.started_at_us)
    rows = -(-(at_us - block.started_at_us) * (block.after - block.first) // length)
    return block.first + min(max(rows, 0), block.after - block.first)


# --- hot ----------------------------------------------------------------------------------------------------
def _hot(history: History, place: Place, since_us: int, until_us: int) -> Iterable[Span]:
    if history.hot is None:
        return
    for boot in history.hot.boots(place):
        source = Source(place, boot)
        last = history.hot.newest(source)
        if last is None:
            continue
        ended_us = (last.started_at - EPOCH) // _MICROSECOND + round(
            (last.after - last.seq) * last.period_ms * 1000
        )
        if ended_us <= since_us:
            continue
        known = (last.after, ended_us, last.period_ms)
        first, after = _seq_at(history, source, since_us, known), _seq_at(history, source, until_us, known)
        if first < after:
            yield Span(source, first, after)


def _seq_at(history: History, source: Source, at_us: int, newest: tuple[int, int, float]) -> int:
    """The first seq taken at or after a time: reckoned from a known block, looked at, reckoned again."""
    seq, seq_us, period_ms = newest
    for _ in range(_TRIES):
        step = -int((seq_us - at_us) // (period_ms * 1000))
        guess = min(max(seq + step, 0), newest[0])
        block = _block_at(history, source, guess)
        if guess in (0, newest[0]) or block is None:
            return guess
        first, head = block[0], _HEAD.decode(block[2])
        started_us = (head.started_at - EPOCH) // _MICROSECOND
        seq, period_ms = guess, head.period_ms
        seq_us = started_us + round((guess - first) * period_ms * 1000)
        if abs(seq_us - at_us) < period_ms * 1000:
            return seq if seq_us >= at_us else seq + 1
    return seq


def _block_at(history: History, source: Source, seq: int) -> Raw | None:
    assert history.hot is not None  # noqa: S101  (it is what is being looked at)
    return next(iter(history.hot.raw("tension", source, seq, seq + 1)), None)
