"""`spondyl replay`: a session's black box, wherever it lies, through the kernel that made it.

Above the services, because it joins telemetry's archive with the controller's kernel.
"""

import json
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from services.kit.errors import NotRunning, SpondylError
from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from services.controller.recording import Chunk
    from services.controller.replay import Result

ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """A recording and where it was found: `file`, `object`, `archive`, `telemetry` or `gateway`."""

    origin: str
    name: str
    chunks: Sequence["Chunk"]
    running: bool = False  # the session goes on: its recording cannot be whole yet


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("replay")(_replay)


def _replay(
    recording: Annotated[
        str, typer.Argument(help="A session's id, a recording (JSONL) or an object of the archive.")
    ],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Recompute a recorded session; exit 0 only when every command is bit-equal and it is whole."""
    from services.controller.recording import LoadMissing
    from services.controller.replay import recompute, tell
    from services.kit.runfile import data_directory

    found = find(recording, data_directory(data))
    try:
        result = recompute(found.name, found.chunks)
    except LoadMissing as error:
        raise LoadMissing(error.message + _instead(found)) from None
    reason = incomplete(result, found)
    if as_json:
        told = {"origin": found.origin, "running": found.running, "reason": reason}
        print(json.dumps(result.as_json() | told))
    else:
        print("\n".join(filter(None, (f"from {found.name}", tell(result), reason))))
    if not result.equal or (reason and not found.running):
        raise typer.Exit(1)


def _instead(found: Found) -> str:
    """A session longer than an object lies in several: what to ask for to have all of it."""
    if found.origin != "object":
        return ""
    sessions = dict.fromkeys(
        str(chunk.message.session) for chunk in found.chunks if chunk.message.session is not None
    )
    asked = ", ".join(f"`spondyl replay {session}`" for session in sessions)
    return f"; it is a part of a session, all of it: {asked}" if asked else "; no session is in it"


def incomplete(result: "Result", found: Found) -> str | None:
    """Why the recording is not the whole session; None when it is."""
    if result.complete:
        return None
    where = f"the recording ends in {result.last_phase} at seq {result.first_seq + result.samples - 1}"
    if found.running:
        return f"{where}: the session is still running, the rest can be replayed when it is over"
    return f"{where}, before the session ends: the rest is missing"


def find(what: str, data: Path) -> Found:
    """The recording meant: a file's, or a session's by its id. Raises SpondylError, Unreadable, Corrupt."""
    if Path(what).is_file():
        return _file(Path(what))
    try:
        session = UUID(what)
    except ValueError:
        raise SpondylError(f"{what}: no such file, and not the id of a session") from None
    for look in (_archived, _asked, _local):
        if found := look(session, data):
            return found
    raise SpondylError(
        f"session {session} has no recording: not in the archive, no running telemetry has it, "
        f"none is below {data}/gateways"
    )


def _file(path: Path) -> Found:
    from services.controller.recording import read
    from services.telemetry.recording import is_object, object_chunks

    if is_object(path):
        return Found("object", str(path), _parsed(str(path), object_chunks(path)))
    return Found("file", str(path), read(path))


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
    return Found("archive", name, _parsed(name, chunks)) if chunks else None


def _asked(session: UUID, data: Path) -> Found | None:
    """From a running telemetry: what is not archived yet lies in Redis."""
    from services.controller.recording import parse
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
    return Found("telemetry", name, parse(name, enumerate(lines, 1)), running=state == "running")


def _local(session: UUID, data: Path) -> Found | None:
    """The gateway's own recording, while it is kept."""
    from services.controller.recording import read
    from services.controller.replay import local

    path = local(session, data)
    return Found("gateway", str(path), read(path)) if path else None


def _parsed(name: str, chunks: Sequence[dict[str, Any]]) -> list["Chunk"]:
    from services.controller.recording import parse

    return parse(name, ((line, json.dumps(chunk).encode()) for line, chunk in enumerate(chunks, 1)))
