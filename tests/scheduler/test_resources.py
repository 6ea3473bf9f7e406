"""Places and people: what gateways announce, what the clinic says, public holidays, bad input."""

from datetime import timedelta
from uuid import uuid4

import pytest
from scheduler.scheduler_rig import NOW, SHIFT, SITE

from services.kit.database import reading
from services.scheduler.resources import store, telling


def test_a_gateways_birth_makes_its_site_and_beds(rig):
    """A clinic need not type in what its gateways say themselves."""
    rig.birth(bed_01="lumbar cervical", bed_02="lumbar")
    found = rig.ask("GET", "/resources?site=north")
    assert [(bed["device"], bed["regions"], bed["usable"]) for bed in found["devices"]] == [
        ("bed-01", ["lumbar", "cervical"], True),
        ("bed-02", ["lumbar"], True),
    ]
    assert (found["state"], found["zone"], found["appointment_min"]) == ("DE-BE", "Europe/Berlin", 45)


def test_a_bed_that_its_gateway_no_longer_names_is_not_planned_with(rig):
    """A removed device must not be offered; one that comes back is there again."""
    rig.birth(bed_01="lumbar", bed_02="lumbar")
    rig.now = NOW + timedelta(minutes=1)
    rig.birth(bed_01="lumbar")
    usable = {bed["device"]: bed["usable"] for bed in rig.ask("GET", "/resources?site=north")["devices"]}
    assert usable == {"bed-01": True, "bed-02": False}
    rig.now = NOW
    rig.birth(bed_01="lumbar", bed_02="lumbar")  # an older birth that was kept somewhere
    usable = {bed["device"]: bed["usable"] for bed in rig.ask("GET", "/resources?site=north")["devices"]}
    assert usable == {"bed-01": True, "bed-02": False}


def test_public_holidays_are_those_of_the_sites_state(rig):
    """Berlin keeps women's day, Bavaria epiphany: in both languages."""
    rig.birth(bed_01="lumbar")
    berlin = rig.ask("PUT", "/sites/north", role="administrator", json=SITE)["holidays"]
    bavaria = rig.ask("PUT", "/sites/north", role="administrator", json=SITE | {"state": "DE-BY"})["holidays"]
    assert {"day": "2026-03-08", "de": "Frauentag", "en": "Women's Day"} in berlin
    assert "2026-01-06" in {row["day"] for row in bavaria}
    assert "2026-01-06" not in {row["day"] for row in berlin}


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "DE-XX"},
        {"zone": "Europe/Atlantis"},
        {"hours": {"mon": [["18:00", "08:00"]]}},
        {"hours": {"mon": [["08:00", "12:00"], ["11:00", "14:00"]]}},
        {"hours": {"mon": [["25:00", "26:00"]]}},
        {"hours": {"someday": [["08:00", "12:00"]]}},
        {"closed": ["2026-02-30"]},
        {"closed": ["0001-01-01"]},
        {"appointment_min": 2},
        {"appointment_min": 47},
        {"rest_h": -1},
        {"rest_h": 10**9},
        {"colour": "red"},
    ],
)
def test_a_site_that_makes_no_sense_changes_nothing(rig, wrong):
    """Impossible dates, states and hours are refused whole."""
    rig.birth(bed_01="lumbar")
    before = rig.ask("GET", "/sites/north")
    rig.ask("PUT", "/sites/north", role="administrator", json=SITE | wrong, status=422)
    assert rig.ask("GET", "/sites/north") == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": "2026-11-24T12:00:00+01:00", "to": "2026-11-24T08:00:00+01:00"},
        {"from": "2026-11-24T12:00:00", "to": "2026-11-24T18:00:00"},
        {"device": None},
        {"reason": ""},
        {"reason": "a\0b"},
        {"therapist": str(uuid4())},
    ],
)
def test_an_outage_that_makes_no_sense_is_refused(rig, wrong):
    """Backwards, without a zone, of nothing, of two things."""
    rig.clinic()
    body = {
        "site": "north", "device": "bed-01", "from": "2026-11-24T08:00:00+01:00",
        "to": "2026-11-24T18:00:00+01:00", "reason": "drive",
    }  # fmt: skip
    rig.ask("POST", "/outages", role="administrator", json=body | wrong, status=422)
    rig.ask("POST", "/outages", role="administrator", json=body | {"device": "bed-77"}, status=404)
    made = rig.ask("POST", "/outages", role="administrator", json=body, status=201)
    assert [row["outage"] for row in rig.ask("GET", "/resources?site=north")["outages"]] == [made["outage"]]
    rig.ask("DELETE", f"/outages/{made['outage']}", role="administrator")
    assert rig.ask("GET", "/resources?site=north")["outages"] == []
    rig.ask("DELETE", f"/outages/{made['outage']}", role="administrator", status=404)


def test_names_may_be_of_any_script(rig):
    """A therapist's name is kept as it was written."""
    rig.clinic(therapists=0)
    for name in ("Œdipe Ñandú", "李小龍", "محمد", "Jürgen-Götz von der Straße"):
        rig.therapist(name=name)
    found = {row["name"] for row in rig.ask("GET", "/resources?site=north")["therapists"]}
    assert found == {"Œdipe Ñandú", "李小龍", "محمد", "Jürgen-Götz von der Straße"}


def test_another_sites_places_and_people_do_not_exist(rig):
    """Who manages the south neither sees nor changes the north."""
    therapist = rig.clinic()[0]
    south = {"role": "administrator", "sites": ("south",), "status": 404}
    rig.ask("GET", "/sites/north", **south)
    rig.ask("PUT", "/sites/north", json=SITE, **south)
    rig.ask("PUT", "/sites/elsewhere", json=SITE, **(south | {"sites": ("south",)}))
    rig.ask("GET", "/resources?site=north", **south)
    rig.ask("PUT", "/devices/north/bed-01", json={"in_use": False}, **south)
    person = {"name": "Stolen", "site": "south", "shifts": SHIFT}
    rig.ask("PUT", f"/therapists/{therapist}", json=person, **south)
    rig.ask("PUT", f"/therapists/{uuid4()}", json=person, **south)


def test_the_clearance_in_force_and_open_suspensions_are_known(rig):
    """Worklists tell beds what screening last said: the newest clearance, and who is suspended."""
    from services.scheduler.booking import care

    patient, first, second, suspension = uuid4(), uuid4(), uuid4(), uuid4()
    until = (NOW + timedelta(days=60)).isoformat()
    for clearance, token in ((first, "old"), (second, "new")):
        rig.now += timedelta(minutes=1)
        rig.clinic_event(
            "clearance.given", clearance=clearance, patient=patient, region="lumbar", token=token,
            valid_from=NOW.isoformat(), valid_until=until, conditions=[],
        )  # fmt: skip
    rig.clinic_event(
        "clearance.suspended", suspension=suspension, patient=patient, region=None, reason="adverse-event",
        adverse=True,
    )  # fmt: skip
    with reading(rig.engine) as connection:
        assert care.clearance_of(connection, patient, "lumbar", rig.now)["token"] == "new"
        assert care.clearance_of(connection, patient, "cervical", rig.now) is None
        assert care.clearance_of(connection, patient, "lumbar", rig.now + timedelta(days=61)) is None
        assert [(one.patient, one.adverse) for one in care.suspended(connection, "north")] == [
            (patient, True)
        ]
    rig.clinic_event("clearance.restored", suspension=suspension, patient=patient, region=None)
    rig.clinic_event("clearance.ended", clearance=second, patient=patient, region="lumbar")
    with reading(rig.engine) as connection:
        assert care.suspended(connection, "north") == []
        assert care.clearance_of(connection, patient, "lumbar", rig.now) is None, "an old one is over"
        assert store.sites(connection) == []


def test_a_merged_patient_is_the_other_one_until_it_is_undone(rig):
    """Cures of both files are found by the one that is left."""
    from services.scheduler.booking import care

    double, kept = uuid4(), uuid4()
    rig.clinic_event("patient.registered", patient=double)
    rig.clinic_event("patient.merged", patient=double, into=kept)
    with reading(rig.engine) as connection:
        assert care.current(connection, double) == kept
        assert set(care.same(connection, kept)) == {double, kept}
    rig.clinic_event("patient.unmerged", patient=double, into=kept)
    with reading(rig.engine) as connection:
        assert care.current(connection, double) == double


@pytest.mark.parametrize(
    "path",
    [
        "/sites/a%00b",
        "/sites/Nord%20Ost",
        "/resources?site=%00",
        "/calendar?site=north&from=never&to=2026-11-30",
        "/board?site=north&day=2026-02-30",
        "/board?site=north&day=9999-12-31",
        "/waiting?site=N%C3%B6rd",
        "/why?site=north&starts_at=2026-11-24T09:00:00",
        "/why?site=north&starts_at=2026-11-24T09:00Z&device=%00",
        "/why?site=north&starts_at=2026-11-24T09:00Z&region=thoracic",
        "/cures?site=%00",
        "/cures?patient=Anna",
        "/cures/none",
        "/appointments/%00",
        "/cures?nothing=known",
        "/replan/none",
    ],
)
def test_what_no_question_can_mean_is_refused_in_plain_words(either_rig, path):
    """NUL bytes, days that are none, times without a zone, parameters that nobody knows."""
    refusal = either_rig.ask("GET", path, role="clinician", status=422)
    assert refusal["detail"]


def test_a_sites_zone_is_told_when_it_is_opened_changed_and_at_every_start(rig):
    """Who counts days for a site, as screening does, must count them by its clock and not by its own."""

    def zones():
        return [event.data["zone"] for event in rig.told("site")]

    rig.birth(bed_01="lumbar")
    rig.birth(bed_01="lumbar")
    assert zones() == ["Europe/Berlin"]
    island = {**SITE, "zone": "Atlantic/Canary"}
    rig.ask("PUT", "/sites/north", role="administrator", json=island)
    assert zones() == ["Europe/Berlin", "Atlantic/Canary"]
    telling.begin(rig.office, lambda: rig.now)()
    assert zones()[2:] == ["Atlantic/Canary"]
