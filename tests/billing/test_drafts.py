"""Drafts that wait while something else happens: what they show and issue is always what is owed."""

import threading
from uuid import uuid4

import pytest
from billing.test_invoices import ISSUE, cured, drafts, issued, turn

from services.billing.charges.completing import Completing
from services.billing.charges.tables import CHARGES
from services.billing.invoices.tables import INVOICES

NORTH = {"site": "north"}


def whole(rig, draft=None):
    """The only draft, or this one, with its lines."""
    return rig.ask("GET", f"/drafts/{draft or drafts(rig)[0]['id']}")


def numbers(draft):
    """What stands on a draft."""
    return sorted(line["line"]["number"] for line in draft["lines"])


def charge_of(draft, number):
    """The id of the charge under this number."""
    return next(line["charge"] for line in draft["lines"] if line["line"]["number"] == number)


def by_hand(rig, patient, *, status=201, site="north", request=None, **line):
    """A charge that somebody enters."""
    told = {"date": "2026-11-20", "number": "1", "factor": "2.3", "illness": "lumbar"} | line
    body = {"request": request or str(uuid4()), "site": site, "patient": str(patient), "line": told}
    return rig.ask("POST", "/charges", json=body, status=status)


def test_a_charge_that_was_taken_back_leaves_its_draft(rig):
    """Nobody pays for what was taken back; who had seen the draft before is told that it changed."""
    rig.clinic()
    cured(rig, sessions=1)
    before = whole(rig)
    rig.ask("POST", f"/charges/{charge_of(before, '538')}/reverse", json={"reason": "Lampe war defekt"})
    rig.ask("POST", f"/drafts/{before['id']}/issue", json=ISSUE, status=409)
    after = whole(rig)
    assert numbers(after) == ["516", "652"]
    assert issued(rig, after)["total"] == "66.48"


def test_a_draft_follows_the_tariff_that_was_agreed_on_later(either_rig):
    """Whoever turns out to pay by themselves gets one invoice at the lower factor, not two or the old one."""
    rig = either_rig
    rig.clinic()
    cured(rig, sessions=1)
    draft = whole(rig)
    rig.ask("PUT", f"/cases/{draft['case']['id']}", json={"payer": "self-payer", "tariff": "self"})
    turn(rig)
    (after,) = drafts(rig)
    assert (after["id"], after["lines"], after["total"]) == (draft["id"], 3, "57.71")
    assert after["revision"] > draft["revision"]
    assert issued(rig, after)["total"] == "57.71"


def test_another_tariff_does_not_bring_back_what_a_person_took_back(rig):
    """A line that was wrong stays away, by whatever tariff the session is charged anew."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = whole(rig)
    rig.ask("POST", f"/charges/{charge_of(draft, '538')}/reverse", json={"reason": "Lampe war defekt"})
    rig.ask("PUT", f"/cases/{draft['case']['id']}", json={"payer": "self-payer", "tariff": "self"})
    turn(rig)
    assert numbers(whole(rig)) == ["516", "652"]


def test_what_a_person_left_out_does_not_come_back_by_itself(rig):
    """The machine collects what is due; it does not overrule whoever checks. It waits for the next draft."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = whole(rig)
    out = {"charge": charge_of(draft, "538"), "leave_out": True}
    changed = rig.ask("PUT", f"/drafts/{draft['id']}", json={"revision": 1, "lines": [out]})
    turn(rig)
    assert numbers(whole(rig)) == ["516", "652"]
    rig.ask("PUT", f"/drafts/{draft['id']}", json={"revision": changed["revision"], "remarks": ["Danke"]})
    turn(rig)
    assert numbers(whole(rig)) == ["516", "652"]
    issued(rig)
    turn(rig)
    assert numbers(whole(rig)) == ["538"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ({"number": "99999"}, "99999"),
        ({"date": "1970-01-01"}, "1970"),
        ({"date": "2026-11-24"}, "24.11.2026"),
        ({"illness": "x" * 201}, "201"),
    ],
)
def test_a_line_that_no_invoice_could_carry_is_refused_at_once(rig, line, named):
    """One slip of a hand must not make every draft of the site unreadable, nor bill what is to come."""
    rig.clinic()
    patient = cured(rig, sessions=1)
    assert named in by_hand(rig, patient, status=422, **line)["detail_de"]
    assert rig.count(CHARGES) == 3


def test_an_amount_that_a_hand_typed_is_worked_out_anew(rig):
    """Points, factor and count make the amount (§ 5 Abs. 1 GOÄ), whatever was typed beside them."""
    rig.clinic()
    patient = rig.patient()
    by_hand(rig, patient, amount="1000.00", agreed=True)
    turn(rig)
    made = rig.ask("POST", "/drafts", json={"request": str(uuid4()), "patient": str(patient), **NORTH})
    (line,) = made["lines"]
    assert (made["total"], line["line"]["amount"], line["line"]["agreed"]) == ("10.72", "10.72", False)


def test_an_outlay_that_is_none_is_refused(rig):
    """Less than nothing, or of a day to come: refused in words, and the draft stays as it was."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = drafts(rig)[0]
    outlay = {"date": "2026-11-24", "text": "Lagerungskissen", "amount": "-12.00"}
    told = {"revision": 1, "outlays": [outlay]}
    rig.ask("PUT", f"/drafts/{draft['id']}", json=told, status=422)
    told["outlays"] = [{**outlay, "amount": "12.00"}]
    changed = rig.ask("PUT", f"/drafts/{draft['id']}", json=told)
    body = {"request": str(uuid4()), "revision": changed["revision"]}
    refused = rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body, status=422)
    assert "24.11.2026" in refused["detail_de"]


def test_who_has_no_file_does_not_keep_others_from_being_asked(rig):
    """However many cases wait for an answer that never comes, the next patient's insurance is asked for."""
    for _ in range(101):
        patient = uuid4()
        rig.clinic_event("patient.registered", patient=patient)
        rig.cure(patient)
    last = rig.patient()
    rig.cure(last)
    completing = Completing(rig.office, rig.people, lambda: rig.now)
    for _ in range(3):
        completing.turn()
    (case,) = rig.ask("GET", "/cases", params={**NORTH, "patient": str(last)})["cases"]
    assert case["payer"] == "private"


def test_an_invoice_of_nothing_is_refused(rig):
    """§ 12 Abs. 2 GOÄ asks for what was done: without it there is no invoice, and no number is taken."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = whole(rig)
    out = [{"charge": line["charge"], "leave_out": True} for line in draft["lines"]]
    changed = rig.ask("PUT", f"/drafts/{draft['id']}", json={"revision": 1, "lines": out})
    body = {"request": str(uuid4()), "revision": changed["revision"]}
    assert "§ 12" in rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body, status=422)["detail_de"]
    assert rig.count(INVOICES) == 0


def test_a_request_says_the_same_each_time(rig):
    """An id that stands for other work is refused; it never answers with another record or site's."""
    rig.clinic()
    patient = cured(rig, sessions=1)
    request = str(uuid4())
    first = by_hand(rig, patient, request=request)
    assert by_hand(rig, patient, request=request)["id"] == first["id"]
    by_hand(rig, patient, request=request, number="5", status=409)
    body = {"request": request, "site": "south", "patient": str(patient),
            "line": {"date": "2026-11-20", "number": "1", "factor": "2.3"}}  # fmt: skip
    rig.ask("POST", "/charges", json=body, sites=("south",), status=409)
    rig.ask("POST", "/drafts", json={"request": request, "patient": str(patient), **NORTH})
    south = {"request": request, "patient": str(patient), "site": "south"}
    rig.ask("POST", "/drafts", json=south, sites=("south",), status=409)
    invoice = issued(rig, request=request)
    cured(rig, sessions=1)
    rig.ask("POST", f"/drafts/{drafts(rig)[0]['id']}/issue", json={**ISSUE, "request": request}, status=409)
    told = {"request": request, "reason": "falsch"}
    rig.ask("POST", f"/invoices/{invoice['id']}/cancel", json=told, status=409)


def test_one_draft_issued_by_two_desks_with_one_request_is_one_invoice(either_rig):
    """Whoever is second, even at the same moment, is answered with what the first made."""
    rig = either_rig
    rig.clinic()
    cured(rig, sessions=1)
    draft, made, gate = drafts(rig)[0], [], threading.Barrier(3)

    def desk():
        gate.wait()
        made.append(issued(rig, draft, **ISSUE)["number"])

    threads = [threading.Thread(target=desk) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["NORTH-2026-00001"] * 3
    assert rig.count(INVOICES) == 1


def test_a_reason_that_was_typed_by_mistake_is_taken_away_and_the_rule_speaks_again(rig):
    """§ 12 Abs. 3 GOÄ: above the threshold there is no invoice without one, whoever emptied the field."""
    rig.clinic()
    cured(rig, sessions=1)
    draft = whole(rig)
    line = {"factor": "2.3", "justification": "Erhöhter Zeitaufwand", "duration_min": 20, "body_part": "LWS"}
    told = {"revision": 1, "lines": [{"charge": charge_of(draft, "538"), **line}]}
    draft = rig.ask("PUT", f"/drafts/{draft['id']}", json=told)
    assert "justification" not in {one["verdict"] for one in draft["findings"]}
    out = {"justification": "  ", "duration_min": None, "body_part": None, "factor": None}
    told = {"revision": draft["revision"], "lines": [{"charge": charge_of(draft, "538"), **out}]}
    draft = rig.ask("PUT", f"/drafts/{draft['id']}", json=told)
    assert "justification" in {one["verdict"] for one in draft["findings"]}
    (kept,) = [one["line"] for one in draft["lines"] if one["line"]["number"] == "538"]
    emptied = [kept[name] for name in ("justification", "duration_min", "body_part")]
    assert ([kept["factor"], *emptied]) == ["2.3", None, None, None]


def test_a_draft_that_comes_by_itself_is_in_the_trail_with_its_reason(rig):
    """Who made an invoice's draft is asked years later, of a program as of a person."""
    rig.clinic()
    patient = cured(rig, sessions=1)
    turn(rig)
    (row,) = rig.trail("draft.made")
    assert (row["account"], row["site"], row["record"]) == ("billing", "north", str(patient))
    assert "cure.completed" in row["detail"]


def test_a_service_without_a_therapeutic_aim_is_issued_on_no_exempt_invoice(rig):
    """§ 4 Nr. 14 a UStG frees treatment alone: the tax would be owed and stand nowhere."""
    rig.clinic()
    patient = rig.patient()
    line = {
        "date": "2026-11-23", "number": "75", "factor": "2.3", "on_demand": True, "taxable": True,
        "illness": "lumbar",
    }  # fmt: skip
    told = {"request": str(uuid4()), "site": "north", "patient": str(patient)}
    charge = rig.ask("POST", "/charges", json={**told, "line": line}, status=201)
    rig.ask("PUT", f"/cases/{charge['case']}", json={"payer": "self-payer", "tariff": "self"})
    draft = rig.ask("POST", "/drafts", json={**told, "request": str(uuid4())}, status=201)
    (found,) = [one for one in draft["findings"] if one["rule"] == "tax"]
    assert (found["verdict"], found["paragraph"]) == ("forbidden", "§ 4 Nr. 14 Buchst. a UStG")
    body = {"request": str(uuid4()), "revision": draft["revision"]}
    refused = rig.ask("POST", f"/drafts/{draft['id']}/issue", json=body, status=422)
    assert "§ 19 UStG" in refused["detail_de"]
    assert rig.ask("GET", "/invoices?site=north")["invoices"] == []
