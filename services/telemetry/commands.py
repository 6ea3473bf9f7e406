"""`spondyl audit`, `spondyl export` and `spondyl archive`."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from services.kit.options import AsJson, Data
from services.telemetry.archive import commands as archive

if TYPE_CHECKING:
    from services.kit.runfile import Addresses

SETTLE_S = 60.0  # a gateway that hears no promise sends all again after 30 s, and reconnects within 15 s
AUDIT_S = 300.0  # it counts every sample that is stored
_POLL_S = 0.5
BUSINESS = ("billing", "scheduler")  # whose own recount is part of it, where they are


def register(root: typer.Typer) -> None:
    """Add this room's commands."""
    root.command("audit")(_audit)
    root.command("export")(_export)
    archive.register(root)


def _audit(
    data: Data = None,
    settle_s: Annotated[
        float, typer.Option(help="Wait so long for what a gateway is still sending; longer while it comes.")
    ] = SETTLE_S,
    since: Annotated[
        str | None, typer.Option(help="Only what is newer than this time (ISO 8601 with a zone).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count gaps and duplicates of every device and boot, sessions billed twice and double appointments.

    Exit status 0 only when there are none.
    """
    from services.kit import runfile
    from services.telemetry.audit import is_clean

    where = runfile.addresses(data)
    report = _settled(where, settle_s, since) | {name: _business(where, name) for name in BUSINESS}
    print(json.dumps(report) if as_json else table(report))
    if not is_clean(report) or any(_found(report, name) for name in BUSINESS):
        raise typer.Exit(1)


def _settled(where: "Addresses", settle_s: float, since: str | None) -> dict[str, Any]:
    """The audit, taken again while something is missing that a gateway may still be sending."""
    owed, deadline = None, 0.0
    while True:
        report = _telemetry(where, since)
        before, owed = owed, _owed(report)
        if before is None or owed < before:
            deadline = time.monotonic() + settle_s
        if not owed or not time.monotonic() < deadline:  # also for a time that is no number
            return report
        time.sleep(_POLL_S)


def _owed(report: dict[str, Any]) -> int:
    """How many numbers are missing without anybody having said that they will never come."""
    counts = [row.get(kind, row) for row in report["streams"] for kind in ("tension", "blackbox", "event")]
    gaps = [gap for counted in counts for gap in counted["gaps"] if "reason" not in gap]
    return sum(gap["last"] - gap["first"] + 1 for gap in gaps)


def _telemetry(where: "Addresses", since: str | None) -> dict[str, Any]:
    from urllib.parse import quote

    return _ask(where, "telemetry", f"/audit?since={quote(since)}" if since else "/audit")


def _business(where: "Addresses", name: str) -> dict[str, Any] | None:
    """What a business service counts of its own; None where there is no such service."""
    return _ask(where, name, "/audit") if getattr(where, name) else None


def _found(report: dict[str, Any], name: str) -> int:
    """How much is double there."""
    counted = report[name] or {}
    return sum(len(found) for found in counted.values() if isinstance(found, list))


def _ask(where: "Addresses", name: str, path: str) -> dict[str, Any]:
    import urllib.error

    from services.kit.auth import tokens
    from services.kit.errors import SpondylError
    from services.kit.fetch import fetch

    address = getattr(where, name)
    token = tokens.of_system(where.data, (f"spondyl-{name}",))
    try:
        report: dict[str, Any] = json.loads(fetch(f"{address}{path}", AUDIT_S, token))
    except urllib.error.HTTPError as error:
        raise SpondylError(f"{name} cannot audit now: {_detail(error.read())}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise SpondylError(f"{name} does not answer at {address}: {reason}") from None
    else:
        return report


def _export(
    session: Annotated[UUID, typer.Argument(help="The session's id.")],
    form: Annotated[str, typer.Option("--format", help="parquet, arrow, csv, edf, fhir or recording.")],
    out: Annotated[Path, typer.Option(help="The file to write; replaced when it is there.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write a session to a file: out of the archive, or from the running system when it is not there yet."""
    from services.kit.runfile import data_directory
    from services.telemetry.exports.command import write

    told = write(session, form, out, data_directory(data))
    print(json.dumps(told) if as_json else f"{told['file']}: {told['bytes']} bytes, from {told['origin']}")


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]


def table(report: dict[str, Any]) -> str:
    """The report as lines for a person."""
    lines = [
        f"{'device':<22}{'boot':<10}{'stream':<10}{'first':>8}{'last':>10}{'lost':>8}{'twice':>8}{'late':>6}"
    ]
    for row in report["streams"]:
        for kind in ("tension", "blackbox", "event"):
            counted = row.get(kind, row)
            if counted["first_seq"] is not None:
                lines.append(
                    f"{row['site'] + '/' + row['device']:<22}{row['boot'][:8]:<10}{kind:<10}"
                    f"{counted['first_seq']:>8}{counted['last_seq']:>10}{counted['lost']:>8}"
                    f"{counted['duplicates']:>8}{counted['late_blocks']:>6}"
                )
            lines += [
                f"  gap: {kind} {gap['first']} to {gap['last']}: {gap.get('reason', 'nobody has said why')}"
                for gap in counted["gaps"]
            ]
    lines.append(
        f"{report['samples']} samples of {report['devices']} devices in {report['boots']} boots: "
        f"{report['lost_samples']} lost, {report['duplicate_samples']} twice; "
        f"events: {report['lost_events']} lost, {report['duplicate_events']} twice"
    )
    for name in BUSINESS:
        lines += _told(name, report.get(name))
    return "\n".join(lines)


def _told(name: str, counted: dict[str, Any] | None) -> list[str]:
    """A business service's figures in a line, and a line for whatever is double."""
    if counted is None:
        return []
    figures = ", ".join(
        f"{len(found) if isinstance(found, list) else found} {what.replace('_', ' ')}"
        for what, found in counted.items()
    )
    doubles = [f"  {what.replace('_', ' ')}: {one}" for what, found in counted.items()
               if isinstance(found, list) for one in found]  # fmt: skip
    return [f"{name}: {figures}", *doubles]
