"""Writes GDT strictly: every length right, CR LF, 8100, a declared character set, nothing lost in silence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import normalize

from services.screening.exchange.errors import GdtUnwritable
from services.screening.exchange.gdt.fields import CHARSETS, FIELDS, RECORDS, VERSIONS, Version
from services.screening.exchange.gdt.reading import LINE_EXTRA

REPLACEMENT: Final = "?"
MOST_LINE: Final = 999  # three digits
TEXT_CHARACTERS: Final = 60  # of a line of a finding
_FIRST_PRINTABLE: Final = 32

Line = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """How to write: which version and character set, who writes to whom."""

    version: Version = "2.1"
    charset: str = "3"
    receiver: str = "PRAX_EDV"
    sender: str = "SPONDYL"


@dataclass(frozen=True, slots=True)
class Written:
    """The bytes, and what had to be replaced in them."""

    content: bytes
    warnings: tuple[str, ...]


def write(kind: str, lines: Sequence[Line], form: Form) -> Written:
    """One record. Raises GdtUnwritable; what the character set lacks in a text becomes ``?``, and is said."""
    if kind not in RECORDS:
        raise _refusal(f"record {kind!r} is none of GDT's", f"Die Satzart {kind!r} gibt es in GDT nicht.")
    if form.charset not in CHARSETS:
        known = ", ".join(CHARSETS)
        raise _refusal(
            f"character set {form.charset!r} is none of {known} (field 9206)",
            f"Der Zeichensatz {form.charset!r} ist keiner von {known} (Feld 9206).",
        )
    number, digits = VERSIONS[form.version]
    head = [("8315", form.receiver), ("8316", form.sender), ("9206", form.charset), ("9218", number)]
    warnings: list[str] = []
    body = b"".join(_line(code, content, form.charset, warnings) for code, content in [*head, *lines])
    first = _line("8000", kind, form.charset, warnings)
    total = len(first) + LINE_EXTRA + digits + len(body)
    if total >= 10**digits:
        raise _refusal(
            f"the record has {total} bytes: 8100 of GDT {form.version} has {digits} digits",
            f"Der Satz hat {total} Bytes; 8100 hat in GDT {form.version} {digits} Stellen.",
        )
    length = _line("8100", f"{total:0{digits}d}", form.charset, warnings)
    return Written(first + length + body, tuple(warnings))


def in_lines(text: str, most: int = TEXT_CHARACTERS) -> list[str]:
    """A text in pieces that fit a line, cut between words where that is possible."""
    found = []
    for paragraph in text.splitlines() or [""]:
        rest = paragraph.strip()
        while len(rest) > most:
            cut = rest.rfind(" ", 1, most + 1)
            cut = cut if cut > 0 else most
            found.append(rest[:cut].rstrip())
            rest = rest[cut:].lstrip()
        found.append(rest)
    return found


def text_lines(code: str, texts: Iterable[str]) -> list[Line]:
    """Texts as lines of one field, each as many as it needs."""
    return [(code, piece) for text in texts for piece in in_lines(text)]


def _line(code: str, content: str, charset: str, warnings: list[str]) -> bytes:
    known = FIELDS.get(code)
    if known is None:
        raise _refusal(f"field {code!r} is not known here", f"Das Feld {code!r} ist hier unbekannt.")
    text = normalize("NFC", content)
    if any(ord(letter) < _FIRST_PRINTABLE or ord(letter) == 127 for letter in text):  # noqa: PLR2004  (DEL)
        raise _refusal(
            f"field {code} ({known.name}) has a control character: a line of GDT has none",
            f"Feld {code} ({known.said['de']}) enthält ein Steuerzeichen; eine GDT-Zeile hat keine.",
        )
    if len(text) > known.most:
        if known.unsuited == "refuse":
            raise _refusal(
                f"field {code} ({known.name}) is {text[:40]!r}, {len(text)} characters: at most {known.most}",
                f"Feld {code} ({known.said['de']}) hat {len(text)} Zeichen, höchstens {known.most} passen.",
            )
        warnings.append(f"field {code} ({known.name}) has {len(text)} characters: cut to {known.most}")
        text = text[: known.most]
    encoded = _encoded(code, text, charset, warnings)
    length = len(encoded) + LINE_EXTRA
    if length > MOST_LINE:
        raise _refusal(
            f"field {code} ({known.name}) makes a line of {length} bytes: at most {MOST_LINE}",
            f"Feld {code} ergibt eine Zeile von {length} Bytes; höchstens {MOST_LINE} sind möglich.",
        )
    return f"{length:03d}{code}".encode() + encoded + b"\r\n"


def _encoded(code: str, text: str, charset: str, warnings: list[str]) -> bytes:
    """In the declared character set; what it lacks is refused in a number, and a visible ``?`` in a text."""
    name = CHARSETS[charset]
    lacking = sorted({letter for letter in text if not _has(name, letter)})
    if not lacking:
        return text.encode(name)
    known, shown = FIELDS[code], " ".join(lacking)[:40]
    if known.unsuited == "refuse":
        raise _refusal(
            f"field {code} ({known.name}) has {shown}: character set {charset} ({name}) does not have it",
            f"Feld {code} ({known.said['de']}) hat {shown}; Zeichensatz {charset} ({name}) kennt es nicht.",
        )
    warnings.append(
        f"field {code} ({known.name}) has {shown}: character set {charset} ({name}) does not have it, "
        f"written as {REPLACEMENT}"
    )
    return "".join(REPLACEMENT if letter in lacking else letter for letter in text).encode(name)


def _has(charset: str, letter: str) -> bool:
    try:
        letter.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _refusal(english: str, german: str) -> GdtUnwritable:
    return GdtUnwritable(english, {"de": german, "en": english})
