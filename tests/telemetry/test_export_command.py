"""`spondyl export`: the file is whole and named, or it is as it was."""

import hashlib
import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import edfio
import pyarrow.parquet
import pytest
from history_rig import HistoryRig
from run_file import running
from simulated_session import SESSION, simulated

from services.cli import main


def export(capsys, *arguments):
    """Exit status, what was written to stdout and stderr."""
    status = 0
    try:
        main(["export", *map(str, arguments)])
    except SystemExit as ended:
        status = int(ended.code or 0)
    written = capsys.readouterr()
    return status, written.out, written.err


@pytest.fixture
def archived(valkey, tmp_path):
    """A system that does not run, with a session in its archive."""
    with closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        rig.store("archived")
    return tmp_path


@pytest.mark.system
def test_an_archived_session_becomes_a_file_without_a_running_system(archived, capsys):
    """For the patient who asks for the record, for the one who moves, for research."""
    out = archived / "session.parquet"
    status, told, _ = export(
        capsys, SESSION, "--format", "parquet", "--out", out, "--data", archived, "--json"
    )
    report = json.loads(told)
    assert (status, report["origin"], report["bytes"]) == (0, "the archive", out.stat().st_size)
    assert report["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert pyarrow.parquet.read_table(out).num_rows == len(simulated(1.0, 500).samples) - 500
    edf = archived / "session.edf"
    assert export(capsys, SESSION, "--format", "edf", "--out", edf, "--data", archived)[0] == 0
    assert [note.text for note in edfio.read_edf(edf).annotations].count("session.started") == 1


@pytest.mark.system
@pytest.mark.parametrize(
    ("session", "form", "name", "words"),
    [
        (SESSION, "xlsx", "out.x", "format 'xlsx' is none: parquet"),
        (UUID(int=5), "csv", "out.x", "is not in the archive, and no running telemetry knows it"),
        (SESSION, "csv", "no/such/out.x", "name a file"),
        (SESSION, "csv", ".", "name a file"),
    ],
)
def test_a_refused_export_leaves_the_file_as_it_was(archived, capsys, session, form, name, words):
    """One line, and nothing half written."""
    (archived / "out.x").write_text("before")
    status, out, err = export(capsys, session, "--format", form, "--out", archived / name, "--data", archived)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert words in err
    assert (archived / "out.x").read_text() == "before"
    assert [path.name for path in archived.iterdir() if path.name.startswith(".")] == []


class Answer(BaseHTTPRequestHandler):
    """A file of two parts in chunks, or the first of them and the end of the connection."""

    protocol_version = "HTTP/1.1"
    is_whole = True

    def do_GET(self):
        """In chunks."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        if self.is_whole:
            self.wfile.write(b"7\r\n second\r\n0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_):
        """Nothing to the test's output."""


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_a_running_system_sends_gets_its_name_when_all_of_it_is_there(tmp_path, capsys, is_whole):
    """An answer that breaks off leaves the file as it was, and nothing beside it."""
    out = tmp_path / "session.csv"
    out.write_text("before")
    handler = type("Told", (Answer,), {"is_whole": is_whole})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # how often it looks for its end
        thread.start()
        running(tmp_path, f"http://127.0.0.1:{server.server_port}")
        status, told, err = export(
            capsys, SESSION, "--format", "csv", "--out", out, "--data", tmp_path, "--json"
        )
        server.shutdown()
        thread.join()
    assert out.read_text() == ("first second" if is_whole else "before")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".session")] == []
    if is_whole:
        assert (status, json.loads(told)["origin"], json.loads(told)["bytes"]) == (0, "telemetry", 12)
    else:
        assert (status, told) == (1, "")
        assert "the answer broke off" in err
