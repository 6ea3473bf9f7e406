"""Billing's pages over the real billing: drafts, the item picker, invoices, charges, the clinic's data."""

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from console.billing_rig import BillingRoom

SEE_OTHER, FORBIDDEN, NOT_FOUND, TAKEN, REFUSED = 303, 403, 404, 409, 422
DAY = "2026-11-22"  # of the last session


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """One clinic for this file's tests; each has a patient of its own."""
    made = BillingRoom(tmp_path_factory.mktemp("billing"))
    yield made
    made.close()


def shown(answer, status=200):
    """The page's text, its marks away."""
    assert answer.status_code == status, answer.text[:900]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def drafted(room, family, sessions=1, **terms):
    """Somebody treated, their case and the draft of it."""
    patient = room.patient(family)
    case = room.treated(patient, sessions, **terms)
    body = {"request": str(uuid4()), "site": "north", "patient": str(patient), "case": case["id"]}
    return patient, case, room.billing.ask("POST", "/drafts", json=body)


def draft_of(room, draft):
    """As billing has it now."""
    return room.billing.ask("GET", f"/drafts/{draft['id']}")


def form_of(draft, **changes):
    """What a browser sends of a draft's page."""
    return {"revision": str(draft["revision"]), "country": "DE", **changes}


def picked(draft, **changes):
    """What it sends of the form of a new line."""
    return {"request": str(uuid4()), "date": DAY, "factor": "1.8", "count": "1", **changes}


def test_drafts_are_listed_by_name_with_what_stops_them(room):
    """Billing knows ids alone: the name is screening's, given to whoever bills."""
    drafted(room, "Ødegård")
    drafted(room, "Nobody-Pays", payer=None)
    page = shown(room.client().get("/billing/drafts"))
    assert "Ødegård, Anna" in page
    assert "€70.68" in page
    assert "Nobody said yet who pays" in page
    assert "Ødegård, Anna" in shown(room.client("rita").get("/billing/drafts?site=north"))
    assert room.client("theo").get("/billing/drafts").status_code == FORBIDDEN
    door = room.client().get("/billing")
    assert (door.status_code, door.headers["location"]) == (SEE_OTHER, "/billing/drafts?site=north")


def test_an_excluded_item_is_shown_with_the_law_s_own_sentence_and_taken_back(room):
    """A rule without its paragraph convinces nobody, and the way to mend it stands beside it."""
    _, _, draft = drafted(room, "Regel")
    path = f"/billing/drafts/{draft['id']}"
    form = picked(draft, number="653")
    for _ in range(2):  # a double click is one line
        assert room.client().post(f"{path}/lines", data=form).status_code == SEE_OTHER
    assert len(draft_of(room, draft)["lines"]) == 4
    page = room.client().get(path)
    assert "Die Leistungen nach den Nummern 650 bis 653 sind nicht nebeneinander berechnungsfähig." in shown(
        page
    )
    assert "1 rule stops it" in shown(page)
    issue = {"request": str(uuid4()), "revision": str(draft_of(room, draft)["revision"])}
    assert "GOÄ Nr. 653" in shown(room.client().post(f"{path}/issue", data=issue), REFUSED)
    (hand,) = (line for line in draft_of(room, draft)["lines"] if line["origin"] == "hand")
    assert room.client().post(f"{path}/take-back", data={"charge": hand["charge"]}).status_code == SEE_OTHER
    assert "No rule stops this invoice" in shown(room.client().get(path))


def test_a_factor_above_the_threshold_is_kept_with_its_reason_in_the_reader_s_writing(room):
    """2,5 is what a German types; without a reason the rule says so, with one it is fine."""
    _, _, draft = drafted(room, "Faktor")
    key = next(line["charge"] for line in draft["lines"] if line["line"]["number"] == "538")
    german = room.client(**{"accept-language": "de"})
    path = f"/billing/drafts/{draft['id']}"
    assert german.post(path, data=form_of(draft, **{f"factor-{key}": "2,3"})).status_code == SEE_OTHER
    assert "Begründung fehlt" in shown(german.get(path))
    changed = draft_of(room, draft)
    key = next(line["charge"] for line in changed["lines"] if line["line"]["number"] == "538")
    told = form_of(changed, **{f"justification-{key}": "Erhöhter Zeitaufwand", f"factor-{key}": "2,3"})
    assert german.post(path, data=told).status_code == SEE_OTHER
    assert "Keine Regel steht der Rechnung entgegen" in shown(german.get(path))


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"factor": "viel"}, "The factor is viel"),
        ({"factor": " "}, "The factor is missing: a number above 0"),
        ({"recipient_name": "Eltern Muster"}, "An address needs name, street"),
        ({"outlay-text-0": "Tape", "outlay-amount-0": "abc"}, "abc is no amount"),
        ({"outlay-text-0": "Tape", "outlay-amount-0": "3.20", "outlay-date-0": "2026-02-30"}, "2026-02-30"),
        ({"diagnosis": "a\x00b"}, "control character"),
    ],
)
def test_what_is_refused_stays_as_it_was_typed(room, typed, says):
    """Whoever typed ten fields does not type them again for the eleventh."""
    _, _, draft = drafted(room, "Getippt")
    key = draft["lines"][0]["charge"]
    named = {f"factor-{key}" if name == "factor" else name: value for name, value in typed.items()}
    told = form_of(draft, remarks="Bleibt stehen", **named)
    page = room.client().post(f"/billing/drafts/{draft['id']}", data=told)
    assert says in shown(page, REFUSED)
    assert "Bleibt stehen" in page.text
    assert draft_of(room, draft)["revision"] == draft["revision"]


def test_recipient_outlays_and_remarks_come_on_the_invoice(room):
    """Parents pay for a child; what was bought for one stands on the paper."""
    _, _, draft = drafted(room, "Kind")
    path = f"/billing/drafts/{draft['id']}"
    told = form_of(
        draft, recipient_name="Eltern Kind", street="Weg 1", postal_code="10115", city="Berlin",
        remarks="Eins\nZwei", diagnosis="Bandscheibenvorfall",
        **{
            "outlay-date-0": DAY, "outlay-kind-0": "material", "outlay-text-0": "Bandage",
            "outlay-amount-0": "12.50",
        },
    )  # fmt: skip
    assert room.client().post(path, data=told).status_code == SEE_OTHER
    page = room.client().get(path)
    assert 'value="Eltern Kind"' in page.text
    assert 'value="12.50"' in page.text
    assert "€83.18" in shown(page)
    assert room.client().get(f"{path}/preview").content.startswith(b"%PDF")


def test_a_payer_of_the_patient_s_name_is_the_patient_or_not_by_a_person_s_word(room):
    """A father of the same name must not get his child's insurance; nobody else is asked about."""
    _, _, draft = drafted(room, "Gleich")
    path = f"/billing/drafts/{draft['id']}"
    home = {"street": "Weg 1", "postal_code": "10115", "city": "Berlin", "namesake_of": "Gleich, Anna"}
    told = []
    for name, box in (("anna GLEICH", {"is_patient": "yes"}), ("Anna Gleich", {}), ("Eltern Gleich", {})):
        form = form_of(draft_of(room, draft), recipient_name=name, **home, **box)
        assert room.client().post(path, data=form).status_code == SEE_OTHER
        page = room.client().get(path).text
        asked = re.search(r'<fieldset[^>]*id="namesake"[^>]*>.*?</fieldset>', page, re.DOTALL)[0]
        is_asked = " disabled" not in asked.partition(">")[0]
        told.append((draft_of(room, draft)["said"]["recipient"]["is_patient"], is_asked, " checked" in asked))
    assert told == [(True, True, True), (False, True, False), (None, False, True)]
    refused = room.client().post(
        path, data=form_of(draft, recipient_name="Anna Gleich", **home | {"city": ""})
    )
    assert not re.search(r'name="is_patient"[^>]* checked', refused.text), "what was typed stays"


def issued(room, family, **terms):
    """An invoice that was issued by its page."""
    patient, case, draft = drafted(room, family, **terms)
    form = {"request": str(uuid4()), "revision": str(draft["revision"])}
    answers = [room.client().post(f"/billing/drafts/{draft['id']}/issue", data=form) for _ in range(2)]
    assert len({answer.headers["location"] for answer in answers}) == 1
    return patient, case, answers[0].headers["location"].partition("?")[0]


def test_the_list_of_invoices_goes_on_with_its_filters(room):
    """A year's invoices are more than a page: the list says so, and its link leads on."""
    paths = [issued(room, f"Langliste-{at}")[2] for at in ("A", "B", "C")]
    first = room.client().get("/billing/invoices?q=langliste&state=open&most=2")
    assert "The newest 2; there are more" in shown(first)
    (further,) = re.findall(r'href="(/billing/invoices[?][^"]*after=[^"]*)"', first.text)
    last = room.client().get(unescape(further))
    assert [path in last.text for path in paths] == [True, False, False]
    assert all(f'value="{told}"' in last.text for told in ("langliste", "open"))
    assert "after=" not in last.text
    assert "there are more" not in shown(last)


def test_a_double_click_issues_one_invoice_and_it_is_cancelled_with_a_reason(room):
    """Issued once, never changed, taken back by another paper, its charges open again."""
    patient, _, path = issued(room, "Doppelt")
    page = shown(room.client().get(path))
    assert "Invoice NORTH-2026-" in page
    assert "€70.68" in page
    pdf = room.client().get(f"{path}/pdf")
    assert (pdf.headers["content-type"], pdf.content[:4]) == ("application/pdf", b"%PDF")
    assert room.client().get(f"{path}/pdf?language=en").content != pdf.content
    assert b"CrossIndustryInvoice" in room.client().get(f"{path}/file/xml").content
    assert "Doppelt" in shown(room.client().get("/billing/invoices?q=doppelt&state=open"))
    assert "No invoice found" in shown(room.client().get("/billing/invoices?q=doppelt&state=paid"))
    empty = room.client().post(f"{path}/cancel", data={"request_id": str(uuid4()), "reason": " "})
    assert empty.status_code == REFUSED
    assert room.client("rita").post(f"{path}/cancel", data={"reason": "x"}).status_code == FORBIDDEN
    form = {"request_id": str(uuid4()), "reason": "Falscher Empfänger"}
    for _ in range(2):
        assert room.client().post(f"{path}/cancel", data=form).status_code == SEE_OTHER
    page = shown(room.client().get(f"{path}?done=cancelled"))
    assert "Its charges are open again" in page
    assert "Falscher Empfänger" in page
    asked = {"site": "north", "patient": str(patient)}
    assert len(room.billing.ask("GET", "/charges", params=asked)["charges"]) == 3


def test_a_draft_that_changed_meanwhile_says_so_and_is_not_issued(room):
    """Nobody answers for lines that they did not see."""
    _, _, draft = drafted(room, "Inzwischen")
    room.billing.ask("PUT", f"/drafts/{draft['id']}", json={"revision": 1, "remarks": ["neu"]})
    form = {"request": str(uuid4()), "revision": "1"}
    answer = room.client().post(f"/billing/drafts/{draft['id']}/issue", data=form)
    assert "has changed meanwhile" in shown(answer, TAKEN)


def test_the_picker_says_price_and_rules_in_the_reader_s_language(room):
    """What is said while one types is what is said when it is kept."""
    _, _, draft = drafted(room, "Picker")
    lines = [line["line"] for line in draft["lines"]]
    german = room.client(**{"accept-language": "de", "accept": "application/json"})
    asked = {"q": "Elektrokardiografsche", "on": DAY, "lines": lines}
    items = {it["number"]: it for it in german.post("/api/billing/pick", json=asked).json()["items"]}
    assert items["653"]["finding"]["label"] == "verboten"
    assert items["653"]["factor"] == "1,8"
    line = {"number": "1", "factor": "2,3", "date": DAY, "count": "2"}
    told = german.post("/api/billing/check", json={"line": line}).json()
    assert told["amount"].replace("\xa0", " ") == "21,44 €"
    assert told["rules"]
    wrong = german.post("/api/billing/check", json={"line": {**line, "number": "99999"}})
    assert "99999" in wrong.json()["detail_de"]


def test_who_pays_and_how_is_said_at_the_treatment_case(room):
    """Insurer, tariff and the way of invoicing are one form; half an address is refused at its field."""
    patient = room.patient("Kasse")
    case = room.treated(patient, 1, payer=None)
    path = f"/billing/charges/{patient}"
    assert "Nobody said yet who pays" in shown(room.client().get(f"{path}?site=north"))
    terms = {
        "site": "north", "case": case["id"], "payer": "self-payer", "tariff": "self", "mode": "month",
        "diagnosis": "", "country": "DE",
    }  # fmt: skip
    half = room.client().post(f"{path}/terms", data={**terms, "recipient_name": "Versicherung AG"})
    assert "An address needs name" in shown(half, REFUSED)
    assert 'value="Versicherung AG"' in half.text
    assert room.client().post(f"{path}/terms", data=terms).status_code == SEE_OTHER
    (now,) = room.billing.ask("GET", "/cases", params={"site": "north", "patient": str(patient)})["cases"]
    assert (now["payer"], now["mode"]) == ("self-payer", "month")
    assert room.client("rita").post(f"{path}/terms", data=terms).status_code == FORBIDDEN
    assert "Kasse, Anna" in shown(room.client().get("/billing/charges?q=kasse"))


def test_a_charge_is_entered_by_hand_and_taken_back_with_a_reason(room):
    """Once, whatever is clicked how often; of somebody without a case the illness is asked."""
    patient = room.patient("Hand")
    path = f"/billing/charges/{patient}"
    form = {**picked(None, number="1", factor="2.3"), "site": "north", "case": "new"}
    assert "Which illness" in shown(room.client().post(path, data=form), REFUSED)
    for _ in range(2):
        answer = room.client().post(path, data={**form, "illness": "cervical"})
        assert answer.status_code == SEE_OTHER
    asked = {"site": "north", "patient": str(patient)}
    (charge,) = room.billing.ask("GET", "/charges", params=asked)["charges"]
    page = shown(room.client().get(answer.headers["location"]))
    assert "€10.72" in page
    back = {"site": "north", "case": charge["case"], "charge": charge["id"], "reason": "Versehen"}
    assert room.client().post(f"{path}/take-back", data={**back, "reason": ""}).status_code == REFUSED
    assert room.client().post(f"{path}/take-back", data=back).status_code == SEE_OTHER
    assert room.billing.ask("GET", "/charges", params=asked)["charges"] == []


def test_the_clinic_s_data_say_what_is_missing_by_which_rule_and_keep_their_versions(tmp_path):
    """An invoice that lacks the tax number is refused by the tax office: it is said before."""
    room = BillingRoom(tmp_path, letterhead=False)
    try:
        page = shown(room.client().get("/billing/clinic"))
        assert "§ 14 Abs. 4 Nr. 2 UStG" in page
        for field in ("Street and number", "IBAN", "Tax number", "Account holder"):
            assert f"{field} (needed for invoices)" in page
        form = {
            "site": "north", "name": "Praxis", "iban": "DE00 1234", "payment_days": "14",
            "zone": "Europe/Berlin", "country": "DE",
        }  # fmt: skip
        wrong = room.client().post("/billing/clinic", data=form)
        assert "IBAN" in shown(wrong, REFUSED)
        assert 'value="DE00 1234"' in wrong.text
        whole = {**form, "iban": "DE02120300000000202051", "doctor": "Dr. Beispiel"}
        assert room.client().post("/billing/clinic", data=whole).status_code == SEE_OTHER
        page = shown(room.client().get("/billing/clinic"))
        assert "Responsible doctor" in page.partition("Versions")[2]
        assert room.client("cleo").post("/billing/clinic", data=whole).status_code == FORBIDDEN
        tariff = {"site": "north", "factors-self": "652 = 9"}
        assert "§ 5 GOÄ" in shown(room.client().post("/billing/tariffs/self", data=tariff), REFUSED)
        tariff["factors-self"] = "652 = 1,6"
        assert room.client().post("/billing/tariffs/self", data=tariff).status_code == SEE_OTHER
        assert "652 = 1.6" in room.client().get("/billing/clinic").text
    finally:
        room.close()


def test_the_second_desk_finds_the_way_to_the_invoice_that_the_first_one_issued(room):
    """Gone would send somebody looking; the number and a link end the question."""
    _, _, draft = drafted(room, "Zweimal")
    told = {"request": str(uuid4()), "revision": draft["revision"]}
    made = room.billing.ask("POST", f"/drafts/{draft['id']}/issue", json=told)
    form = {"request": str(uuid4()), "revision": str(draft["revision"])}
    path = f"/billing/drafts/{draft['id']}"
    for answer in (room.client().post(f"{path}/issue", data=form), room.client().get(path)):
        assert made["number"] in shown(answer, TAKEN)
        assert f'href="/billing/invoices/{made["id"]}"' in answer.text


def test_a_reason_is_emptied_on_the_page_of_a_draft(room):
    """What the form shows empty is empty."""
    _, _, draft = drafted(room, "Leer")
    key, path = draft["lines"][0]["charge"], f"/billing/drafts/{draft['id']}"
    room.client().post(path, data=form_of(draft, **{f"justification-{key}": "aus Versehen"}))
    (line,) = [row for row in draft_of(room, draft)["lines"] if row["line"].get("justification")]
    form = form_of(draft_of(room, draft), **{f"justification-{line['charge']}": ""})
    assert room.client().post(path, data=form).status_code == SEE_OTHER
    assert not any(row["line"].get("justification") for row in draft_of(room, draft)["lines"])


def test_merged_files_show_two_cases_with_one_button_and_what_to_clear_up(room):
    """Neither a second case nor another one's session on an invoice is left for somebody to stumble upon."""
    one, _, draft = drafted(room, "Eins")
    other = room.patient("Zwei")
    room.billing.session(other, room.billing.cure(other), at=room.billing.now - timedelta(days=3))
    (second,) = room.billing.ask("GET", "/cases", params={"site": "north", "patient": str(other)})["cases"]
    event = {"patient": other, "into": one}
    room.billing.clinic_event("patient.merged", "north", **event)
    path = f"/billing/charges/{one}"
    assert "there are two cases of this illness" in shown(
        room.client().get(f"{path}?site=north&case={second['id']}")
    )
    form = {"site": "north", "case": second["id"]}
    answer = room.client().post(f"{path}/join", data=form)
    assert answer.headers["location"].endswith("done=joined")
    fresh = draft_of(room, draft)
    ids = [
        row["id"]
        for row in room.billing.ask("GET", "/charges", params={"site": "north", "patient": str(one)})[
            "charges"
        ]
    ]
    told = {"revision": fresh["revision"], "add": ids}
    fresh = room.billing.ask("PUT", f"/drafts/{draft['id']}", json=told)
    body = {"request": str(uuid4()), "revision": fresh["revision"]}
    invoice = room.billing.ask("POST", f"/drafts/{draft['id']}/issue", json=body)
    room.billing.clinic_event("patient.unmerged", "north", **event)
    page = shown(room.client().get("/billing/drafts?site=north"))
    assert f"{invoice['number']} : issued for" in page
    assert "sessions of \u2068Zwei" in page or "Zwei, Anna" in page
