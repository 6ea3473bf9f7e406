"""Dates, times, numbers and money as a German or an English reader writes them; filters of every template.

A moment is shown, and read, by the clock of the site that a page is about (``go_by``); on a page of no site
by this machine's. What is not there (None) is a dash.
"""

import math
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import jinja2
from babel import dates, numbers

from services.kit.language import Language

LOCALES: Final[dict[Language, str]] = {"de": "de_DE", "en": "en_GB"}
NOTHING: Final = "\N{EN DASH}"
MINUS: Final = "\N{MINUS SIGN}"
UNBROKEN: Final = "\N{NO-BREAK SPACE}"
_HOURS_AT_MOST: Final = 48  # then days
_CLOCK: Final[dict[Language, str]] = {"de": "HH:mm' Uhr'", "en": "HH:mm"}
_CLOCK_SECONDS: Final[dict[Language, str]] = {"de": "HH:mm:ss' Uhr'", "en": "HH:mm:ss"}
_DAY: Final[dict[Language, str]] = {"de": "dd.MM.yyyy", "en": "d MMM yyyy"}
_SHORT_DAY: Final[dict[Language, str]] = {"de": "EEE dd.MM.", "en": "EEE d MMM"}
_WEEKDAY: Final[dict[Language, str]] = {"de": "EEEE, d. MMMM yyyy", "en": "EEEE d MMMM yyyy"}


_ZONE: Final[ContextVar[tzinfo | None]] = ContextVar("zone", default=None)  # None: this machine's


def go_by(zone: tzinfo | None) -> None:
    """From here on, in this task alone, times are told by the clock of this zone; None: by this machine's."""
    _ZONE.set(zone)


def goes_by_a_site() -> bool:
    """Whether a site's clock counts, and not this machine's."""
    return _ZONE.get() is not None


def zone_name() -> str:
    """The name of the zone that counts (``Europe/Berlin``); empty where this machine's does."""
    return str(_ZONE.get() or "")


def local(value: datetime, zone: tzinfo | None = None) -> datetime:
    """A moment by that clock, or by that of ``zone``; one without a zone is such a clock's already."""
    return value.astimezone(zone or _ZONE.get()) if value.tzinfo else value


def now() -> datetime:
    """Now, by that clock."""
    return local(datetime.now(UTC))


def midnight(day_: date) -> datetime:
    """When a day begins on that clock."""
    begin, zone = datetime.combine(day_, time()), _ZONE.get()
    return begin.replace(tzinfo=zone) if zone else begin.astimezone()


def moment_of(wall: datetime) -> datetime:
    """The moment that a time on that clock is, in UTC: the first of two where clocks are put back.

    One that names its own zone is that moment. Raises ValueError for a time that the clocks leave out,
    OverflowError beyond the calendar.
    """
    if wall.tzinfo:
        return wall.astimezone(UTC)
    zone = _ZONE.get()
    found = (wall.replace(tzinfo=zone) if zone else wall).astimezone(UTC)
    if local(found).replace(tzinfo=None) != wall:
        raise ValueError(f"{wall:%Y-%m-%d %H:%M} does not exist: clocks are put forward then")
    return found


def day(value: date | datetime, language: Language) -> str:
    """``22.11.2026``, ``22 Nov 2026``."""
    return dates.format_date(_local_day(value), _DAY[language], LOCALES[language])


def long_day(value: date | datetime, language: Language) -> str:
    """``Sonntag, 22. November 2026``, ``Sunday 22 November 2026``."""
    return dates.format_date(_local_day(value), _WEEKDAY[language], LOCALES[language])


def weekday(value: date | datetime, language: Language) -> str:
    """``So. 22.11.``, ``Sun 22 Nov``: where the year is clear."""
    return dates.format_date(_local_day(value), _SHORT_DAY[language], LOCALES[language])


def clock(value: datetime | time, language: Language) -> str:
    """``14:05 Uhr``, ``14:05``."""
    return _clock(value, _CLOCK[language], language)


def clock_seconds(value: datetime | time, language: Language) -> str:
    """``14:05:09 Uhr``, ``14:05:09``."""
    return _clock(value, _CLOCK_SECONDS[language], language)


def moment(value: datetime, language: Language) -> str:
    """``22.11.2026, 14:05 Uhr``, ``22 Nov 2026, 14:05``."""
    return f"{day(value, language)}, {clock(value, language)}"


def moment_seconds(value: datetime, language: Language) -> str:
    """``22.11.2026, 14:05:09 Uhr``: where the order of two rows counts."""
    return f"{day(value, language)}, {clock_seconds(value, language)}"


def duration(seconds: float | timedelta, language: Language) -> str:
    """``45 s``, ``28 min 30 s``, ``1 h 05 min``, ``3 Tage``; whole seconds."""
    total = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    minutes, rest = divmod(abs(total), 60)
    hours, over = divmod(minutes, 60)
    if hours >= _HOURS_AT_MOST:
        days = timedelta(days=hours // 24)
        words = dates.format_timedelta(days, granularity="day", threshold=math.inf, locale=LOCALES[language])
    elif hours:
        words = f"{hours} h" + (f" {over:02} min" if over else "")
    elif minutes:
        words = f"{minutes} min" + (f" {rest} s" if rest else "")
    else:
        words = f"{rest} s"
    return (MINUS if total < 0 else "") + words.replace(" ", UNBROKEN)


def number(value: float | Decimal, language: Language, digits: int = 0) -> str:
    """``1.234,5``, ``1,234.5`` with so many digits after the point."""
    pattern = "#,##0" + (f".{'0' * digits}" if digits else "")
    rounded = Decimal(str(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return numbers.format_decimal(rounded + 0, pattern, LOCALES[language])


def newtons(value: float, language: Language) -> str:
    """``281 N``; whole newtons, a load cell's noise around zero is zero."""
    return f"{number(value, language)}{UNBROKEN}N"


def percent(share: float, language: Language) -> str:
    """0.42 as ``42 %``, ``42%``."""
    return numbers.format_percent(share, locale=LOCALES[language])


def money(amount: Decimal | int | str, language: Language, currency: str = "EUR") -> str:
    """``1.234,50 €``, ``€1,234.50``. Never from a float: cents get lost in it."""
    if isinstance(amount, float):
        raise TypeError(f"money is {amount!r}, a float: give a Decimal or a text")
    return numbers.format_currency(Decimal(amount), currency, locale=LOCALES[language])


def read_money(typed: str, language: Language) -> Decimal:
    """What a reader typed as an amount: ``1.234,50``, ``1,234.50``, ``1234``, with or without a sign.

    Raises ValueError, naming what was typed and how it is written.
    """
    text = "".join(typed.split()).strip("€")
    try:
        amount = numbers.parse_decimal(text, locale=LOCALES[language], strict=True)
    except numbers.NumberFormatError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount != amount.quantize(Decimal("0.01")):
        raise ValueError(f"{typed[:20]!r} is no amount: write {number(Decimal('1234.5'), language, 2)}")
    return amount


FILTERS: Final[dict[str, Callable[..., str]]] = {
    "day": day,
    "long_day": long_day,
    "weekday": weekday,
    "clock": clock,
    "clock_seconds": clock_seconds,
    "moment": moment,
    "moment_seconds": moment_seconds,
    "duration": duration,
    "number": number,
    "newtons": newtons,
    "percent": percent,
    "money": money,
}


def filters() -> dict[str, Callable[..., str]]:
    """The same as Jinja filters: they take the language from the page, and None becomes a dash."""
    return {name: _filter(function) for name, function in FILTERS.items()}


def _filter(function: Callable[..., str]) -> Callable[..., str]:
    @jinja2.pass_context
    def apply(context: jinja2.runtime.Context, value: Any, *more: Any, **named: Any) -> str:
        return NOTHING if value is None else function(value, context["language"], *more, **named)

    return apply


def _local_day(value: date | datetime) -> date:
    return local(value).date() if isinstance(value, datetime) else value


def _clock(value: datetime | time, pattern: str, language: Language) -> str:
    shown = local(value).time() if isinstance(value, datetime) else value
    return dates.format_time(shown, pattern, locale=LOCALES[language])
