"""Calendars by a secret address: what a telephone or a desk's calendar shows."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from asgi_client import Client
from icalendar import Calendar

from services.kit.database import writing
from services.scheduler.clock import us_of
from services.scheduler.notices import store
from services.scheduler.notices.tables import FEEDS

BERLIN = ZoneInfo("Europe/Berlin")


def made(rig, kind, subject, **more):
    """A new feed."""
    return rig.ask("POST", "/feeds", json={"kind": kind, "site": "north", "of": subject, **more}, status=201)


def fetched(rig, feed, **headers):
    """What its address gives to somebody without an account."""
    return Client(rig.app).get(urlsplit(feed["address"]).path, headers=headers)


def events(answer):
    """The events of an answer, in their order."""
    assert answer.status_code == 200, answer.text
    return Calendar.from_ical(answer.content).walk("VEVENT")


def test_a_patient_s_calendar_follows_every_change(rig):
    """Stable ids, a sequence that grows, a cancelled appointment that is shown as cancelled."""
    rig.clinic()
    cure = rig.cure()
    feed = made(rig, "patient", cure["patient"], language="en")
    before = {str(event["uid"]): event for event in events(fetched(rig, feed))}
    assert len(before) == 18
    first, second = cure["appointments"][:2]
    rig.now += timedelta(minutes=5)
    rig.ask("POST", f"/appointments/{first['appointment']}/cancel", json={"scope": "this", "reason": "ill"})
    after = {str(event["uid"]): event for event in events(fetched(rig, feed))}
    assert set(after) == set(before)
    cancelled = after[f"{first['appointment']}@spondyl"]
    assert (cancelled["status"], cancelled["sequence"]) == ("CANCELLED", 1)
    kept = after[f"{second['appointment']}@spondyl"]
    assert (kept["status"], kept["sequence"]) == ("CONFIRMED", 0)
    assert kept["dtstart"].dt == datetime.fromisoformat(second["starts_at"])


def test_a_calendar_has_its_time_zone_and_nothing_of_a_treatment(rig):
    """Whoever looks over a shoulder learns that there is an appointment, and nothing else."""
    rig.clinic()
    cure = rig.cure()
    answer = fetched(rig, made(rig, "patient", cure["patient"]))
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    calendar = Calendar.from_ical(answer.content)
    (zone,) = calendar.walk("VTIMEZONE")
    assert zone["tzid"] == "Europe/Berlin"
    assert {event["dtstart"].params["TZID"] for event in calendar.walk("VEVENT")} == {"Europe/Berlin"}
    assert {str(event["summary"]) for event in calendar.walk("VEVENT")} == {"Termin"}
    for word in (cure["patient"], "lumbar", "LWS", "L4/5"):
        assert word not in answer.text


def test_days_of_the_summer_time_keep_the_clock_on_the_wall(rig):
    """Nine o'clock is nine o'clock before and after the last Sunday of March."""
    rig.clinic()
    rig.now = datetime(2027, 3, 15, 7, 0, tzinfo=UTC)
    cure = rig.cure(earliest="2027-03-16", times=[["09:00", "10:00"]])
    found = events(fetched(rig, made(rig, "patient", cure["patient"])))
    offsets = {event["dtstart"].dt.utcoffset() for event in found}
    assert offsets == {timedelta(hours=1), timedelta(hours=2)}
    assert {event["dtstart"].dt.astimezone(BERLIN).hour for event in found} == {9}


def test_an_unchanged_calendar_is_not_sent_again(rig):
    """Telephones ask every hour."""
    rig.clinic()
    feed = made(rig, "patient", rig.cure()["patient"])
    first = fetched(rig, feed)
    again = fetched(rig, feed, **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert fetched(rig, feed).content == first.content
    assert len(rig.trail("feed.read")) == 1


def test_beds_and_therapists_have_calendars_without_names(rig):
    """A shift on one's own telephone; who is treated is on the board alone."""
    therapists = rig.clinic()
    cure = rig.cure()
    one = cure["appointments"][0]
    bed = fetched(rig, made(rig, "device", one["device"]))
    assert f"{one['appointment']}@spondyl" in {str(event["uid"]) for event in events(bed)}
    assert "LWS, Sitzung 1" in {str(event["summary"]) for event in events(bed)}
    assert cure["patient"] not in bed.text
    seen = [events(fetched(rig, made(rig, "therapist", one))) for one in therapists]
    assert sum(map(len, seen)) == 18


def test_a_revoked_address_leads_nowhere_and_an_invented_one_neither(rig):
    """A lost telephone: the next request finds nothing, in the words of an address that never was."""
    rig.clinic()
    feed = made(rig, "patient", rig.cure()["patient"])
    assert [row["feed"] for row in rig.ask("GET", "/feeds")] == [feed["feed"]]
    assert "address" not in rig.ask("GET", "/feeds")[0]
    rig.ask("DELETE", f"/feeds/{feed['feed']}", status=204)
    gone, never = fetched(rig, feed), Client(rig.app).get("/feeds/never-was.ics")
    assert (gone.status_code, gone.json()) == (404, never.json())
    assert rig.ask("GET", "/feeds") == []


def test_a_feed_is_of_somebody_at_one_s_own_site(rig):
    """Nobody gets at another site's calendar by asking for a feed of it."""
    rig.clinic()
    feed = made(rig, "patient", rig.cure()["patient"])
    south = {"sites": ("south",)}
    body = {"kind": "device", "site": "north", "of": "bed-01"}
    rig.ask("POST", "/feeds", json=body, status=403, **south)
    rig.ask("DELETE", f"/feeds/{feed['feed']}", status=404, **south)
    assert rig.ask("GET", "/feeds", **south) == []
    for wrong in (
        {"kind": "device", "site": "north", "of": "bed-99"},
        {"kind": "patient", "site": "north", "of": str(uuid4())},
        {"kind": "therapist", "site": "north", "of": str(uuid4())},
    ):
        rig.ask("POST", "/feeds", json=wrong, status=404)
    rig.ask("POST", "/feeds", json={"kind": "patient", "site": "north", "of": "bed-01"}, status=422)


def test_a_merged_patient_s_calendar_has_both_and_an_erased_one_s_none(rig):
    """One person, two files; and nothing is left of whom nothing may be left."""
    rig.clinic(beds={"bed_01": "lumbar", "bed_02": "lumbar"})
    kept, other = rig.cure(), rig.cure(times=[["13:00", "17:00"]])
    feed = made(rig, "patient", kept["patient"])
    rig.clinic_event("patient.merged", patient=other["patient"], into=kept["patient"])
    assert len(events(fetched(rig, feed))) == 36
    rig.clinic_event("patient.erased", patient=kept["patient"])
    assert fetched(rig, feed).status_code == 404
    assert rig.count(FEEDS) == 0


@pytest.mark.parametrize("secret", ["a" * 5000, "%00", "..%2F..%2Fetc"])
def test_no_address_at_all_is_a_fault(rig, secret):
    """Anybody may knock here."""
    assert Client(rig.app).get(f"/feeds/{secret}.ics").status_code == 404


def test_feeds_and_claims_are_the_same_on_both_databases(either_rig):
    """SQLite on one machine, PostgreSQL for many."""
    either_rig.clinic()
    cure = either_rig.cure()
    assert len(events(fetched(either_rig, made(either_rig, "patient", cure["patient"])))) == 18
    with writing(either_rig.engine) as connection:
        first, *rest = store.unreminded(connection, 0, us_of(either_rig.now + timedelta(days=60)))
        assert len(rest) == 17
        assert [store.claim(connection, first, 1) for _ in range(2)] == [True, False]
        assert store.again(connection, 5, 0) == []
        (row,) = store.again(connection, 5, 1)
        assert [store.reclaim(connection, row, 2) for _ in range(2)] == [True, False]
