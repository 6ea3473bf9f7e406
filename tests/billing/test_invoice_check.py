"""`spondyl invoice check`: invoices of other hands, sums, outlays, and files that are none."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from services.billing import commands
from services.billing.checking import readers
from services.billing.errors import Invalid
from services.billing.goae import catalogue, pricing
from services.kit.errors import SpondylError

LINE = {"date": "2026-11-02", "number": "516", "factor": "1.8"}
SESSION = [LINE, LINE | {"number": "652", "factor": "2.3"}, LINE | {"number": "538"}]
OUTLAY = {"date": "2026-11-09", "kind": "material", "text": "Kissenbezug", "amount": "3.20"}


def checked(**told):
    return readers.check(json.dumps({"lines": [LINE]} | told))


def verdicts(found, rule):
    return [one.verdict for one in found.findings if one.rule == rule]


def run(*arguments):
    root = typer.Typer()
    commands.register(root)
    with pytest.raises(SystemExit) as ended:
        root(args=list(arguments))
    return ended.value.code


def test_an_invoice_of_another_hand_is_recalculated(tmp_path, capsys):
    """The cent that was rounded too early, the sum that does not add up, and what may not be beside what."""
    lines = [
        {"date": "2026-11-02", "number": 538, "factor": 1.8, "amount": "4,19"},
        {"date": "2026-11-02", "number": "651", "factor": "1.8", "amount": "26.54"},
        {"date": "2026-11-02", "number": "652", "factor": "2.5", "amount": 64.84},
    ]
    file = tmp_path / "invoice.json"
    file.write_text(json.dumps({"lines": lines, "total": "95.57", "date": "2026-11-01"}), encoding="utf-8")
    assert run("invoice", "check", str(file), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    found = {(one["rule"], one["verdict"]) for one in told["findings"]}
    assert {
        ("amount", "forbidden"), ("total", "forbidden"), ("date", "forbidden"), ("650-ecg", "forbidden"),
        ("factor", "justification"),
    } <= found  # fmt: skip
    assert (told["verdict"], told["total"]) == ("forbidden", "95.58")
    assert all(one["paragraph"] for one in told["findings"])
    assert run("invoice", "check", str(file)) == 1
    told = capsys.readouterr().out
    assert (
        "4.19 EUR are printed; 40 points x 5.82873 ct x 1.8 are 4.20 EUR (§ 5 Abs. 1 GOÄ)  line 1\n" in told
    )
    assert "(GOÄ Nr. 653, Anmerkung)  lines 2, 3\n" in told


def test_a_finding_of_many_lines_says_how_many_more_there_are(tmp_path, capsys):
    """Ten are named, counted from 1 as a person does; nobody takes them for all."""
    days = [f"2026-{month:02d}-02" for month in range(1, 13)]
    lines = [{"date": day, "number": "538", "factor": "1.8", "amount": "4.20"} for day in days]
    file = tmp_path / "invoice.json"
    file.write_text(json.dumps({"lines": lines}), encoding="utf-8")
    assert run("invoice", "check", str(file)) == 0
    assert "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more\n" in capsys.readouterr().out


def test_an_invoice_that_keeps_the_law_ends_with_status_0(tmp_path, capsys):
    """So that a script can stop before it sends one that does not."""
    file = tmp_path / "invoice.json"
    file.write_text(json.dumps({"lines": [LINE | {"amount": "6.82"}], "total": "6.82"}), encoding="utf-8")
    assert run("invoice", "check", str(file), "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["forbidden"] == 0


def test_the_example_of_the_documentation_is_read_and_keeps_the_law():
    """What people copy from the page works."""
    page = (Path(__file__).parents[2] / "docs/billing.md").read_text(encoding="utf-8")
    example = page.split("```json\n")[1].split("```")[0]
    assert readers.check(example).verdict == "fine"


def test_the_printed_schema_is_that_of_the_files_that_are_read(capsys):
    """Whoever writes the file has a program check it first."""
    assert run("invoice", "check", "--schema") == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"lines": [LINE], "outlays": [OUTLAY]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"lines": [LINE | {"colour": "red"}]}, schema)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("[]", "an object is needed"),
        ("[" * 100_000, "no JSON"),
        ('{"lines": [], "lines": []}', "stands twice"),
        ('{"total": NaN}', "NaN is no number"),
        ('{"total": 1' + "0" * 5000 + "}", "no JSON"),
        ("{}", "neither lines nor outlays"),
        ('{"lines": 3}', "lines is 3"),
        ('{"colour": 1, "lines": []}', "colour is 1"),
        ('{"format": "other/1", "lines": []}', "format is 'other/1'"),
        ('{"resourceType": "Patient"}', "the file is a FHIR Patient: an Invoice or a Bundle"),
    ],
)
def test_a_file_that_is_no_invoice_is_refused_with_what_is_wrong(text, says):
    """In one line, not a page of traces."""
    with pytest.raises(Invalid) as refused:
        readers.check(text)
    assert says in refused.value.message
    assert len(refused.value.message) < 300
    assert set(refused.value.words) == {"de", "en"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"factor": "0"}, "lines.0.factor"), ({"factor": -1}, "lines.0.factor"),
        ({"factor": "NaN"}, "lines.0.factor"), ({"factor": "1e3"}, "lines.0.factor"),
        ({"factor": True}, "lines.0.factor"), ({"factor": "1.23456"}, "lines.0.factor"),
        ({"count": 0}, "lines.0.count"), ({"count": -1}, "lines.0.count"), ({"count": "2"}, "lines.0.count"),
        ({"number": ""}, "lines.0.number"), ({"number": "5\x0016"}, "lines.0.number"),
        ({"number": 5.5}, "lines.0.number"), ({"amount": "-1"}, "lines.0.amount"),
        ({"amount": "1.234"}, "lines.0.amount"), ({"amount": "1.060,20"}, "lines.0.amount"),
        ({"date": "2026-02-29"}, "lines.0.date"), ({"date": 1}, "lines.0.date"),
        ({"time": "25:00"}, "lines.0.time"), ({"duration_min": 0}, "lines.0.duration_min"),
        ({"justification": "  "}, "lines.0.justification"), ({"analogue": "x" * 501}, "lines.0.analogue"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_refused_by_its_field(change, field):
    """Nothing of the file is half believed."""
    with pytest.raises(Invalid, match=f"^{field} is "):
        checked(lines=[LINE | change])


def test_a_file_with_the_mark_that_windows_puts_before_it_is_read():
    """Who types an invoice in an editor does not know that it is there."""
    assert readers.check("\ufeff" + json.dumps({"lines": [LINE]})).total == Decimal("6.82")


def test_a_bad_file_and_a_missing_one_end_with_status_2(tmp_path, capsys):
    """Not to be taken for an invoice that breaks a rule."""
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe")
    for arguments in (["bad.json"], ["none.json"]):
        with pytest.raises(SpondylError) as refused:
            checking_file(tmp_path / arguments[0])
        assert refused.value.exit_code == 2


def checking_file(file):
    root = typer.Typer()
    commands.register(root)
    root(args=["invoice", "check", str(file)], standalone_mode=False)


@pytest.mark.parametrize(
    ("change", "rule", "verdict"),
    [
        ({}, "outlay", "fine"),
        ({"text": "Einmalhandschuhe, 2 Paar"}, "outlay-disposables", "forbidden"),
        ({"text": "Einmal-Handschuhe"}, "outlay-disposables", "forbidden"),
        ({"text": "Holzsta\u0308bchen"}, "outlay-small", "forbidden"),
        ({"text": "Universal-Bettbezug"}, "outlay", "fine"),
        ({"text": "Rechnungsporto", "kind": "shipping"}, "outlay-posting-invoice", "forbidden"),
        ({"text": "Materialpauschale"}, "outlay-flat", "forbidden"),
        ({"text": "Pauschale Material"}, "outlay-flat", "forbidden"),
        ({"text": "Desinfektionsmittel"}, "outlay-cleaning", "forbidden"),
        ({"text": "Porto für die Rechnung", "kind": "shipping"}, "outlay-posting-invoice", "forbidden"),
        ({"amount": "25.56"}, "outlay", "fine"),
        ({"amount": "25.57"}, "outlay-receipt", "justification"),
        ({"amount": "25.57", "receipt": True}, "outlay", "fine"),
        ({"date": "2026-11-02"}, "outlay-physical", "note"),
    ],
)
def test_outlays_are_what_paragraph_10_lets_pass(change, rule, verdict):
    """The words of the law's own list, the receipt above 50 DM, and section E that includes every cost."""
    found = checked(outlays=[OUTLAY | change])
    assert verdicts(found, rule) == [verdict]
    assert found.total == Decimal("6.82") + Decimal(str(change.get("amount", "3.20")))


@pytest.mark.parametrize(
    ("told", "verdict", "total"),
    [
        ({"treatment": "inpatient"}, "note", "5.11"),
        ({"treatment": "inpatient", "reduction": "1.71"}, "fine", "5.11"),
        ({"treatment": "attending", "reduction": "1.02"}, "fine", "5.80"),
        ({"treatment": "attending", "reduction": "1.71"}, "forbidden", "5.80"),
        ({"reduction": "1.71"}, "forbidden", "6.82"),
        ({"treatment": "inpatient", "reduction": "17.67", "lines": SESSION}, "fine", "53.01"),
        ({"treatment": "inpatient", "reduction": "17.68", "lines": SESSION}, "fine", "53.00"),
        ({"treatment": "inpatient", "reduction": "17.66", "lines": SESSION}, "forbidden", "53.01"),
    ],
)
def test_the_reduction_in_hospital_is_recalculated(told, verdict, total):
    """§ 6a: 25 or 15 per cent, to be printed (§ 12 Abs. 2 Nr. 3), of each fee or of their sum."""
    found = checked(**told)
    assert verdicts(found, "reduction") == [verdict]
    assert found.total == Decimal(total)


def test_nothing_on_an_invoice_may_be_later_than_it():
    """An outlay that is still to come is no more owed than a service."""
    assert verdicts(checked(date="2026-11-09", outlays=[OUTLAY]), "date") == []
    assert verdicts(checked(date="2026-11-08", outlays=[OUTLAY]), "date") == ["forbidden"]


def test_the_standard_tariff_caps_every_line():
    """§ 5b."""
    assert verdicts(checked(tariff="standard"), "factor") == ["forbidden"]
    assert verdicts(checked(tariff="standard", lines=[LINE | {"factor": "1.3"}]), "factor") == ["fine"]


def test_a_number_that_is_not_covered_leaves_the_sum_open():
    """Its price is not guessed: what is printed counts, or the sum is not recalculated."""
    open_line = {"date": "2026-11-02", "number": "A", "factor": "1"}
    found = checked(lines=[LINE, open_line], total="10.90")
    assert (found.unpriced, verdicts(found, "total")) == ((1,), ["note"])
    found = checked(lines=[LINE, open_line | {"amount": "4.08"}], total="10.90")
    assert verdicts(found, "total") == ["fine"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "75", "516", "652"]), st.integers(100, 350), st.integers(1, 5)),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_the_sum_is_the_sum_of_the_rounded_lines(rows):
    """What the page adds up with a pencil is what the total says."""
    lines = [
        LINE | {"number": number, "factor": f"{factor / 100}", "count": count}
        for number, factor, count in rows
    ]
    found = checked(lines=lines)
    goae = catalogue.at(dt.date(2026, 11, 2))
    prices = [pricing.of_line(goae, line).amount for line in readers.sheet({"lines": lines}).lines]
    assert found.total == sum(prices)
