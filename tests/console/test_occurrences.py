"""Which occurrence of which alarm somebody has acknowledged."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.console import occurrences
from services.console.occurrences import Acknowledged, Acknowledgements, Occurrence

BOOT = UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
OTHER = UUID("7f9619ff-8b86-4d01-b42d-00cf4fc964ff")
SINCE = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def over_force(since=SINCE, boot=BOOT, priority="high", device="bed-01"):
    """An alarm of the gateway."""
    return Occurrence("north", device, "over_force", occurrences.of_gateway(boot, since, priority))


def lost(seq, boot=BOOT):
    """A bed's lost connection after this sample."""
    return Occurrence("north", "bed-01", "connection_lost", occurrences.of_connection(boot, seq))


def known(*found, at_us=1):
    """Acknowledgements of these."""
    made = Acknowledgements()
    made.take(Acknowledged(one, "anna", at_us) for one in found)
    return made


@pytest.mark.parametrize(
    "again",
    [
        over_force(SINCE.replace(microsecond=250_001)),
        over_force(boot=OTHER),
        over_force(priority="medium"),
        over_force(device="bed-02"),
    ],
    ids=["raised again", "gateway restarted", "another priority", "another bed"],
)
def test_only_the_very_occurrence_is_acknowledged(again):
    """Who has silenced one alarm has not silenced the next."""
    made = known(over_force())
    assert made.of(over_force()).name == "anna"
    assert made.of(again) is None


def test_what_the_gateway_calls_the_same_is_the_same_whatever_its_clock_says_now():
    """A recorder that restarts after a step of the clock tells another time of the same occurrence."""
    ids = [
        occurrences.of_gateway(BOOT, since, "high", "over_force-5000")
        for since in (SINCE, SINCE.replace(hour=13))
    ]
    assert ids == [f"{BOOT}:5000:high"] * 2


def test_a_console_that_has_seen_less_takes_over_a_later_loss_and_never_an_earlier_one():
    """Two consoles lose a bed some samples apart; it is the same loss as long as nothing new has come."""
    made = known(lost(500))
    assert made.of(lost(500))
    assert made.of(lost(480))
    assert made.of(lost(-1))
    assert made.of(lost(501)) is None
    assert made.of(lost(480, OTHER)) is None


def test_a_lost_broker_that_was_acknowledged_elsewhere_meanwhile_is_acknowledged_here():
    """One broker, several consoles: they lose it within a second of each other."""
    made = known(Occurrence("", "", "broker_lost", occurrences.of_broker(1000)), at_us=5000)
    assert made.of(Occurrence("", "", "broker_lost", occurrences.of_broker(1200)))
    assert made.of(Occurrence("", "", "broker_lost", occurrences.of_broker(5001))) is None


def test_taking_the_same_again_is_nothing_new():
    """What is read every second redraws no page."""
    made = known(over_force())
    assert not made.take([Acknowledged(over_force(), "anna", 1)])
    assert made.take([Acknowledged(lost(1), "anna", 1)])


def test_old_ones_are_forgotten_and_memory_does_not_grow(monkeypatch):
    """A console runs for months."""
    monkeypatch.setattr(occurrences, "KEPT", 3)
    made = known(*(lost(seq) for seq in range(10)), over_force())
    assert made.of(over_force())
    assert made.of(lost(9))
    assert made.of(Occurrence("north", "bed-01", "connection_lost", f"{BOOT}:000000000011")) is None
    assert len(made._order) == 3
