"""A moment in the past: a base backup, the log that goes on from it, and a table that was dropped."""

import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from servers import Postgres, eventually, postgres_binaries

pytestmark = pytest.mark.system
SCRIPTS = Path(__file__).parents[2] / "deploy" / "postgres"


class Keeping(Postgres):
    """A server that keeps its log by our script."""

    def __init__(self):
        super().__init__()
        self.scripts = self._home / "scripts"
        shutil.copytree(SCRIPTS, self.scripts)
        self.kept = self.directory / "kept"

    def command(self):
        """With the settings of the centre's."""
        keep = f"SPONDYL_WAL={self.kept}/wal sh {self.scripts}/keep-wal.sh"
        options = (
            "wal_level=replica",
            "archive_mode=on",
            "archive_timeout=60",
            f"archive_command={keep} '%p' '%f'",
        )
        return [*super().command(), *(part for option in options for part in ("-c", option))]

    def sql(self, *statements):
        """The last one's rows."""
        url = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            answers = [connection.execute(statement) for statement in statements]
            return answers[-1].fetchall() if answers[-1].description else None

    def script(self, name, *words):
        """One of ours, as the server's user; its output."""
        environment = {
            "PATH": f"{postgres_binaries()}:/usr/bin:/bin", "PGHOST": "127.0.0.1", "PGPORT": str(self.port)
        }  # fmt: skip
        return subprocess.run(
            ["/bin/sh", str(self.scripts / name), *map(str, words)],
            env=environment, user=self.user, capture_output=True, text=True, check=False, cwd=self.directory,
        )  # fmt: skip


def test_a_dropped_table_comes_back_as_it_was_at_a_time(tmp_path):
    """The backup of the night is not enough where somebody errs at noon."""
    del tmp_path
    with Keeping() as server:
        server.sql("CREATE TABLE charges (number int)", "INSERT INTO charges VALUES (1)")
        made = server.script("base-backup.sh", server.kept / "base")
        assert made.returncode == 0, made.stderr
        server.sql("INSERT INTO charges VALUES (2)")
        ((time,),) = server.sql("SELECT pg_sleep(0.05)", "SELECT clock_timestamp()::text")
        server.sql("SELECT pg_sleep(0.05)", "INSERT INTO charges VALUES (3)", "DROP TABLE charges")
        ((piece,),) = server.sql("SELECT pg_walfile_name(pg_switch_wal())")
        eventually((server.kept / "wal" / piece).exists, 30, "the piece of the log")
        server.stop()
        data = server.directory / "data"
        words = made.stdout.strip(), data, time.replace(" ", "T"), server.kept / "wal"
        refused = server.script("restore-to.sh", *words)
        assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)
        shutil.rmtree(data)
        refused = server.script("restore-to.sh", words[0], data, "yesterday'; DROP", words[3])
        assert (refused.returncode, "TIME is" in refused.stderr) == (1, True)
        restored = server.script("restore-to.sh", *words)
        assert restored.returncode == 0, restored.stderr
        server.start()
        eventually(lambda: server.sql("SELECT pg_is_in_recovery()") == [(False,)], 30, "the end of recovery")
        assert server.sql("SELECT number FROM charges ORDER BY number") == [(1,), (2,)]
        server.sql("INSERT INTO charges VALUES (4)")


def test_a_piece_of_the_log_that_is_there_is_never_replaced(tmp_path):
    """Two servers that keep into one directory must not eat each other's past."""
    kept = tmp_path / "kept"
    environment = {"PATH": "/usr/bin:/bin", "SPONDYL_WAL": str(kept)}
    piece = tmp_path / "piece"

    def keep():
        command = ["/bin/sh", str(SCRIPTS / "keep-wal.sh"), str(piece), "0001"]
        return subprocess.run(command, env=environment, check=False, capture_output=True).returncode

    piece.write_bytes(b"first")
    assert [keep(), keep()] == [0, 0]
    piece.write_bytes(b"other")
    assert keep() == 1
    assert (kept / "0001").read_bytes() == b"first"
    assert [path.name for path in kept.iterdir()] == ["0001"]
