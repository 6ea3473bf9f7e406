"""`spondyl replay`: black boxes, wherever they lie, through the kernel that made them.

Above the services, because it joins telemetry's archive with the controller's kernel.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.recordings import Found, find, find_all, is_id, is_many
from services.kit.errors import SpondylError
from services.kit.options import AsJson, Data

if TYPE_CHECKING:
    from services.controller.blackbox.replay import Result


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("replay")(_replay)


def _replay(
    recording: Annotated[
        str,
        typer.Argument(
            help="A session's id, a recording (JSONL), an object of the archive; a directory, an export or "
            "the URL of an archive: everything in it."
        ),
    ],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Recompute recorded sessions; exit 0 only when every command is bit-equal and every session is whole."""
    from services.kit.runfile import data_directory

    if is_many(recording):
        _everything(recording, as_json=as_json)
        return
    row = _replayed(find(recording, data_directory(data)))
    print(json.dumps(row.as_json()) if as_json else row.told())
    if not row.ok:
        raise typer.Exit(1)


def _everything(what: str, *, as_json: bool) -> None:
    """All sessions of a directory or an archive; each line as soon as it is known, the sum last."""
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for row in replayed_all(what):
        (refused if isinstance(row, Refused) else rows).append(row.as_json())
        if not as_json:
            print(row.told())
    if not rows and not refused and not as_json:
        raise SpondylError(f"{what} holds no recording (*.jsonl) and no object of an archive (*.spa)")
    good = [row for row in rows if row["equal"] and row["complete"]]
    told = {
        "sessions": rows, "refused": refused, "replayed": len(rows),
        "samples": sum(row["samples"] for row in rows),
        "differing": sum(not row["equal"] for row in rows), "ok": len(good) == len(rows) > 0 and not refused,
    }  # fmt: skip
    differ, cut = told["differing"], sum(not row["complete"] for row in rows)
    print(
        json.dumps(told)
        if as_json
        else f"{len(rows)} sessions replayed, {told['samples']} samples: {differ} differ, {cut} not whole, "
        f"{len(refused)} refused"
    )
    if not told["ok"]:
        raise typer.Exit(1)


class Replayed:
    """What came of one recording."""

    def __init__(self, found: Found, result: "Result") -> None:
        self.found = found
        self.result = result
        self.reason = incomplete(result, found)

    @property
    def ok(self) -> bool:
        """Equal, and whole or still running."""
        return self.result.equal and (self.reason is None or self.found.running)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        told = {"origin": self.found.origin, "running": self.found.running, "reason": self.reason}
        return self.result.as_json() | told

    def told(self) -> str:
        """For a person."""
        from services.controller.blackbox.replay import tell

        return "\n".join(filter(None, (f"from {self.found.name}", tell(self.result), self.reason)))


class Refused:
    """A recording that cannot be replayed, and why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"name": self.name, "reason": self.reason}

    def told(self) -> str:
        """For a person."""
        return f"from {self.name}\nrefused: {self.reason}"


def replayed_all(what: str) -> Iterator[Replayed | Refused]:
    """Every recording of a directory or archive, recomputed. Raises SpondylError when it cannot be listed."""
    for found in find_all(what):
        try:
            yield _replayed(found)
        except SpondylError as error:
            yield Refused(found.name, error.message)


def _replayed(found: Found) -> Replayed:
    from services.controller.blackbox.recording import LoadMissing, Unreadable
    from services.controller.blackbox.replay import recompute

    try:
        return Replayed(found, recompute(found.name, found.chunks()))
    except LoadMissing as error:
        raise LoadMissing(error.message + _instead(found)) from None
    except Unreadable as error:
        raise Unreadable(error.message + _elsewhere(found)) from None


def _elsewhere(found: Found) -> str:
    """A file that cannot be trusted: where the same session may lie whole."""
    if found.origin not in ("file", "gateway"):
        return ""
    session = Path(found.name).stem
    asked = session if is_id(session) else "SESSION"
    return f"; nothing of it was replayed: `spondyl replay {asked}` looks for the session in the archive"


def _instead(found: Found) -> str:
    """A session longer than an object lies in several: what to ask for to have all of it."""
    if found.origin != "object":
        return ""
    sessions = dict.fromkeys(
        str(chunk.message.session) for chunk in found.chunks() if chunk.message.session is not None
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
