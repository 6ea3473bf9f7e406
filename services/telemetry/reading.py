"""Reading what a store holds: entries of a source, and how far many sources are stored."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from services.telemetry import keys
from services.telemetry.models import KINDS, Gap, Kind, Source
from services.telemetry.progress import Spans

PAGE: Final = 1000
FIRST_PAGE: Final = 50  # entries behind a checkpoint, and more

Known = dict[Source, dict[Kind, Spans]]


def read_entries(
    client: Any, kind: Kind, source: Source, first: int = 0
) -> Iterator[tuple[int, int, bytes, bool]]:
    """(number, count, content, late) of every stored entry from ``first`` on, lane by lane.

    The late ones are read last: one that arrives meanwhile is seen, none is missed.
    """
    for late, lane in enumerate(keys.lanes(kind, source)):
        at = f"{first}-0"
        while page := client.xrange(lane, at, "+", count=PAGE):
            for entry_id, fields in page:
                yield number_of(entry_id), int(fields[b"n"]), fields[b"d"], bool(late)
            at = f"({page[-1][0].decode()}"
    for number, count, content in read_strays(client, kind, source):
        if number >= first:
            yield number, count, content, True


def read_strays(client: Any, kind: Kind, source: Source) -> Iterator[tuple[int, int, bytes]]:
    """(number, count, content) of what is in neither stream."""
    for field, content in client.hscan_iter(keys.strays(kind, source), count=PAGE):
        number, count, _ = field.split(b"/")
        yield int(number), int(count), content


def number_of(entry_id: bytes) -> int:
    """The first number that an entry of a stream stands for."""
    return int(entry_id.partition(b"-")[0])


def read_gaps(client: Any, source: Source) -> list[Gap]:
    """The numbers that are known to come never."""
    return list(_gaps(source, client.hgetall(keys.gaps(source))))


def _gaps(source: Source, fields: dict[bytes, bytes]) -> Iterator[Gap]:
    for field, reason in fields.items():
        kind, first, after = field.decode().split("/")
        yield Gap(kind, source, int(first), int(after), reason.decode())  # type: ignore[arg-type]  # (our own)


def read_progress(client: Any, sources: list[Source]) -> Known:
    """What is stored of each source, read from the entries themselves behind the last checkpoint.

    What the archive has taken is asked for last: an archiver that trims meanwhile hides nothing.
    """
    known: Known = {}
    marks = _pipelined(client, (("hgetall", keys.cursor(source)) for source in sources))
    for source, found in zip(sources, marks, strict=True):
        stored = _numbers(found)
        known[source] = {kind: Spans(stored.get(kind, 0)) for kind in KINDS}
    named = _pipelined(client, (("hgetall", keys.gaps(source)) for source in sources))
    for source, fields in zip(sources, named, strict=True):
        for gap in _gaps(source, fields):
            known[source][gap.kind].add(gap.first, gap.after)
    _add_lanes(client, known)
    _add_strays(client, known)
    archived = _pipelined(client, (("hgetall", keys.archived(source)) for source in sources))
    for source, found in zip(sources, archived, strict=True):
        for kind, after in _numbers(found).items():
            known[source][kind].add(0, after)
    return known


def _add_lanes(client: Any, known: Known) -> None:
    """Both lanes in this order: what moves to the late one meanwhile is seen, none is missed."""
    lanes = [
        (spans[kind], lane, f"{spans[kind].next}-0")
        for source, spans in known.items()
        for kind in KINDS
        for lane in keys.lanes(kind, source)
    ]
    pages = _pipelined(client, (("xrange", lane, first, "+", FIRST_PAGE) for _, lane, first in lanes))
    for (spans, lane, _), first_page in zip(lanes, pages, strict=True):
        page = first_page
        while page:
            for entry_id, fields in page:
                number = number_of(entry_id)
                spans.add(number, number + int(fields[b"n"]))
            if len(page) < FIRST_PAGE:
                break
            page = client.xrange(lane, f"({page[-1][0].decode()}", "+", PAGE)


def _add_strays(client: Any, known: Known) -> None:
    spans = [(spans[kind], keys.strays(kind, source)) for source, spans in known.items() for kind in KINDS]
    found = _pipelined(client, (("hkeys", key) for _, key in spans))
    for (stored, _), fields in zip(spans, found, strict=True):
        for field in fields:
            number, count, _ = field.split(b"/")
            stored.add(int(number), int(number) + int(count))


def _numbers(fields: dict[bytes, bytes]) -> dict[Kind, int]:
    known = {name.decode(): int(value) for name, value in fields.items()}
    return {kind: known[kind] for kind in KINDS if kind in known}


def _pipelined(client: Any, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The answers of reading commands, all in one round trip."""
    pipe = client.pipeline(transaction=False)
    for name, *arguments in commands:
        getattr(pipe, name)(*arguments)
    answers: list[Any] = pipe.execute()
    return answers
