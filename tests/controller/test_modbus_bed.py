"""A bed over Modbus/TCP: the compiled loop against a real pymodbus server, well and badly behaved."""

import pytest
from modbus_rig import Wired
from prometheus_client import CollectorRegistry, generate_latest
from servers import eventually

from services.controller.beds.modbus_server import FAULTS
from services.controller.commissioning.line import Line
from services.controller.kernel import layout
from services.controller.kernel import modbus as wire
from services.controller.loop.link import LoopLink
from services.controller.loop.metrics import LoopMetrics
from services.kit.errors import SpondylError

# What the loop counts when a drive behaves so; the others stand for themselves.
COUNTED = {"slow": "unanswered", "silent": "unanswered", "other-master": "other_master"}
HARMLESS = ("split", "contacts", "turned")


@pytest.fixture(scope="module")
def shared_wired():
    """One bed on a drive, for tests that leave it as they found it."""
    wired = Wired()
    yield wired
    wired.close()


@pytest.fixture
def wired(shared_wired):
    """The same, connected and answering."""
    shared_wired.served.server.fault = ""
    return shared_wired.connected()


def test_a_reading_is_asked_for_and_the_command_of_it_told_in_the_same_tick(wired):
    """With one exchange a command would wait a whole period for the next."""
    before = wired.counts()
    samples = wired.tick(10)
    moved = wired.since(before)
    assert (moved["requests"], moved["answers"]) == (20, 10)
    assert (samples[:, layout.S_AGE] == 0).all()
    assert samples[-1, layout.S_STATUS] & layout.STATUS_FORCE_VALID
    assert wired.memory.histograms()["command"].total >= 10
    assert wired.served.drive.master == wired.loop._bed.bus.options[wire.OPTION_MASTER]


@pytest.mark.parametrize("fault", [kind for kind in FAULTS if kind not in HARMLESS])
def test_what_a_drive_answers_wrongly_is_counted_and_the_last_reading_grows_older(wired, fault):
    """Whatever looks right in a wrong answer is still no reading of this bed, now."""
    reading = wired.tick()[-1]
    before = wired.counts()
    wired.served.server.fault = fault
    samples = wired.tick(6)
    wired.served.server.fault = ""
    moved = wired.since(before)
    assert moved[COUNTED.get(fault, fault)] >= 3, moved
    assert "answers" not in moved
    assert samples[:, layout.S_AGE].tolist() == [20, 40, 60, 80, 100, 120]
    assert samples[-1, layout.S_CONDITIONS] & layout.LINK_LOST
    assert (
        samples[:, [layout.S_FORCE, layout.S_POSITION]] == reading[[layout.S_FORCE, layout.S_POSITION]]
    ).all()
    told = layout.STATUS_OTHER_MASTER if fault == "other-master" else 0
    assert (samples[:, layout.S_STATUS] == reading[layout.S_STATUS] | told).all()
    wired.connected()  # and all is well again


def test_a_frame_in_two_pieces_is_one_answer(wired):
    """TCP cuts where it likes."""
    wired.served.server.fault = "split"
    before = wired.counts()
    assert (wired.tick(5)[:, layout.S_AGE] == 0).all()
    assert wired.since(before).keys() <= {"requests", "answers", "drive_state"}


def test_contacts_that_contradict_each_other_are_a_pressed_switch(wired):
    """A broken wire stops; it never lets go on."""
    wired.served.server.fault = "contacts"
    before = wired.counts()
    assert wired.tick(3)[-1, layout.S_STATUS] & layout.STATUS_SWITCH_PRESSED
    assert wired.since(before)["switch_disagrees"] >= 2


def test_a_drive_that_somebody_else_commands_is_not_ours_until_its_watchdog_has_ended_that(wired):
    """Two masters on one bed would each control against the other."""
    with pytest.raises(SpondylError, match="commands this drive"), Line(_address(wired)) as line:
        line.exchange(5.0)
    wired.stand_still(0.2)
    eventually(lambda: _silent(wired), 5.0, "the watchdog to expire")
    with Line(_address(wired)) as line:
        line.require_free()
        line.exchange()
        before = wired.counts()
        for _ in range(3):
            wired.tick()
            line.exchange()
        assert wired.since(before)["other_master"] == 3
    wired.connected()


def _address(wired):
    from services.controller.beds.addresses import drive_address

    return drive_address(wired.served.address)


def _silent(wired):
    return wired.served.drive.master == 0


def test_a_drive_that_went_away_and_came_back_is_found_again_without_a_tick_waiting():
    """A cable that was pulled, a drive that was switched off: the loop goes on."""
    wired = Wired().connected()
    try:
        port = wired.served.port
        wired.served.close()
        samples = wired.tick(30)
        assert samples[-1, layout.S_AGE] >= 500
        assert wired.counts()["lost"] >= 1
        assert wired.counts()["connected"] == 0
        wired.served = wired.serve(port=port)
        wired.connected()
    finally:
        wired.close()


@pytest.mark.requirement("refuse-foreign-parameters")
def test_another_drive_than_the_commissioned_one_is_not_read():
    """Its harness, friction and speed are others: somebody swapped a cable."""
    wired = Wired(serials={"bed-01": 7})
    try:
        eventually(lambda: wired.tick() is not None and wired.counts()["serial"] > 2, 20.0, "answers of 1001")
        assert wired.counts()["answers"] == 0
    finally:
        wired.close()


def test_what_a_drive_answered_is_to_be_had_as_metrics(wired):
    """Who operates a hundred beds sees a bad line before a patient does."""
    wired.served.server.fault = "swapped"
    wired.tick(2)
    registry = CollectorRegistry()
    registry.register(LoopMetrics(LoopLink(memory=wired.memory)))
    text = generate_latest(registry).decode()
    assert 'spondyl_drive_connected{device="bed-01"} 1.0' in text
    swapped = next(line for line in text.splitlines() if 'kind="swapped"' in line)
    assert swapped.startswith('spondyl_drive_refused_total{device="bed-01"')
    assert float(swapped.split()[-1]) >= 2
    assert "spondyl_loop_command_seconds_count" in text
