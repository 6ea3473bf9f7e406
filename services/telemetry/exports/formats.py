"""The table of export formats; each imports its libraries when it is asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from services.telemetry.errors import UnknownFormat
from services.telemetry.exports.models import Recorded


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a session."""

    name: str
    media_type: str
    suffix: str
    room: str  # the module that has the function of ``writer``'s name

    def write(self, recorded: Recorded) -> Iterator[bytes]:
        """The file, piece by piece. Raises NotExportable before the first piece."""
        recorded.first  # noqa: B018  (refuses what has no samples, before anything is sent)
        make: Callable[[Recorded], Iterator[bytes]] = getattr(import_module(self.room), self.name)
        parts = make(recorded)
        first = next(parts)
        return _with_first(first, parts)


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


_HERE: Final = "services.telemetry.exports"
FORMATS: Final = {
    row.name: row
    for row in (
        Format("parquet", "application/vnd.apache.parquet", "parquet", f"{_HERE}.tables"),
        Format("arrow", "application/vnd.apache.arrow.stream", "arrows", f"{_HERE}.tables"),
        Format("csv", "text/csv; charset=utf-8", "csv", f"{_HERE}.tables"),
        Format("edf", "application/edf", "edf", f"{_HERE}.edf"),
        Format("fhir", "application/fhir+json; fhirVersion=4.0", "fhir.json", f"{_HERE}.fhir"),
        Format("recording", "application/jsonl", "jsonl", f"{_HERE}.recorded"),
    )
}


def format_of(name: str) -> Format:
    """The format of this name. Raises UnknownFormat."""
    if name not in FORMATS:
        raise UnknownFormat(f"format {name[:40]!r} is none: {', '.join(FORMATS)}")
    return FORMATS[name]
