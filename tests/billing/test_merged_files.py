"""Two files of one person, and one file that turns out to be two people: who is charged with what."""

from datetime import timedelta
from uuid import uuid4

from billing.test_charging import case_of, numbers, total
from billing.test_drafts import by_hand, whole
from billing.test_invoices import drafts, issued, turn

from services.billing.charges.tables import CHARGES


def merged(rig):
    """Somebody and the file that was merged into theirs."""
    one, other = rig.patient(), rig.patient()
    rig.clinic_event("patient.merged", patient=other, into=one)
    return one, other


def part(rig, one, other):
    """They were two people after all."""
    rig.clinic_event("patient.unmerged", patient=other, into=one)


def cancel(rig, invoice):
    """Take an invoice back."""
    told = {"request": str(uuid4()), "reason": "falscher Patient"}
    rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=told, status=201)


def clear_ups(rig):
    """What a person has to look at."""
    rows = rig.ask("GET", "/clear-ups", params={"site": "north"})["clear_ups"]
    return [(row["number"], row["patient"], row["belongs_to"]) for row in rows]


def test_an_undone_merge_sends_sessions_back_to_whose_they_were(either_rig):
    """Nobody pays for another one's treatment; what a draft held meanwhile leaves it by itself."""
    rig = either_rig
    rig.clinic()
    one, other = merged(rig)
    rig.session(one)
    rig.session(other)
    case = case_of(rig, one)
    rig.ask("PUT", f"/cases/{case['id']}", json={"payer": "self-payer", "tariff": "self", "mode": "session"})
    turn(rig)
    assert drafts(rig)[0]["total"] == "115.42"
    part(rig, one, other)
    part(rig, one, other)
    assert str(total(rig, one)) == "57.71"
    assert numbers(rig, other) == [("516", "1.8"), ("652", "2.3"), ("538", "1.8")]
    assert case_of(rig, other)["patient"] == str(other)
    assert drafts(rig)[0]["total"] == "57.71"
    assert clear_ups(rig) == []


def test_a_survivor_s_sessions_come_home_from_the_merged_file_s_case(rig):
    """Whose case was there first does not say who was treated."""
    one, other = rig.patient(), rig.patient()
    rig.cure(other)
    rig.clinic_event("patient.merged", patient=other, into=one)
    rig.session(one)
    part(rig, one, other)
    assert (str(total(rig, one)), numbers(rig, other)) == ("70.68", [])


def test_what_was_invoiced_of_an_undone_merge_is_shown_until_somebody_cleared_it_up(rig):
    """An invoice is never changed in silence: a person cancels it, and the charges go to whose they were."""
    rig.clinic()
    one, other = merged(rig)
    rig.session(other)
    rig.ask("PUT", f"/cases/{case_of(rig, one)['id']}", json={"payer": "private", "mode": "session"})
    turn(rig)
    invoice = issued(rig)
    part(rig, one, other)
    assert clear_ups(rig) == [(invoice["number"], str(one), str(other))]
    rig.ask("GET", "/clear-ups", params={"site": "north"}, sites=("south",), status=404)
    cancel(rig, invoice)
    assert clear_ups(rig) == []
    assert (numbers(rig, one), len(numbers(rig, other))) == ([], 3)


def test_two_cases_of_one_illness_are_one_to_the_rules_and_joined_by_a_person(rig):
    """After a merge both files' consultations are of one month: each draft says so before they are joined."""
    rig.clinic()
    one, other = rig.patient(), rig.patient()
    for patient, illness in ((one, "Lumbago"), (other, "lumbago ")):
        by_hand(rig, patient, illness=illness, number="75")
        by_hand(rig, patient, illness=illness, date="2026-11-19")
    for patient in (one, other):
        body = {"request": str(uuid4()), "site": "north", "patient": str(patient)}
        rig.ask("POST", "/drafts", json=body, status=201)
    assert [draft["stops"] for draft in drafts(rig)] == [0, 0]
    rig.clinic_event("patient.merged", patient=other, into=one)
    assert all(draft["stops"] for draft in drafts(rig))
    rows = rig.ask("GET", "/cases", params={"site": "north", "patient": str(one)})["cases"]
    (second,) = [row for row in rows if row["joins"]]
    assert second["patient"] == str(other)
    rig.ask("POST", f"/cases/{second['id']}/join", role="reception", status=403)
    joined = rig.ask("POST", f"/cases/{second['id']}/join")
    assert joined["id"] == second["joins"]
    turn(rig)
    (draft,) = drafts(rig)
    assert (draft["lines"], draft["case"]["id"]) == (4, joined["id"])
    assert rig.count(CHARGES) == 6
    again = rig.ask("POST", f"/cases/{joined['id']}/join", status=409)
    assert "Lumbago" in again["detail_de"]


def test_what_another_site_billed_counts_and_says_no_more_than_number_and_day(rig):
    """The limits are the patient's: a reader of one site alone learns of the other what the rule needs."""
    rig.clinic()
    rig.clinic("south")
    patient = rig.patient()
    for day in ("2026-11-18", "2026-11-19"):  # 34: twice within six months
        by_hand(rig, patient, site="south", number="34", date=day)
    asked = {"request": str(uuid4()), "site": "south", "patient": str(patient)}
    made = rig.ask("POST", "/drafts", json=asked, status=201)
    rig.ask("PUT", f"/cases/{made['case']['id']}", json={"payer": "private"})
    issued(rig, made)
    by_hand(rig, patient, number="34")
    rig.ask("POST", "/drafts", json=asked | {"site": "north", "request": str(uuid4())}, status=201)

    def elsewhere(**reader):
        draft = rig.ask("GET", f"/drafts/{drafts(rig)[0]['id']}", **reader)
        return [row for found in draft["findings"] for row in found["elsewhere"]]

    seen = {"number": "34", "date": "2026-11-19", "site": "south"}
    assert seen in elsewhere()
    assert seen | {"site": None} in elsewhere(sites=("north",))
    assert "south" not in str(elsewhere(sites=("north",)))


def test_outlays_of_a_cancelled_invoice_come_back_to_the_next_draft(rig):
    """§ 10 GOÄ: what was bought is owed still; once, and never without a checker."""
    rig.clinic()
    patient = rig.patient()
    rig.session(patient)
    rig.ask("PUT", f"/cases/{case_of(rig, patient)['id']}", json={"payer": "private", "mode": "session"})
    turn(rig)
    outlay = {"date": "2026-11-20", "text": "Lagerungskissen", "amount": "12.00"}
    draft = rig.ask("PUT", f"/drafts/{drafts(rig)[0]['id']}", json={"revision": 1, "outlays": [outlay]})
    cancel(rig, issued(rig, draft))
    turn(rig)
    draft = whole(rig)
    assert (draft["total"], len(draft["said"]["outlays"])) == ("82.68", 1)
    rig.ask("DELETE", f"/drafts/{draft['id']}", status=204)
    turn(rig)
    assert whole(rig)["total"] == "82.68"
    rig.session(patient, at=rig.now - timedelta(days=1))
    turn(rig)
    assert whole(rig)["total"] == "153.36"
    issued(rig)
    rig.session(patient, at=rig.now - timedelta(days=2))
    turn(rig)
    assert whole(rig)["total"] == "70.68"


def test_a_second_desk_is_told_the_number_of_what_the_first_one_issued(either_rig):
    """Gone is no answer to who has the patient before them; another site's desk learns nothing."""
    rig = either_rig
    rig.clinic()
    patient = rig.patient()
    rig.session(patient)
    rig.ask("PUT", f"/cases/{case_of(rig, patient)['id']}", json={"payer": "private", "mode": "session"})
    turn(rig)
    draft = whole(rig)
    invoice = issued(rig, draft)
    body = {"request": str(uuid4()), "revision": draft["revision"]}
    refused = rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body, status=409)
    assert (refused["number"], refused["invoice"]) == (invoice["number"], invoice["id"])
    assert rig.ask("GET", f"/drafts/{draft['id']}", status=409)["number"] == invoice["number"]
    rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body, sites=("south",), status=404)
