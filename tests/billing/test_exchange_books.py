"""What the tax adviser and the billing office get: the same sums as revenue, each invoice delivered once."""

import csv
import hashlib
import io
import re
import threading
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from billing.billing_rig import CLINIC, NOW, BillingRig
from billing.test_invoices import cured, issued
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import pkcs7_decrypt_der
from cryptography.x509.oid import NameOID
from lxml import etree

from services.billing.exchange import datev, debtors, spreadsheets
from services.billing.exchange.tables import DELIVERIES
from services.kit.database import writing

PERIOD = {"site": "north", "from": "2026-11-01", "to": "2026-11-30"}
ACCOUNTS = {
    "consultant": 1234567, "client": 42, "chart": "03", "revenue": 8100, "debtors_from": 10000,
    "debtors_to": 10999, "bank": 1200, "cash": 1000, "card": 1360,
}  # fmt: skip
OFFICES = [{"id": "pvs", "name": "PVS Musterstadt", "customer": 666666, "number": 565454, "data_centre": 300}]
FORMULA = "=cmd|' /C calc'!A0"
FIELDS = {  # by DATEV's description of the format
    1: r"(?!0{1,10},00)\d{1,10},\d{2}", 2: '"(S|H)"', 3: '"([A-Z]{3})"', 7: r"(?!0{1,9}$)\d{1,9}",
    8: r"(?!0{1,9}$)\d{1,9}", 10: r"\d{4}", 11: r'"[\w$%\-/]{0,36}"', 14: '".{0,60}"', 114: "0",
    117: r"(\d{8})?",
}  # fmt: skip
PAD = {"p": "http://padinfo.de/ns/pad"}


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    """A site with three invoices, a cancellation, and payments of which one was taken back."""
    rig = written(tmp_path_factory.mktemp("books"))
    pay(rig, "anna", "100.00", "bank")
    pay(rig, "formula", "70.68", "cash")
    slip = pay(rig, "formula", "5.00", "card")
    rig.ask("POST", f"/payments/{slip['id']}/reverse", json={"reason": "vertippt"})
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def unpaid(tmp_path_factory):
    """The same before anybody paid: what a billing office takes over."""
    rig = written(tmp_path_factory.mktemp("unpaid"))
    yield rig
    rig.close()


def written(folder):
    """A site with three invoices, of which one is cancelled."""
    rig = BillingRig(folder)
    rig.clinic(accounts=ACCOUNTS, billing_offices=OFFICES)
    rig.invoices = {}
    for name, sessions, person in (
        ("anna", 2, {}), ("formula", 1, {"given_name": FORMULA}), ("cancelled", 1, {"sex": "male"}),
    ):  # fmt: skip
        rig.patients = cured(rig, sessions=sessions, **person)
        rig.invoices[name] = issued(rig)
    told = {"request": str(uuid4()), "reason": "falscher Tarif"}
    path = f"/invoices/{rig.invoices['cancelled']['id']}/cancel"
    rig.invoices["storno"] = rig.ask("POST", path, json=told, status=201)
    return rig


def pay(rig, name, amount, method):
    """Money that came in for an invoice."""
    told = {"request": str(uuid4()), "amount": amount, "received_on": "2026-11-23", "method": method}
    return rig.ask("POST", f"/invoices/{rig.invoices[name]['id']}/payments", json=told, status=201)


def extf(rig, **changed):
    """The rows of a DATEV file: header, names, entries."""
    answer = rig.knock("GET", "/exports/datev", params=PERIOD | changed)
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode("cp1252"), newline=""), delimiter=";"))


def table(rig, rows):
    """A table's rows by the names of their columns; the last one is the sum."""
    answer = rig.knock("GET", "/exports/csv", params={**PERIOD, "rows": rows})
    assert answer.content.startswith(b"\xef\xbb\xbf"), "Excel takes it for UTF-8 by this mark"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))


def money(text):
    return Decimal(text.replace(",", "."))


def test_a_datev_file_has_the_documented_header_and_columns(books):
    """DATEV refuses a file whose first two lines are not these."""
    header, names, *_ = extf(books)
    assert header[:5] == ["EXTF", "700", "21", "Buchungsstapel", "13"]
    assert len(header) == 31
    assert header[10:16] == ["1234567", "42", "20260101", "4", "20261101", "20261130"]
    assert (header[20], header[21], header[26]) == ("0", "EUR", "03")
    assert (len(names), names[6], names[113]) == (125, "Konto", "Festschreibung")
    content = books.knock("GET", "/exports/datev", params=PERIOD).content
    assert content.startswith(b'"EXTF";700;21;"Buchungsstapel";13;')
    assert content.count(b"\r\n") == content.count(b"\n") == 2 + 8


def test_the_entries_of_a_datev_file_come_to_the_revenue(books):
    """Invoices debit the patient, cancellations credit, payments debit bank or cash; nothing is named."""
    names, *rows = extf(books)[1:]
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    sums = dict.fromkeys(("revenue", "1200", "1000", "1360"), Decimal(0))
    for row in entries:
        is_invoice = row["Gegenkonto (ohne BU-Schlüssel)"] == "8100"
        sign = 1 if row["Soll/Haben-Kennzeichen"] == "S" else -1
        sums["revenue" if is_invoice else row["Konto"]] += sign * money(row["Umsatz (ohne Soll/Haben-Kz)"])
    banked = {"1200": Decimal("100.00"), "1000": Decimal("70.68"), "1360": Decimal("0.00")}
    assert sums == {"revenue": Decimal("212.04"), **banked}
    revenue = books.ask("GET", "/revenue", params={**PERIOD, "by": "site"})
    assert (revenue["invoiced"], revenue["received"]) == ("212.04", "170.68")
    storno = next(row for row in entries if row["Buchungstext"].startswith("Storno"))
    number = books.invoices["cancelled"]["number"]
    assert (storno["Belegfeld 1"], storno["Soll/Haben-Kennzeichen"]) == (number, "H")
    assert all(len(row["Belegfeld 1"]) <= 36 and row["Belegdatum"] == "2311" for row in entries)
    assert "Muster" not in str(rows), "no name leaves for the books"


def test_every_field_of_an_entry_has_the_form_that_datev_publishes(books):
    """A blank in a reference, a point in an amount: the whole file would be refused."""
    content = books.knock("GET", "/exports/datev", params=PERIOD).content.decode("cp1252")
    header, _, *rows = content.split("\r\n")[:-1]
    assert re.fullmatch(r'"[\w.\-/ ]{0,30}"', header.split(";")[16])
    for row in rows:
        fields = row.split(";")
        for place, form in FIELDS.items():
            assert re.fullmatch(form, fields[place - 1]), (place, fields[place - 1])
        filled = {place for place, field in enumerate(fields, 1) if field}
        assert filled <= FIELDS.keys(), "a day of service would want a tax period beside it"


def test_a_patient_keeps_the_account_of_the_books(books):
    """An account that moved would leave every open item of the adviser's open."""
    first = {row[10]: row[6] for row in extf(books)[2:] if row[7] == "8100"}
    assert sorted(set(first.values())) == ["10000", "10001", "10002"]
    assert {row[10]: row[6] for row in extf(books)[2:] if row[7] == "8100"} == first


def test_more_patients_than_accounts_are_refused(books):
    """Nobody gets somebody else's account."""
    patients = [UUID(int=number) for number in range(1, 4)]
    with writing(books.engine) as connection:
        given = debtors.accounts(connection, "west", patients[:2], 20000, 20001, 1)
        assert sorted(given.values()) == [20000, 20001]
        with pytest.raises(debtors.Invalid, match="20000 to 20001: 1 more"):
            debtors.accounts(connection, "west", patients, 20000, 20001, 1)
        assert set(debtors.accounts(connection, "west", patients, 9, 9, 1).values()) == {9}


@pytest.mark.parametrize(
    ("changed", "missing", "says"),
    [
        ({"revenue": None, "client": None}, ["accounts.client", "accounts.revenue"], "Mandantennummer, Erl"),
        ({"cash": None}, ["accounts.cash"], "Kassenkonto"),
        ({"revenue": 81000}, None, "bei 4-stelligen Sachkonten 1 bis 9999"),
        ({"debtors_from": 1000}, None, "10000 bis 69999"),
        ({"debtors_to": 10001, "debtors_from": 10002}, None, "von ... bis"),
        ({"year_begins": 11, "bank": 1200}, None, None),
    ],
)  # fmt: skip
def test_what_a_datev_file_lacks_is_named(books, changed, missing, says):
    """Before anything is written: which setting, and what it may be."""
    books.clinic(accounts=ACCOUNTS | changed, billing_offices=OFFICES)
    try:
        answer = books.knock("GET", "/exports/datev", params=PERIOD)
    finally:
        books.clinic(accounts=ACCOUNTS, billing_offices=OFFICES)
    assert answer.status_code == (422 if says else 200)
    if says:
        assert says in answer.json()["detail_de"]
    if missing:
        assert answer.json()["missing"] == missing


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-12-01", "2026-11-01"), ("2025-01-01", "2026-11-30"), ("2025-12-15", "2026-01-15")],
)
def test_a_period_that_no_file_can_hold_is_refused(books, since, until):
    """Turned round, longer than a year, or over the end of a fiscal year: entries have no year."""
    refused = books.ask("GET", "/exports/datev", params={**PERIOD, "from": since, "to": until}, status=422)
    assert refused["detail_de"]
    books.ask("GET", "/exports/datev", params={**PERIOD, "from": "2026-02-30"}, status=422)


def test_a_fiscal_year_may_begin_in_any_month():
    """Its first day goes into the header."""
    assert datev.year_of(date(2026, 11, 23), 1) == date(2026, 1, 1)
    assert datev.year_of(date(2026, 6, 30), 7) == date(2025, 7, 1)
    assert datev.year_of(date(2026, 7, 1), 7) == date(2026, 7, 1)


def test_the_tables_say_what_revenue_says(books):
    """A row an invoice, a line, a payment; the last row is their sum."""
    wanted = (("invoices", "212,04", 4), ("lines", "212,04", 6 + 3 + 3 + 3), ("payments", "170,68", 4))
    for rows, sum_of, count in wanted:
        *told, last = table(books, rows)
        assert len(told) == count, rows
        assert (next(iter(last.values())), last["Betrag EUR"]) == ("Summe", sum_of)
        assert sum(money(row["Betrag EUR"]) for row in told) == money(sum_of)
    storno = next(row for row in table(books, "invoices") if row["Art"] == "Storno")
    assert (storno["Betrag EUR"], storno["Storno von"]) == ("-70,68", books.invoices["cancelled"]["number"])


def test_no_cell_of_a_table_is_a_formula(books):
    """A name is what somebody typed; the adviser's program must not run it."""
    told = {row["Empfänger"] for row in table(books, "invoices")}
    assert f"'{FORMULA} Muster" in told
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " \r\n=1", "|calc", "%0A"):
        assert spreadsheets.cell(text)[0] == "'", text
    assert spreadsheets.cell("Muster; Anna") == "Muster; Anna"
    assert spreadsheets.cell(Decimal("-0.00")) == "0,00", "nothing less nothing has no sign"
    assert spreadsheets.cell(Decimal("-70.68")) == "-70,68", "a number of ours stays a number"


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


def test_exports_are_for_who_may_see_the_revenue(books):
    """Reception and another site's billing get nothing; what was handed out is in the trail."""
    for name in ("datev", "csv", "deliveries"):
        params = {"site": "north"} if name == "deliveries" else PERIOD
        books.ask("GET", f"/exports/{name}", params=params, role="reception", status=403)
        books.ask("GET", f"/exports/{name}", params=params, sites=("south",), status=404)
    body = {**PERIOD, "request": str(uuid4())}
    books.ask("POST", "/exports/padnext", json=body, role="reception", status=403)
    books.ask("POST", "/exports/padnext", json=body, sites=("south",), status=404)
    assert {"datev", "invoices", "lines", "payments"} <= {
        form for row in books.trail("books.exported") for form in row["detail"].split('"')
    }


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
