"""`spondyl gdt write`: a session's result as GDT, out of screening; of a stranger, out of telemetry."""

import base64
import json
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from broker.messages import SessionSummary
from services.kit import runfile
from services.kit.auth import tokens
from services.kit.errors import SpondylError
from services.kit.fetch import fetch
from services.kit.files import write_new
from services.screening.exchange.gdt.fields import Version
from services.screening.exchange.gdt.folders import SHARED, names
from services.screening.exchange.gdt.results import RESULT, result
from services.screening.exchange.gdt.writing import Form
from services.screening.exchange.settings import GdtSettings

ANSWER_S: Final = 20.0
_UNKNOWN: Final = 404
_OWN: Final = "S"  # before our own short form of a patient's id: no practice system numbers like that


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is not as the settings say."""

    version: Version | None
    charset: str | None
    receiver: str | None
    sender: str | None
    number: str | None
    procedure: str | None


def write(session: UUID, out: Path, wanted: Wanted, data: Path | None) -> dict[str, Any]:
    """Write the file; gives what was written. Raises SpondylError."""
    run = runfile.load(data)
    settings = GdtSettings.load()
    found = _of_screening(run, session, wanted) or _of_telemetry(run, session, wanted, settings)
    form = _form(wanted, settings)
    content = base64.b64decode(found["content"])
    path = _new(out, names(form.version, settings.gdt_receiver_short, settings.gdt_sender_short), content)
    return {
        "session": str(session), "file": str(path), "bytes": len(content), "record": RESULT,
        "version": form.version, "charset": form.charset, "origin": found["origin"],
        "warnings": found["warnings"],
    }  # fmt: skip


def _of_screening(run: runfile.Run, session: UUID, wanted: Wanted) -> dict[str, Any] | None:
    """As screening would write it; None where it knows no such session."""
    given = {
        "version": wanted.version, "charset": wanted.charset, "receiver": wanted.receiver,
        "sender": wanted.sender, "number": wanted.number, "procedure": wanted.procedure,
    }  # fmt: skip
    query = urlencode({name: value for name, value in given.items() if value is not None})
    try:
        found = _ask(run.screening, f"/exchange/results/{session}/gdt?{query}", run, tokens.SCREENING)
    except _UnknownError:
        return None
    return {**found, "origin": "screening"}


def _of_telemetry(run: runfile.Run, session: UUID, wanted: Wanted, settings: GdtSettings) -> dict[str, Any]:
    """Of a patient without a file here: nothing but what was measured, under a number that says so."""
    try:
        found = _ask(run.telemetry, f"/sessions/{session}/summary", run, tokens.TELEMETRY)
        summary = SessionSummary.model_validate(found.get("summary", found))
    except _UnknownError:
        raise SpondylError(f"no session {session} is known in {run.data}") from None
    except ValidationError:
        raise SpondylError(f"session {session} has no summary yet: it has not ended") from None
    own = f"{_OWN}{summary.patient.hex[:9].upper()}"
    written = result(
        wanted.number or own, None, summary, wanted.procedure or settings.gdt_procedure,
        ZoneInfo(settings.gdt_zone), _form(wanted, settings),
    )  # fmt: skip
    warnings = [*written.warnings]
    if wanted.number is None:
        warnings.append(
            f"the patient has no file here: field 3000 is {own}, no practice system's number (see --number)"
        )
    return {
        "content": base64.b64encode(written.content).decode(), "warnings": warnings, "origin": "telemetry",
    }  # fmt: skip


def _form(wanted: Wanted, settings: GdtSettings) -> Form:
    usual = settings.form()
    return Form(
        wanted.version or usual.version, wanted.charset or usual.charset, wanted.receiver or usual.receiver,
        wanted.sender or usual.sender,
    )  # fmt: skip


class _UnknownError(Exception):
    """The service knows no such session."""


def _ask(address: str, path: str, run: runfile.Run, audience: str) -> dict[str, Any]:
    service = audience.removeprefix("spondyl-")
    if not address:
        raise SpondylError(f"{service} does not run in {run.data}")
    try:
        answer: dict[str, Any] = json.loads(
            fetch(f"{address}{path}", ANSWER_S, tokens.of_system(run.data, (audience,)))
        )
    except urllib.error.HTTPError as error:
        if error.code == _UNKNOWN:
            raise _UnknownError from None
        raise SpondylError(_detail(error.read())) from None
    except (OSError, ValueError) as error:
        raise SpondylError(f"{service} does not answer at {address}: {error}") from None
    else:
        return answer


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]


def _new(directory: Path, free: Iterator[str], content: bytes) -> Path:
    """The file under the first name that nobody has."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in free:
            try:
                write_new(directory / name, content, SHARED)
            except FileExistsError:
                continue
            return directory / name
    except OSError as error:
        raise SpondylError(f"{directory} cannot be written to: {error.strerror}") from None
    raise SpondylError(f"every name of a GDT file is taken in {directory}")
