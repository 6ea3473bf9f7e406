"""`spondyl backup`: everything that a system keeps, with the system running or not.

Copied in the order in which data flows, gateways' spools, Redis, databases, archive: what moves on meanwhile
is there twice and recognised, never in neither. Databases of one machine are of one moment, together with
the broker's file: what one service has told another is then with the teller, the broker or the hearer. A
trail's seal is read before its rows: a chain may be longer than its seal, never shorter.
"""

import io
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from deploy.databases import Database, databases
from deploy.keeping import objects, places, postgres, redis_keys, sqlite
from deploy.keeping.layout import Kept, links, walk
from deploy.keeping.packing import Packer
from deploy.keeping.sealing import seal
from services.kit.errors import SpondylError
from services.kit.standing import backed_up

FORMAT: Final = 1
SUFFIX: Final = ".tar"
OBJECTS: Final = "objects"  # beside the backups of a directory
Say = Callable[[str], None]


@dataclass(slots=True)
class Backup:
    """One backup on its way: where from, where to, what was found."""

    data: Path
    packer: Packer
    say: Say
    passphrase: str | None
    secrets_in_clear: bool
    found: dict[str, Any] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Kept]:
        """The files under DATA that are kept so."""
        return [one for one in self.kept if one.kind == kind]


def target_of(where: Path, now: datetime) -> tuple[Path, Path | None]:
    """The backup's file, and the directory in which objects are kept once for all backups, if they are."""
    if where.suffix == SUFFIX:
        return where, None
    return where / f"spondyl-{now:%Y%m%dT%H%M%SZ}{SUFFIX}", where / OBJECTS


def back_up(
    data: Path,
    where: Path,
    say: Say,
    *,
    passphrase: str | None = None,
    secrets_in_clear: bool = False,
    without_secrets: bool = False,
) -> dict[str, Any]:
    """Make one; what was made. Raises SpondylError: then there is none."""
    began, now = time.monotonic(), datetime.now(UTC)
    file, shared = target_of(where, now)
    if not data.is_dir():
        raise SpondylError(f"there is nothing to back up: no directory {data} (--data, SPONDYL_DATA)")
    if where.absolute().is_relative_to(data):
        raise SpondylError(f"{where} lies in {data}: a backup belongs somewhere else")
    with Packer(file) as packer:
        work = Backup(data, packer, say, passphrase, secrets_in_clear)
        work.kept, linked = list(walk(data)), links(data)
        for name in linked:
            say(f"{name} is a link: what it leads to is not kept, but for a database that settings name")
        if not without_secrets:
            _secrets(work)
        chosen = databases(data)
        _data(work, chosen)
        objects_told = _objects(work, chosen, shared)
        manifest = {
            "format": FORMAT, "links": linked, "release": version("spondyl"), "made_at": now.isoformat(),
            "took_s": round(time.monotonic() - began, 1), "data": str(data), **work.found, **objects_told,
            "parts": sorted({one.name.partition("/")[0] for one in work.kept if "/" in one.name}),
        }  # fmt: skip
        size = packer.finish(manifest)
    _write_down(data, say)
    return {
        "file": str(file), "bytes": size, "seconds": round(time.monotonic() - began, 1),
        "objects": len(manifest["objects"]), "new_object_bytes": objects_told["new_object_bytes"],
        "databases": work.found["databases"], "redis_keys": work.found["redis"],
        "secrets": work.found["secrets"], "links": linked, "without": work.found["without"],
    }  # fmt: skip


def _write_down(data: Path, say: Say) -> None:
    """Where services look how old the last backup is; in containers each has a volume of its own."""
    for directory in sorted(data.glob("volumes/*")) or [data]:
        try:
            backed_up(directory)
        except OSError as error:
            say(f"that it ended well cannot be written into {directory}: {error.strerror}")


def _secrets(work: Backup) -> None:
    """All of them in one tar, sealed. Raises SpondylError where nobody has said how."""
    kept = work.of_kind("secret")
    if not kept:
        work.found["secrets"] = "none"
        return
    if work.passphrase is None and not work.secrets_in_clear:
        raise SpondylError(
            f"{len(kept)} secrets are to be kept and there is no passphrase: give --passphrase-file FILE, or "
            "say --secrets-in-clear, or --without-secrets (then trails, clearances and tokens cannot go on)"
        )
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for one in kept:
            member = tarfile.TarInfo(one.name)
            body = one.path.read_bytes()
            member.size, member.mode = len(body), 0o600
            tar.addfile(member, io.BytesIO(body))
    plain = content.getvalue()
    if work.passphrase is None:
        work.packer.add("secrets.tar", [plain])
    else:
        work.packer.add("secrets.tar.sealed", [seal(plain, work.passphrase)])
    work.found["secrets"] = "clear" if work.passphrase is None else "sealed"


def _data(work: Backup, chosen: Sequence[Database]) -> None:
    """Gateways first, then Redis, then databases and files."""
    work.found.setdefault("secrets", "left out")
    own = {one.file.absolute() for one in chosen if one.file}
    others = [one for one in work.of_kind("sqlite") if one.path.absolute() not in own]
    beside = work.packer.directory
    with sqlite.pinned([one.path for one in others]) as readers:
        for one in others:
            work.say(f"{one.name}")
            work.packer.add(f"data/{one.name}", sqlite.content(readers[one.path], beside))
    with places.redis_of(work.data) as url:
        work.found["redis"] = redis_keys.size(url) if url else None
        if url:
            work.say(f"Redis, {work.found['redis']} keys")
            work.packer.add("redis.keys", redis_keys.dump(url))
    _databases(work, chosen)
    for one in work.of_kind("plain"):
        work.packer.add_file(f"data/{one.name}", one.path)


def _databases(work: Backup, chosen: Sequence[Database]) -> None:
    files = [one for one in chosen if one.file is not None and one.file.exists()]
    servers: dict[str, list[Database]] = {}
    for one in chosen:
        if one.file is None:
            servers.setdefault(one.url, []).append(one)
    moment: dict[str, bytes] = {}

    def meanwhile() -> None:
        moment.update({one.name: one.path.read_bytes() for one in work.of_kind("seal")})
        if (broker := places.save_broker(work.data)) is not None:
            moment[places.BROKER_FILE] = broker

    work.found["without"] = [one.service for one in chosen if not one.is_there]
    for name in work.found["without"]:
        work.say(f"{name} has no database here: nothing of it is kept")
    work.found["databases"] = {one.service: _told(one) for one in chosen if one in files or one.file is None}
    with ExitStack() as held:
        readers = held.enter_context(sqlite.pinned([one.file for one in files if one.file], meanwhile))
        for name, content in moment.items():
            work.packer.add(f"data/{name}", [content])
        for one in files:
            work.say(f"database of {one.service}")
            reader = readers[Path(str(one.file))]
            work.packer.add(f"databases/{one.service}.db", sqlite.content(reader, work.packer.directory))
    for number, sharing in enumerate(servers.values()):
        work.say(f"database of {', '.join(one.service for one in sharing)}")
        _server(work, f"postgresql/{number}", sharing)


def _server(work: Backup, folder: str, sharing: Sequence[Database]) -> None:
    """One PostgreSQL database, whoever shares it."""
    with sharing[0].opened() as engine, postgres.snapshot(engine) as connection:
        kept = {table: postgres.columns(connection, table) for table in postgres.tables(connection)}
        for table, names in kept.items():
            work.packer.add(f"{folder}/{table}", postgres.copy_out(connection, table, names))
    for one in sharing:
        work.found["databases"][one.service] |= {"folder": folder}
    work.found.setdefault("tables", {})[folder] = kept


def _told(database: Database) -> dict[str, Any]:
    """What the manifest says of a service's database."""
    from services.kit.database import revision_of

    with database.opened() as engine:
        revision = revision_of(engine, database.package)
    kind = "sqlite" if database.file else "postgresql"
    return {"kind": kind, "revision": revision.at, "release": revision.release}


def _objects(work: Backup, chosen: Sequence[Database], shared: Path | None) -> dict[str, Any]:
    """The objects that the index names, into the directory of all backups or into this one's file."""
    from services.telemetry.archive.opening import open_settings_store
    from services.telemetry.archive.stores import ASKING, LocalStore

    index = next(one for one in chosen if one.service == "telemetry")
    wanted = list(objects.named(index))
    if not wanted:
        return {"objects": [], "objects_in": "none", "new_object_bytes": 0}
    work.say(f"{len(wanted)} objects of the archive, {sum(one.size for one in wanted) / 1e6:.1f} MB")
    store = open_settings_store(objects.of_settings(work.data), ASKING)
    if shared is not None:
        copied = objects.copy_new(wanted, store, LocalStore(shared))
    else:
        copied = sum(one.size for one in wanted)
        for one in wanted:
            work.packer.add(f"{OBJECTS}/{one.path}", _checked(one, store.get(one.path)))
    where = "file" if shared is None else "directory"
    return {"objects": [one.body() for one in wanted], "objects_in": where, "new_object_bytes": copied}


def _checked(one: objects.Named, content: bytes) -> Iterator[bytes]:
    if not one.fits(content):
        raise SpondylError(f"object {one.path} is not as the index names it: `spondyl archive verify`")
    yield content
