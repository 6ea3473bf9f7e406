"""What leaves a clinic, over a real billing: exports, consents, accounts and billing offices."""

import re
from html import unescape
from uuid import uuid4

import pytest
from billing.test_exchange_offices import certified
from console.billing_rig import BillingRoom
from console.test_payment_pages import invoice

SPAN = "site=north&from=2026-11-01&to=2026-11-30"
SPANNED = {"site": "north", "from": "2026-11-01", "to": "2026-11-30"}
ACCOUNTS = {
    "consultant": "1001", "client": "1", "revenue": "8100", "debtors_from": "10000", "debtors_to": "10999",
    "account_digits": "4", "year_begins": "1", "chart": "03",
}  # fmt: skip


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A clinic with one invoice, which knows no account and no office yet."""
    made = BillingRoom(tmp_path_factory.mktemp("exports"))
    made.one = invoice(made)
    yield made
    made.close()


def shown(answer, status=200):
    """The page's text, its marks away."""
    assert answer.status_code == status, answer.text[:900]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def office(key="", **changed):
    """A billing office as its form sends it."""
    told = {"id": "pvs", "name": "PVS", "customer": "4711", "contract": "1"} | changed
    prefix = f"office-{key or '-new-'}" + ("-" if key else "")
    return {"site": "north", "office": key, **{prefix + name: value for name, value in told.items()}}


def test_from_an_empty_clinic_to_a_delivery_that_is_had_twice(room):
    """Missing accounts lead to their form, a missing consent to its own; the second download is the first."""
    bill, rita = room.client("bill"), room.client("rita")
    page = bill.get(f"/billing/exports?{SPAN}")
    assert "lack for DATEV: consultant's number" in shown(page)
    assert 'href="/billing/clinic?site=north#accounts"' in page.text
    assert rita.get(f"/billing/exports?{SPAN}").status_code == 403
    _set_up(bill)
    assert bill.get(f"/billing/exports/file/datev?{SPAN}").content.startswith(b'"EXTF"')
    assert bill.get(f"/billing/exports/file/lines?{SPAN}").status_code == 200
    page = bill.get(f"/billing/exports?{SPAN}")
    assert "§ 203 StGB" in shown(page)
    assert f"/billing/charges/{room.one['patient']}/consents?site=north" in page.text
    assert "Make a delivery" not in shown(page)
    _consent(room, rita)
    _part_paid(room, bill)
    page = bill.get(f"/billing/exports?{SPAN}")
    assert "Make a delivery (1)" in shown(page)
    assert "never by e-mail" in shown(page)
    asked = re.search(r'name="request" value="([0-9a-f-]{36})"', page.text)[1]
    form = {**SPANNED, "office": "pvs", "request": asked}
    for _ in range(2):
        made = bill.post("/billing/exports", data=form)
        assert made.status_code == 303, made.text
    assert "Delivery 1 is made (invoices: 1)" in shown(bill.get(made.headers["location"]))
    path = "/billing/exports/deliveries/1?site=north&office=pvs"
    assert bill.get(path).content == bill.get(path).content != b""
    refused = bill.post("/billing/exports", data={**form, "request": ""})
    assert "delivered already" in shown(refused, 409)


def _part_paid(room, bill):
    """While something is paid of the invoice, it stays and the way leads to its payments."""
    body = {"request": str(uuid4()), "amount": "1.00", "received_on": "2026-11-23"}
    paid = room.billing.ask("POST", f"/invoices/{room.one['id']}/payments", json=body, status=201)
    page = bill.get(f"/billing/exports?{SPAN}")
    assert "paid in part (1.00 of 70.68 EUR)" in shown(page)
    assert f'href="/billing/invoices/{room.one["id"]}/payments"' in page.text
    assert f"/billing/charges/{room.one['patient']}/consents" not in page.text
    room.billing.ask("POST", f"/payments/{paid['id']}/reverse", json={"reason": "vertippt"})


def _set_up(bill):
    """Accounts and an office, each refused once: what was typed stays, the error is at its field."""
    sent = {"site": "north", **{f"accounts-{name}": value for name, value in ACCOUNTS.items()}}
    refused = bill.post("/billing/clinic/accounts", data=sent | {"accounts-consultant": "12x"})
    assert re.search(r'id="f-accounts-consultant-error">.*?“12x” is no whole number', refused.text, re.DOTALL)
    assert 'value="10999"' in refused.text
    refused = bill.post("/billing/clinic/accounts", data=sent | {"accounts-client": "0"})
    assert 'id="f-accounts-client-error"' in refused.text
    assert bill.post("/billing/clinic/accounts", data=sent).status_code == 303
    written = re.search(r'<input id="f-office--new-id"[^>]*>', bill.get("/billing/clinic?site=north").text)
    assert "readonly" not in written[0]
    expired, _ = certified(days=-1)
    refused = bill.post("/billing/clinic/offices", data=office(certificate=expired))
    assert 'id="f-office--new-certificate-error"' in refused.text
    assert "-----BEGIN" in refused.text
    assert bill.post("/billing/clinic/offices", data=office()).status_code == 303
    pem, _ = certified()
    assert bill.post("/billing/clinic/offices", data=office("pvs", certificate=pem)).status_code == 303
    assert "for PVS Musterstadt, valid until" in shown(bill.get(f"/billing/exports?{SPAN}"))
    assert bill.post("/billing/clinic/offices", data=office("pvs")).status_code == 303
    page = shown(bill.get("/billing/clinic?site=north"))
    assert "Billing offices" in page
    kept = re.search(r'<input id="f-office-pvs-id"[^>]*>', bill.get("/billing/clinic?site=north").text)
    assert "readonly" in kept[0]
    other = bill.post("/billing/clinic/offices", data=office(id="two", name="Two"))
    gone = bill.post("/billing/clinic/offices", data=office("two") | {"remove": "yes"})
    assert (other.status_code, gone.status_code) == (303, 303)


def _consent(room, rita):
    """Reception records a consent, its withdrawal, and a second one; a day to come is refused."""
    path = f"/billing/charges/{room.one['patient']}/consents"
    assert "no consent to handing data to PVS" in shown(rita.get(f"{path}?site=north"))
    told = {"site": "north", "office": "pvs", "on": "2026-11-20", "note": "Ordner 3"}
    refused = rita.post(path, data=told | {"on": "2999-01-01"})
    assert 'value="Ordner 3"' in refused.text
    assert 'id="f-on-pvs-error"' in refused.text
    assert rita.post(path, data=told).status_code == 303
    page = rita.get(f"{path}?site=north")
    consent = re.search(r"/consents/([0-9a-f-]{36})/withdraw", page.text)[1]
    gone = rita.post(
        f"{path}/{consent}/withdraw", data={"site": "north", "office": "pvs", "on": "2026-11-21"}
    )
    assert gone.status_code == 303
    assert "consent withdrawn on 2026-11-21" in shown(rita.get(f"{path}?site=north"))
    assert rita.post(path, data=told).status_code == 303
