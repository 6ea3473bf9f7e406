"""What a service costs: every item of the catalogue, against arithmetic by whole fractions."""

import datetime as dt
import json
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.errors import Invalid
from services.billing.goae import catalogue, pricing, search

DAY = dt.date(2026, 11, 22)
GOAE = catalogue.at(DAY)
ROWS = json.loads((catalogue.DATA / "goae-1982.json").read_text(encoding="utf-8"))
SIMPLE = re.compile("nur (einmal und nur )?mit dem einfachen Gebührensatz")
POINT_VALUE = Fraction(582873, 100_000)  # cents, § 5 Abs. 1 Satz 3

factors = st.decimals(min_value="0.0001", max_value="9", places=4)
items = st.sampled_from(list(GOAE.items.values()))


def half_up(cents: Fraction) -> Decimal:
    """The law's rounding, by whole numbers: below a half down, else up."""
    whole, rest = divmod(cents.numerator, cents.denominator)
    return Decimal(whole + (2 * rest >= cents.denominator)) / 100


@pytest.mark.parametrize(
    ("number", "factor", "amount"),
    [
        ("516", "1.8", "6.82"), ("652", "2.3", "59.66"), ("538", None, "4.20"), ("652", "1.8", "46.69"),
        ("1", None, "10.72"), ("3", None, "20.11"), ("4", None, "29.49"), ("5", None, "10.72"),
        ("7", None, "21.45"), ("34", None, "40.22"), ("70", None, "5.36"), ("75", None, "17.43"),
        ("800", None, "26.14"), ("3306", None, "19.84"), ("3508", None, "5.36"), ("651", None, "26.54"),
        ("437", None, "33.52"), ("442", None, "23.31"), ("0516", "1.8", "6.82"), (" 250A ", None, "4.20"),
        ("3541.h", None, "32.17"),
    ],
)  # fmt: skip
def test_known_amounts_come_out_to_the_cent(number, factor, amount):
    """An insurer recalculates every line: a cent of difference sends the whole invoice back."""
    found = pricing.price(GOAE, GOAE.item(number), factor and Decimal(factor))
    assert found.amount == Decimal(amount)
    assert found.body()["amount"] == amount
    assert found.verdict == "fine"


def test_half_a_cent_is_made_up():
    """8000 points at 6.25, under an agreement, are 291436.5 cents: the law makes halves up, not even."""
    half = pricing.amount(8000, GOAE.point_value_ct, Decimal("6.25"))
    assert (half, half_up(8000 * POINT_VALUE * Fraction("6.25"))) == (Decimal("2914.37"), Decimal("2914.37"))


def test_every_item_at_every_usual_factor_is_rounded_once_and_half_up():
    """The oracle uses whole fractions only, so that no decimal context can err in the same way."""
    for item in GOAE.items.values():
        for factor in ("1", "1.15", "1.3", "1.44", "1.8", "1.84", "2.3", "2.5", "3.5"):
            wanted = half_up(item.points * POINT_VALUE * Fraction(factor))
            assert pricing.price(GOAE, item, Decimal(factor)).amount == wanted, (item.number, factor)


@given(items, factors, st.integers(1, 999))
def test_any_factor_is_rounded_as_whole_fractions_are(item, factor, count):
    """A count multiplies what was rounded: each service is a fee of its own."""
    with localcontext(prec=3):  # a caller's precision is none of ours
        found = pricing.price(GOAE, item, factor, count=count)
    each = half_up(item.points * POINT_VALUE * Fraction(factor))
    assert (found.each, found.amount) == (each, each * count)


@given(items, factors, st.sampled_from(("private", "self", "standard")))
def test_nothing_above_the_maximum_is_let_through_without_an_agreement(item, factor, kind):
    """The frame of § 5 is the outer limit of what may be asked for."""
    found = pricing.price(GOAE, item, factor, kind)
    allowed = 1 <= factor <= found.maximum
    assert (found.verdict != "forbidden") is allowed
    assert not allowed or (found.verdict == "fine") is (factor <= item.frame.threshold)
    agreed = pricing.price(GOAE, item, factor, "private", agreed=True)
    if item.frame.agreement:
        assert agreed.verdict == "fine"
    else:
        assert (agreed.verdict, agreed.paragraph) == ("forbidden", item.frame.agreement_paragraph)


def test_euro_and_mark_amounts_agree_for_every_item():
    """Points in Deutsche Mark, as the law printed them, and points in euros are the same money."""
    for item in GOAE.items.values():
        mark = item.points * Fraction("0.114")
        assert abs(mark / Fraction("1.95583") - item.points * POINT_VALUE / 100) < Fraction("0.005")


def test_the_frames_are_those_of_the_law_text():
    """Threshold and maximum come from § 5 here, and were read from the sections there: both must agree."""
    assert len(GOAE.items) == 2315
    for row in ROWS:
        frame = GOAE.item(row["number"]).frame
        if frame.id != "single":
            assert (str(frame.threshold), str(frame.maximum)) == (row["threshold"], row["maximum"])


def test_what_the_law_lets_be_charged_at_the_simple_rate_only_has_no_other():
    """Its own notes and the general provisions C VI Nr. 1 and C VIII Nr. 2 name each; no other note does."""
    simple = {number for number, item in GOAE.items.items() if item.frame.id == "single"}
    named = {row["number"] for row in ROWS if any(SIMPLE.search(note) for note in row["notes"])}
    general = {"401", "404", "405", "406", *(str(number) for number in range(440, 450) if number != 441)}
    assert simple - general - {"95", "5852", "5853"} == named - {"355", "356", "357", "5308"}
    assert {str(GOAE.item(number).frame.maximum) for number in simple} == {"1"}


@pytest.mark.parametrize(
    ("number", "factor", "kind", "agreed", "verdict", "paragraph"),
    [
        ("516", "1.9", "private", False, "justification", "§ 12 Abs. 3 GOÄ"),
        ("516", "2.6", "private", False, "forbidden", "§ 5 Abs. 3 GOÄ"),
        ("516", "2.6", "private", True, "forbidden", "§ 2 Abs. 3 GOÄ"),
        ("650", "2.6", "private", True, "forbidden", "§ 2 Abs. 3 GOÄ"),  # section A's, though it stands in F
        ("3508", "1.4", "private", True, "forbidden", "§ 2 Abs. 3 GOÄ"),
        ("5729", "3", "private", True, "forbidden", "§ 2 Abs. 3 GOÄ"),
        ("652", "3.51", "private", False, "forbidden", "§ 5 Abs. 1 und 2 GOÄ"),
        ("652", "5", "private", True, "fine", "§ 2 Abs. 1 GOÄ"),
        ("652", "0.5", "private", False, "forbidden", "§ 5 Abs. 1 und 2 GOÄ"),
        ("652", "1.71", "standard", False, "forbidden", "§ 5b GOÄ"),
        ("652", "5", "standard", True, "forbidden", "§ 5b GOÄ"),
        ("516", "1.31", "standard", False, "forbidden", "§ 5b GOÄ"),
        ("3508", "1.11", "standard", False, "forbidden", "§ 5b GOÄ"),
        ("652", None, "standard", False, "fine", "§ 5 Abs. 1 und 2 GOÄ"),
    ],
)
def test_a_factor_is_judged_by_its_paragraph(number, factor, kind, agreed, verdict, paragraph):
    """Whoever objects to a line wants the paragraph, in their language."""
    found = pricing.price(GOAE, GOAE.item(number), factor and Decimal(factor), kind, agreed=agreed)
    assert (found.verdict, found.paragraph) == (verdict, paragraph)
    assert found.text["de"] != found.text["en"]


def test_a_sentence_on_the_standard_tariff_names_its_own_cap():
    """Up to 2.3 would be wrong for somebody whose tariff ends at 1.7."""
    assert "up to 1.7 " in pricing.price(GOAE, GOAE.item("652"), Decimal("1.5"), "standard").text["en"]


def test_the_standard_tariff_ends_at_its_own_caps():
    """§ 5b: 1.7, 1.3 for A, E and O, 1.1 for M."""
    caps = {
        number: pricing.price(GOAE, GOAE.item(number), None, "standard").factor
        for number in ("652", "516", "650", "5729", "3508", "437", "442")
    }
    assert {number: str(factor) for number, factor in caps.items()} == {
        "652": "1.7", "516": "1.3", "650": "1.3", "5729": "1.3", "3508": "1.1", "437": "1.15", "442": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "typed",
    ["0", "-1", "NaN", "sNaN", "Infinity", "-inf", "", "2.3x", "1e9", "100.1", "1.23456", "\x00", "٢"],
)
def test_a_factor_that_is_none_is_refused_with_what_was_typed(typed):
    """Nothing is calculated with a slip of the hand."""
    with pytest.raises(Invalid, match="factor is") as refused:
        pricing.read_factor(typed)
    assert refused.value.words["de"].startswith("Der Faktor ist")


@pytest.mark.parametrize("count", [0, -1, 1000])
def test_a_count_that_is_none_is_refused(count):
    """A negative count would be a refund that nobody decided."""
    with pytest.raises(Invalid, match="count is"):
        pricing.price(GOAE, GOAE.item("1"), count=count)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("A", "surcharge by letter"), ("K 2", "surcharge by letter"), ("K1", "surcharge by letter"),
        ("k1", "surcharge by letter"),
        ("100", "certifying death"), ("109", "certifying death"), ("441", "laser"), ("5298", "digital"),
        ("4016", "grouped heading"), ("9999", "is not in the catalogue"), ("516x", "is not in the catalogue"),
        ("", "is not in the catalogue"), ("5" * 5000, "is not in the catalogue"),
    ],
)  # fmt: skip
def test_what_the_catalogue_lacks_is_named_and_never_guessed(number, says):
    """A price that was guessed is worse than none."""
    with pytest.raises(Invalid, match=re.escape(says)) as refused:
        GOAE.item(number)
    assert len(refused.value.message) < 300
    assert refused.value.words["de"] != refused.value.words["en"]


def test_before_its_first_day_no_catalogue_holds():
    """The point value in cents is that of 2002: older services were priced otherwise."""
    assert catalogue.at(dt.date(2002, 1, 1)) is GOAE
    with pytest.raises(Invalid, match="the first holds from 2002-01-01") as refused:
        catalogue.at(dt.date(2001, 12, 31))
    assert refused.value.words["de"].startswith("Für den 31.12.2001 gibt es kein Verzeichnis")


def test_a_second_catalogue_is_data(tmp_path):
    """A new fee schedule comes as a file and a row, with another point value and other frames."""
    rows = [{"number": "1", "name": "Gespräch", "points": 100, "notes": [], "section": "X"}]
    Path(tmp_path / "new.json").write_text(json.dumps(rows), encoding="utf-8")
    frame = {
        "id": "only", "threshold": "1", "maximum": "1", "standard_tariff": "1", "agreement": True,
        "paragraph": "§ 5", "agreement_paragraph": "§ 2", "de": "alles", "en": "everything",
    }  # fmt: skip
    row = {
        "name": "new", "file": "new.json", "valid_from": dt.date(2030, 1, 1), "point_value_ct": "7.5",
        "frame": [frame],
    }  # fmt: skip
    found = catalogue.parse(row, tmp_path)
    assert pricing.price(found, found.item("1")).amount == Decimal("7.50")
    assert not found.holds(DAY)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("516", "516"), ("51", "51"), ("Infrarot", "538"), ("Ergometrie", "652"),
        ("Infrarodbehandlung", "538"),
        ("schraegbett", "516"),
        ("Extensionsbehandlung Schrägbett", "516"), ("extensionsbehandlnug perlgerät", "516"),
        ("   ", None), ("zzzzqqqq", None), ("\x00", None), ("\uff29nfrarot", "538"), ("0", None),
    ],
)  # fmt: skip
def test_an_item_is_found_by_number_and_by_misspelt_words(typed, first):
    """At the desk nobody knows the official name, and few hit every key."""
    found = search.search(GOAE, typed)
    if first is None:
        assert found == []
    else:
        assert found[0].number == first


@pytest.mark.parametrize(
    ("treatment", "taken_off"), [("outpatient", "0.00"), ("inpatient", "24.98"), ("attending", "14.99")]
)
def test_a_stay_in_hospital_takes_its_share_off_the_fees(treatment, taken_off):
    """§ 6a: a quarter, or 15 % from doctors in their own practice; one rounding, of the whole."""
    found = pricing.reduced([Decimal("40.21"), Decimal("59.70")], treatment)
    assert (found.taken_off, found.left) == (Decimal(taken_off), Decimal("99.91") - Decimal(taken_off))
