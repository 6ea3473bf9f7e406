"""What pydantic finds wrong with a question, in German; in English it says so itself."""

from collections.abc import Mapping
from typing import Any, Final

_WORDS: Final[Mapping[str, str]] = {  # {…} is filled in from what was found
    "missing": "fehlt",
    "extra_forbidden": "gibt es hier nicht",
    "greater_than": "muss größer als {gt} sein",
    "greater_than_equal": "muss mindestens {ge} sein",
    "less_than": "muss kleiner als {lt} sein",
    "less_than_equal": "muss höchstens {le} sein",
    "finite_number": "ist keine Zahl",
    "int_parsing": "ist keine ganze Zahl",
    "int_type": "ist keine ganze Zahl",
    "int_from_float": "ist keine ganze Zahl",
    "float_parsing": "ist keine Zahl",
    "float_type": "ist keine Zahl",
    "bool_parsing": "ist weder ja noch nein",
    "string_type": "ist kein Text",
    "string_too_short": "ist zu kurz: mindestens {min_length} Zeichen",
    "string_too_long": "ist zu lang: höchstens {max_length} Zeichen",
    "string_pattern_mismatch": "hat nicht die übliche Form",
    "too_short": "hat zu wenige Einträge: mindestens {min_length}",
    "too_long": "hat zu viele Einträge: höchstens {max_length}",
    "literal_error": "muss eins sein von: {expected}",
    "enum": "muss eins sein von: {expected}",
    "uuid_parsing": "ist keine Kennung (UUID)",
    "date_parsing": "ist kein Tag im Kalender (JJJJ-MM-TT)",
    "date_from_datetime_parsing": "ist kein Tag im Kalender (JJJJ-MM-TT)",
    "date_type": "ist kein Tag im Kalender (JJJJ-MM-TT)",
    "datetime_parsing": "ist kein Zeitpunkt",
    "datetime_from_date_parsing": "ist kein Zeitpunkt",
    "datetime_type": "ist kein Zeitpunkt",
    "timezone_aware": "ist ein Zeitpunkt ohne Zeitzone",
    "time_parsing": "ist keine Uhrzeit",
    "json_invalid": "ist kein JSON",
}
_OTHERWISE: Final = "ist so nicht gültig"


def wrong_in_german(row: Mapping[str, Any]) -> str:
    """One finding, with the field's name and never its value: it may be a password."""
    place = row["loc"][1:] if len(row["loc"]) > 1 else row["loc"]  # (the first says body, path or query)
    limits = {name: _limit(it) for name, it in (row.get("ctx") or {}).items()}
    return f"{'.'.join(map(str, place))} {_WORDS.get(row['type'], _OTHERWISE).format_map(limits)}"


def _limit(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("' or '", "' oder '")
