"""Invoices that `spondyl invoice check` can read: a row a format. The first that knows its own reads it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from services.billing.errors import Invalid, said
from services.billing.exchange.fhir import findings as fhir_findings
from services.billing.exchange.fhir import reading as fhir_reading
from services.billing.goae import sheet as sheets
from services.billing.goae.findings import Finding, sorted_findings
from services.billing.goae.sheet import Checked, Sheet
from services.kit.language import Text

MOST_BYTES: Final = 20_000_000
_SHOWN: Final = 60


def _nothing(_: Mapping[str, Any]) -> list[Finding]:
    return []


@dataclass(frozen=True, slots=True)
class Reader:
    """One format: ``knows`` looks at the file's JSON, ``read`` turns it into a sheet or raises Invalid.

    ``also`` says what does not match of that which a sheet has no place for.
    """

    knows: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any]], Sheet]
    also: Callable[[Mapping[str, Any]], list[Finding]] = _nothing


def check(text: str) -> Checked:
    """Everything that is to be said of the invoice in a file's text. Raises Invalid, naming the field."""
    told = _object(text)
    reader = _reader(told)
    checked = sheets.check(reader.read(told))
    found = sorted_findings([*checked.findings, *reader.also(told)])
    return replace(checked, findings=tuple(found))


def sheet(told: Mapping[str, Any]) -> Sheet:
    """Our own format, docs/billing.md. Raises Invalid."""
    if "resourceType" in told:
        kind = str(told["resourceType"])[:_SHOWN]
        raise said(
            Invalid,
            {
                "de": f"Die Datei ist FHIR, {kind}: gebraucht wird Invoice oder Bundle mit einer Invoice.",
                "en": f"the file is a FHIR {kind}: an Invoice or a Bundle with one is needed",
            },
            field="resourceType",
        )
    try:
        return Sheet.model_validate(told)
    except ValidationError as error:
        raise _wrong(error) from None


READERS: Final[tuple[Reader, ...]] = (
    Reader(fhir_reading.knows, fhir_reading.sheet, fhir_findings.of),
    Reader(lambda _: True, sheet),
)


def _reader(told: Mapping[str, Any]) -> Reader:
    return next(reader for reader in READERS if reader.knows(told))


def _object(text: str) -> Mapping[str, Any]:
    try:
        told = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        shown = str(error)[:100]
        raise said(
            Invalid,
            {"de": f"Die Datei ist kein JSON: {shown}.", "en": f"the file is no JSON: {shown}"},
        ) from None
    if not isinstance(told, dict):
        kind = type(told).__name__
        raise said(
            Invalid,
            {
                "de": f"Die Datei ist {kind}: ein Objekt wird gebraucht.",
                "en": f"the file is {kind}: an object is needed",
            },
        )
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names stand once: of two amounts nobody knows which is meant."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:_SHOWN]!r} stands twice in an object")
        found[name] = value
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _wrong(error: ValidationError) -> Invalid:
    """The first thing that is wrong, with the field's whole name."""
    row = error.errors(include_url=False)[0]
    field = ".".join(map(str, row["loc"])) or "the invoice"
    what = "missing" if row["type"] == "missing" else repr(row["input"])[:_SHOWN] if row["loc"] else ""
    message = str(row["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    more = len(error.errors()) - 1
    english = f"{field}{f' is {what}' if what else ''}: {message}"
    words: Text = {
        "de": f"{field}{f' ist {what}' if what else ''}: {message}" + (f" (+{more} weitere)" if more else ""),
        "en": english + (f" (+{more} more)" if more else ""),
    }
    return said(Invalid, words, field=field)
