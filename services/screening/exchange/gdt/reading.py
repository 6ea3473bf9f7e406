"""Reads GDT leniently: whatever can be understood is, and what was wrong is said.

Real files have wrong lengths, LF line ends, no 8100, character sets they do not declare, makers' own fields.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from services.screening.exchange.errors import GdtUnreadable
from services.screening.exchange.gdt.fields import (
    BEGINS,
    CHARSETS,
    DEFAULT_CHARSET,
    ENDS,
    FIELDS,
    PATIENT_OBJECTS,
    RECORDS,
)

MOST_BYTES: Final = 1_000_000
MOST_WARNINGS: Final = 100
MOST_DIGITS: Final = 12  # of a length
MOST_DEEP: Final = 20  # objects within objects; GDT 3.5 has them four deep
LINE_EXTRA: Final = 9  # three digits of length, four of the field, CR and LF
_LINE: Final = re.compile(rb"(\d{3})(\d{4})(.*)", re.DOTALL)
_UNSIZED: Final = re.compile(rb"(8000)(6\d{3})")  # (a first line whose length got lost)
_ISO_UMLAUTS: Final = frozenset("äöüÄÖÜß".encode("iso-8859-1"))
_DOS_UMLAUTS: Final = frozenset("äöüÄÖÜß".encode("cp437"))
_PERSONAL: Final = re.compile(r"3000|31\d\d|356\d|361[89]|362[68]")
_FIRST_HIGH: Final = 0x80
_TEXTUAL_CONTROLS: Final = dict.fromkeys([*range(32), 127])


@dataclass(frozen=True, slots=True)
class Value:
    """One line: its field and what it says; ``line`` counts from 1."""

    code: str
    content: str
    line: int
    within: tuple[str, ...] = ()  # the objects around it (3.x), the outermost first

    @property
    def name(self) -> str:
        """The field's name; its number where nobody has told us one."""
        return FIELDS[self.code].name if self.code in FIELDS else f"field_{self.code}"


@dataclass(frozen=True, slots=True)
class Record:
    """One record (8000) with its fields in their order."""

    kind: str
    values: tuple[Value, ...]

    def first(self, code: str) -> str | None:
        """What the first such field says; None when there is none or it is empty."""
        return next((value.content for value in self.values if value.code == code and value.content), None)

    def of_patient(self) -> "Record":
        """Without what is said of other people (a doctor, who pays), where objects tell them apart."""
        if not any(PATIENT_OBJECTS & set(value.within) for value in self.values):
            return self
        kept = (
            value for value in self.values
            if not value.within or PATIENT_OBJECTS & set(value.within) or not _PERSONAL.match(value.code)
        )  # fmt: skip
        return Record(self.kind, tuple(kept))

    def all(self, code: str) -> list[str]:
        """What every such field says."""
        return [value.content for value in self.values if value.code == code]


@dataclass(slots=True)
class Reading:
    """What a file says, and what was wrong with it."""

    records: list[Record] = field(default_factory=list)
    charset: str = CHARSETS[DEFAULT_CHARSET]
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Say it, up to a number that a person still reads."""
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(text)
        elif len(self.warnings) == MOST_WARNINGS:
            self.warnings.append(f"and more: only the first {MOST_WARNINGS} are said")


@dataclass(slots=True)
class _Line:
    number: int
    code: str
    content: bytearray  # lines may be added to it
    declared: int
    ending: bytes

    @property
    def real(self) -> int:
        return len(self.content) + LINE_EXTRA


def read(content: bytes) -> Reading:
    """Every record of a file. Raises GdtUnreadable when there is none."""
    if len(content) > MOST_BYTES:
        raise GdtUnreadable(
            f"the file has {len(content)} bytes: a GDT file has at most {MOST_BYTES} here",
            {
                "de": f"Die Datei hat {len(content)} Bytes; gelesen werden höchstens {MOST_BYTES}.",
                "en": f"The file has {len(content)} bytes; at most {MOST_BYTES} are read.",
            },
        )
    found = Reading()
    lines = list(_lines(content.removeprefix(b"\xef\xbb\xbf"), found))
    if not any(line.code == "8000" for line in lines):
        raise GdtUnreadable(
            "this is no GDT: no line has field 8000 (record); a line is LLLFFFFcontent",
            {
                "de": "Das ist kein GDT: keine Zeile hat die Feldkennung 8000 (Satzidentifikation).",
                "en": "This is no GDT: no line has field 8000 (record).",
            },
        )
    found.charset = _charset(lines, content, found)
    for group in _groups(lines, found):
        _check_length(group, found)
        found.records.append(_record(group, found))
    return found


def _lines(content: bytes, found: Reading) -> Iterator[_Line]:
    """The lines by their ends, which are right more often than their lengths."""
    last: _Line | None = None
    for number, raw in enumerate(content.splitlines(keepends=True), start=1):
        text = raw.rstrip(b"\r\n")
        ending = raw[len(text) :]
        if not text.strip(b" \t\x00\x1a"):  # (0x1a: the end of a file, in the days of DOS)
            continue
        line = _line(number, text, ending)
        if line:
            if last:
                yield last
            if not line.declared:
                found.warn(f"line {number}: the length is missing")
            last = line
        elif last and _is_text(last.code):
            found.warn(f"line {number} does not begin with length and field: read as more of the line before")
            last.content += b" " + text
        else:
            found.warn(f"line {number} does not begin with length and field: passed over")
    if last:
        yield last


def _line(number: int, text: bytes, ending: bytes) -> _Line | None:
    """The line, if it is one."""
    if unsized := _UNSIZED.fullmatch(text):
        return _Line(number, unsized[1].decode(), bytearray(unsized[2]), 0, ending)
    if fits := _LINE.fullmatch(text):
        return _Line(number, fits[2].decode(), bytearray(fits[3]), int(fits[1]), ending)
    return None


def _is_text(code: str) -> bool:
    """Whether more of it may follow on the next line: a number has one line."""
    return code not in FIELDS or FIELDS[code].unsuited == "replace"


def _charset(lines: list[_Line], content: bytes, found: Reading) -> str:
    """The declared one, unless the bytes say clearly that it is another."""
    declared = next(
        (line.content.decode("ascii", "replace").strip() for line in lines if line.code == "9206"), ""
    )
    high = {byte for byte in content if byte >= _FIRST_HIGH}
    if not high:
        return CHARSETS.get(declared, "ascii")
    if _is_utf8(content):
        found.warn(f"9206 is {declared or 'missing'}, but the bytes are UTF-8: read as UTF-8")
        return "utf-8"
    if declared in CHARSETS and declared != "1":
        return CHARSETS[declared]
    guess = "iso-8859-1" if high & _ISO_UMLAUTS and not high & _DOS_UMLAUTS - _ISO_UMLAUTS else "cp437"
    known = f"9206 is {declared!r}" if declared else "9206 is missing"
    found.warn(f"{known}, and there are letters beyond ASCII: read as {guess}")
    return guess


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _groups(lines: list[_Line], found: Reading) -> Iterator[list[_Line]]:
    """The lines of each record: 8000 begins one."""
    group: list[_Line] = []
    for line in lines:
        if line.code == "8000" and group:
            yield group
            group = []
        if line.code != "8000" and not group:
            found.warn(f"line {line.number}: field {line.code} before any record (8000): passed over")
            continue
        group.append(line)
    if group:
        yield group


def _check_length(group: list[_Line], found: Reading) -> None:
    """8100 against the bytes of the record, as they are and as they would be with CR LF."""
    size = sum(line.real for line in group)
    as_stored = sum(line.real - 2 + len(line.ending) for line in group)
    line = next((line for line in group if line.code == "8100"), None)
    if line is None:
        found.warn(f"line {group[0].number}: the record has no 8100 (its length)")
        return
    said = line.content.decode("ascii", "replace").strip()
    if not said.isascii() or not said.isdigit() or len(said) > MOST_DIGITS:
        found.warn(f"line {line.number}: 8100 is {said[:20]!r}, no number")
    elif int(said) not in (size, as_stored):
        found.warn(f"line {line.number}: 8100 says {int(said)} bytes, the record has {size}")


def _record(group: list[_Line], found: Reading) -> Record:
    values = []
    endings = {line.ending for line in group[:-1]} | ({group[-1].ending} - {b""})
    if endings - {b"\r\n"}:
        found.warn(f"line {group[0].number}: lines do not end with CR LF")
    objects = _Objects(found)
    for line in group:
        if line.declared not in (0, line.real):
            found.warn(f"line {line.number}: the length says {line.declared}, the line has {line.real}")
        text = _text(line, found)
        values.append(Value(line.code, text, line.number, objects.around(line, text)))
        if line.code not in FIELDS:
            found.warn(f"line {line.number}: field {line.code} is not known here; it is kept as it is")
    objects.end()
    kind = values[0].content.strip()
    if kind not in RECORDS:
        found.warn(f"line {group[0].number}: record {kind[:20]!r} is not known here")
    return Record(kind, tuple(values))


@dataclass(slots=True)
class _Objects:
    """The objects that are open where reading stands; what does not fit is said and passed over."""

    found: Reading
    open: list[tuple[str, str, int]] = field(default_factory=list)  # mark, name, line

    def around(self, line: _Line, text: str) -> tuple[str, ...]:
        """The objects around this line, its own included where it begins or ends one."""
        name = text.strip()
        if line.code in BEGINS and len(self.open) == MOST_DEEP:
            self.found.warn(f"line {line.number}: an object within {MOST_DEEP} others is not told apart")
        elif line.code in BEGINS:
            self.open.append((line.code, name, line.number))
        within = tuple(one for _mark, one, _line in self.open)
        if line.code in ENDS:
            self._close(line, name)
        return within

    def _close(self, line: _Line, said: str) -> None:
        is_named = line.code == "8003"
        wanted = [
            place for place, (mark, name, _line) in enumerate(self.open)
            if (mark == "8002" and name == said if is_named else mark == "8200")
        ]  # fmt: skip
        if not wanted:
            self.found.warn(f"line {line.number}: {line.code} ends an object that did not begin")
            return
        for _mark, name, begun in self.open[wanted[-1] + 1 :]:
            self.found.warn(f"line {begun}: the object {name[:40]!r} does not end before its outer one")
        begun = self.open[wanted[-1]][2]
        del self.open[wanted[-1] :]
        size = line.number - begun + 1
        if not is_named and said.isascii() and said.isdigit() and said.lstrip("0") != str(size):
            self.found.warn(f"line {line.number}: 8201 says {said[:9]} lines, the object has {size}")

    def end(self) -> None:
        """The record is over."""
        for _mark, name, begun in self.open:
            self.found.warn(f"line {begun}: the object {name[:40]!r} does not end")


def _text(line: _Line, found: Reading) -> str:
    """The content as text: an unknown letter becomes U+FFFD, a control character goes; both are said."""
    text = line.content.decode(found.charset, "replace")
    if "\ufffd" in text:
        found.warn(f"line {line.number}: letters that {found.charset} does not have, shown as \ufffd")
    plain = text.translate(_TEXTUAL_CONTROLS)
    if plain != text:
        found.warn(f"line {line.number}: control characters taken out")
    return plain.strip() if line.code != "6228" else plain.rstrip()
