"""A letter as plain text, for the body of an e-mail: readable, and naming who declares it (§ 126b BGB)."""

import textwrap
from collections.abc import Iterator
from typing import Any, Final

from services.billing.models import Language
from services.billing.papers import letters
from services.billing.papers.letters import Letter, Template

WIDTH: Final = 76
INDENT: Final = "    "


def text(template: Template, letter: Letter, language: Language) -> str:
    """Everything that the page says but for the lines to sign on. Raises Invalid as ``letters.pdf`` does."""
    form, told = letters.read(template, letter)
    values = letters.values_of(form, told, language)
    return "\n".join(_lines(values)).rstrip() + "\n"


def _lines(values: dict[str, Any]) -> Iterator[str]:
    yield from _heading(str(values["title"]), "=")
    if values["copy"]:
        yield from _paragraph(values["copy"])
    yield from (f"{label}: {value}" for label, value in [*values["about"], *values["facts"]])
    yield ""
    for words in values["paragraphs"]:
        yield from _paragraph(words)
    for section in values["sections"]:
        yield from _section(section, values["say"])
    if values["total"]:
        yield from _heading(f"{values['total'][0]}: {values['total'][1]} €", "=")
    for words in values["closing"]:
        yield from _paragraph(words)
    yield from _sender(values["letterhead"])


def _section(section: dict[str, Any], say: dict[str, str]) -> Iterator[str]:
    if section["title"]:
        yield from _heading(section["title"], "-")
    if section["note"]:
        yield from _paragraph(section["note"])
    for row in section["rows"]:
        yield from _row(row, say)
    if section["total"]:
        yield f"{section['total'][0]}: {section['total'][1]} €"
        yield ""


def _row(row: dict[str, Any], say: dict[str, str]) -> Iterator[str]:
    number = f"{say['item']} {row['item']}: " if row["item"] else ""
    yield from textwrap.wrap(f"{number}{row['name']}", WIDTH)
    for note in row["notes"]:
        yield from textwrap.wrap(note, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    facts = [
        f"{row['count']} x" if row["count"] else "",
        f"{say['factor']} {row['factor']}" if row["factor"] else "",
        f"{row['amount']} €" if row["amount"] else "",
    ]
    yield INDENT + ", ".join(fact for fact in facts if fact)
    yield ""


def _sender(head: dict[str, Any]) -> Iterator[str]:
    yield "-- "
    yield from (line for line in (head["doctor"], head["speciality"], head["name"]) if line)
    yield from [*head["address"], *head["reach"]]


def _heading(words: str, sign: str) -> Iterator[str]:
    lines = textwrap.wrap(words, WIDTH)
    yield from lines
    yield sign * max(len(line) for line in lines)
    yield ""


def _paragraph(words: str) -> Iterator[str]:
    yield from textwrap.wrap(words, WIDTH)
    yield ""
