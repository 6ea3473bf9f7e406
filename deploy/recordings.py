"""Where black boxes lie: files, objects, the archive, a running telemetry, gateways; one or all of them."""

import json
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from services.kit.errors import NotRunning, SpondylError

if TYPE_CHECKING:
    from services.controller.blackbox.recording import Chunk
    from services.telemetry.archive.stores import ObjectStore

ANSWER_S: Final = 60.0
SUFFIX: Final = ".spa"
# How the files of `spondyl export` begin that hold what was measured, not all that the kernel was given.
OTHER_EXPORTS: Final = (
    (b"PAR1", "a Parquet export"), (b"\xff\xff\xff\xff", "an Arrow export"), (b'"seq"', "a CSV export"),
    (b"seq,", "a CSV export"), (b"0       X X X X", "an EDF+ export"), (b'{"resourceType"', "a FHIR export"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A recording and where it was found: `file`, `object`, `archive`, `telemetry` or `gateway`."""

    origin: str
    name: str
    chunks: "Callable[[], Sequence[Chunk]]"
    running: bool = False  # the session goes on: its recording cannot be whole yet


def is_many(what: str) -> bool:
    """Whether this names a place of recordings: a directory or the URL of an archive."""
    return "://" in what or Path(what).is_dir()


def is_id(what: str) -> bool:
    """Whether this is the id of a session."""
    try:
        UUID(what)
    except ValueError:
        return False
    return True


def find(what: str, data: Path) -> Found:
    """The recording meant: a file's, or a session's by its id. Raises SpondylError, Unreadable, Corrupt."""
    if Path(what).is_file():
        return _file(Path(what))
    if not is_id(what):
        raise SpondylError(f"{what}: no such file, and not the id of a session")
    session = UUID(what)
    for look in (_archived, _asked, _local):
        if found := look(session, data):
            return found
    raise SpondylError(
        f"session {session} has no recording: not in the archive, no running telemetry has it, "
        f"none is below {data}/gateways"
    )


def find_all(what: str) -> Iterator[Found]:
    """Every session of a directory (recordings, objects) or of the archive at a URL."""
    from services.telemetry.archive.opening import credentials_of
    from services.telemetry.archive.stores import ASKING, open_store
    from services.telemetry.settings import TelemetrySettings

    if "://" in what and not what.startswith("file://"):
        yield from _of_store(open_store(what, credentials_of(TelemetrySettings.load()), ASKING))
        return
    directory = Path(what.removeprefix("file://"))
    if not directory.is_dir():
        raise SpondylError(f"{what}: no such directory")
    for path in sorted(directory.rglob("*.jsonl")):
        if _is_recording(path):
            yield _file(path)
    paths = sorted(directory.rglob(f"*{SUFFIX}"))
    yield from _of_objects([(str(path), path.read_bytes) for path in paths])


def _is_recording(path: Path) -> bool:
    """Whether a file's first line looks like a chunk: other things are JSON lines, too."""
    with path.open("rb") as file:
        return b'"kernel_version"' in file.readline()


def _of_store(store: "ObjectStore") -> Iterator[Found]:
    paths = [one.path for one in store.list() if one.path.endswith(SUFFIX)]
    yield from _of_objects([(path, partial(store.get, path)) for path in paths])


def _of_objects(objects: "Sequence[tuple[str, Callable[[], bytes]]]") -> Iterator[Found]:
    """Sessions out of objects by (path, content): looked at for whose chunks each has, then read."""
    from services.telemetry.errors import Corrupt
    from services.telemetry.recording import sessions_of_object

    places: dict[str, list[tuple[str, Callable[[], bytes]]]] = {}
    for path, content in objects:
        try:
            for session in sessions_of_object(path, content()):
                places.setdefault(session, []).append((path, content))
        except Corrupt as error:
            yield Found("object", path, partial(_refuse, error))
    for session, held in places.items():
        yield Found("archive", f"{held[0][0]}, session {session}", partial(_of_session, session, held))


def _of_session(session: str, objects: "Sequence[tuple[str, Callable[[], bytes]]]") -> "list[Chunk]":
    from services.telemetry.recording import chunks_of_object

    chunks = [chunk for path, content in objects for chunk in chunks_of_object(path, content())]
    return _parsed(objects[0][0], [chunk for chunk in chunks if chunk["session"] == session])


def _refuse(error: SpondylError) -> "list[Chunk]":
    raise error


def _file(path: Path) -> Found:
    from services.controller.blackbox.recording import read
    from services.telemetry.recording import is_object, object_chunks

    if is_object(path):
        return Found("object", str(path), lambda: _parsed(str(path), object_chunks(path)))
    with path.open("rb") as file:
        start = file.read(16)
    for beginning, kind in OTHER_EXPORTS:
        if start.startswith(beginning):
            raise SpondylError(
                f"{path} is {kind}: it holds what was measured, not all that the kernel was given; "
                "`spondyl export SESSION --format recording` does"
            )
    return Found("file", str(path), lambda: read(path))


def _archived(session: UUID, data: Path) -> Found | None:
    """Out of the archive alone, whether or not anything runs."""
    from services.telemetry.archive.opening import exists, open_archive
    from services.telemetry.archive.stores import ASKING
    from services.telemetry.errors import UnknownSession
    from services.telemetry.query import History
    from services.telemetry.recording import session_chunks
    from services.telemetry.settings import TelemetrySettings

    settings = TelemetrySettings.load().model_copy(update={"data": data})
    if not exists(settings):
        return None
    archive = open_archive(settings, ASKING)
    try:
        history = History(None, archive)
        chunks = session_chunks(history, history.session(session))
    except UnknownSession:
        return None
    finally:
        archive.index.close()
    name = f"the archive, session {session}"
    return Found("archive", name, lambda: _parsed(name, chunks)) if chunks else None


def _asked(session: UUID, data: Path) -> Found | None:
    """From a running telemetry: what is not archived yet lies in Redis."""
    from services.controller.blackbox.recording import parse
    from services.kit import runfile
    from services.kit.auth import tokens
    from services.kit.fetch import fetch

    try:
        run = runfile.load(data)
        address, token = f"{run.telemetry}/sessions/{session}", tokens.of_system(run.data)
        state = json.loads(fetch(address, ANSWER_S, token))["state"]
        lines = fetch(f"{address}/recording", ANSWER_S, token).splitlines(keepends=True)
    except (NotRunning, urllib.error.HTTPError):
        return None
    except (OSError, ValueError) as error:
        raise SpondylError(f"telemetry does not answer: {getattr(error, 'reason', error)}") from None
    name = f"telemetry, session {session}"
    return Found("telemetry", name, lambda: parse(name, enumerate(lines, 1)), running=state == "running")


def _local(session: UUID, data: Path) -> Found | None:
    """The gateway's own recording, while it is kept."""
    from services.controller.blackbox.recording import read
    from services.controller.blackbox.replay import local

    path = local(session, data)
    return Found("gateway", str(path), lambda: read(path)) if path else None


def _parsed(name: str, chunks: Sequence[dict[str, Any]]) -> "list[Chunk]":
    from services.controller.blackbox.recording import parse

    return parse(name, ((line, json.dumps(chunk).encode()) for line, chunk in enumerate(chunks, 1)))
