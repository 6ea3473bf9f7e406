"""What may be said of an error to somebody who must not learn of whom it speaks: a log, a probe, a span.

The words of an exception hold whatever was being worked on: a name in a refusal, an address in a database's
detail. Where it happened is in the trace back; here is what happened, by what the kinds of errors tell
without values.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError

WITHHELD: Final = "[withheld]"
MOST_FIELDS: Final = 5
MOST_CHARACTERS: Final = 300
_OUTAGES: Final = ("08", "53", "57", "58")  # SQLSTATE classes of a server in trouble, never of a row
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_OF_MACHINES: Final = (
    ConnectionError,
    TimeoutError,
    ArithmeticError,
)  # who raises them has no person at hand
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,60}")
# The second net, under every text: what has the form of an address or an account is nobody's to read. Each
# character is looked at once: a long text must not hold a process.
PERSONAL: Final = re.compile(
    r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++)++"  # an e-mail address
    r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"  # an IBAN
)


def told(error: BaseException) -> str:
    """Class and cause of an error, without any value of what it was about; one line."""
    if getattr(error, "tellable", False):  # its class says that its words are nobody's
        return plain(str(error))[:MOST_CHARACTERS]
    if isinstance(held := getattr(error, "orig", None), BaseException):
        return told(held)  # SQLAlchemy's own words have the statement, perhaps its parameters
    for fits, words in _WORDS:
        if fits(error):
            said = words(error)
            return f"{type(error).__name__}: {said}"[:MOST_CHARACTERS] if said else type(error).__name__
    return f"{type(error).__name__}: {WITHHELD}" if error.args else type(error).__name__


def plain(text: str) -> str:
    """The text without addresses and account numbers of people."""
    return PERSONAL.sub(WITHHELD, text)


def _of_system(error: Any) -> str:
    """`No space left on device`, without the file: its name may be somebody's."""
    return error.strerror or f"errno {error.errno}"


def _of_fields(error: Any) -> str:
    rows = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [f"{_place(row['loc'])} {row['type']}" for row in rows[:MOST_FIELDS]]
    return "; ".join([*fields, f"and {len(rows) - MOST_FIELDS} more"][: len(rows)])


def _place(loc: tuple[int | str, ...]) -> str:
    """Names of fields; a key that somebody made up is none."""
    return ".".join(str(part) if _NAME.fullmatch(str(part)) or isinstance(part, int) else "?" for part in loc)


def _of_database(error: Any) -> str:
    """Which rule of the database, by its names; words only where they have no values of a row."""
    if (code := getattr(error, "sqlite_errorname", None)) is not None:
        return f"{code} {_QUOTED.sub(WITHHELD, str(error))}"
    diagnosis = error.diag
    names = ("sqlstate", "table_name", "column_name", "constraint_name")
    said = [value for name in names if (value := getattr(diagnosis, name, None))]
    if not said:  # there is no server that could have read a row
        return str(error).splitlines()[0] if str(error) else ""
    words = diagnosis.message_primary if said[0].startswith(_OUTAGES) else None
    return " ".join(filter(None, [*said, words]))


def _is_drivers(error: BaseException) -> bool:
    """Of a database's driver, whichever is installed: none is loaded for this."""
    return hasattr(error, "diag") or hasattr(error, "sqlite_errorname")


def _is_of_redis(error: BaseException) -> bool:
    """Nothing that names anybody is kept there, and what it says is about a machine."""
    return type(error).__module__.startswith("redis.")


_WORDS: Final[tuple[tuple[Callable[[BaseException], bool], Callable[[Any], str]], ...]] = (
    (_is_drivers, _of_database),
    (_is_of_redis, str),
    (lambda error: isinstance(error, ValidationError), _of_fields),
    (lambda error: isinstance(error, OSError) and bool(error.errno), _of_system),
    (lambda error: isinstance(error, _OF_MACHINES), str),
)
