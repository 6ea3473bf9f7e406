"""A draft as its page shows it, and what a person makes of it there."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from unicodedata import normalize

from services.console.errors import BadSearch, OfficeRefused
from services.console.planning.problems import Problem
from services.console.refusals import said
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.language import Language

Row = dict[str, Any]
Form = Mapping[str, str]
LONGEST: Final = 500
VERDICTS: Final = ("forbidden", "justification", "note", "fine")
TONES: Final = {"forbidden": "notice", "justification": "info", "note": "plain", "fine": "good"}
ADDRESS: Final = ("street", "postal_code", "city")
BLANK: Final[Row] = {"date": "", "kind": "material", "text": "", "amount": "", "receipt": ""}
MOST_ROWS: Final = 100
TARIFFS: Final = {"self-payer": "self", "standardtarif": "standard"}  # of payers; else private

_WORDS: Final = re.compile(r"[^\s,]+")  # of a name


def lines_of(draft: Row) -> list[Row]:
    """The lines with the worst that a rule says of each."""
    worst: dict[int, str] = {}
    for finding in draft["findings"]:
        for index in finding["lines"]:
            before = worst.get(index, "fine")
            worst[index] = min(before, finding["verdict"], key=VERDICTS.index)
    return [
        {"analogue": None, "count": 1} | row["line"] | {
            "index": index, "charge": row["charge"], "origin": row["origin"], "name": row["name"],
            "points": row["points"], "amount": row["amount"], "day": date.fromisoformat(row["line"]["date"]),
            "worst": worst.get(index, "fine"),
        }
        for index, row in enumerate(draft["lines"])
    ]  # fmt: skip


def findings_of(rows: Sequence[Row], language: Language) -> list[Row]:
    """What rules say, in the reader's words; what forbids comes first."""
    return [
        {
            "verdict": row["verdict"], "label": TEXTS[f"billing_verdict_{row['verdict']}"][language],
            "tone": TONES[row["verdict"]], "text": row[f"text_{language}"], "paragraph": row["paragraph"],
            "sentence": row["sentence"], "lines": row["lines"], "numbers": row["numbers"],
            "elsewhere": row.get("elsewhere", ()),
        }
        for row in sorted(rows, key=lambda row: VERDICTS.index(row["verdict"]))
    ]  # fmt: skip


def moment_of(microseconds: int) -> datetime:
    """When something was done."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def factor_text(factor: str, language: Language) -> str:
    """A factor as the reader writes it."""
    return factor.replace(".", ",") if language == "de" else factor


def tariff_of(case: Row) -> str:
    """By which of the engine's tariffs a case's lines are judged."""
    return TARIFFS.get(case["payer"] or "", "private")


def typed_of(draft: Row, language: Language) -> dict[str, str]:
    """The form as it stands before anybody types."""
    told = draft["said"]
    recipient = told["recipient"] or {}
    address = recipient.get("address") or {}
    typed = {
        "is_patient": "" if recipient.get("is_patient") is False else "yes",
        "recipient_name": recipient.get("name") or "", "country": address.get("country") or "DE",
        "email": recipient.get("email") or "", "diagnosis": told["diagnosis"] or "",
        "remarks": "\n".join(told["remarks"]), **{name: address.get(name) or "" for name in ADDRESS},
    }  # fmt: skip
    for row in draft["lines"]:
        line, key = row["line"], row["charge"]
        typed[f"factor-{key}"] = factor_text(line["factor"], language)
        typed[f"justification-{key}"] = line.get("justification") or ""
        typed[f"duration-{key}"] = str(line.get("duration_min") or "")
    for at, outlay in enumerate(told["outlays"]):
        for name in BLANK:
            value = outlay.get(name) or ""
            typed[f"outlay-{name}-{at}"] = (
                formats.number(Decimal(value), language, 2) if name == "amount" else str(value)
            )
    return typed


def outlay_rows(typed: Form) -> list[int]:
    """Which rows of outlays the form shows: those with something in them, and one to fill in."""
    used = [
        at for at in range(MOST_ROWS) if any(typed.get(f"outlay-{name}-{at}") for name in ("text", "amount"))
    ]
    return [*used, max(used, default=-1) + 1][:MOST_ROWS]


def change_of(draft: Row, form: Form, language: Language) -> Row:
    """What billing is told of a form. Raises BadSearch, naming the field."""
    lines = [changed for row in draft["lines"] if (changed := _line(row, form)) is not None]
    return kept_of(draft) | {
        "revision": _revision(form), "recipient": _recipient(form),
        "diagnosis": form.get("diagnosis", "").strip() or None,
        "remarks": [line.strip() for line in form.get("remarks", "").splitlines() if line.strip()],
        "outlays": [_outlay(form, at, language) for at in outlay_rows(form)[:-1]],
        "lines": lines,
    }  # fmt: skip


def kept_of(draft: Row) -> Row:
    """A change that changes nothing: what a person set stays as it is."""
    return {"revision": draft["revision"], **draft["said"]}


def _revision(form: Form) -> int:
    text = form.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004  (no draft has more)


def _line(row: Row, form: Form) -> Row | None:
    """What was changed of a line; None where nothing was."""
    key, line = row["charge"], row["line"]
    if form.get(f"out-{key}"):
        return {"charge": key, "leave_out": True}
    found: Row = {}
    factor = number_of(form.get(f"factor-{key}", line["factor"]), f"factor-{key}")
    if factor != Decimal(line["factor"]):
        found["factor"] = str(factor)
    kept = line.get("justification") or ""
    reason = form.get(f"justification-{key}", kept).strip()
    if reason != kept:
        found["justification"] = reason or None
    kept = str(line.get("duration_min") or "")
    minutes = form.get(f"duration-{key}", kept).strip()
    if minutes != kept:
        found["duration_min"] = minutes_of(minutes, f"duration-{key}") if minutes else None
    return {"charge": key, **found} if found else None


def number_of(typed: str, field: str) -> Decimal:
    """A factor, with comma or point. Raises BadSearch."""
    if not typed.strip():
        raise BadSearch(said("billing_factor_missing"), field)
    try:
        found = Decimal(typed.strip().replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 < found <= 100:  # noqa: PLR2004  (of billing's lines)
        raise BadSearch(said("billing_no_factor", value=typed.strip()[:20]), field)
    return found


def minutes_of(typed: str, field: str) -> int:
    """Whole minutes of a day. Raises BadSearch."""
    if not typed.isdecimal() or not 1 <= int(typed[:9]) <= 1440:  # noqa: PLR2004  (of a day)
        raise BadSearch(said("billing_no_minutes", value=typed[:20]), field)
    return int(typed)


def _recipient(form: Form) -> Row | None:
    """Who pays in place of whom file and case name; None where nobody was named. Raises BadSearch."""
    found = recipient_of(form, "recipient_name")
    if found is not None and is_namesake(found["name"], form.get("namesake_of", "")):
        found["is_patient"] = form.get("is_patient") == "yes"
    return found


def is_namesake(payer: str, patient: str) -> bool:
    """Whether whoever pays has the patient's name, in whatever order and case it is written."""
    mine, other = (sorted(_WORDS.findall(normalize("NFC", name).lower())) for name in (payer, patient))
    return bool(mine) and mine == other


def typed_over(kept: dict[str, str], typed: dict[str, str]) -> dict[str, str]:
    """The form with what was typed; a box that was shown and left empty is not sent."""
    return kept | ({"is_patient": ""} if "namesake_of" in typed else {}) | typed


def recipient_of(form: Form, name_field: str) -> Row | None:
    """A recipient with the whole address, or nobody. Raises BadSearch for half of one."""
    name = form.get(name_field, "").strip()[:LONGEST]
    address = {part: form.get(part, "").strip()[:LONGEST] for part in ADDRESS}
    if not name and not any(address.values()):
        return None
    for field, value in ((name_field, name), *address.items()):
        if not value:
            raise BadSearch(said("billing_recipient_whole"), field)
    country = form.get("country", "").strip().upper() or "DE"
    if len(country) != 2 or not country.isascii() or not country.isalpha():  # noqa: PLR2004  (ISO 3166)
        raise BadSearch(said("billing_no_country", value=country[:20]), "country")
    return {
        "name": name, "address": {**address, "country": country},
        "email": form.get("email", "").strip()[:LONGEST] or None,
    }  # fmt: skip


def _outlay(form: Form, at: int, language: Language) -> Row:
    row = {name: form.get(f"outlay-{name}-{at}", "").strip()[:LONGEST] for name in BLANK}
    try:
        amount = formats.read_money(row["amount"], language)
    except (ValueError, ArithmeticError):
        raise BadSearch(said("billing_no_amount", value=row["amount"][:20]), f"outlay-amount-{at}") from None
    day = day_of(row["date"], f"outlay-date-{at}")
    return {**row, "date": day, "amount": str(amount), "receipt": row["receipt"] or None}


def day_of(typed: str, field: str) -> str:
    """A day as a form sends it. Raises BadSearch."""
    try:
        return date.fromisoformat(typed.strip()).isoformat()
    except ValueError:
        raise BadSearch(said("bad_day", value=typed.strip()[:40]), field) from None


def problem_of(error: BadSearch | OfficeRefused, language: Language) -> Problem:
    """From what was raised, at its field: billing names the place in what was sent."""
    if isinstance(error, BadSearch):
        return Problem(error.status, error.words[language], error.field)
    body: Mapping[str, Any] = error.body
    rows = body.get("errors") or ()
    field = str(rows[0].get("field", "")).split(".")[-1] if rows else str(body.get("field") or "")
    words = error.words[language]
    if rows:
        words = f"{words} ({field}: {rows[0].get('problem')})"
    return Problem(error.status, words, field)
