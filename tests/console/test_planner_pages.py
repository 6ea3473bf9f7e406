"""The planner's pages over the real scheduler: previews, refusals, what is asked, who waits."""

import re
from datetime import timedelta
from html import unescape

import pytest
from console.planning_rig import REFUSED, SEE_OTHER, TAKEN, PlanningRig, request_in, shown

from broker.contract import STREAMS
from services.scheduler.settings import SchedulerSettings


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One clinic for this file's tests; each has a patient of its own."""
    made = PlanningRig(tmp_path_factory.mktemp("planning"))
    yield made
    made.close()


def wishes(rig, whom, **changes):
    """The planner's form as a browser sends it."""
    return {
        "site": "north", "patient": whom, "region": "lumbar", "segment": "L4/5", "sessions": "15",
        "cadence": "daily", "earliest": rig.monday.isoformat(), "from1": "14:00", "to1": "17:00",
        "weekdays": ["mon", "tue", "wed", "thu", "fri"], "request": str(whom), "act": "preview", **changes,
    }  # fmt: skip


def test_a_cure_is_shown_whole_before_it_is_booked_and_booked_as_it_was_shown(rig):
    """The patient says yes to these dates, not to others."""
    patient = rig.patient("Dahl", "Siv")
    preview = rig.client("cleo").request("POST", "/planning", data=wishes(rig, patient))
    assert "The series: 15 appointments" in shown(preview)
    chosen = [unescape(it) for it in re.findall(r'name="chosen" value="([^"]+)"', preview.text)]
    assert len(chosen) == 15
    unsaid = wishes(
        rig, patient, act="book", chosen=chosen, age_years="60", peak_n="much", body_weight_kg="78"
    )
    assert "much is no number" in shown(rig.client("cleo").request("POST", "/planning", data=unsaid), REFUSED)
    prescription = {"peak_n": "170", "body_weight_kg": "78", "age_years": "60", "sex": "female"}
    form = wishes(rig, patient, act="book", chosen=chosen, **prescription)
    booked = rig.client("cleo").request("POST", "/planning", data=form)
    assert booked.status_code == SEE_OTHER, shown(booked)
    page = shown(rig.client("cleo").get(booked.headers["location"]))
    assert "The cure is booked" in page
    assert "170 N" in page
    again = rig.client("cleo").request("POST", "/planning", data=form)
    assert again.headers["location"] == booked.headers["location"]  # asked twice, booked once


@pytest.mark.parametrize(
    ("page", "act", "asked", "setting"),
    [("/planning", "preview", "/cures/preview", "plan_place_s"),
     ("/planning", "book", "/cures", "plan_place_s"), ("/replanning", "", "/replan", "plan_replan_s")],
)  # fmt: skip
def test_the_console_waits_as_long_as_the_planner_may_think(rig, page, act, asked, setting):
    """Given up on after eight seconds, a full house's question ended as "not available", its wishes lost."""
    rig.waits_s.clear()
    form = wishes(
        rig, rig.patient(), act=act, sessions="200"
    )  # both are refused at once: only the limit matters
    form |= {"out": "device:bed-01", "from": "2020-02-03T00:00", "to": "2020-02-04T00:00"}
    rig.client().post(page, data=form)
    (most_s,) = (row.le for row in SchedulerSettings.model_fields[setting].metadata if hasattr(row, "le"))
    assert rig.waits_s[asked] > most_s


def test_a_prescription_beyond_its_limits_is_said_at_its_field_with_the_preview_and_all_of_it_stays(rig):
    """Not after the booking, in a program's words, twice; and the series that was shown is not lost."""
    patient = rig.patient("Nesbø", "Aud")
    form = wishes(rig, patient, peak_n="900", traction_min="12")
    page = rig.client("cleo").request("POST", "/planning", data=form)
    text = shown(page, REFUSED)
    assert text.count("900 N:") == 1
    assert 'id="f-peak_n-error"' in page.text
    assert "prescription.peak" not in text
    assert "docs/" not in text
    assert len(re.findall(r'name="chosen"', page.text)) == 15
    chosen = [unescape(it) for it in re.findall(r'name="chosen" value="([^"]+)"', page.text)]
    told = unescape(re.search(r'name="shown" value="([^"]+)"', page.text)[1])
    booked = form | {"act": "book", "chosen": chosen, "shown": told}
    again = rig.client("cleo").request("POST", "/planning", data=booked)
    assert shown(again, REFUSED).count("900 N:") == 1
    assert [unescape(it) for it in re.findall(r'name="chosen" value="([^"]+)"', again.text)] == chosen
    assert 'value="12"' in again.text
    assert "Different times of day" in shown(again, REFUSED)
    assert rig.scheduler.ask("GET", f"/cures?site=north&patient={patient}") == []


def test_weight_and_age_are_the_files_whatever_a_browser_sends(rig):
    """Two bodies of one patient: the wrong one would be pulled with the wrong force."""
    patient = rig.patient("Omdal", "Siri")
    form = rig.client("cleo").get(f"/planning?site=north&patient={patient}")
    assert "78 kg" in shown(form)
    assert "From the file, version 1 of" in shown(form)
    assert 'name="body_weight_kg"' not in form.text
    sent = wishes(rig, patient, act="book", peak_n="170", body_weight_kg="140", age_years="20", sex="male")
    booked = rig.client("cleo").request("POST", "/planning", data=sent)
    assert booked.status_code == SEE_OTHER, shown(booked, booked.status_code)
    cure = rig.scheduler.ask("GET", booked.headers["location"].partition("?")[0])
    document = cure["prescriptions"][0]["prescription"]
    assert (document["body_weight_kg"], document["sex"]) == (78, "female")
    assert document["age_years"] >= 60


def test_whom_screening_refuses_is_refused_here_before_anything_is_booked(rig):
    """The rule, and what would change it, at once; not cleared yet is said and may be booked."""
    patient = rig.patient("Prestegard", "Ida")
    form = shown(rig.client().get(f"/planning?site=north&patient={patient}"))
    assert "Not cleared yet" in form
    assert "a consent in force is missing" in form
    page = rig.client().request("POST", "/planning", data=wishes(rig, patient))
    assert "Book all 15 without clearance" in shown(page)
    said = {"value": {"answer": "yes"}, "given_by": "staff"}
    rig.screening.ask("PUT", f"/patients/{patient}/answers/pregnancy", role="clinician", json=said)
    refused = rig.client().request("POST", "/planning", data=wishes(rig, patient))
    assert "Must not be treated: no cure is booked" in shown(refused)
    assert 'value="book"' not in refused.text
    for event in rig.screening.told("clearance"):
        rig.scheduler.hear(STREAMS["clearance"], event)
    booking = rig.client().request("POST", "/planning", data=wishes(rig, patient, act="book"))
    assert "Must not be treated: no cure is booked" in shown(booking, TAKEN)
    assert "Somebody was quicker" not in shown(booking, TAKEN)
    assert rig.scheduler.ask("GET", f"/cures?site=north&patient={patient}") == []


def test_the_slower_of_two_desks_sees_what_is_still_free_and_can_take_it(rig):
    """All or nothing: none of the slower one's appointments is booked, and an offer really works."""
    quick, slow = rig.patient("Eide", "Liv"), rig.patient("Falk", "Per")
    later = (rig.monday + timedelta(weeks=10)).isoformat()
    narrow = {"from1": "08:00", "to1": "08:45", "device": "bed-01", "earliest": later}
    one, other = (
        rig.client().request("POST", "/planning", data=wishes(rig, patient, **narrow))
        for patient in (quick, slow)
    )
    chosen = [re.findall(r'name="chosen" value="([^"]+)"', page.text) for page in (one, other)]
    forms = [
        wishes(rig, patient, act="book", chosen=[unescape(it) for it in rows], **narrow)
        for patient, rows in zip((quick, slow), chosen, strict=True)
    ]
    assert rig.client().request("POST", "/planning", data=forms[0]).status_code == SEE_OTHER
    lost = rig.client().request("POST", "/planning", data=forms[1])
    assert "Somebody was quicker meanwhile" in shown(lost, TAKEN)
    assert rig.scheduler.ask("GET", f"/cures?site=north&patient={slow}") == []
    offer = re.search(
        r'<form method="post" action="/planning" data-busy="[^"]*">\s*<input(?:(?!</form>).)*act.*?</form>',
        lost.text,
        re.DOTALL,
    )
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', offer[0])
    taken = {}
    for name, value in pairs:
        taken.setdefault(name, []).append(unescape(value))
    done = rig.client().request("POST", "/planning", data=taken | {"act": "book"})
    assert done.status_code == SEE_OTHER, shown(done, done.status_code)


def test_why_not_is_answered_with_the_rule(rig):
    """Sunday at ten is closed, and the page says so while it keeps the form."""
    patient = rig.patient("Gran", "Ole")
    sunday = (rig.monday + timedelta(days=6)).isoformat()
    form = wishes(rig, patient, act="why", why_on=sunday, why_at="10:00")
    page = rig.client().request("POST", "/planning", data=form)
    assert "That time is not possible" in shown(page)
    assert "closed" in shown(page).lower()
    assert f'value="{sunday}"' in page.text
    assert 'value="14:00"' in page.text
    nothing = rig.client().request("POST", "/planning", data=form | {"why_at": ""})
    assert nothing.status_code == REFUSED
    assert 'id="f-why_at-error"' in nothing.text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("sessions", "200", "20"),
        ("sessions", "many", "many is no number"),
        ("earliest", "2026-02-30", "2026-02-30 is no day"),
        ("patient", "somebody", "First choose whom the cure is for"),
        ("cadence", "hourly", "hourly"),
        ("segment", "\0", "NUL"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_the_form_stays(rig, field, value, words):
    """Nothing is half planned, and nobody types it all again."""
    answer = rig.client().request(
        "POST", "/planning", data=wishes(rig, rig_patient(rig), **{field: value, "to1": "16:30"})
    )
    assert words in shown(answer, REFUSED)
    assert 'value="16:30"' in answer.text


def rig_patient(rig, found=[]):  # noqa: B006  (one for all rows of a table)
    """A patient for those tests that plan nothing."""
    found.append(found[0] if found else rig.patient("Holm", "Eva"))
    return found[0]


def test_who_wants_to_come_sooner_waits_and_leaves_the_list(rig):
    """The list is the desk's memory."""
    one = rig.cure(rig.patient("Olsen", "Ivar"))["appointments"][9]
    form = {"site": "north", "appointment": one["appointment"], "from1": "08:00", "to1": "12:00",
            "weekdays": ["mon", "tue"], "note": "calls back"}  # fmt: skip
    form["request"] = request_in(rig.client().get(f"/waiting?site=north&appointment={one['appointment']}"))
    wrong = rig.client().request("POST", "/waiting", data=form | {"to1": "07:00"})
    assert wrong.status_code == REFUSED, "what was typed stays as it was"
    assert "08:00 to 07:00 ends before it begins" in wrong.text
    assert "body.times" not in wrong.text
    assert re.search(r'id="f-from1"[^>]* value="08:00"', wrong.text)
    assert re.search(r'id="f-day-tue"[^>]* checked', wrong.text)
    for _ in range(2):  # a double click
        assert rig.client().request("POST", "/waiting", data=form).status_code == SEE_OTHER
    rows = rig.scheduler.ask("GET", "/waiting?site=north")
    assert [row["appointment"] for row in rows].count(one["appointment"]) == 1
    page = rig.client().get("/waiting?site=north")
    assert "Olsen, Ivar" in shown(page)
    assert "calls back" in shown(page)
    waiting = re.search(r"/waiting/([0-9a-f-]{36})/remove", page.text)[1]
    assert (
        rig.client().request("POST", f"/waiting/{waiting}/remove", data={"site": "north"}).status_code
        == SEE_OTHER
    )
    assert "Olsen, Ivar" not in shown(rig.client().get("/waiting?site=north"))


def test_a_cure_that_finds_no_place_goes_on_the_waiting_list_with_its_wishes(rig):
    """The desk need not type it again when something becomes free."""
    form = wishes(rig, rig.patient("Teigen", "Rolf"), from1="08:00", to1="08:30")
    page = rig.client().request("POST", "/planning", data=form)
    assert "No series fits like this" in shown(page)
    assert 'formaction="/waiting"' in page.text
    assert rig.client().request("POST", "/waiting", data=form).status_code == SEE_OTHER
    page = rig.client().get("/waiting?site=north")
    assert "Teigen, Rolf" in shown(page)
    assert "08:00\N{EN DASH}08:30" in page.text
