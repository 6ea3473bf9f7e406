import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy import status as statuses
from services.kit.runfile import Run, process_start, write_private


class Telemetry(BaseHTTPRequestHandler):
    """Answers /metrics as an ingest worker does."""

    def do_GET(self):
        """The metrics."""
        body = b"# HELP x\nspondyl_ingest_lag_seconds 0.25\n"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def telemetry():
    """The address of a worker that answers."""
    server = HTTPServer(("127.0.0.1", 0), Telemetry)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # how often it looks for its end
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(tmp_path):
    """A system of one process: this one."""
    return Run.model_validate(
        {
            "pid": os.getpid(), "pid_started_at": process_start(os.getpid()),
            "started_at": "2026-01-01T00:00:00Z", "version": "1", "data": str(tmp_path),
            "console": "http://127.0.0.1:1", "telemetry": "http://127.0.0.1:2", "panels": {},
            "mqtt": "mqtt://127.0.0.1:3", "mqtt_user": "integrator", "mqtt_password": "p",
            "redis": "redis://127.0.0.1:4/0", "users": {},
            "sites": {"north": {"gateway": "gw-north", "panel": "http://127.0.0.1:5", "devices": ["bed-01"]}},
        }
    )  # fmt: skip


def entry(pid=None, started_at=None, restarts=0):
    """A process as a supervisor writes it down."""
    pid = pid or os.getpid()
    return {"pid": pid, "started_at": started_at or process_start(pid), "restarts": restarts}


def test_a_living_process_is_shown_with_memory_cpu_and_uptime(run):
    """What ops look at first."""
    report = statuses.status(run)
    (row,) = report["processes"]
    assert (row["name"], row["pid"], row["restarts"]) == ("up", os.getpid(), 0)
    assert 1 < row["memory_mb"] <= row["rss_mb"] * 1.01
    assert 1 < row["private_mb"] < row["rss_mb"]
    assert row["uptime_s"] > 0
    assert report["memory_mb"] == pytest.approx(row["memory_mb"], abs=0.1)
    assert report["beds"] == 1


def test_processes_of_the_machine_and_of_every_gateway_are_named(run):
    """A gateway's children are told apart by their site."""
    write_private(run.data / "processes.json", json.dumps({"console": entry(restarts=2)}))
    gateway = statuses.gateway_directory(run, "north")
    write_private(gateway / "processes.json", json.dumps({"recorder": entry()}))
    rows = {row["name"]: row for row in statuses.status(run)["processes"]}
    assert set(rows) == {"up", "console", "north/recorder"}
    assert rows["console"]["restarts"] == 2


def test_a_process_that_has_ended_or_lost_its_number_is_left_out(run):
    """A row is a process that runs."""
    ended = entry(started_at=process_start(os.getpid()) - 100)
    write_private(run.data / "processes.json", json.dumps({"console": ended}))
    assert [row["name"] for row in statuses.status(run)["processes"]] == ["up"]


def test_half_written_state_files_and_no_memory_leave_the_rest_standing(run):
    """Status is asked for when something is wrong."""
    run.data.joinpath("processes.json").write_text('{"console": ')
    gateway = statuses.gateway_directory(run, "north")
    write_private(gateway / "loop.json", json.dumps({"path": "/nowhere", **entry(), "boot": "x"}))
    rows = {row["name"]: row for row in statuses.status(run)["processes"]}
    assert set(rows) == {"up", "north/loop"}
    assert rows["north/loop"]["lag_ms"] is None


def test_an_ingest_worker_s_lag_is_its_own_metric_past_any_proxy(run, telemetry, monkeypatch):
    """A proxy of the clinic's network has no business between our own processes."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    write_private(run.data / "processes.json", json.dumps({"ingest-1": entry(), "ingest-2": entry()}))
    report = statuses.status(run.model_copy(update={"ingest": [telemetry, "http://127.0.0.1:1"]}))
    lags = {row["name"]: row["lag_ms"] for row in report["processes"]}
    assert (lags["ingest-1"], lags["ingest-2"]) == (250.0, None)


def test_the_table_has_a_line_a_process_and_the_sums(run):
    """The same for a person."""
    write_private(run.data / "processes.json", json.dumps({"console": entry(restarts=3)}))
    report = statuses.status(run)
    head, *rows, total = statuses.table(report).splitlines()
    assert head.split()[:3] == ["process", "pid", "memory"]
    assert [row.split()[0] for row in rows] == ["up", "console"]
    assert f"{report['memory_mb']:.0f} MB" in total


@pytest.mark.parametrize(
    ("lag_ms", "words"), [(576_296.3, "576 s"), (120.0, "120.0 ms"), (0.06, "0.1 ms"), (None, "")]
)
def test_a_long_lag_keeps_clear_of_the_restarts(run, lag_ms, words):
    """The archiver's, ten minutes, ran into them: `0576296.3 ms`."""
    write_private(run.data / "processes.json", json.dumps({"archiver": entry(restarts=2)}))
    report = statuses.status(run)
    report["processes"][-1]["lag_ms"] = lag_ms
    assert " ".join(statuses.table(report).splitlines()[-2].split()[8:]) == f"2 {words}".strip()
