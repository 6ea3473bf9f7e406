"""Which day it is at a site: by its own clock, as the scheduler tells it."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from broker.contract import STREAMS
from broker.messages import ClinicEvent
from services.kit.business.inbox import Heard
from services.kit.database import reading, writing
from services.screening import zones

LATE = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # the 23rd in Berlin, the 22nd on the Canaries
STREAM = STREAMS["site"]


def told(rig, site, zone, at=LATE):
    """The scheduler says a site's zone."""
    event = ClinicEvent(id=uuid4(), type="site.settings", time=at, data={"zone": zone})
    with writing(rig.engine) as connection:
        rig.handlers[STREAM](connection, Heard(STREAM, site, None, event))


def test_what_is_decided_today_is_decided_on_the_day_that_the_site_has(rig, monkeypatch):
    """Half an hour after midnight a patient is a day older in Berlin, and not yet on the Canaries."""
    monkeypatch.setattr(zones, "now", lambda: LATE)
    told(rig, "north", "Europe/Berlin")
    told(rig, "island", "Atlantic/Canary")
    born = date(2008, 11, 23)  # eighteen on the 23rd
    for site, on, age in (("north", "2026-11-23", 18), ("island", "2026-11-22", 17)):
        patient = rig.patient(site, birth_date=born.isoformat())
        made = rig.ask("GET", f"/patients/{patient}/decision?region=lumbar")
        assert (made["treatment_date"], made["age_years"]) == (on, age)
        kept = rig.ask("POST", f"/patients/{patient}/decisions", json={"region": "lumbar"})
        assert kept["treatment_date"] == on


def test_somebody_who_is_referred_after_midnight_is_referred_today(rig, monkeypatch):
    """The desk types the day that its wall says, while the server's clock has not come so far."""
    monkeypatch.setattr(zones, "now", lambda: LATE)
    assert rig.patient(referral_on="2026-11-23")
    assert rig.ask("POST", "/patients", status=422, json={
        "site": "north", "anyway": True,
        "content": {"family_name": "Nah", "given_name": "Zu", "birth_date": "2026-11-25"},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "at"), [("Europe/Nowhere", LATE), ("", LATE), ("Asia/Tokyo", datetime(2026, 1, 1, tzinfo=UTC))]
)
def test_a_zone_that_nobody_knows_or_that_is_older_changes_nothing(rig, zone, at):
    """What the broker kept of yesterday, and what a newer release says, must not move a site's day."""
    told(rig, "north", "Atlantic/Canary")
    told(rig, "north", zone, at)
    with reading(rig.engine) as connection:
        assert str(zones.zone_of(connection, "north")) == "Atlantic/Canary"
        assert zones.zone_of(connection, "south") is None
