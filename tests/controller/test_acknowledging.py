"""Alarms seen at the bed: one occurrence, by one person, the same in panel and on the bus."""

import json
import os
import time
from contextlib import closing
from dataclasses import asdict
from uuid import uuid4

import pytest
from bedside_rig import Served
from servers import eventually
from small_disk import fill, small_disk

from services.controller.alarms.acknowledging import Acknowledgement
from services.controller.alarms.board import Seen, name_of
from services.controller.kernel.faults import SENSOR_LOST
from services.controller.loop.interruption import FILE, Interrupted, Interruptions
from services.controller.panel.seen import INTERRUPTED, Acknowledging
from services.controller.recorder import live as recorders
from services.controller.recorder.known_sessions import KnownSessions

CONDITION = "load_cell_lost"


@pytest.fixture
def alarmed(clinic, panel):
    """A panel with somebody signed in, and a bed whose load cell is lost."""
    panel.sign_in()
    clinic.memory.faults[0] = SENSOR_LOST
    return panel


def shown(panel, condition=CONDITION):
    """The alarm as the panel shows it now; None while it does not."""
    return next((row for row in panel.get("/bed-01")["alarms"] if row["condition"] == condition), None)


def occurrence(panel, condition=CONDITION):
    """What the alarm that is on is called, once it is."""
    return eventually(lambda: shown(panel, condition), 20, "the alarm")["occurrence"]


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_who_has_seen_an_alarm_is_shown_and_recorded(clinic, alarmed):
    """Silence has a name: later nobody has to guess who knew."""
    name = occurrence(alarmed)
    assert alarmed.post("bed-01/acknowledge", {"occurrence": name}).status_code == 200
    row = shown(alarmed)
    assert (row["state"], row["latching"], row["occurrence"]) == ("active_acknowledged", "until_reset", name)
    (given,) = clinic.store.acknowledgements(clinic.memory.boot)
    assert (given.device, given.occurrence, given.seen.name) == ("bed-01", name, row["seen_by"])
    assert given.told()["by"] == row["acknowledged_by"] == given.seen.account
    again = alarmed.post("bed-01/acknowledge", {"occurrence": name})
    assert again.status_code == 200
    assert clinic.store.acknowledgements(clinic.memory.boot) == [given], "who was first stays"


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_what_is_not_on_cannot_be_acknowledged_and_what_comes_back_is_not(clinic, alarmed):
    """A finger that was already on its way must not silence the next alarm."""
    first = occurrence(alarmed)
    assert alarmed.post("bed-01/acknowledge", {"occurrence": first}).status_code == 200
    clinic.memory.faults[0] = 0
    eventually(lambda: alarmed.post("bed-01/reset").status_code == 200 and not shown(alarmed), 30, "a reset")
    clinic.memory.faults[0] = SENSOR_LOST
    second = occurrence(alarmed)
    assert second != first
    refused = alarmed.post("bed-01/acknowledge", {"occurrence": first})
    assert (refused.status_code, refused.json()["detail_de"].split(":")[1]) == (
        409,
        " nichts wurde quittiert",
    )
    assert shown(alarmed)["state"] == "active_unacknowledged"


@pytest.mark.requirement("acknowledge-one-occurrence")
def test_a_panel_that_was_killed_shows_and_calls_it_as_the_recorder_does(clinic, alarmed, tmp_path):
    """Bed, console and wall must show the same, whichever half was away."""
    with closing(KnownSessions(tmp_path / "session.db")) as sessions:
        recorder = recorders.Live.resume(clinic.memory, sessions, clinic.memory.oldest(), {})
        name = occurrence(alarmed)
        alarmed.post("bed-01/acknowledge", {"occurrence": name})
        recorder.acknowledged(sessions.acknowledgements(clinic.memory.boot))
        told = eventually(lambda: said(recorder), 20, "the stream's message")
        restarted = Served(clinic.panel())
        try:
            row = eventually(lambda: seen(shown(restarted)), 20, "the alarm, seen")
            assert row["occurrence"] == told["occurrence"] == name
            assert {key: row[key] for key in told} == told
        finally:
            restarted.close()


def seen(row):
    """The row, once somebody has seen it."""
    return row if row and row["state"] == "active_acknowledged" else None


def said(recorder):
    """What the recorder announces of the first bed's alarm, once somebody has seen it."""
    recorder.memory.health["recorder_ns"] = 0
    messages = [
        message for stream, bed, message in recorder.advance() if (stream, bed) == ("alarm", "bed-01")
    ]
    rows = [row for message in messages for row in message.model_dump(mode="json")["alarms"]]
    return next((row for row in rows if row["condition"] == CONDITION and seen(row)), None)


@pytest.mark.requirement("say-interruptions")
def test_a_loop_that_brings_no_tick_sounds_at_the_bed(clinic, alarmed, tmp_path):
    """The page blanks its numbers; whoever looks away must hear it."""
    clinic.memory.faults[0] = 0
    clinic.ticking.pause()
    assert occurrence(alarmed, "control_lost")
    assert shown(alarmed, "control_lost")["priority"] == "high"
    with closing(KnownSessions(tmp_path / "session.db")) as sessions:
        recorder = recorders.Live.resume(clinic.memory, sessions, clinic.memory.head(), {})
        ((_, _, told), *_) = recorder.advance()
    assert [row.occurrence for row in told.alarms] == [occurrence(alarmed, "control_lost")], "named alike"
    clinic.ticking.go_on()
    eventually(lambda: shown(alarmed, "control_lost") is None, 20, "control again")
    assert Interruptions(clinic.directory).of("bed-01") is None


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.requirement("say-interruptions", "acknowledge-one-occurrence")
def test_what_was_seen_and_could_not_be_forgotten_is_forgotten_later(clinic, tmp_path):
    """A full disk must not let the next loop say again what somebody has seen; nor lose what nobody has."""
    before = Interrupted(str(uuid4()), time.time_ns(), 700, "hold", 7, 312.4)
    with small_disk(tmp_path / "disk") as disk:
        (disk / FILE).write_text(json.dumps({"bed-01": asdict(before), "bed-02": asdict(before)}))
        fill(disk / "somebody-elses")
        found, memory = Interruptions(disk), clinic.memory
        seeing = Acknowledging(clinic.bedside, found)
        name = name_of(INTERRUPTED, memory.created_ns)
        given = Acknowledgement(
            uuid4(), "bed-01", memory.boot, name, None, Seen("Jo", "account-7", time.time_ns())
        )
        seeing.keep("bed-01", given)
        assert given in clinic.store.acknowledgements(memory.boot)
        assert found.of("bed-01") == before, "not lost either"
        (disk / "somebody-elses").unlink()
        seeing.again()
        assert (found.of("bed-01"), found.of("bed-02")) == (None, before)
        seeing.again()
        assert clinic.store.acknowledgements(memory.boot).count(given) == 1
