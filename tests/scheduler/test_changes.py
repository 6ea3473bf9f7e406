"""What a desk does to appointments: moved, called off, confirmed; the past stays as it was."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from scheduler.booking_times import BERLIN, moved, on
from scheduler.scheduler_rig import NOW
from sqlalchemy import select

from services.kit.database import reading
from services.scheduler.booking.tables import OCCUPANCY


def test_one_is_moved_when_no_rule_forbids_it(clinic):
    """Checked first, then done, told, and written down with its reason."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    body = moved(on(one, 14))
    assert clinic.ask("POST", f"/appointments/{one['appointment']}/check", json=body) == {
        "ok": True, "rules": [],
    }  # fmt: skip
    after = clinic.ask("POST", f"/appointments/{one['appointment']}/move", json=body)
    assert datetime.fromisoformat(after["starts_at"]) == on(one, 14)
    assert [(row["action"], row["reason"]) for row in after["history"]] == [
        ("booked", ""), ("moved", "the patient's wish"),
    ]  # fmt: skip
    told = clinic.told("appointment")[-1]
    assert (told.type, told.data["appointment"], told.data["number"]) == (
        "appointment.moved", one["appointment"], 1,
    )  # fmt: skip
    again = clinic.ask("POST", f"/appointments/{one['appointment']}/move", json=body)
    assert len(again["history"]) == 2, "asked twice, moved once"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"starts_at": "2026-11-28T10:00:00+01:00"}, "closed"),
        ({"starts_at": "2026-12-25T10:00:00+01:00"}, "holiday"),
        ({"starts_at": "2026-11-24T06:00:00+01:00"}, "closed"),
        ({"starts_at": "2026-11-24T10:07:00+01:00"}, "grid"),
        ({"starts_at": "2026-11-20T10:00:00+01:00"}, "past"),
        ({"device": "bed-99"}, "device-unknown"),
        ({"therapist": str(uuid4())}, "therapist-unknown"),
        ({"starts_at": "2026-12-01T10:00:00+01:00"}, "order"),
    ],
)
def test_a_move_that_a_rule_forbids_changes_nothing(clinic, change, rule):
    """It is refused with the rule in both languages, and what is offered instead works."""
    cure = clinic.cure(cadence="daily")
    one = cure["appointments"][0]
    body = moved(on(one, 14)) | change
    path = f"/appointments/{one['appointment']}"
    checked = clinic.ask("POST", f"{path}/check", json=body)
    refused = clinic.ask("POST", f"{path}/move", json=body, status=409)
    assert not checked["ok"]
    assert rule in {row["id"] for row in refused["rules"]}
    assert checked["rules"] == refused["rules"]
    assert clinic.shown(cure)["appointments"] == cure["appointments"]
    own = {(one["starts_at"], one["device"], one["therapist"])}
    offers = [row["appointments"][0] for row in refused["alternatives"]]
    assert not own & {(place["starts_at"], place["device"], place["therapist"]) for place in offers}
    for offered in refused["alternatives"][:1]:
        place = offered["appointments"][0]
        clinic.ask("POST", f"{path}/move", json=moved(datetime.fromisoformat(place["starts_at"])) | {
            "device": place["device"], "therapist": place["therapist"],
        })  # fmt: skip


def test_this_and_following_move_together(clinic):
    """From Monday on at two o'clock: every later one too, whole or not at all, none before it."""
    cure = clinic.cure(cadence="three")
    one = cure["appointments"][4]
    after = clinic.ask(
        "POST", f"/appointments/{one['appointment']}/move", json=moved(on(one, 14), scope="following")
    )
    now = clinic.shown(cure)["appointments"]
    assert now[:4] == cure["appointments"][:4]
    hours = {datetime.fromisoformat(row["starts_at"]).astimezone(BERLIN).hour for row in now[4:]}
    assert hours == {14}
    assert len(after["changed"]) == 14
    assert sum(event.type == "appointment.moved" for event in clinic.told()) == 14
    with reading(clinic.engine) as connection:
        taken = len(connection.execute(select(OCCUPANCY)).all())
    assert taken == 18 * (9 + 9 + 12)


def test_a_called_off_place_is_free_again(clinic):
    """Another patient can have it; calling off twice is once; the reason stays."""
    cure = clinic.cure()
    one = cure["appointments"][2]
    path = f"/appointments/{one['appointment']}/cancel"
    after = clinic.ask("POST", path, json={"reason": "ill"})
    assert (after["state"], after["history"][-1]["reason"]) == ("cancelled", "ill")
    assert len(clinic.ask("POST", path, json={"reason": "ill"})["history"]) == 2
    assert sum(event.type == "appointment.cancelled" for event in clinic.told()) == 1
    free = clinic.ask("GET", f"/why?{query(one)}")
    assert free["ok"]
    taken = clinic.ask("GET", f"/why?{query(cure['appointments'][3])}")
    assert {rule["id"] for rule in taken["rules"]} == {"device-busy", "therapist-busy"}


def query(one):
    """The question about exactly this place."""
    starts = one["starts_at"].replace("+", "%2B")
    return f"site=north&region=lumbar&starts_at={starts}&device={one['device']}&therapist={one['therapist']}"


def test_this_and_following_are_called_off(clinic):
    """The rest of a cure at once; what was before stays."""
    cure = clinic.cure()
    one = cure["appointments"][10]
    clinic.ask(
        "POST", f"/appointments/{one['appointment']}/cancel", json={"scope": "following", "reason": "x"}
    )
    states = [row["state"] for row in clinic.shown(cure)["appointments"]]
    assert states == ["booked"] * 10 + ["cancelled"] * 8


def test_the_past_is_not_changed(clinic):
    """What has begun is neither moved nor called off nor confirmed; what is to come is not missed."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    path = f"/appointments/{one['appointment']}"
    early = clinic.ask("POST", f"{path}/missed", json={"reason": "too early"}, status=409)
    assert "missed" in early["detail"]
    clinic.now = datetime.fromisoformat(one["starts_at"]) + timedelta(minutes=1)
    for what, body in (
        ("move", moved(on(one, 16))),
        ("check", moved(on(one, 16))),
        ("cancel", {"reason": "x"}),
        ("confirm", {}),
    ):
        refused = clinic.ask("POST", f"{path}/{what}", json=body, status=409)
        assert "the past is not changed" in refused["detail"]
    after = clinic.ask("POST", f"{path}/missed", json={"reason": "did not come"})
    assert after["state"] == "missed"
    clinic.ask("POST", f"{path}/missed", json={"reason": "did not come"})
    assert sum(event.type == "appointment.missed" for event in clinic.told()) == 1


def test_a_confirmed_one_is_confirmed_until_it_is_moved(clinic):
    """The patient knows: moved, they have to be told anew."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    path = f"/appointments/{one['appointment']}"
    assert clinic.ask("POST", f"{path}/confirm", json={"scope": "following"})["confirmed"]
    assert all(row["confirmed"] for row in clinic.shown(cure)["appointments"])
    assert not clinic.ask("POST", f"{path}/move", json=moved(on(one, 14)))["confirmed"]


def test_the_board_and_the_calendar_show_the_day(clinic):
    """Today's appointments with who may be treated; a calendar that is asked for backwards is refused."""
    cure = clinic.cure()
    one = cure["appointments"][0]
    until = NOW + timedelta(days=60)
    clinic.clinic_event(
        "clearance.given", clearance=uuid4(), patient=cure["patient"], region="lumbar", token="t",
        valid_from=NOW.isoformat(), valid_until=until.isoformat(), conditions=[],
    )  # fmt: skip
    board = clinic.ask("GET", f"/board?site=north&day={one['starts_at'][:10]}")
    assert [(row["appointment"], row["cleared"]) for row in board["appointments"]] == [
        (one["appointment"], True)
    ]
    window = "site=north&from=2026-11-23T00:00:00Z&to=2026-11-30T00:00:00Z"
    week = clinic.ask("GET", f"/calendar?{window}")
    assert len(week["appointments"]) == len(
        [a for a in cure["appointments"] if a["starts_at"] < "2026-11-30"]
    )
    clinic.ask("GET", "/calendar?site=north&from=2026-11-30T00:00:00Z&to=2026-11-23T00:00:00Z", status=422)
    clinic.ask("GET", "/calendar?site=north&from=2026-11-30T00:00:00Z&to=2036-11-23T00:00:00Z", status=422)
