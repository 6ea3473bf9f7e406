"""Whole months and years between days, as a calendar counts them."""

from calendar import monthrange
from datetime import date
from typing import Final

MONTHS_A_YEAR: Final = 12


def after_months(day: date, months: int) -> date:
    """The same day so many months later; where that month lacks it, the first of the next one.

    So 29 February is a year old on 1 March, and the later, stricter day counts. Raises OverflowError.
    """
    year, month = divmod(day.year * MONTHS_A_YEAR + day.month - 1 + months, MONTHS_A_YEAR)
    if year > date.max.year:
        raise OverflowError(f"{day.isoformat()} and {months} months are beyond the calendar")
    if day.day <= monthrange(year, month + 1)[1]:
        return date(year, month + 1, day.day)
    return date(year, month + 2, 1)  # no 31st, no 29th of February: never December, which has 31 days


def is_within(day: date, months: int, on: date) -> bool:
    """Whether fewer than so many months have passed since ``day`` on ``on``; on the day itself they have."""
    return on < after_months(day, months)


def age_years(born: date, on: date) -> int:
    """Completed years of life on a day; whoever was born on 29 February has a birthday on 1 March."""
    years = on.year - born.year
    return years if after_months(born, years * MONTHS_A_YEAR) <= on else years - 1
