"""Costs before treatment: the patient's tab, an estimate in two clicks, agreements, who is owed one."""

import re

import pytest
from console.billing_rig import BillingRoom

REQUEST = re.compile(r'name="request" value="([0-9a-f-]{36})"')
PDF = b"%PDF-1.7 signed"


@pytest.fixture
def rig(tmp_path):
    """A clinic of its own."""
    made = BillingRoom(tmp_path)
    yield made
    made.close()


def page(answer, status=200):
    """What a reader sees, without the marks."""
    assert answer.status_code == status, answer.text[:2000]
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).replace("&#39;", "'").split())


def form_of(client, path):
    """The first form's own id and token, as the browser sends them back."""
    text = client.get(path).text
    return {"request": REQUEST.search(text)[1], "csrf": re.search(r'name="csrf" value="([^"]+)"', text)[1]}


def made(client, patient, **changed):
    """An estimate by the form as it stands; where it leads."""
    path = f"/patients/{patient}/costs"
    fields = {"region": "lumbar", "sessions": "18", "payer": "private", "first_visit": "usual", "tariff": ""}
    return client.post(f"{path}/estimates", data={**form_of(client, path), **fields, **changed})


def test_an_estimate_is_made_by_the_form_as_it_stands_and_handed_over(rig):
    """Reception opens the tab, clicks once, prints, and keeps how it was handed over."""
    patient = rig.patient()
    cure = rig.billing.cure(patient, sessions=12)
    client = rig.client("rita")
    tab = page(client.get(f"/patients/{patient}/costs"))
    assert "An estimate is owed (§ 630c(3) BGB)" in tab
    assert "Costs" in tab
    answer = made(client, patient, sessions="12", cure=str(cure))
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"].partition("?")[0]
    shown = page(client.get(path))
    for piece in ("€915.86", "Infrared not certain", "Not handed over yet", "by analogy"):
        assert piece in shown
    assert client.get(f"{path}/pdf").content.startswith(b"%PDF")
    assert client.get(f"{path}/pdf?language=en").content.startswith(b"%PDF")
    form = form_of(client, path) | {"how": "signed", "on": "2026-11-23"}
    refused = client.post(f"{path}/signed", data=form, files={"file": ("", b"", "application/pdf")})
    assert "the signed copy is needed" in page(refused, 422)
    answer = client.post(f"{path}/signed", data=form, files={"file": ("s.pdf", PDF, "application/pdf")})
    assert answer.status_code == 303, answer.text
    assert "SHA-256" in page(client.get(path))
    assert client.get(f"{path}/signed").content == PDF
    assert "An estimate is owed" not in page(client.get(f"/patients/{patient}/costs"))


def test_what_was_typed_stays_when_it_is_refused(rig):
    """With the words of the service, in the reader's language."""
    patient = rig.patient()
    client = rig.client("rita", **{"accept-language": "de"})
    answer = made(client, patient, sessions="99", payer="self")
    assert 'value="99"' in answer.text
    assert "60" in page(answer, 422)
    assert rig.billing.ask("GET", "/estimates?site=north")["estimates"] == []


def test_a_fee_agreement_for_an_excluded_section_is_refused_with_its_paragraph(rig):
    """516 is of section E."""
    patient = rig.patient()
    client = rig.client("cleo")
    path = f"/patients/{patient}/costs"
    typed = form_of(client, path) | {"number_0": "516", "factor_0": "4,0"}
    refused = client.post(f"{path}/agreements", data=typed)
    assert "§ 2" in page(refused, 422)
    assert 'value="516"' in refused.text
    answer = client.post(f"{path}/agreements", data=typed | {"number_0": "7"})
    there = answer.headers["location"].partition("?")[0]
    assert "Not signed yet" in page(client.get(there))
    withdrawn = client.post(f"{there}/withdraw", data=form_of(client, there) | {"reason": "Irrtum"})
    assert withdrawn.status_code == 303, withdrawn.text
    assert "Irrtum" in page(client.get(there))


def test_reception_sees_who_is_owed_an_estimate(rig):
    """By name, those whose treatment began first."""
    first, second = rig.patient("Early", "Eva"), rig.patient("Late", "Lea")
    rig.billing.cure(first)
    rig.billing.session(second, rig.billing.cure(second))
    shown = page(rig.client("rita").get("/billing/estimates?site=north"))
    assert shown.index("Late, Lea") < shown.index("Early, Eva")
    assert "treatment has begun" in shown


def test_a_role_without_billing_has_no_such_tab(rig):
    """Neither the tab nor the page."""
    patient = rig.patient()
    client = rig.client("theo")
    assert f"/patients/{patient}/costs" not in client.get(f"/patients/{patient}").text
    page(client.get(f"/patients/{patient}/costs"), 403)
    page(rig.client("rita").get(f"/patients/{patient}/costs/estimates/nonsense"), 404)


def test_a_factor_of_the_clinic_stands_there_with_every_digit(rig):
    """1.84 that is shown as 1.8 does not come to what stands beside it."""
    rig.billing.ask("PUT", "/tariffs/north/self", json={"factors": {"652": "1.84"}})
    client = rig.client("rita", **{"accept-language": "de"})
    answer = made(client, rig.patient(), payer="self", sessions="10")
    shown = page(client.get(answer.headers["location"]))
    assert re.search(r"10 1,84 47,73\s€", shown)


def test_the_sum_is_shown_before_anything_is_made(rig):
    """At once for the form as it stands, by its button without a script, alone for the page's script."""
    patient = rig.patient()
    client = rig.client("rita", **{"accept-language": "de"})
    path = f"/patients/{patient}/costs"
    tab = client.get(path)
    assert "1.339,94" in page(tab)
    assert 'aria-live="polite"' in tab.text
    typed = {"region": "cervical", "sessions": "10", "payer": "self", "first_visit": "none"}
    fields = form_of(client, path) | typed
    worked_out = client.post(f"{path}/preview", data=fields)
    assert "535,10" in page(worked_out)
    assert 'value="10"' in worked_out.text
    assert page(client.post(f"{path}/sum", data=fields)).startswith("Voraussichtlich")
    for sessions in ("99", "", "viele"):
        page(client.post(f"{path}/preview", data=fields | {"sessions": sessions}), 422)
        refused = client.post(f"{path}/sum", data=fields | {"sessions": sessions})
        assert "field-error" in refused.text
        assert refused.status_code == 200
    assert rig.billing.ask("GET", "/estimates?site=north")["estimates"] == []


def test_the_form_begins_without_a_first_visit_that_was_charged_already(rig):
    """Whoever makes the estimate behind the first visit does not have to know the rule."""
    patient = rig.patient()
    line = {"date": "2026-11-23", "number": "3", "factor": "2.3", "duration_min": 10, "illness": "lumbar"}
    body = {"request": "5e551011-0000-4000-8000-000000000001", "site": "north", "patient": str(patient)}
    rig.billing.ask("POST", "/charges", json=body | {"line": line}, status=201)
    client = rig.client("rita")
    path = f"/patients/{patient}/costs"
    tab = client.get(path)
    assert '<option value="none" selected' in tab.text
    assert "€1,272.24" in page(tab)
    refused = made(client, patient, first_visit="usual")
    assert "2026-11-23" in page(refused, 422)
    assert 'id="f-first_visit-error"' in refused.text


def test_an_administrator_reads_in_words_who_made_and_saw_estimates(rig):
    """Billing's own trail, on the page of the others; of their site alone, and the look is a row."""
    patient = rig.patient()
    made(rig.client("rita"), patient)
    german = rig.client("ada", **{"accept-language": "de"})
    shown = page(german.get("/trail?of=billing"))
    for words in ("Kostenvoranschlag erstellt", "Kosten ausgerechnet", "Protokoll gelesen", str(patient)):
        assert words in shown
    assert "Estimate made" in page(rig.client("ada").get("/trail?of=billing&action=estimate.made"))
    assert rig.billing.ask("GET", "/trail?site=north", role="administrator", sites=("south",))["rows"] == []
    page(rig.client("theo").get("/trail?of=billing"), 403)
