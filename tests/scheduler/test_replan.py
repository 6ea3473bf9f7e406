"""A bed fails: fewest patients moved, shown before it is done, done as it was shown or not at all."""

from datetime import datetime, timedelta

import pytest

from services.scheduler.booking import replanning
from services.scheduler.booking.desk import Desk


@pytest.fixture
def failed(rig):
    """Two beds, a cure on one of them, and that bed out for two days."""
    people = rig.clinic()
    cure = rig.cure(device="bed-01", therapist=people[0])
    span = {"from": "2026-11-30T00:00:00+01:00", "to": "2026-12-02T00:00:00+01:00"}
    body = {"site": "north", "device": "bed-01", **span}
    return rig, cure, body


def in_span(cure):
    """What lies in the two days."""
    return [one for one in cure["appointments"] if "2026-11-30" <= one["starts_at"][:10] < "2026-12-02"]


def test_it_is_shown_first_and_applied_as_it_was_shown(failed):
    """Another bed at the same time moves nobody; nothing changes until the desk says so."""
    rig, cure, body = failed
    found = rig.ask("POST", "/replan", json=body, status=201)
    assert {move["appointment"] for move in found["moved"]} == {one["appointment"] for one in in_span(cure)}
    assert (found["patients_moved"], found["lower_bound"], found["proven"]) == (0, 0, True)
    assert {move["to"]["device"] for move in found["moved"]} == {"bed-02"}
    assert rig.shown(cure)["appointments"] == cure["appointments"]
    rig.ask("POST", f"/replan/{found['replan']}/apply")
    assert rig.ask("POST", f"/replan/{found['replan']}/apply")["applied"], "twice is once"
    now = {one["appointment"]: one for one in rig.shown(cure)["appointments"]}
    for move in found["moved"]:
        one = now[move["appointment"]]
        assert datetime.fromisoformat(one["starts_at"]) == datetime.fromisoformat(move["to"]["starts_at"])
        assert one["device"] == "bed-02"
    assert sum(event.type == "appointment.moved" for event in rig.told()) == len(found["moved"])


def test_what_changed_since_it_was_shown_is_not_moved(failed):
    """Another desk called one off: nothing of the plan is applied."""
    rig, cure, body = failed
    found = rig.ask("POST", "/replan", json=body, status=201)
    one = in_span(cure)[0]
    rig.ask("POST", f"/appointments/{one['appointment']}/cancel", json={"reason": "ill"})
    rig.ask("POST", f"/replan/{found['replan']}/apply", status=409)
    devices = {row["device"] for row in rig.shown(cure)["appointments"]}
    assert devices == {"bed-01"}


def test_what_was_planned_at_a_bed_that_is_gone_finds_another(failed):
    """Removed by its gateway: everything still to come moves to the bed that is left."""
    rig, cure, _ = failed
    rig.now += timedelta(minutes=1)
    rig.birth(bed_02="lumbar")
    assert len(rig.ask("GET", "/resources?site=north")["replan"]) == 18
    body = {"site": "north", "device": "bed-01", "from": rig.now.isoformat(), "to": "2027-03-01T00:00:00Z"}
    found = rig.ask("POST", "/replan", json=body, status=201)
    assert (len(found["moved"]), found["patients_moved"], found["unplaced"]) == (18, 0, [])
    rig.ask("POST", f"/replan/{found['replan']}/apply")
    assert {one["device"] for one in rig.shown(cure)["appointments"]} == {"bed-02"}


def test_only_who_may_replan_there_sees_it(failed):
    """A therapist may not, and another site's plan does not exist."""
    rig, _, body = failed
    found = rig.ask("POST", "/replan", json=body, status=201)
    rig.ask("POST", "/replan", role="therapist", json=body, status=403)
    rig.ask("POST", f"/replan/{found['replan']}/apply", sites=("south",), status=404)
    rig.ask("POST", "/replan", json=body | {"to": "2026-11-01T00:00:00+01:00"}, status=422)
    rig.ask("POST", "/replan", json=body | {"therapist": found["replan"]}, status=422)


def test_a_better_series_is_proposed_and_never_moves_what_is_confirmed(rig):
    """The bed is back sooner: the cure could begin on the first of December. Who was told stays there."""
    rig.clinic(beds={"bed_01": "lumbar"})
    span = {"from": "2026-12-01T00:00:00+01:00", "to": "2026-12-04T00:00:00+01:00"}
    outage = {"site": "north", "device": "bed-01", "reason": "drive", **span}
    made = rig.ask("POST", "/outages", role="administrator", json=outage)["outage"]
    told, open_one = (rig.cure(earliest="2026-12-01", cadence="two") for _ in range(2))
    path = f"/appointments/{told['appointments'][0]['appointment']}/confirm"
    rig.ask("POST", path, json={"scope": "following"})
    assert rig.ask("POST", "/improve", json={"site": "north"}, status=201)["moved"] == []
    rig.ask("DELETE", f"/outages/{made}", role="administrator")
    found = rig.ask("POST", "/improve", json={"site": "north"}, status=201)
    assert {move["cure"] for move in found["moved"]} == {open_one["cure"]}
    assert found["better"][0]["is"]["start_days"] < found["better"][0]["was"]["start_days"]
    assert [row["replan"] for row in rig.ask("GET", "/replan?site=north")] == [found["replan"]]
    rig.ask("POST", f"/replan/{found['replan']}/apply")
    assert rig.shown(open_one)["appointments"][0]["starts_at"][:10] == "2026-12-01"
    assert [a["starts_at"] for a in rig.shown(told)["appointments"]] == [
        a["starts_at"] for a in told["appointments"]
    ]


def test_nothing_is_moved_to_a_bed_that_failed_or_a_time_that_passed_since_it_was_shown(failed):
    """The plan lay on a desk: meanwhile the other bed is out as well, or its new time has begun."""
    rig, cure, body = failed
    found = rig.ask("POST", "/replan", json=body, status=201)
    outage = {**body, "device": "bed-02", "reason": "leak"}
    made = rig.ask("POST", "/outages", role="administrator", json=outage)["outage"]
    rig.ask("POST", f"/replan/{found['replan']}/apply", status=409)
    assert rig.shown(cure)["appointments"] == cure["appointments"]
    rig.ask("DELETE", f"/outages/{made}", role="administrator")
    rig.ask("POST", f"/replan/{found['replan']}/apply")


def test_nothing_is_moved_into_the_past(failed):
    """Shown in the morning, applied in the evening: what would have been at noon is not noted as booked."""
    rig, cure, body = failed
    one = in_span(cure)[0]
    rig.now = datetime.fromisoformat(one["starts_at"]) - timedelta(hours=2)
    move = {
        "appointment": one["appointment"], "patient": cure["patient"], "cure": cure["cure"], "number": 1,
        "changes_time": True, "from": one,
        "to": one | {
            name: (datetime.fromisoformat(one[name]) - timedelta(hours=1)).isoformat()
            for name in ("starts_at", "ends_at")
        },
    }  # fmt: skip
    desk = Desk(rig.office, lambda: rig.now)
    made = replanning.keep(desk, "north", body, {"moved": [move], "unplaced": []}, "desk")["replan"]
    rig.now += timedelta(minutes=90)
    rig.ask("POST", f"/replan/{made}/apply", status=409)
    assert rig.ask("GET", f"/appointments/{one['appointment']}")["starts_at"] == one["starts_at"]


def test_a_plan_whose_places_were_taken_meanwhile_is_refused_in_words(failed):
    """Somebody else was given the bed: nothing of the plan is applied, and the desk is told to plan anew."""
    rig, _, body = failed
    found = rig.ask("POST", "/replan", json=body, status=201)
    to = found["moved"][0]["to"]
    rig.cure(device="bed-02", times=[[to["starts_at"][11:16], to["ends_at"][11:16]]], earliest="2026-11-30")
    refused = rig.ask("POST", f"/replan/{found['replan']}/apply", status=409)
    assert "Jemand war schneller" in refused["detail_de"]


def test_an_applied_replanning_is_an_outage_until_somebody_lifts_it(failed):
    """Else the next booking, or a move, puts patients back on the bed that is broken."""
    rig, cure, body = failed
    body = body | {"reason": "drive belt"}
    found = rig.ask("POST", "/replan", json=body, status=201)
    assert rig.ask("GET", "/resources?site=north")["outages"] == [], "shown, not done"
    done = rig.ask("POST", f"/replan/{found['replan']}/apply")
    rig.ask("POST", f"/replan/{found['replan']}/apply")
    (out,) = rig.ask("GET", "/resources?site=north")["outages"]
    assert (out["outage"], out["device"], out["reason"]) == (done["outage"], "bed-01", "drive belt")
    assert [datetime.fromisoformat(out[name]) for name in ("from", "to")] == [
        datetime.fromisoformat(body[name]) for name in ("from", "to")
    ]
    one = in_span(rig.shown(cure))[0]
    back = {"starts_at": one["starts_at"], "device": "bed-01", "reason": "wish"}
    rig.ask("POST", f"/appointments/{one['appointment']}/move", json=back, status=409)
    rig.ask("DELETE", f"/outages/{done['outage']}", role="administrator")
    rig.ask("POST", f"/appointments/{one['appointment']}/move", json=back)


def test_who_is_ill_is_out_too_and_one_outage_is_not_entered_twice(rig):
    """A therapist; and an outage that was entered before the replanning stays the only one."""
    people = rig.clinic()
    rig.cure(device="bed-01", therapist=people[0])
    span = {"from": "2026-11-30T00:00:00+01:00", "to": "2026-12-02T00:00:00+01:00"}
    for _ in range(2):
        found = rig.ask("POST", "/replan", json={"site": "north", "therapist": people[0], **span}, status=201)
        rig.ask("POST", f"/replan/{found['replan']}/apply")
    (out,) = rig.ask("GET", "/resources?site=north")["outages"]
    assert (out["therapist"], out["device"]) == (people[0], None)


def test_who_does_not_want_the_outage_says_so_and_what_is_left_is_listed(failed):
    """The desk's own choice; and what was booked there since is named, not forgotten."""
    rig, _, body = failed
    found = rig.ask("POST", "/replan", json=body, status=201)
    rig.cure(device="bed-01", times=[["14:00", "17:00"]])
    done = rig.ask("POST", f"/replan/{found['replan']}/apply", json={"outage": False})
    assert done["outage"] is None
    assert {one["device"] for one in done["left"]} == {"bed-01"}
    assert rig.ask("GET", "/resources?site=north")["outages"] == []
