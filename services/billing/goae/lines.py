"""One line of an invoice or an estimate: a service of a day, under a number, at a factor."""

import datetime as dt
import re
import unicodedata
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LONGEST_TEXT: Final = 500
LARGEST_FACTOR: Final = Decimal(100)  # a fee agreement names a factor; beyond this it is a slip of the hand
LARGEST_AMOUNT: Final = Decimal(10_000_000)
LARGEST_COUNT: Final = 999
_NO_NUMBER: Final = 1_000_000  # no fee schedule counts so far
_LAYOUT: Final = frozenset("\n\t")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TYPED: Final = re.compile(r"-?[0-9]{1,12}([.,][0-9]{1,9})?")
_WORD: Final = re.compile(r"[^\W\d_]{3}")
_MARKS: Final = re.compile(r"\b(entsprechend|analog|gem(äß)?|GOÄ|Nr|Nummer|Ziffer)\b", re.IGNORECASE)
_CLOCK: Final = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def _printable(text: str) -> str:
    """Text that can stand on paper: no control characters, nothing but blanks."""
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in _LAYOUT for sign in text):
        raise ValueError("has a control character, which no paper can show")
    if not text.strip():
        raise ValueError("is empty")
    return text.strip()


def _as_day(value: Any) -> Any:
    """A day as text like 2026-11-22: a number would be taken for seconds since 1970."""
    if type(value) is dt.date or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("is no day like 2026-11-22")


def _as_time(value: Any) -> Any:
    """A time as the clock on the wall shows it, like 09:30."""
    if (isinstance(value, dt.time) and value.tzinfo is None) or value is None:
        return value
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise ValueError("is no time like 09:30")


def _as_number(value: Any) -> Any:
    """A number of the fee schedule that JSON has without quotes."""
    return str(value) if type(value) is int and 0 < value < _NO_NUMBER else value


def _exact(value: Any) -> Any:
    """A number as it was typed: JSON's 2.3 is a binary fraction, its text is not."""
    if isinstance(value, bool):
        raise ValueError("is no number")  # noqa: TRY004  (pydantic turns only ValueError into a refusal)
    if isinstance(value, str):
        if not _TYPED.fullmatch(value.strip()):
            raise ValueError("is no number like 2.3 or 2,3")
        return value.strip().replace(",", ".")
    return str(value) if isinstance(value, (int, float)) else value


Day = Annotated[dt.date, BeforeValidator(_as_day)]
Clock = Annotated[dt.time | None, BeforeValidator(_as_time)]
Words = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_printable)]
Number = Annotated[
    str, BeforeValidator(_as_number), Field(min_length=1, max_length=12), AfterValidator(_printable)
]
Factor = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(gt=0, le=LARGEST_FACTOR, max_digits=7, decimal_places=4, allow_inf_nan=False),
]
Amount = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, le=LARGEST_AMOUNT, decimal_places=2, allow_inf_nan=False),
]


class Line(BaseModel):
    """A service as it is charged. ``number`` is that of the fee schedule.

    With ``analogue`` it is a service that the fee schedule does not have (§ 6 Abs. 2 GOÄ), described in these
    words for whoever pays; ``number`` is then the equivalent one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    date: Day
    time: Clock = None  # when it began: tells two contacts of one day apart
    number: Number
    analogue: Words | None = None
    factor: Factor
    count: Annotated[int, Field(strict=True, ge=1, le=LARGEST_COUNT)] = 1
    justification: Words | None = None  # § 12 Abs. 3 GOÄ, or why a service was repeated
    duration_min: Annotated[int, Field(strict=True, ge=1, le=1440)] | None = None
    on_demand: bool = False  # beyond what is medically necessary, § 1 Abs. 2 Satz 2 GOÄ
    taxable: bool = False  # on demand without a therapeutic aim: not freed by § 4 Nr. 14 a UStG
    agreed: bool = False  # under a fee agreement made in writing before, § 2 GOÄ
    body_part: Words | None = None
    illness: Words | None = None  # which treatment case it belongs to; the same words are the same illness
    amount: Amount | None = None  # what a paper prints for this line; None: nobody has worked it out yet

    @property
    def is_reasoned(self) -> bool:
        """Whether there is a reason that somebody can read (§ 12 Abs. 3 GOÄ): a dash is none."""
        return bool(_WORD.search(self.justification or ""))

    @property
    def is_described(self) -> bool:
        """Whether an analogue service is described beyond the word that marks it (§ 12 Abs. 4 GOÄ)."""
        return bool(_WORD.search(_MARKS.sub(" ", self.analogue or "")))
