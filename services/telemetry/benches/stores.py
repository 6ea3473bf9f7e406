"""The stores that `spondyl bench store` compares, each with the same methods and its best fair settings."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from services.kit.files import flush_directory
from services.telemetry.archive.index import Index
from services.telemetry.archive.objects import Sections, dumped_directory
from services.telemetry.archive.reader import Archive
from services.telemetry.archive.rows import NOTHING, Commit
from services.telemetry.archive.stores import open_store
from services.telemetry.archive.totals import totals
from services.telemetry.archive.writing import build, put_all
from services.telemetry.benches.sessions import COLUMNS, Session
from services.telemetry.errors import CorruptObject
from services.telemetry.models import Place, Source

Table = dict[str, npt.NDArray[Any]]
THREADS: Final = 2
BEDS: Final = 20  # the sessions are theirs
BLOCK: Final = 3000  # samples of a block in SQLite: a minute


class Store(Protocol):
    """What every store can do; integers in, the same integers out. A group is on disk when written."""

    versions: dict[str, str]
    durability: str

    def write(self, sessions: Sequence[Session]) -> None:
        """Keep a group of sessions."""

    def finish(self) -> None:
        """What the store does when all is written."""

    def read(self, number: int, first: int, after: int) -> Table:
        """Samples of a session."""

    def fleet(self) -> float:
        """Mean tension over all sessions, newtons."""

    def bytes(self) -> dict[str, int]:
        """What it takes on disk, by part."""

    def close(self) -> None:
        """Let go of everything."""


class Ours:
    """The archive: an object a session in a directory, the SQLite index with its directory."""

    durability = (
        "each object: fsync of file and directory, read back and compared; index: one SQLite transaction a "
        "group (the archiver's own check that an object can be decoded is not in it, as in no peer's)"
    )

    def __init__(self, directory: Path) -> None:
        self.index = Index(f"sqlite:///{directory / 'archive.db'}")
        self.store = open_store(str(directory / "objects"))
        self.archive = Archive(self.index, self.store)
        self.versions = {"zstandard": zstandard.__version__, "sqlite": sqlite3.sqlite_version}
        self._bytes = {"samples": 0, "directory": 0, "pyramid": 0}

    def write(self, sessions: Sequence[Session]) -> None:
        """As the archiver does with what several devices have finished: encode, put, make known at once."""
        built = [build(_sections(session)) for session in sessions]
        steps = []
        for session, found in zip(sessions, put_all(self.store, built), strict=True):
            if isinstance(found, CorruptObject):
                raise found
            after = {**NOTHING, "tension": session.run.after}
            steps.append(Commit(found.source, NOTHING, after, [found]))
        if not all(self.index.commit_all(steps)):
            raise RuntimeError("some of these sessions were known before")
        for one in built:
            pyramid = sum(entry.length for entry in one.directory.blocks if entry.kind == "pyramid")
            self._bytes["pyramid"] += pyramid
            self._bytes["directory"] += len(dumped_directory(one.data))
            self._bytes["samples"] += len(one.data) - pyramid

    def finish(self) -> None:
        """Nothing is left to do."""

    def read(self, number: int, first: int, after: int) -> Table:
        """Index, directory, blocks."""
        (run,) = self.archive.runs("tension", _source(number), first, after)
        return dict(run.columns)

    def fleet(self) -> float:
        """From the directories in the index."""
        return totals(self.index.directories())["tension_n"].mean

    def bytes(self) -> dict[str, int]:
        """The directory counts twice: in the object and in the index."""
        return self._bytes

    def close(self) -> None:
        """The index's connections."""
        self.index.close()


def _sections(session: Session) -> Sections:
    source = _source(session.number)
    return Sections(source.place.site, source.place.device, source.boot, [session.run])


def _source(number: int) -> Source:
    return Source(
        Place("bench", f"bed-{number % BEDS}"), UUID(int=uuid5(NAMESPACE_URL, f"bench {number}").int)
    )


class Parquet:
    """A file a session, one row group: DELTA_BINARY_PACKED, zstd 3."""

    durability = "fsync of every file, and of their directory once a group"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.versions = {"pyarrow": pa.__version__}
        self._numbers: list[int] = []
        pa.set_cpu_count(THREADS)

    def write(self, sessions: Sequence[Session]) -> None:
        """One row group a file, no dictionary: the fastest and smallest for these columns."""
        for session in sessions:
            table = pa.table(session.columns)
            with self.path(session.number).open("wb") as file:
                pq.write_table(
                    table, file, row_group_size=session.count, compression="zstd", compression_level=3,
                    use_dictionary=False, column_encoding=dict.fromkeys(COLUMNS, "DELTA_BINARY_PACKED"),
                )  # fmt: skip
                flush(file)
            self._numbers.append(session.number)
        flush_directory(self.directory)

    def path(self, number: int) -> Path:
        """The file of a session."""
        return self.directory / f"{number:05d}.parquet"

    def finish(self) -> None:
        """Nothing is left to do."""

    def read(self, number: int, first: int, after: int) -> Table:
        """The row group and the rows of it."""
        with pq.ParquetFile(self.path(number), memory_map=True) as file:
            table = file.read().slice(first, after - first)
        return {name: table.column(name).to_numpy() for name in COLUMNS}

    def fleet(self) -> float:
        """One column of every file."""
        total = count = 0
        for number in self._numbers:
            with pq.ParquetFile(self.path(number), memory_map=True) as file:
                column = file.read(["tension_n"]).column(0)
            total += pc.sum(column).as_py()
            count += len(column)
        return total / count / 10

    def bytes(self) -> dict[str, int]:
        """The files."""
        return {"samples": sum(self.path(number).stat().st_size for number in self._numbers)}

    def close(self) -> None:
        """Files are closed after every reading."""


class DuckDB:
    """DuckDB's own format, two threads, a transaction a group."""

    durability = "DuckDB transaction, checkpoint at the end"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "samples.duckdb"
        self.connection = duckdb.connect(str(self.path), config={"threads": THREADS})
        columns = ", ".join(f"{name} INTEGER" for name in COLUMNS)
        self.connection.execute(f"CREATE TABLE samples (session INTEGER, seq INTEGER, {columns})")
        self.versions = {"duckdb": duckdb.__version__}

    def write(self, sessions: Sequence[Session]) -> None:
        """Arrow in, no copy."""
        self.connection.begin()
        for session in sessions:
            table = pa.table(session.columns)
            self.connection.register("incoming", table)
            self.connection.execute(
                "INSERT INTO samples SELECT $number, (row_number() OVER () - 1)::INTEGER, * FROM incoming",
                {"number": session.number},
            )
            self.connection.unregister("incoming")
        self.connection.commit()

    def finish(self) -> None:
        """Into the file."""
        self.connection.execute("CHECKPOINT")

    def read(self, number: int, first: int, after: int) -> Table:
        """By session and seq."""
        return _rows(
            self.connection,
            f"SELECT {', '.join(COLUMNS)} FROM samples WHERE session = $number AND seq >= $first "  # noqa: S608  (names of our own)
            "AND seq < $after ORDER BY seq",
            {"number": number, "first": first, "after": after},
        )

    def fleet(self) -> float:
        """SQL."""
        return _number(self.connection, "SELECT avg(tension_n) / 10 FROM samples")

    def bytes(self) -> dict[str, int]:
        """The database's file."""
        return {"samples": self.path.stat().st_size}

    def close(self) -> None:
        """The connection."""
        self.connection.close()


class DuckDBOnParquet:
    """DuckDB's SQL over the Parquet files of the peer `parquet`, two threads."""

    durability = "Parquet's"

    def __init__(self, parquet: Parquet) -> None:
        self.parquet = parquet
        self.connection = duckdb.connect(config={"threads": THREADS})
        self.versions = {"duckdb": duckdb.__version__}

    def write(self, sessions: Sequence[Session]) -> None:
        """Parquet has written them."""

    def finish(self) -> None:
        """Nothing is left to do."""

    def read(self, number: int, first: int, after: int) -> Table:
        """By row number of the session's file."""
        return _rows(
            self.connection,
            f"SELECT {', '.join(COLUMNS)} FROM read_parquet($path, file_row_number = true) "  # noqa: S608  (names of our own)
            "WHERE file_row_number >= $first AND file_row_number < $after ORDER BY file_row_number",
            {"path": str(self.parquet.path(number)), "first": first, "after": after},
        )

    def fleet(self) -> float:
        """SQL over all files."""
        query = f"SELECT avg(tension_n) / 10 FROM read_parquet('{self.parquet.directory}/*.parquet')"  # noqa: S608  (a directory of our own)
        return _number(self.connection, query)

    def bytes(self) -> dict[str, int]:
        """Parquet's."""
        return self.parquet.bytes()

    def close(self) -> None:
        """The connection."""
        self.connection.close()


class SqliteBlocks:
    """SQLite, a row a minute: differences, byte planes, zstd 3; a transaction a group."""

    durability = "SQLite transaction, WAL, synchronous FULL"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "blocks.db"
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        self.connection.execute(
            "CREATE TABLE blocks (session INTEGER, first INTEGER, data BLOB, PRIMARY KEY (session, first)) "
            "WITHOUT ROWID"
        )
        self.versions = {"sqlite": sqlite3.sqlite_version, "zstandard": zstandard.__version__}
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._decompressor = zstandard.ZstdDecompressor()

    def write(self, sessions: Sequence[Session]) -> None:
        """All blocks of the sessions in one transaction."""
        rows = []
        for session in sessions:
            table = np.stack([session.columns[name] for name in COLUMNS])
            rows += [
                (session.number, first, self._pack(table[:, first : first + BLOCK]))
                for first in range(0, session.count, BLOCK)
            ]
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT INTO blocks VALUES (?, ?, ?)", rows)
        self.connection.execute("COMMIT")

    def _pack(self, table: npt.NDArray[np.int32]) -> bytes:
        differences = np.diff(table, axis=1, prepend=np.int32(0)).astype(np.int32)
        folded = (differences << 1) ^ (differences >> 31)
        return self._compressor.compress(folded.reshape(-1).view(np.uint8).reshape(-1, 4).T.tobytes())

    def _unpack(self, data: bytes) -> npt.NDArray[np.int32]:
        planes = np.frombuffer(self._decompressor.decompress(data), np.uint8).reshape(4, -1)
        folded = np.ascontiguousarray(planes.T).view(np.uint32).reshape(len(COLUMNS), -1)
        differences = (folded >> 1).view(np.int32) ^ -(folded & 1).view(np.int32)
        return np.cumsum(differences, axis=1, dtype=np.int32)

    def finish(self) -> None:
        """The log into the database."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def read(self, number: int, first: int, after: int) -> Table:
        """The blocks that hold it."""
        rows = self.connection.execute(
            "SELECT data FROM blocks WHERE session = ? AND first > ? AND first < ? ORDER BY first",
            (number, first - BLOCK, after),
        )
        table = np.concatenate([self._unpack(data) for (data,) in rows], axis=1)
        begin = first % BLOCK
        return dict(zip(COLUMNS, table[:, begin : begin + after - first], strict=True))

    def fleet(self) -> float:
        """Every block."""
        total = count = 0
        for (data,) in self.connection.execute("SELECT data FROM blocks"):
            column = self._unpack(data)[0]
            total += int(column.sum())
            count += len(column)
        return total / count / 10

    def bytes(self) -> dict[str, int]:
        """The database's file."""
        return {"samples": self.path.stat().st_size}

    def close(self) -> None:
        """The connection."""
        self.connection.close()


def _rows(connection: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> Table:
    found: Table = connection.execute(query, values).fetchnumpy()
    return {name: np.asarray(column) for name, column in found.items()}


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    row: Sequence[Any] | None = connection.execute(query).fetchone()
    return float(row[0]) if row else float("nan")


def flush(file: Any) -> None:
    """On disk."""
    file.flush()
    os.fsync(file.fileno())
