"""What a session is charged with: the amounts of the clinic's own price list, to the cent."""

import datetime as dt
from decimal import Decimal

import pytest
from pydantic import ValidationError

from services.billing.errors import Invalid
from services.billing.goae import catalogue, charges, pricing, tariffs

DAY = dt.date(2026, 11, 22)
GOAE = catalogue.at(DAY)


def facts(region="lumbar", **changes):
    told = {
        "date": DAY, "region": region, "completed": True, "traction_s": 1500, "planned_traction_s": 1500,
        "heat_s": 600,
    }  # fmt: skip
    return charges.SessionFacts(**(told | changes))


def charged(tariff="private", given=None, **changes):
    return charges.of_session(facts(**changes), tariffs.named(tariff, GOAE, given))


@pytest.mark.parametrize(
    ("tariff", "region", "heat_s", "given", "total"),
    [
        ("private", "lumbar", 600, None, "70.68"),
        ("private", "lumbar", 0, None, "66.48"),
        ("private", "lumbar", 59, None, "66.48"),
        ("private", "cervical", 0, None, "66.48"),
        ("private", "cervical", 600, None, "66.48"),
        ("self", "lumbar", 600, None, "57.71"),
        ("self", "cervical", 0, None, "53.51"),
        ("self", "lumbar", 600, {"self": {"E": "1.44", "652": "1.84"}}, "56.55"),
        ("self", "cervical", 0, {"self": {"E": "1.44", "F": "1,84"}}, "53.19"),
        ("self", "lumbar", 600, {"self": {"*": "1"}}, "32.06"),
        ("standard", "lumbar", 600, None, "52.05"),
    ],
)
def test_a_session_costs_what_the_price_list_says(tariff, region, heat_s, given, total):
    """Infrared is charged only when the lamp's record says so; cervical sessions have none."""
    found = charged(tariff, given, region=region, heat_s=heat_s)
    assert found.total == Decimal(total)
    assert [line.number for line in found.lines] == ["516", "652", "538"][: len(found.lines)]
    assert all(pricing.of_line(GOAE, line).verdict == "fine" for line in found.lines)


@pytest.mark.parametrize(("region", "sessions", "total"), [
    ("lumbar", 15, "1060.20"), ("lumbar", 20, "1413.60"),
    ("cervical", 15, "997.20"), ("cervical", 20, "1329.60"),
])  # fmt: skip
def test_a_cure_is_the_sum_of_its_rounded_sessions(region, sessions, total):
    """The estimate before treatment and the invoice after it must be the same money."""
    assert charged(region=region).total * sessions == Decimal(total)


def test_an_analogue_service_is_described_for_who_pays():
    """§ 12 Abs. 4: understandable words, in the invoice's language; 538 is the service itself."""
    lines = charged().lines
    assert "Lendenwirbelsäule" in str(lines[0].analogue)
    assert lines[2].analogue is None
    english = charges.of_session(facts("cervical"), tariffs.named("private", GOAE), "en")
    assert "cervical spine" in str(english.lines[1].analogue)


@pytest.mark.parametrize(
    ("traction_s", "planned_s", "outcome", "total"),
    [
        (1200, 1500, "full", "70.68"),
        (1125, 1500, "full", "70.68"),
        (1124, 1500, "shortened", "33.93"),
        (375, 1500, "shortened", "33.93"),
        (374, 1500, "aborted", "4.20"),
        (0, 1500, "aborted", "4.20"),
        (0, 0, "aborted", "4.20"),
        (900, None, "full", "70.68"),
        (300, None, "shortened", "33.93"),
        (299, None, "aborted", "4.20"),
    ],
)
def test_what_ended_early_is_charged_by_rule_and_says_why(traction_s, planned_s, outcome, total):
    """Less time is a lower factor (§ 5 Abs. 2); what was not given is not charged (§ 4 Abs. 2)."""
    found = charged(completed=False, traction_s=traction_s, planned_traction_s=planned_s, reason="stop")
    assert (found.outcome.id, found.total) == (outcome, Decimal(total))
    reasons = {line.number: line.justification for line in found.lines}
    assert reasons.get("538") is None
    assert outcome != "shortened" or "vorzeitig" in str(reasons["516"])
    assert [reason["de"].endswith("GOÄ)") for reason in found.reasons] == [True] * (outcome != "full")


def test_a_session_that_never_pulled_is_no_treatment_whatever_ended_it():
    """§ 4 Abs. 2: a fee is for a service that was given; the record of the pull decides."""
    found = charged(completed=True, traction_s=0)
    assert (found.outcome.id, found.total) == ("aborted", Decimal("4.20"))


@pytest.mark.parametrize(
    "change",
    [
        {"traction_s": -1}, {"traction_s": float("nan")}, {"heat_s": float("inf")},
        {"region": "thoracic"}, {"reason": "a\x00b"},
        {"traction_s": 86_401}, {"date": "2026-02-30"}, {"date": 20261122},
    ],
)  # fmt: skip
def test_a_session_that_cannot_be_is_refused(change):
    """A sensor's nonsense must not become money."""
    with pytest.raises(ValidationError):
        facts(**change)


def test_a_session_before_the_first_version_is_refused():
    """Nothing is charged by rows that did not hold."""
    with pytest.raises(Invalid, match="from 2002-01-01 on") as refused:
        charged(date=dt.date(2001, 12, 31))
    assert "vom 31.12.2001: Sitzungen werden ab 01.01.2002 berechnet" in refused.value.words["de"]


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("gold", None, "does not exist"),
        ("self", {"gold": {"652": "1"}}, "does not exist"),
        ("self", {"self": {"652": "0.9"}}, "not between 1 and 2.3"),
        ("self", {"self": {"516": "1.9"}}, "not between 1 and 1.8"),
        ("self", {"self": {"9999": "1"}}, "neither a number nor a section"),
        ("self", {"self": {"652": "NaN"}}, "factor is"),
        ("self", {"self": {"652": "-20%"}}, "factor is"),
    ],
)
def test_a_tariff_that_the_law_does_not_let_stand_is_refused(name, given, says):
    """A percentage off, or a factor that would need a reason each time, is no tariff."""
    with pytest.raises(Invalid, match=says):
        tariffs.named(name, GOAE, given)
