"""`spondyl restore`: a backup put back into an empty place, whole or not at all.

Everything is read and compared first. Files are put together under DATA/.restoring and get their names at
the end; a PostgreSQL is filled in one transaction, committed just behind; objects that were put into a
bucket are taken out again when anything fails.
"""

import errno
import io
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from deploy.databases import Database, databases
from deploy.keeping import objects, places, postgres, redis_keys
from deploy.keeping.backup import FORMAT, OBJECTS, SUFFIX, Say
from deploy.keeping.layout import STAGE, checked
from deploy.keeping.packing import Damaged, Pack
from deploy.keeping.parts import EVERYTHING, Parts
from deploy.keeping.sealing import unseal
from services.kit.errors import SpondylError
from services.kit.files import OWNER_ONLY, flush_directory

NOTHING: Final = frozenset({"lost+found", "lock"})  # what a mount and a refused start leave
Rows = Mapping[str, Any]


@dataclass(slots=True)
class Restoring:
    """One restoring on its way: out of which backup, into which system."""

    pack: Pack
    data: Path
    say: Say
    parts: Parts
    chosen: list[Database]
    ending: ExitStack  # in any case
    undo: ExitStack  # when anything fails
    moves: list[tuple[Path, Path]] = field(default_factory=list)  # of what lies outside of DATA

    @property
    def manifest(self) -> Rows:
        """What the backup says of itself."""
        return self.pack.manifest

    @property
    def stage(self) -> Path:
        """Where files are until all is well."""
        return self.data / STAGE

    def staged(self, path: Path) -> Path:
        """Where a file waits that is to lie at ``path``; its directory is made."""
        if path.is_relative_to(self.data):
            waiting = self.stage / path.relative_to(self.data)
        else:
            waiting = path.with_name(f".{path.name}{STAGE}")
            self.undo.callback(waiting.unlink, missing_ok=True)
            self.moves.append((waiting, path))
        waiting.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return waiting


def newest(where: Path) -> Path:
    """The backup at a path: the file, or the newest one of a directory. Raises SpondylError."""
    if not where.is_dir():
        return where
    found = sorted(where.glob(f"spondyl-*{SUFFIX}"))
    if not found:
        raise SpondylError(f"there is no backup in {where}")
    return found[-1]


def opened(where: Path) -> Pack:
    """The backup, of a form that this release knows. Raises SpondylError."""
    pack = Pack(newest(where))
    if pack.manifest.get("format") != FORMAT:
        pack.close()
        made = pack.manifest.get("release")
        raise SpondylError(
            f"{pack.path} was made by release {made} in a form that {version('spondyl')} lacks"
        )
    return pack


def verify(where: Path, say: Say) -> dict[str, Any]:
    """Read all of a backup, with its objects, and compare every checksum. Raises Damaged, SpondylError."""
    began, read = time.monotonic(), 0

    def tell(size: int) -> None:
        nonlocal read
        read += size

    with closing(opened(where)) as pack:
        say(f"reading {pack.path}")
        pack.verify(tell)
        for size in _objects_read(pack):
            tell(size)
    return {
        "ok": True, "file": str(pack.path),
        "made_at": pack.manifest["made_at"], "release": pack.manifest["release"],
        "members": len(pack.members), "objects": len(pack.manifest["objects"]), "bytes": read,
        "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip


def _objects_read(pack: Pack) -> Iterator[int]:
    """The objects beside the backup, compared; those within it are members."""
    if pack.manifest["objects_in"] != "directory":
        return
    yield from objects.verify(objects.from_manifest(pack.manifest["objects"]), _beside(pack))


def _beside(pack: Pack) -> Any:
    from services.telemetry.archive.stores import LocalStore

    directory = pack.path.parent / OBJECTS
    if not directory.is_dir():
        raise Damaged(f"the archive's objects of {pack.path} are not beside it: {directory} is gone")
    return LocalStore(directory)


def restore(
    where: Path,
    data: Path,
    say: Say,
    *,
    passphrase: str | None = None,
    without_secrets: bool = False,
    parts: Parts = EVERYTHING,
) -> dict[str, Any]:
    """Put a backup back; what was put back, and in which time. Raises SpondylError: then nothing was."""
    began = time.monotonic()
    checked_ = verify(where, say)
    with closing(opened(where)) as pack, ExitStack() as ending, ExitStack() as undo:
        parts.check(pack)
        chosen = [] if parts.are_files else databases(data)
        work = Restoring(pack, data, say, parts, chosen, ending, undo)
        secrets = _secrets_of(work, passphrase, without_secrets=without_secrets)
        _refuse(work)
        work.stage.mkdir(parents=True, mode=0o700)
        undo.callback(shutil.rmtree, work.stage, ignore_errors=True)
        ending.enter_context(places.held(data))
        _files(work, secrets)
        keys = _redis(work)
        finish = _databases(work)
        count = _objects(work)
        _name(work)
        finish()
        undo.pop_all()
        shutil.rmtree(work.stage)  # the last: while it is there the restoring is unfinished
        flush_directory(work.data)
    seconds = time.monotonic() - began
    return {
        "file": checked_["file"], "data": str(data), "mb": round(checked_["bytes"] / 1e6, 1),
        "seconds": round(seconds, 1), "redis_keys": keys,
        "databases": [] if parts.are_files else sorted(work.manifest["databases"]),
        "objects": count, "secrets": bool(secrets), "made_at": work.manifest["made_at"],
    }  # fmt: skip


# --- before anything is changed ----------------------------------------------------------------------------
def _secrets_of(work: Restoring, passphrase: str | None, *, without_secrets: bool) -> dict[str, bytes]:
    """The secrets by name below DATA. Raises SpondylError."""
    if without_secrets or work.manifest["secrets"] in {"none", "left out"}:
        return {}
    if work.manifest["secrets"] == "clear":
        content = work.pack.content("secrets.tar")
    elif passphrase is None:
        raise SpondylError(
            "the backup's secrets are sealed: give --passphrase-file FILE, or --without-secrets"
        )
    else:
        content = unseal(work.pack.content("secrets.tar.sealed"), passphrase)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {checked(member.name): tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


def _refuse(work: Restoring) -> None:
    """Nothing that is there may be overwritten, and nothing may run. Raises SpondylError."""
    if places.is_running(work.data):
        raise SpondylError(f"a system is running in {work.data}: end it, and restore into an empty directory")
    there = sorted(path.name for path in work.data.iterdir()) if work.data.is_dir() else []
    if STAGE in there:
        raise SpondylError(f"{work.data} has an unfinished restoring: empty it, then restore again")
    asked = [name for name in there if name not in NOTHING and work.parts.wants(name)]
    if strange := [name for name in asked if _has_files(work.data / name)]:
        raise SpondylError(
            f"{work.data} is not empty ({', '.join(strange[:3])}): restore into an empty directory"
        )
    if work.parts.are_files:
        return
    for one in work.chosen:
        if (told := work.manifest["databases"].get(one.service)) is not None:
            _refuse_database(one, told)
    if (
        work.manifest["redis"] is not None
        and (url := places.given_redis(work.data)) is not None
        and redis_keys.size(url)
    ):
        raise SpondylError("the Redis of SPONDYL_REDIS_URL is not empty: restore into an empty one")
    if work.manifest["objects"] and _bucket(work) and next(iter(_archive(work).list()), None) is not None:
        raise SpondylError("the archive of SPONDYL_ARCHIVE_URL is not empty: restore into an empty one")


def _has_files(path: Path) -> bool:
    """Directories without a file in them are nothing."""
    return not path.is_dir() or any(below.is_file() for below in path.rglob("*"))


def _refuse_database(one: Database, told: Rows) -> None:
    from sqlalchemy import inspect

    from services.kit.database import newest_migration

    kind = "sqlite" if one.file else "postgresql"
    if kind != told["kind"]:
        raise SpondylError(
            f"the backup's {one.service} was in {told['kind']} and would be in {kind} here: set its "
            "database's URL as it was (docs/operations.md, Settings)"
        )
    if told["revision"] and told["revision"] > newest_migration(one.package):
        raise SpondylError(
            f"the backup's {one.service} is at revision {told['revision']}, this release "
            f"({version('spondyl')}) knows {newest_migration(one.package)}: install "
            f"release {told['release']} or a newer one"
        )
    if one.file is not None and one.file.exists():
        raise SpondylError(f"the database {one.file} of {one.service} is there already")
    if one.file is None:
        with one.opened() as engine:
            if tables := inspect(engine).get_table_names():
                raise SpondylError(f"the database {one.shown} is not empty: it has {tables[0]}")


# --- putting back -------------------------------------------------------------------------------------------
def _files(work: Restoring, secrets: Mapping[str, bytes]) -> None:
    for member in work.pack.below("data"):
        if work.parts.wants(name := checked(member.removeprefix("data/"))):
            _write(work.staged(work.data / name), work.pack.read(member))
    for name, content in secrets.items():
        if work.parts.wants(name):
            _write(work.staged(work.data / name), iter([content]))
    for one in work.chosen:
        if f"databases/{one.service}.db" in work.pack.members and one.file is not None:
            work.say(f"database of {one.service}")
            path = work.staged(one.file.absolute())
            _write(path, work.pack.read(f"databases/{one.service}.db"))


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
        for piece in pieces:
            file.write(piece)


def _redis(work: Restoring) -> int:
    """Every key, into the server that is named or into files for the one of this machine."""
    if work.manifest["redis"] is None or work.parts.are_files:
        return 0
    work.say(f"Redis, {work.manifest['redis']} keys")
    if (url := places.given_redis(work.data)) is not None:
        work.undo.callback(redis_keys.clear, url)
        return redis_keys.restore(url, work.pack.read("redis.keys"))
    with redis_keys.standing_in(work.stage / "redis") as url:
        return redis_keys.restore(url, work.pack.read("redis.keys"))


def _databases(work: Restoring) -> Callable[[], None]:
    """Fill every PostgreSQL; what commits them all is given back."""
    from services.kit.postgres import unhurried

    folders: dict[str, list[Database]] = {}
    for one in work.chosen:
        told = work.manifest["databases"].get(one.service)
        if told and told["kind"] == "postgresql" and told["revision"]:
            folders.setdefault(told["folder"], []).append(one)
    transactions = []
    for folder, sharing in folders.items():
        work.say(f"database of {', '.join(one.service for one in sharing)}")
        engine = work.ending.enter_context(sharing[0].opened())
        connection = work.ending.enter_context(engine.connect())
        transactions.append(connection.begin())
        with unhurried(connection):
            postgres.put_back(
                connection, sharing, work.manifest["databases"], work.manifest["tables"][folder],
                partial(_rows, work.pack, folder),
            )  # fmt: skip

    def finish() -> None:
        for transaction in transactions:
            transaction.commit()

    return finish


def _rows(pack: Pack, folder: str, table: str) -> Iterator[bytes]:
    return pack.read(f"{folder}/{table}")


def _archive(work: Restoring) -> Any:
    """Where the objects go: beside everything else until all is well, or into the bucket itself."""
    from services.telemetry.archive.opening import open_settings_store
    from services.telemetry.archive.stores import LocalStore

    settings = objects.of_settings(work.data)
    if _bucket(work):
        return open_settings_store(settings)
    directory = Path(unquote(urlsplit(settings.archive_location).path)).absolute()
    if not directory.is_relative_to(work.data):
        raise SpondylError(f"the archive's directory {directory} lies outside of {work.data}: restore there")
    return LocalStore(work.stage / directory.relative_to(work.data))


def _bucket(work: Restoring) -> bool:
    return objects.of_settings(work.data).archive_location.startswith("s3:")


def _objects(work: Restoring) -> int:
    wanted = [] if work.parts.are_files else objects.from_manifest(work.manifest["objects"])
    if not wanted:
        return 0
    work.say(f"{len(wanted)} objects of the archive")
    target, beside = _archive(work), None
    if work.manifest["objects_in"] == "directory":
        beside = _beside(work.pack)
    for one in wanted:
        if _bucket(work):
            work.undo.callback(target.delete, one.path)
        content = beside.get(one.path) if beside else work.pack.content(f"{OBJECTS}/{one.path}")
        target.put(one.path, content)
    return len(wanted)


def _name(work: Restoring) -> None:
    """Everything gets its name; what has one loses it again when anything fails. Raises SpondylError."""
    _flush(work.stage)
    below = sorted(path for path in work.stage.rglob("*") if not path.is_dir())
    for waiting, path in [*work.moves, *((one, work.data / one.relative_to(work.stage)) for one in below)]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _move(waiting, path)
        except OSError as error:
            raise SpondylError(f"{path} cannot be put in its place: {error.strerror}") from None
        work.undo.callback(path.unlink, missing_ok=True)


def _move(path: Path, target: Path) -> None:
    """One file to its place, which may be a volume of its own below DATA."""
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}{STAGE}")
        try:
            shutil.copyfile(path, beside)  # in pieces: a database may be larger than the memory
            beside.chmod(OWNER_ONLY)
            _flush(beside.parent)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def _flush(directory: Path) -> None:
    """Put what was written on the disk, all at once."""
    os.sync()
    flush_directory(directory)
