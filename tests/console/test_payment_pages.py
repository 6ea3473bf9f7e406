"""Open items, payments, bank statements, reminders and revenue, over a real billing."""

import re
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from billing import bank
from console.billing_rig import BillingRoom

from services.console.billing import bars, csv_files, periods
from services.kit.formats import money

FORMS = re.compile(r'name="request" value="([0-9a-f-]{36})"')
SITE = {"site": "north"}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """One clinic for the pages that change nothing: one invoice half paid and overdue, one not due."""
    rig = BillingRoom(tmp_path_factory.mktemp("billing"))
    late = invoice(rig)
    pay(rig, late, "50.00")
    rig.billing.now += timedelta(days=100)
    invoice(rig, "O'Neill", "Siobhán")
    yield rig
    rig.close()


@pytest.fixture
def rig(tmp_path):
    """A clinic of its own."""
    made = BillingRoom(tmp_path)
    yield made
    made.close()


def invoice(rig, family="Muster", given="Anna"):
    """An issued invoice of 70.68."""
    patient = rig.patient(family, given)
    rig.treated(patient, 1)
    body = {"request": str(uuid4()), **SITE, "patient": str(patient)}
    draft = rig.billing.ask("POST", "/drafts", json=body, status=201)
    asked = {"request": str(uuid4()), "revision": draft["revision"]}
    return rig.billing.ask("POST", f"/drafts/{draft['id']}/issue", json=asked, status=201)


def pay(rig, one, amount):
    """Book a payment behind the page's back."""
    body = {"request": str(uuid4()), "amount": amount, "received_on": rig.billing.now.date().isoformat()}
    rig.billing.ask("POST", f"/invoices/{one['id']}/payments", json=body, status=201)


def page(answer, status=200):
    """What a reader sees, without the marks."""
    assert answer.status_code == status, answer.text[:2000]
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).replace("&#39;", "'").split())


def sent(rig, path, data=None, name="bill", **options):
    """A form sent, and where it leads."""
    return rig.client(name).post(path, data=data, **options)


def test_open_items_stand_with_the_longest_overdue_first_in_the_reader_s_own_writing(lasting):
    """A desk works from the top; German and English write amounts differently."""
    english = page(lasting.client().get("/billing/open-items"))
    assert english.index("NORTH-2026-00001") < english.index("NORTH-2027-00001")
    assert all(words in english for words in ("€91.36", "€20.68", "61\N{EN DASH}90 days"))
    german = page(lasting.client(**{"accept-language": "de"}).get("/billing/open-items"))
    assert "91,36 €" in german
    assert "davon überfällig" in german
    narrowed = page(lasting.client().get("/billing/open-items?q=o'neill"))
    assert "NORTH-2026-00001" not in narrowed
    assert "1 invoice, €70.68 open." in narrowed
    assert "No invoice fits." in page(lasting.client().get("/billing/open-items?age=over-90"))


def test_the_file_of_open_items_is_what_the_page_shows(lasting):
    """A tax adviser's spreadsheet opens it as it is."""
    answer = lasting.client(**{"accept-language": "de"}).get("/billing/open-items/file?age=to-90")
    assert answer.headers["content-disposition"].startswith("attachment")
    head, row, *more = answer.text.removeprefix("\ufeff").splitlines()
    assert head.split(";")[:2] == ["Rechnung", "Zahlt"]
    assert row.split(";")[5:8] == ["70,68", "50,00", "20,68"]
    assert more == []


def test_no_cell_of_a_file_is_reckoned_with():
    """A payer's name that begins like a formula stays a name; a negative amount stays a number."""
    text = csv_files.text(["a"], [["=HYPERLINK(1)", Decimal("-1.50"), None, 3]], "de")
    assert text.splitlines()[1] == "'=HYPERLINK(1);-1,50;;3"


def test_payments_are_booked_once_and_taken_back_with_a_reason(rig):
    """A double click is one payment; what was typed stays when it is refused."""
    one = invoice(rig)
    path = f"/billing/invoices/{one['id']}/payments"
    shown = rig.client().get(path)
    form = {
        "request": FORMS.search(shown.text)[1], "amount": "40,68", "received_on": "2026-11-23", "way": "in",
        "method": "cash", "note": "an der Theke",
    }  # fmt: skip
    refused = sent(rig, path, form | {"amount": "viel"})
    assert "viel is no amount" in page(refused, 422)
    assert 'value="an der Theke"' in refused.text
    german = rig.client(**{"accept-language": "de"})
    assert [german.post(path, data=form).status_code for _ in range(2)] == [303, 303]
    assert "noch offen" in page(german.get(path))
    assert "30,00" in page(german.get(path))
    (payment,) = rig.billing.ask("GET", f"/invoices/{one['id']}/payments")["payments"]
    back = f"{path}/{payment['id']}/reverse"
    assert "This is missing" in page(sent(rig, back, {"reason": " "}), 422)
    assert [sent(rig, back, {"reason": "Falschgeld"}).status_code for _ in range(2)] == [303, 303]
    after = page(rig.client().get(f"{path}?done=reversed"))
    assert "bill · Falschgeld" in after
    assert "€70.68" in after
    to_come = form | {"amount": "1.00", "received_on": "2999-01-01", "request": str(uuid4())}
    assert "to come" in page(sent(rig, path, to_come), 422)


def test_a_reminder_s_fee_stands_beside_the_invoice_and_is_waived_with_a_reason(rig):
    """Who paid what the letter asked has not paid too much; what is waived says by whom and why."""
    one = invoice(rig)
    for days in (45, 30):
        rig.billing.now += timedelta(days=days)
        body = {**SITE, "invoices": [one["id"]]}
        (letter,) = rig.billing.ask("POST", "/dunning", json=body, status=201)["letters"]
    path = f"/billing/invoices/{one['id']}/payments"
    shown = page(rig.client().get(path))
    assert all(words in shown for words in ("€73.18", "Reminder fees open", "§ 367 BGB"))
    assert "of it reminder fees €2.50" in page(rig.client().get("/billing/open-items"))
    assert "of it reminder fees €2.50" in page(rig.client().get(f"/billing/invoices/{one['id']}"))
    waive = f"/billing/invoices/{one['id']}/letters/{letter}/waive"
    assert "This is missing" in page(sent(rig, waive, {"reason": " "}), 422)
    assert [sent(rig, waive, {"reason": "Kulanz"}).status_code for _ in range(2)] == [303, 303]
    after = page(rig.client().get(f"{path}?done=waived"))
    assert "The fee is waived." in after
    assert "bill · Kulanz" in after
    assert "€73.18" not in after


def test_what_was_paid_too_much_is_proposed_to_be_paid_back(rig):
    """The form stands as the desk needs it."""
    one = invoice(rig)
    pay(rig, one, "80.00")
    path = f"/billing/invoices/{one['id']}/payments"
    shown = rig.client().get(path)
    assert "paid too much" in page(shown)
    assert 'value="9.32"' in shown.text
    form = {"request": FORMS.search(shown.text)[1], "amount": "9.32", "received_on": "2026-11-23"}
    assert sent(rig, path, form | {"way": "back"}).status_code == 303
    told = rig.billing.ask("GET", f"/invoices/{one['id']}/payments")
    assert (told["state"], told["payments"][1]["amount"]) == ("paid", "-9.32")


def test_a_bank_s_file_books_what_is_sure_and_leaves_the_rest_to_a_person(rig):
    """By itself, by a click, in part, set aside, undone: each to be seen and taken back."""
    first, second = invoice(rig), invoice(rig, "Öztürk", "Deniz")
    rig.billing.now += timedelta(days=10)
    sure = bank.entry("70.68", f"Rechnung {first['number']}", reference="A")
    unsure = bank.entry("100.00", "danke", name="Deniz Öztürk", reference="B")
    file = bank.statement(sure, unsure, bank.entry("3.00", "Zinsen", name="Bank", reference="C"))
    taken = sent(rig, "/billing/bank", SITE, files={"file": ("auszug.xml", file, "application/xml")})
    assert taken.status_code == 303
    shown = page(rig.client().get(taken.headers["location"]))
    assert "New entries: 3; matched by themselves: 1; to decide: 2" in shown
    assert "same name" in shown
    again = page(sent(rig, "/billing/bank", SITE, files={"file": ("auszug.xml", file, "application/xml")}))
    assert "imported before: at 3 Dec 2026" in again
    assert "at site north, by bill" in again
    assert "New entries: 0; matched by themselves: 0; to decide: 2. Known already: 3" in again
    entry = next(one for one in entries(rig) if one["amount"] == "100.00")
    form = {"site": "north", "request": str(uuid4()), "invoice": second["id"], "amount": "60.00"}
    path = f"/billing/bank/{entry['id']}"
    assert "100.00 EUR of this entry are left" in page(
        sent(rig, f"{path}/match", form | {"amount": "100.01"}), 422
    )
    assert [sent(rig, f"{path}/match", form).status_code for _ in range(2)] == [303, 303]
    assert "€40.00 of it are not matched yet" in page(rig.client().get("/billing/bank"))
    found = rig.client().get(f"/billing/bank?entry={entry['id']}&q=Öztürk")
    assert f"Match: {second['number']}" in found.text
    interest = next(one for one in entries(rig) if one["amount"] == "3.00")
    aside = {**SITE, "reason": "Zinsen"}
    assert sent(rig, f"/billing/bank/{interest['id']}/ignore", aside).status_code == 303
    assert "Set aside: Zinsen" in page(rig.client().get("/billing/bank?state=ignored"))
    assert sent(rig, f"/billing/bank/{interest['id']}/reopen", SITE).status_code == 303
    matched = entries(rig, "matched")[0]
    assert matched["payments"][0]["automatic"]
    undo = {**SITE, "payment": matched["payments"][0]["id"], "reason": "falsches Konto"}
    assert sent(rig, f"/billing/bank/{matched['id']}/undo", undo).status_code == 303
    assert entries(rig, "matched") == []


def entries(rig, state="open"):
    """As billing has them."""
    return rig.billing.ask("GET", "/bank-entries", params={**SITE, "state": state})["entries"]


@pytest.mark.parametrize(("file", "words"), [(None, "No file was chosen"), (b"<a/>", "no camt.053 stat")])
def test_a_file_that_is_none_says_so_at_its_field(lasting, file, words):
    """Nothing of it was booked."""
    files = {"file": ("a.xml", file, "text/xml")} if file else {"other": ("", b"", "text/xml")}
    answer = sent(lasting, "/billing/bank", SITE, files=files)
    assert words in page(answer, 422)
    assert 'id="f-file-error"' in answer.text


def test_reminders_are_written_all_or_none_and_named_by_number(rig):
    """The one that is not due stops the lot; the letters open as PDF."""
    late = invoice(rig)
    rig.billing.now += timedelta(days=45)
    fresh = invoice(rig, "Öztürk", "Deniz")
    shown = rig.client().get("/billing/dunning")
    assert late["number"] in page(shown)
    assert fresh["number"] not in page(shown)
    form = {**SITE, "request": FORMS.search(shown.text)[1]}
    assert "No invoice was chosen" in page(sent(rig, "/billing/dunning", form), 422)
    refused = sent(rig, "/billing/dunning", form | {"invoice": [late["id"], fresh["id"]]})
    assert f"{fresh['number']}: no reminder is due" in page(refused, 409)
    assert f'value="{late["id"]}" aria-label="Choose: {late["number"]}" checked' in refused.text
    for _ in range(2):
        assert sent(rig, "/billing/dunning", form | {"invoice": late["id"]}).status_code == 303
    after = rig.client().get("/billing/dunning?written=1")
    assert "1 letter was written." in page(after)
    assert re.search(r"Asked for</[^>]+>.*Asked for[^€]*€70\.68", after.text, re.DOTALL)
    letters = re.findall(r'"(/billing/letters/[0-9a-f-]+/pdf)"', after.text)
    assert len(letters) == 1
    assert rig.client("rita").get(letters[0]).content.startswith(b"%PDF-")


def test_revenue_is_shown_by_month_site_and_item_and_as_a_file(lasting):
    """Invoiced beside received, with the months between in which nothing was."""
    span = "from=2026-11-01&to=2027-03-31"
    by_month = page(lasting.client().get(f"/billing/revenue?{span}"))
    assert all(words in by_month for words in ("November 2026", "January 2027", "March 2027", "€141.36"))
    by_item = page(lasting.client().get(f"/billing/revenue?{span}&by=item"))
    assert by_item.index("652") < by_item.index("516")
    assert "north" in page(lasting.client("ada").get(f"/billing/revenue?{span}&by=site&site=north"))
    file = lasting.client().get(f"/billing/revenue/file?{span}&by=month").text.splitlines()
    assert file[1] == "2026-11,November 2026,3,70.68,0.00,50.00"
    assert "lies before the first" in page(
        lasting.client().get("/billing/revenue?from=2027-01-01&to=2026-01-01"), 422
    )
    assert lasting.client().get("/billing/revenue?from=gestern&to=heute").status_code == 422


def test_whoever_may_not_change_money_is_offered_no_form_for_it(lasting):
    """Reception sees what is owed; bank and revenue are for those who keep the books."""
    rita = lasting.client("rita")
    assert rita.get("/billing/open-items").status_code == 200
    assert "Write the letters" not in rita.get("/billing/dunning").text
    for path in ("/billing/bank", "/billing/revenue"):
        assert rita.get(path).status_code == 403
    one = lasting.billing.ask("GET", "/open-items", params=SITE)["items"][0]
    assert "Book a payment" not in rita.get(f"/billing/invoices/{one['id']}/payments").text
    assert lasting.client("theo").get("/billing/open-items").status_code == 403


@pytest.mark.parametrize(
    ("amounts", "language"), [(["1234567.89", "-20.00"], "de"), (["0.01", "0.02"], "en"), (["-5.00"], "en")]
)
def test_every_bar_stands_inside_its_drawing_and_ends_at_its_amount(amounts, language):
    """A picture of money must not lie: the larger amount has the longer bar."""
    group = bars.Group("a", "", [Decimal(one) for one in amounts], ["invoiced"] * len(amounts))
    for plot in bars.plots([group, group], language):
        drawn = plot.bars[: len(amounts)]
        assert all(bar.y >= 0 and bar.y + bar.height <= plot.height for bar in drawn)
        assert all(0 <= bar.x <= plot.width - bar.width for bar in plot.bars)
        longest = max(drawn, key=lambda bar: bar.height)
        assert drawn.index(longest) == max(range(len(amounts)), key=lambda at: abs(Decimal(amounts[at])))
        assert drawn[0].said == money(Decimal(amounts[0]), language)


@pytest.mark.parametrize(
    ("name", "today", "since", "until"),
    [
        ("month", "2028-02-29", "2028-02-01", "2028-02-29"),
        ("last-month", "2026-01-31", "2025-12-01", "2025-12-31"),
        ("quarter", "2026-11-22", "2026-10-01", "2026-12-31"),
        ("year", "2026-11-22", "2026-01-01", "2026-12-31"),
    ],
)
def test_a_period_is_from_its_first_to_its_last_day(name, today, since, until):
    """Leap years and turns of the year are where such sums go wrong."""
    _, found = periods.chosen(name, "", "", date.fromisoformat(today))
    assert (found.since.isoformat(), found.until.isoformat()) == (since, until)
