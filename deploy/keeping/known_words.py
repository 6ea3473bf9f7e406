"""Which words of a log, a refusal or a finding are ours: those that stand so in this program's source.

What stands between them was put in when it ran and may be anybody's name: it is left out, but for small
numbers. A text that no line of the source could have made is left out whole.
"""

import ast
import functools
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from deploy.databases import SERVICES

PACKAGES: Final = ("broker", "services", "deploy")
NOT_OURS: Final = frozenset({"demo_people.py", "benches", "migrations"})  # the first has made-up people in it
SAYS: Final = re.compile(r"\braise \w|\blog\.[a-z]|\bCheck\(|\breturn f\"")  # to somebody who runs us
GAP: Final = "…"
LEAST_LETTERS: Final = 12  # of a text with gaps: else it is hardly a text
PREFIX: Final = 8
DEEPEST: Final = 3  # a refusal within a refusal
MOST_CHARACTERS: Final = 2000
_NUMBER: Final = re.compile(r"-?\d{1,4}(\.\d{1,3})?( (s|ms|MB|kB|bytes|rows|messages|%))?")
Templates = dict[str, list[re.Pattern[str]]]


@functools.lru_cache(maxsize=5000)
def ours(text: str, depth: int = 0) -> str:
    """The text with everything left out that our source does not say."""
    if len(text) > MOST_CHARACTERS or "\n" in text:
        return _left_out(text)
    if _NUMBER.fullmatch(text) or text in SERVICES:
        return text
    constants, templates = _source()
    if text in constants:
        return text
    patterns = (*templates.get(text[:PREFIX], ()), *templates.get("", ()))
    fitting = [found for pattern in patterns if (found := pattern.fullmatch(text))]
    if fitting:  # the one that says most of it
        return _filled(min(fitting, key=lambda found: sum(map(len, found.groups()))), depth)
    return _left_out(text)


def _filled(found: re.Match[str], depth: int) -> str:
    """The text again, with what is ours of each gap."""
    told, at = [], 0
    for number, gap in enumerate(found.groups(), 1):
        said = ours(gap, depth + 1) if depth < DEEPEST else GAP
        told += [found.string[at : found.start(number)], GAP if said.startswith(GAP) else said]
        at = found.end(number)
    return "".join([*told, found.string[at:]])


def _left_out(text: str) -> str:
    return f"{GAP} ({len(text)} characters left out)" if text else ""


@functools.cache
def _source() -> tuple[frozenset[str], Templates]:
    """Every text of the source that has at least two words, and every text with gaps."""
    constants: set[str] = set()
    templates: Templates = {}
    for path in _modules():
        text = path.read_text(encoding="utf-8")
        if not SAYS.search(text):
            continue
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                constants.update(_said(node))
            if isinstance(node, ast.JoinedStr) and (pattern := _template(node)) is not None:
                templates.setdefault(pattern[0], []).append(pattern[1])
    return frozenset(constants), templates


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        root = Path(str(files(package)))
        yield from (path for path in root.rglob("*.py") if not NOT_OURS & {path.name, *path.parts})


def _said(call: ast.Call) -> Iterator[str]:
    """What is said by a call: to a log one word is enough."""
    logs = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    is_log = logs and call.func.value.id in {"log", "logger"}  # type: ignore[attr-defined]
    for given in (*call.args, *(keyword.value for keyword in call.keywords)):
        value = given.value if isinstance(given, ast.Constant) else None
        if isinstance(value, str) and (is_log or " " in value.strip()):
            yield value


def _template(node: ast.JoinedStr) -> tuple[str, re.Pattern[str]] | None:
    """A text with gaps: what it begins with, and what it looks like."""
    parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
    literal = "".join(str(part) for part in parts if part is not None)
    if sum(letter.isalpha() for letter in literal) < LEAST_LETTERS:
        return None
    pattern = re.compile("".join("(.*?)" if part is None else re.escape(str(part)) for part in parts))
    head = str(parts[0])[:PREFIX] if parts[0] is not None and len(str(parts[0])) >= PREFIX else ""
    return head, pattern
