"""`spondyl export`: a session as a file, written aside and flushed before it has its name."""

import hashlib
import os
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from services.kit import runfile
from services.kit.auth import tokens
from services.kit.errors import NotRunning, SpondylError
from services.kit.fetch import fetch_parts
from services.telemetry.archive.opening import exists, open_archive
from services.telemetry.archive.stores import ASKING
from services.telemetry.errors import UnknownSession
from services.telemetry.exports.formats import Format, format_of
from services.telemetry.exports.recorded import recorded_session
from services.telemetry.query import History
from services.telemetry.settings import TelemetrySettings

ANSWER_S: Final = 300.0


def write(session: UUID, form: str, out: Path, data: Path) -> dict[str, Any]:
    """What was written and where it came from. Raises SpondylError; then the file is as it was."""
    chosen = format_of(form)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise SpondylError(f"--out {out} is a directory, or there is none to hold it: name a file")
    for origin, parts in (
        ("the archive", _archived(session, chosen, data)),
        ("telemetry", _asked(session, chosen, data)),
    ):
        size, sha256 = _written(parts, out)
        if size:
            told = {"session": str(session), "format": form, "file": str(out), "origin": origin}
            return {**told, "bytes": size, "sha256": sha256}
    raise UnknownSession(f"session {session} is not in the archive, and no running telemetry knows it")


def _archived(session: UUID, chosen: Format, data: Path) -> Iterator[bytes]:
    """Nothing when the archive does not have it."""
    settings = TelemetrySettings.load().model_copy(update={"data": data})
    if not exists(settings):
        return
    archive = open_archive(settings, ASKING)
    try:
        history = History(None, archive)
        row = history.session(session)
        yield from chosen.write(recorded_session(history, row))
    except UnknownSession:
        return
    finally:
        archive.index.close()


def _asked(session: UUID, chosen: Format, data: Path) -> Iterator[bytes]:
    """Nothing when nothing runs, or what runs does not know it."""
    try:
        run = runfile.load(data)
        url = f"{run.telemetry}/sessions/{session}/export?format={chosen.name}"
        yield from fetch_parts(url, ANSWER_S, tokens.of_system(run.data))
    except NotRunning:
        return
    except urllib.error.HTTPError as error:
        if error.code != 404:  # noqa: PLR2004  (not found)
            raise SpondylError(
                f"telemetry does not export: {error.read().decode(errors='replace')[:300]}"
            ) from None
    except OSError as error:
        raise SpondylError(f"telemetry does not answer: {getattr(error, 'reason', error)}") from None


def _written(parts: Iterator[bytes], out: Path) -> tuple[int, str]:
    """(bytes, SHA-256) of the file; (0, ...) and no file when there was nothing."""
    aside, digest, size = out.with_name(f".{out.name}.{uuid4().hex}"), hashlib.sha256(), 0
    try:
        with aside.open("xb") as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size += len(part)
            file.flush()
            os.fsync(file.fileno())
        if size:
            aside.replace(out)
    except OSError as error:
        raise SpondylError(f"--out {out} cannot be written: {error.strerror or error}") from None
    finally:
        aside.unlink(missing_ok=True)
    return size, digest.hexdigest()
