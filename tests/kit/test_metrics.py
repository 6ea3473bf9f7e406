"""The list of metrics is what the program exposes, and every one of them moves when it should."""

import re
import time
from pathlib import Path
from uuid import uuid4

import pytest
from authority import Authority
from business_tables import METADATA, STREAM, TABLES, event
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as families
from sqlalchemy import insert

from services.controller.kernel.memory import W_PRIORITY
from services.controller.loop.link import LoopLink
from services.controller.loop.metrics import LoopMetrics
from services.controller.loop.shared import GatewayMemory
from services.kit import metrics
from services.kit.business.figures import figures
from services.kit.business.outbox import Outbox
from services.kit.database import create_schema, open_database, writing
from services.kit.settings import Settings
from services.kit.standing import backed_up, standing

ROOT = Path(__file__).parents[2]
OWN = ROOT / "services/kit/metrics.py"
NAME = re.compile(r"\"(spondyl_(?!begin|term)[a-z0-9_]+)\"")
LISTED = {one.name for one in metrics.METRICS}


def exposed(*collectors):
    """What a scrape of these gives: series to value; each family is as the list says."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    found = {}
    for family in families(generate_latest(registry).decode()):
        known = metrics.known(family.name)
        assert family.type == known.kind
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(known.labels)
            found[sample.name, *(sample.labels[name] for name in known.labels)] = sample.value
    return found


def test_every_metric_of_the_program_is_listed_and_every_listed_one_is_the_program_s():
    """Rules, dashboards and the operations page stand on the list."""
    paths = [path for path in ROOT.glob("services/**/*.py") if path != OWN]
    used = {name for path in paths for name in NAME.findall(path.read_text(encoding="utf-8"))}
    assert used - LISTED == set()
    assert LISTED - used == {"spondyl_build_info"}


def test_no_metric_has_a_label_that_grows_with_patients():
    """A label value a session would fill the memory of whoever scrapes, and tell of somebody."""
    bounded = {"service", "version", "route", "status", "use", "site", "state", "gateway", "phase"}
    bounded |= {"priority", "stream", "fate", "sender", "device", "kind"}
    assert {label for one in metrics.METRICS for label in one.labels} <= bounded


@pytest.fixture
def memory(tmp_path):
    """Shared memory of a loop that has not ticked."""
    made = GatewayMemory.create(
        site="north", gateway="gw-north", devices=("bed-01",), period_ns=20_000_000, capacity_ticks=64,
        directory=tmp_path,
    )  # fmt: skip
    yield made
    made.close()
    made.unlink()


def test_the_panel_tells_of_the_loop_the_recorder_and_the_spool(memory):
    """Between a bed and the centre everything can stop alone."""
    loop = LoopMetrics(LoopLink(memory=memory))
    before = exposed(loop)
    assert before["spondyl_loop_realtime",] == 0
    assert before["spondyl_recorder_age_seconds",] == -1
    memory.set_word(W_PRIORITY, 50)
    health = {"recorder_ns": time.monotonic_ns() - 10**9, "mqtt_connected": 1, "spool_rows": 7}
    health |= {"spool_bytes": 9000, "oldest_uncommitted_ms": 2500, "disk_full": 1}
    memory.health.update(health)
    after = exposed(loop)
    assert after["spondyl_loop_realtime",] == 1
    assert after["spondyl_loop_period_seconds",] == 0.02
    assert after["spondyl_recorder_age_seconds",] >= 1
    spool = [f"spondyl_spool_{name}" for name in ("rows", "bytes", "oldest_seconds", "full")]
    assert [after[name,] for name in spool] == [7, 9000, 2.5, 1]
    assert after["spondyl_recorder_connected",] == 1


def test_a_business_service_tells_what_was_refused_and_what_waits(tmp_path):
    """Both need somebody, and neither stops anything by itself."""
    engine = open_database(f"sqlite:///{tmp_path / 'probe.db'}")
    create_schema(engine, METADATA)
    empty = exposed(figures(engine, TABLES))
    assert (empty["spondyl_outbox_waiting",], empty["spondyl_outbox_oldest_seconds",]) == (0, 0)
    with writing(engine) as connection:
        Outbox(engine, TABLES).add(connection, STREAM, "north", event(uuid4(), 1))
        row = {"topic": "t", "payload": b"", "why": "?", "at_us": 1}
        connection.execute(insert(TABLES.refused), [row, row])
    now = exposed(figures(engine, TABLES))
    assert (now["spondyl_outbox_waiting",], now["spondyl_inbox_refused",]) == (1, 2)
    assert now["spondyl_outbox_oldest_seconds",] > 0
    assert now["spondyl_database_up",] == 1
    assert now["spondyl_database_connections", "idle"] == 1
    engine.dispose()


def test_a_database_that_does_not_answer_is_told_and_nothing_old_is(tmp_path):
    """A scrape that fails tells less than one that says why."""
    engine = open_database(f"sqlite:///{tmp_path / 'empty.db'}")  # without a table
    now = exposed(figures(engine, TABLES))
    assert now["spondyl_database_up",] == 0
    assert ("spondyl_outbox_waiting",) not in now
    engine.dispose()


def test_certificates_disk_and_backup_tell_when_they_end(tmp_path, monkeypatch):
    """They end unnoticed, each on its own machine."""
    _, certificate, _ = Authority(tmp_path).issue("gw-north")
    monkeypatch.setenv("SPONDYL_HTTP_CERTIFICATE", str(certificate))
    settings = Settings(data=tmp_path)
    before = exposed(standing(settings))
    assert 0 < before["spondyl_certificate_expires_seconds", "http"] < 40 * 86_400
    assert 0 < before["spondyl_disk_free_bytes",] < before["spondyl_disk_bytes",]
    assert ("spondyl_backup_age_seconds",) not in before
    backed_up(tmp_path, time.time() - 3600)
    assert exposed(standing(settings))["spondyl_backup_age_seconds",] == pytest.approx(3600, abs=5)


def test_what_is_looked_up_is_asked_as_often_as_it_may_be_and_no_more():
    """Ten scrapers must not be ten times the load of one."""
    asked = []

    def look():
        asked.append(1)
        return [("spondyl_database_up", (), 1.0)]

    looked = metrics.Looked(look, keep_s=60)
    for _ in range(3):
        assert exposed(looked) == {("spondyl_database_up",): 1.0}
    assert len(asked) == 1
