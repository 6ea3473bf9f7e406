"""Dates, times, numbers and money as German and English readers write them."""

from contextvars import copy_context
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import jinja2
import pytest

from services.kit import formats
from services.kit.formats import NOTHING

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 14, 5, 9)  # noqa: DTZ001  (without a zone: the same on every machine)

ROWS = [
    (formats.day, DAY, "22.11.2026", "22 Nov 2026"),
    (formats.day, date(2027, 1, 3), "03.01.2027", "3 Jan 2027"),
    (formats.long_day, DAY, "Sonntag, 22. November 2026", "Sunday 22 November 2026"),
    (formats.weekday, DAY, "So. 22.11.", "Sun 22 Nov"),
    (formats.clock, NOON, "14:05 Uhr", "14:05"),
    (formats.clock, time(0, 0), "00:00 Uhr", "00:00"),
    (formats.clock_seconds, NOON, "14:05:09 Uhr", "14:05:09"),
    (formats.moment, NOON, "22.11.2026, 14:05 Uhr", "22 Nov 2026, 14:05"),
    (formats.moment_seconds, NOON, "22.11.2026, 14:05:09 Uhr", "22 Nov 2026, 14:05:09"),
    (formats.duration, 44.6, "45 s", "45 s"),
    (formats.duration, 1710, "28 min 30 s", "28 min 30 s"),
    (formats.duration, 1800, "30 min", "30 min"),
    (formats.duration, timedelta(hours=1, minutes=5), "1 h 05 min", "1 h 05 min"),
    (formats.duration, timedelta(days=3, hours=5), "3 Tage", "3 days"),
    (formats.duration, -30, "−30 s", "−30 s"),  # noqa: RUF001  (a minus as print has it)
    (formats.number, 1234567, "1.234.567", "1,234,567"),
    (formats.newtons, 280.6, "281 N", "281 N"),
    (formats.newtons, -0.3, "0 N", "0 N"),
    (formats.percent, 0.42, "42 %", "42%"),
    (formats.money, Decimal("1234.5"), "1.234,50 €", "€1,234.50"),
    (formats.money, "0.10", "0,10 €", "€0.10"),
    (formats.money, -5, "-5,00 €", "-€5.00"),
]


@pytest.mark.parametrize(("write", "value", "german", "english"), ROWS)
def test_a_value_is_written_as_its_reader_writes_it(write, value, german, english):
    """03.04. and 3/4 have been misread often enough."""
    assert write(value, "de").replace("\N{NO-BREAK SPACE}", " ") == german
    assert write(value, "en").replace("\N{NO-BREAK SPACE}", " ") == english


def test_digits_after_the_point_are_those_asked_for_and_halves_go_up():
    """2.5 and 3.5 must not both become even numbers on an invoice."""
    assert formats.number(2.345, "de", 2) == "2,35"
    assert formats.number(2.5, "en") == "3"
    assert formats.number(7, "en", 1) == "7.0"


def test_a_number_and_its_unit_stay_on_one_line():
    """281 at the end of a line and N at the next is no force."""
    assert formats.newtons(281, "de") == "281\N{NO-BREAK SPACE}N"


def test_a_moment_with_a_zone_is_shown_by_the_clock_on_the_wall():
    """Stored as UTC, read by somebody who looks at a clock."""
    stored = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    assert formats.clock(stored, "en") == stored.astimezone().strftime("%H:%M")


def test_money_is_never_made_of_a_float():
    """0.1 + 0.2 is not 0.3."""
    with pytest.raises(TypeError, match=r"0\.1"):
        formats.money(0.1, "de")


@pytest.mark.parametrize(
    ("typed", "language", "amount"),
    [
        ("1.234,50", "de", "1234.50"),
        ("1.234,50 €", "de", "1234.50"),
        ("1,234.50", "en", "1234.50"),
        ("€ 12", "en", "12"),
        ("0,05", "de", "0.05"),
    ],
)
def test_an_amount_is_read_as_its_reader_types_it(typed, language, amount):
    """The comma is a point for one of the two."""
    assert formats.read_money(typed, language) == Decimal(amount)


@pytest.mark.parametrize("typed", ["", "ten", "1,005", "12.34,5", "NaN", "∞", "<b>1</b>"])
def test_what_is_no_amount_is_refused_with_how_one_is_written(typed):
    """A guess at money is a wrong invoice."""
    with pytest.raises(ValueError, match=r"write 1\.234,50"):
        formats.read_money(typed, "de")


def test_templates_write_in_the_page_s_language_and_show_a_dash_for_nothing():
    """A filter that had to be told the language would be told the wrong one."""
    environment = jinja2.Environment(autoescape=True)
    environment.filters.update(formats.filters())
    template = environment.from_string("{{ day | day }} {{ pay | money('CHF') }} {{ none | newtons }}")
    written = template.render(language="de", day=DAY, pay=Decimal(3))
    assert written.replace("\N{NO-BREAK SPACE}", " ") == f"22.11.2026 3,00 CHF {NOTHING}"


def test_a_time_is_told_and_read_by_the_clock_that_counts():
    """What a form shows and what comes back from it must be one moment, whatever the server's zone."""
    at = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)

    def on_the_canaries():
        formats.go_by(ZoneInfo("Atlantic/Canary"))
        told = formats.moment(at, "en"), formats.clock(datetime(2026, 7, 1, 12, tzinfo=UTC), "en")
        read = formats.moment_of(datetime(2026, 11, 22, 23, 30))  # noqa: DTZ001  (a wall clock's)
        with pytest.raises(ValueError, match="2027-03-28 01:30 does not exist"):
            formats.moment_of(datetime(2027, 3, 28, 1, 30))  # noqa: DTZ001  (a wall clock's)
        return told, read, formats.midnight(date(2026, 7, 1)).astimezone(UTC).hour

    told, read, midnight = copy_context().run(on_the_canaries)
    assert told == ("22 Nov 2026, 23:30", "13:00")
    assert read == at
    assert midnight == 23
    assert formats.moment_of(datetime(2026, 11, 22, 23, 30, tzinfo=UTC)) == at
    assert not formats.goes_by_a_site()
