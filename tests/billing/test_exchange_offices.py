"""What a billing office gets: each living invoice once, of patients who let it, and nothing that was paid."""

import hashlib
import io
import threading
import zipfile
from datetime import timedelta
from uuid import uuid4

from billing.billing_rig import CLINIC, NOW
from billing.books_rig import ACCOUNTS, OFFICES, PERIOD, pay
from billing.test_invoices import cured, issued
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import pkcs7_decrypt_der
from cryptography.x509.oid import NameOID
from lxml import etree

from services.billing.exchange.tables import DELIVERIES

PAD = {"p": "http://padinfo.de/ns/pad"}


def deliver(rig, status=201, **asked):
    """What a delivery is answered with; its file is asked for on its own."""
    body = {**PERIOD, "request": str(uuid4()), **asked}
    return rig.ask("POST", "/exports/padnext", json=body, status=status)


def consent(rig, patient, office="pvs", **changed):
    """A patient lets an office have their data."""
    told = {"request": str(uuid4()), "site": "north", "patient": str(patient), "office": office}
    return rig.ask("POST", "/disclosures", json=told | {"on": "2026-11-20"} | changed, status=201)


def file_of(rig, number, **asked):
    """The zip of a delivery."""
    answer = rig.knock("GET", f"/exports/deliveries/{number}", params={"site": "north", **asked})
    assert answer.status_code == 200, answer.text
    return answer.content


def tags(element):
    """What stands below, in its order."""
    return [etree.QName(one).localname for one in element]


def opened(content, key=None):
    """Both files of a delivery, as trees, and their names; with the office's key where it is encrypted."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    order, payload = sorted(archive.namelist())
    data = archive.read(payload)
    if key:
        assert payload.endswith(".p7m")
        data = pkcs7_decrypt_der(data, *key, [])
    inner = zipfile.ZipFile(io.BytesIO(data))
    invoices = inner.read(inner.namelist()[0])
    return (
        [order, *inner.namelist()],
        etree.fromstring(archive.read(order)),
        etree.fromstring(invoices),
        invoices,
    )


def test_a_delivery_to_a_billing_office_holds_each_living_invoice_once(unpaid):
    """Counted without a gap; the same request is the same one; who said no stays out; kept to the byte."""
    refused = deliver(unpaid, 409)
    assert "§ 203 StGB" in refused["detail_de"], "nobody said that an office may have their data"
    assert {one["number"] for one in refused["left_out"]} == {
        unpaid.invoices[name]["number"] for name in ("anna", "formula")
    }
    given = {name: consent(unpaid, unpaid.invoices[name]["patient"]) for name in ("anna", "formula")}
    asked = {"request": str(uuid4())}
    made = deliver(unpaid, **asked)
    content = file_of(unpaid, made["number"])
    assert deliver(unpaid, **asked) == made
    deliver(unpaid, 409, **asked, again=True)
    names, order, invoices, data = opened(content)
    assert made["name"] == "00666666_20261123_ADL_000001_padx.zip"
    assert names == ["00666666_20261123_ADL_000001_auf.xml", "00666666_20261123_ADL_000001_padx.xml"]
    assert order.tag == "{http://padinfo.de/ns/pad}auftrag"
    assert [order.get(name) for name in ("transfernr", "dateianzahl", "echtdaten")] == ["000001", "0001", "1"]
    length = order.find("p:datei/p:dateilaenge", PAD)
    assert length.get("laenge") == str(len(data))
    assert length.get("pruefsumme") == hashlib.sha1(data, usedforsecurity=False).hexdigest()
    each = invoices.findall("p:rechnung", PAD)
    assert invoices.get("anzahl") == str(len(each)) == "2"
    assert sorted(one.get("aisendbetrag") for one in each) == ["141.36", "70.68"]
    assert "2 Rechnungen sind schon geliefert" in deliver(unpaid, 409)["detail_de"]
    body = {"request": str(uuid4()), "on": "2026-11-23"}
    unpaid.ask("POST", f"/disclosures/{given['formula']['id']}/withdraw", json=body)
    second = deliver(unpaid, again=True)
    assert [one["number"] for one in second["left_out"]] == [unpaid.invoices["formula"]["number"]]
    assert "am 23.11.2026 widerrufen" in second["left_out"][0]["de"]
    unpaid.ask("GET", "/exports/deliveries/9", params={"site": "north"}, status=404)
    told = unpaid.ask("GET", "/exports/deliveries", params={"site": "north"})["deliveries"]
    assert [(one["number"], one["invoices"], one["total"]) for one in told] == [
        (2, 1, "141.36"), (1, 2, "212.04"),
    ]  # fmt: skip
    assert file_of(unpaid, 1) == content
    left = {"again": True, "without": [unpaid.invoices["anna"]["id"]]}
    assert deliver(unpaid, 409, **left)["left_out"]
    shown = unpaid.ask("GET", "/exports", params=PERIOD)
    assert (shown["datev"]["problem"], shown["padnext"]["offices"][0]["delivered"]) == (None, 2)


def certified(days=365, key_type="rsa"):
    """An office's certificate as PEM, and what opens what is encrypted for it."""
    key = (
        rsa.generate_private_key(65537, 2048)
        if key_type == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PVS Musterstadt")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(0xABCDE).not_valid_before(NOW - timedelta(days=400))
    found = made.not_valid_after(NOW + timedelta(days=days)).sign(key, hashes.SHA256())
    return found.public_bytes(Encoding.PEM).decode(), (found, key)


def test_with_the_offices_certificate_nobody_else_reads_a_delivery(unpaid):
    """CMS enveloped data for its key; the order names the certificate; an expired one sends nothing."""
    pem, key = certified()
    expired, _ = certified(days=-1)
    other, _ = certified(key_type="ec")
    for wrong, says in ((expired, "gültig vom"), (other, "kein RSA"), ("-----BEGIN", "kein X.509")):
        body = {**CLINIC, "billing_offices": [OFFICES[0] | {"certificate": wrong}]}
        refused = unpaid.ask("PUT", "/clinics/north", json=body, status=422)
        assert (says in refused["detail_de"], refused["field"]) == (True, "billing_offices.0.certificate")
    unpaid.clinic(
        accounts=ACCOUNTS,
        billing_offices=[*OFFICES, {"id": "safe", "name": "Safe", "customer": 7, "certificate": pem}],
    )
    consent(unpaid, unpaid.invoices["anna"]["patient"], office="safe")
    made = deliver(unpaid, office="safe", again=True)
    assert (made["is_encrypted"], made["number"], made["total"]) == (True, 1, "141.36")
    content = file_of(unpaid, 1, office="safe")
    assert b"aisendbetrag" not in content
    _, order, invoices, _ = opened(content, key)
    told = order.find("p:verschluesselung", PAD)
    assert (told.get("verfahren"), told.get("idcert")) == ("1", "abcde")
    assert len(invoices.findall("p:rechnung", PAD)) == 1
    then, unpaid.now = unpaid.now, unpaid.now + timedelta(days=400)
    unpaid.clinic(
        phone="030 1",
        accounts=ACCOUNTS,
        billing_offices=[{"id": "safe", "name": "Safe", "customer": 7, "certificate": pem}],
    )
    refused = deliver(unpaid, 422, office="safe", again=True)
    unpaid.now = then
    unpaid.clinic(accounts=ACCOUNTS, billing_offices=OFFICES)
    assert "gültig vom" in refused["detail_de"]


def test_a_consent_is_for_one_office_and_one_day_that_was(books):
    """Nobody is let out by a consent for somebody else, or by one of tomorrow."""
    patient = books.invoices["cancelled"]["patient"]
    first = consent(books, patient, note="Ordner 3")
    told = {"request": str(uuid4()), "site": "north", "patient": patient, "office": "pvs"}
    for on in ("2026-11-24", "1999-12-31"):
        books.ask("POST", "/disclosures", json=told | {"on": on}, status=422)
    assert (
        "liegt schon vor"
        in books.ask("POST", "/disclosures", json=told | {"on": "2026-11-20"}, status=409)["detail_de"]
    )
    body = {"request": str(uuid4()), "on": "2026-11-24"}
    books.ask("POST", f"/disclosures/{first['id']}/withdraw", json=body, status=422)
    body["on"] = "2026-11-19"
    books.ask("POST", f"/disclosures/{first['id']}/withdraw", json=body, status=422)
    books.ask("POST", f"/disclosures/{uuid4()}/withdraw", json=body, status=404)
    books.clinic(accounts=ACCOUNTS, billing_offices=[OFFICES[0] | {"name": "Andere GmbH"}])
    shown = books.ask("GET", "/disclosures", params={"site": "north", "patient": patient})
    books.clinic(accounts=ACCOUNTS, billing_offices=OFFICES)
    assert (shown["offices"][0]["is_valid"], shown["acts"][0]["note"]) == (False, "Ordner 3")
    assert "jetzt „Andere GmbH“" in shown["offices"][0]["why"]["de"]
    books.ask("POST", "/disclosures", json=told | {"on": "2026-11-20"}, sites=("south",), status=404)
    assert books.trail("disclosure.given")


def test_a_position_stands_where_the_published_structure_has_it(unpaid):
    """Order of the elements, analogue number, factor, points, point value in euro."""
    *_, invoices, _ = opened(file_of(unpaid, deliver(unpaid, again=True)["number"]))
    person = invoices.find("p:rechnung/p:rechnungsempfaenger/p:person", PAD)
    assert tags(person) == ["anrede", "vorname", "name", "gebdatum", "anschrift"]
    case = invoices.find("p:rechnung/p:abrechnungsfall/p:humanmedizin", PAD)
    assert tags(case) == [
        "leistungserbringerid", "behandelter", "zeitraum", "behandlungsart", "vertragsart", "diagnose",
        "positionen",
    ]  # fmt: skip
    position = case.find("p:positionen/p:goziffer[@ziffer='652']", PAD)
    assert (position.get("go"), position.get("analog")) == ("GOAE", "652")
    told = {etree.QName(one).localname: one.text for one in position}
    wanted = (
        "datum", "uhrzeit", "anzahl", "text", "zusatztext", "faktor", "punktwert", "punktzahl",
        "gesamtbetrag",
    )  # fmt: skip
    assert tags(position) == [name for name in wanted if name in told]
    assert (told["faktor"], told["punktwert"], told["punktzahl"], told["gesamtbetrag"]) == (
        "2.3", "0.0582873", "445", "59.66",
    )  # fmt: skip
    assert case.find("p:behandelter/p:geschlecht", PAD).text == "w"


def test_what_was_paid_stays_with_the_clinic(unpaid):
    """An office claims an invoice whole: then what was paid is paid twice."""
    for name in ("anna", "formula"):
        pay(unpaid, name, "70.68", "bank")
    refused = deliver(unpaid, 409, again=True)
    told = {one["number"]: one for one in refused["left_out"]}
    part, whole = (told[unpaid.invoices[name]["number"]] for name in ("anna", "formula"))
    assert "70,68 von 141,36 EUR" in part["de"]
    assert whole["en"] == "paid: nothing is left to claim"
    assert (part["because"], whole["because"], len(told)) == ("paid", "paid", 2)
    (office,) = unpaid.ask("GET", "/exports", params=PERIOD)["padnext"]["offices"]
    assert (office["count"], office["total"]) == (0, "0.00")


def test_two_who_deliver_at_once_never_share_a_number(either_rig):
    """On both databases: one delivery has the invoice, the other one is told that there is none."""
    rig = either_rig
    rig.clinic(accounts=ACCOUNTS, billing_offices=OFFICES)
    cured(rig, sessions=1)
    consent(rig, issued(rig)["patient"])
    gate, answers = threading.Barrier(3), []

    def desk():
        gate.wait()
        body = {**PERIOD, "request": str(uuid4())}
        answers.append(rig.knock("POST", "/exports/padnext", json=body).status_code)

    desks = [threading.Thread(target=desk) for _ in range(3)]
    for one in desks:
        one.start()
    for one in desks:
        one.join()
    assert sorted(answers) == [201, 409, 409]
    assert rig.count(DELIVERIES) == 1
