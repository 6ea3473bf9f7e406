"""`spondyl support-bundle`: what a stranger needs to help, and nothing of a patient, a colleague or a key.

Nothing is taken out of a system that is not on a list: names of settings, numbers, states, and of logs and
refusals the words of our own source (``known_words``). What cannot be asked is named, and the rest goes on.
"""

import io
import json
import os
import platform
import re
import tarfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from deploy.databases import SERVICES, databases
from deploy.keeping.known_words import GAP, ours
from services.kit import files, runfile
from services.kit.errors import SpondylError
from services.kit.told import plain, told

LINES: Final = 400  # of each log
MOST_LINE: Final = 20_000
ASK_S: Final = 5.0
AUDIT_S: Final = 60.0
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._/+-]{0,60}")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
CORRELATION: Final = re.compile(r"[0-9a-f-]{8,40}")
SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? ([-+0-9.eE]+|NaN|[+-]Inf)")
OUR_FILE: Final = re.compile(r"((?:broker|services|deploy|site-packages)/[\w./-]+\.py)$")
LABEL: Final = re.compile(r'([a-z_]+)="([^"]*)"')
WORDS: Final = frozenset({"event", "why", "detail", "error", "reason", "message", "exc_value"})
SLUGS: Final = frozenset(
    {"level", "service", "site", "device", "gateway", "stream", "phase", "kind", "status"}
)
PARTS: Final = frozenset({*SERVICES, "log", "gateways", "redis", "mosquitto", "gdt", "secrets"})
PATH: Final = re.compile(r"(?<![\w:/])/[^\s,;)]+")
MOST_NUMBER: Final = 1e7  # larger ones are times, identifiers, telephones


@dataclass(slots=True)
class Bundle:
    """What was found, file by file, and what could not be asked."""

    data: Path
    parts: dict[str, Any] = field(default_factory=dict)
    not_asked: dict[str, str] = field(default_factory=dict)

    def ask(self, name: str, question: Callable[[], Any]) -> None:
        """Put an answer in; where none comes, why not."""
        try:
            self.parts[name] = question()
        except SpondylError as error:
            self.not_asked[name] = ours(error.message)
        except Exception as error:  # noqa: BLE001  (a bundle is made of a system that is ill)
            self.not_asked[name] = told(error)


def collect(data: Path) -> Bundle:
    """Everything that may be told of the system that keeps its data there, running or not."""
    bundle = Bundle(data)
    bundle.ask("about.json", _about)
    bundle.ask("settings.json", _settings)
    bundle.ask("doctor.json", lambda: _doctor(data))
    bundle.ask("status.json", lambda: _status(data))
    for name in SERVICES:
        bundle.ask(f"databases/{name}.json", partial(_database, data, name))
    bundle.ask("sizes.json", lambda: dict(_sizes(data)))
    bundle.ask("redis.json", lambda: _redis(data))
    bundle.ask("audit.json", lambda: _audit(data))
    for name, address in _addresses(data).items():
        bundle.ask(f"services/{name}/readyz.json", partial(_readyz, address))
        bundle.ask(f"services/{name}/metrics.txt", partial(_metrics, address))
    for path in sorted((data / "log").glob("*.log")):
        bundle.ask(f"log/{path.stem}.jsonl", partial(_log, path))
    return bundle


def write(bundle: Bundle, out: Path) -> dict[str, Any]:
    """As one file that can be sent. Raises SpondylError."""
    bundle.parts["not-asked.json"] = bundle.not_asked
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, part in sorted(bundle.parts.items()):
            body = (
                part if isinstance(part, str) else json.dumps(part, indent=1, ensure_ascii=False)
            ).encode()
            member = tarfile.TarInfo(f"spondyl-support/{name}")
            member.size, member.mtime, member.mode = len(body), int(time.time()), 0o600
            tar.addfile(member, io.BytesIO(body))
    try:
        files.replace(out, content.getvalue())
    except OSError as error:
        raise SpondylError(f"--out {out} cannot be written: {error.strerror}") from None
    return {"file": str(out), "bytes": len(content.getvalue()), "parts": sorted(bundle.parts),
            "not_asked": bundle.not_asked}  # fmt: skip


def _about() -> dict[str, Any]:
    return {
        "release": version("spondyl"), "made_at": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "system": platform.system(), "kernel": platform.release(), "machine": platform.machine(),
        "cores": os.cpu_count(), "load": os.getloadavg(), "packages": _packages(),
    }  # fmt: skip


def _packages() -> dict[str, str]:
    from importlib.metadata import distributions

    return dict(sorted((one.metadata["Name"], one.version) for one in distributions()))


def _settings() -> dict[str, Any]:
    """Which settings are given; the value only of those that can hold nothing but a choice or a number."""
    from deploy.reference import READERS
    from services.kit.settings import FROM_FILE, described

    found = {}
    for _, cls in READERS:
        for row in described(cls):
            given = os.environ.get(row.variable)
            if os.environ.get(row.variable + FROM_FILE):
                found[row.variable] = "from a file"
            elif given:
                found[row.variable] = given if _is_choice(given) else "given, withheld"
    return found


def _is_choice(value: str) -> bool:
    return value in {"true", "false", "never", "at-start"} or _is_small(value)


def _is_small(value: str) -> bool:
    try:
        return abs(float(value)) < MOST_NUMBER
    except ValueError:
        return False


def _doctor(data: Path) -> list[dict[str, str]]:
    from deploy.doctor import examine

    return [
        {"what": one.what, "verdict": one.verdict, "detail": PATH.sub("PATH", plain(one.detail))}
        for one in examine(data)
    ]


def _status(data: Path) -> dict[str, Any]:
    from deploy.status import status

    report = status(runfile.load(data))
    return {name: value for name, value in report.items() if name != "data"}


def _database(data: Path, service: str) -> dict[str, Any]:
    """Its kind, revision and size, and how many rows each table has: queues are among them."""
    from sqlalchemy import func, inspect, select, table

    from services.kit.database import newest_migration, reading, revision_of

    (database,) = databases(data, [service])
    if not database.is_there:
        raise SpondylError("there is no database yet")
    with database.opened() as engine, reading(engine) as connection:
        revision = revision_of(engine, database.package)
        rows = {
            name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
            for name in sorted(inspect(connection).get_table_names())
            if SLUG.fullmatch(name)
        }
    queues = ("outbox", "refused", "waiting")
    return {
        "kind": "sqlite" if database.file else "postgresql", "revision": revision.at,
        "newest": newest_migration(database.package), "migrated_by": revision.release,
        "bytes": database.file.stat().st_size if database.file else None, "rows": rows,
        "queues": {name: rows[at] for name in queues if (at := f"{database.service}_{name}") in rows},
    }  # fmt: skip


def _sizes(data: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Files and bytes by part; below that stand names that somebody gave."""
    for path in sorted(data.iterdir()):
        if path.is_dir() and path.name in PARTS:
            below = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
            yield path.name, {"files": len(below), "bytes": sum(below)}


def _redis(data: Path) -> dict[str, Any]:
    from deploy.keeping import places
    from services.telemetry.cluster import Cluster
    from services.telemetry.store import connect

    url = places.given_redis(data)
    if url is None:
        raise SpondylError("no Redis runs here")
    client = connect(url)
    wanted = ("redis_version", "used_memory", "maxmemory", "aof_enabled", "aof_last_write_status",
              "connected_clients", "uptime_in_seconds", "role")  # fmt: skip
    try:
        rows = [
            {"keys": node.dbsize(), **{name: value for name, value in node.info().items() if name in wanted}}
            for node in (client.primaries() if isinstance(client, Cluster) else [client])
        ]
        return {"nodes": rows} if isinstance(client, Cluster) else rows[0]
    finally:
        client.close()


def _audit(data: Path) -> dict[str, Any]:
    """The totals alone."""
    from services.kit.auth import tokens
    from services.kit.fetch import fetch

    where = runfile.addresses(data)
    report = json.loads(
        fetch(f"{where.telemetry}/audit", AUDIT_S, tokens.of_system(data, ("spondyl-telemetry",)))
    )
    return {name: value for name, value in report.items() if isinstance(value, int)}


def _addresses(data: Path) -> dict[str, str]:
    """Where each service says how it is; the environment's, where the system is not of this machine."""
    given = {name: os.environ.get(f"SPONDYL_{name.upper()}_URL", "") for name in SERVICES}
    try:
        run = runfile.load(data)
    except SpondylError:
        return {name: given[name] or "" for name in SERVICES}
    known = {name: getattr(run, name, "") for name in SERVICES} | {"archiver": run.archiver or ""}
    known |= {f"ingest-{number}": address for number, address in enumerate(run.ingest, 1)}
    known |= {f"gateway-{name}": site.panel for name, site in run.sites.items()}
    return {name: address for name, address in known.items() if address}


def _asked(address: str, path: str) -> bytes:
    from urllib.error import HTTPError

    from services.kit.fetch import fetch

    if not address:
        raise SpondylError("no running system")
    try:
        return fetch(f"{address.rstrip('/')}{path}", ASK_S)
    except HTTPError as error:  # an unready one says why
        return error.read()


def _readyz(address: str) -> dict[str, Any]:
    body = json.loads(_asked(address, "/readyz"))
    checks = body.get("checks", {})
    return {
        "ready": body.get("ready") is True,
        "checks": {
            name: {"ok": one.get("ok") is True, "detail": ours(str(one.get("detail") or ""))}
            for name, one in checks.items()
            if SLUG.fullmatch(name)
        },
    }


def _metrics(address: str) -> str:
    """The samples whose labels are names of machines."""
    lines = _asked(address, "/metrics").decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if (found := SAMPLE.fullmatch(line)) and _is_machine(found[2]))


def _is_machine(labels: str | None) -> bool:
    return all(
        SLUG.fullmatch(value) or _is_small(value) or value == "+Inf"
        for _, value in LABEL.findall(labels or "")
    )


def _log(path: Path) -> str:
    """The last lines, what may be told of each; what is no JSON is another program's, and counted."""
    with path.open(encoding="utf-8", errors="replace") as file:
        last = deque((line[:MOST_LINE] for line in file), maxlen=LINES)
    told_, others = [], 0
    for line in last:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            told_.append(json.dumps(_line(row), ensure_ascii=False))
        else:
            others += 1
    return "\n".join([*told_, json.dumps({"lines_of_other_programs": others})])


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line: numbers, times, names of machines, our own words, places in our code."""
    kept = {name: value for name, raw in row.items() if (value := _value(name, raw)) is not None}
    return kept | {"left_out": len(row) - len(kept)}


def _value(name: str, raw: Any) -> Any:
    if isinstance(raw, bool) or (isinstance(raw, int | float) and abs(raw) < MOST_NUMBER):
        return raw
    if name == "exception" and isinstance(raw, list):
        return [_exception(one) for one in raw if isinstance(one, dict)]
    if not isinstance(raw, str):
        return None
    if name in WORDS:
        return ours(raw)
    forms = {"timestamp": TIME, "correlation": CORRELATION}
    form = forms.get(name) or (SLUG if name in SLUGS else None)
    return raw if form and form.fullmatch(raw) else None


def _exception(one: Mapping[str, Any]) -> dict[str, Any]:
    frames = one.get("frames")
    places = (
        [_place(frame) for frame in frames if isinstance(frame, dict)] if isinstance(frames, list) else []
    )
    kind = str(one.get("exc_type", ""))
    return {
        "exc_type": kind if kind.isidentifier() else GAP,
        "exc_value": ours(str(one.get("exc_value", ""))),
        "places": [place for place in places if place],
    }


def _place(frame: Mapping[str, Any]) -> str:
    """`services/kit/database.py:120`; what lies outside of packages is not named."""
    found = re.search(
        r"((?:broker|services|deploy|site-packages)/[\w./-]+\.py)$", str(frame.get("filename", ""))
    )
    return f"{found[1]}:{frame['lineno']}" if found and isinstance(frame.get("lineno"), int) else ""
