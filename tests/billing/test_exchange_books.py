"""What the tax adviser gets: the same sums as revenue, in files that programs take without a question."""

import csv
import io
import re
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from billing.books_rig import ACCOUNTS, FORMULA, OFFICES, PERIOD

from services.billing.exchange import datev, debtors, spreadsheets
from services.kit.database import writing

FIELDS = {  # by DATEV's description of the format
    1: r"(?!0{1,10},00)\d{1,10},\d{2}", 2: '"(S|H)"', 3: '"([A-Z]{3})"', 7: r"(?!0{1,9}$)\d{1,9}",
    8: r"(?!0{1,9}$)\d{1,9}", 10: r"\d{4}", 11: r'"[\w$%\-/]{0,36}"', 14: '".{0,60}"', 114: "0",
    117: r"(\d{8})?",
}  # fmt: skip


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
