"""Finds what a person would read in templates and scripts, and which texts of the catalogues they name."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Self

import jinja2
from jinja2 import nodes

SPOKEN_ATTRIBUTES = (
    "aria-label",
    "aria-description",
    "aria-roledescription",
    "title",
    "placeholder",
    "alt",
    "label",
)
SYMBOLS = {"N", "Spondyl", "s", "min", "h", "kg", "Brandt"}  # the same in both languages
FLAGS = {"yes"}  # what one macro tells another
TAGS = {
    "input",
    "select",
    "textarea",
    "dialog",
    "form",
    "button",
    "table",
    "tr",
    "td",
    "li",
    "a",
    "p",
    "h1",
    "use",
    "canvas",
}
SERVICES = Path(__file__).parents[1] / "services"
CLASSES = {
    name
    for path in SERVICES.rglob("static/*.css")
    for name in re.findall(r"\.([a-z][a-z0-9-]*)", path.read_text(encoding="utf-8"))
}
SILENT_TAGS = ("script", "style", "code", "pre")
_WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}")
_TEMPLATE_CODE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_MARKUP = re.compile(r"[={}<>]|^/")  # the rest of a tag that a macro writes in pieces
_PIECE = re.compile(r"[a-z0-9_.]*[_.][a-z0-9_.]*|[a-z]{3,}")  # of an id
# A string of a script is a person's when it has two words with a space, or is one capitalised word.
_SENTENCE = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}[,.:;!?…]? +[A-Za-zÄÖÜäöüß]{2,}")
_CAPITAL = re.compile(r"[A-ZÄÖÜ][a-zäöüß]{2,}[.!?…:]?")
_CODE = re.compile(r"[#\[\]{}<>=/_()$*]|^\.|--|\b\d*(px|ms|rem|em|fr)\b")
KEYS = {
    "Escape",
    "Enter",
    "Tab",
    "Home",
    "End",
    "Delete",
    "Backspace",
    "Space",
    "Bearer",
    "Infinity",
    "Inter",
}
_LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?P<quoted>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<template>`(?:\\.|[^`\\])*`)""",
    re.DOTALL,
)
_REGEX = re.compile(r"(?<=[(,=:!&|?])\s*/(?![/*])(?:\\.|\[[^\]\n]*\]|[^/\\\n])+/[gimsuy]*")


class _Reader(HTMLParser):
    """Text and spoken attributes outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = 0
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in SILENT_TAGS
        self.found += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in SILENT_TAGS

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.found.append(data)


def in_template(source: str) -> list[str]:
    """Human text that stands in a template itself: between tags, in a spoken attribute, in an expression."""
    reader = _Reader()
    reader.feed(_TEMPLATE_CODE.sub("", source))
    html = [" ".join(text.split()) for text in reader.found if set(_WORD.findall(text)) - SYMBOLS - FLAGS]
    html = [text for text in html if not _MARKUP.search(text)]
    tree = jinja2.Environment(autoescape=True).parse(source)
    constants = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return html + [text for text in constants if is_human(text)]


def in_script(source: str) -> list[str]:
    """Human text in the string literals of a module; what goes to the console of a developer is none."""
    return [text for text in literals(source) if is_human(text)]


def literals(source: str) -> Iterator[str]:
    """The strings of a module and the fixed parts of its template strings."""
    source = re.sub(r"\b(?:console\.\w+|new \w*Error)\([^;]*\);", ";", _REGEX.sub("0", source))
    for found in _LITERAL.finditer(source):
        if found["quoted"]:
            yield found["quoted"][1:-1]
        elif found["template"]:
            yield from re.split(r"\$\{[^}]*\}", found["template"][1:-1])


def is_human(text: str) -> bool:
    """Whether a string reads like words for a person, not like code."""
    text = text.strip()
    if _CODE.search(text) or text in KEYS | SYMBOLS or _is_markup(text):
        return False
    return bool(_SENTENCE.search(text) or _CAPITAL.fullmatch(text))


def _is_markup(text: str) -> bool:
    """A list of classes, or a selector of tags."""
    words = [word.strip(",.:") for word in text.split()]
    return all(word in CLASSES | TAGS or re.fullmatch(r"-?[a-z]+-[a-z-]*", word) for word in words)


@dataclass(slots=True)
class Named:
    """Ids of texts that a source names: for certain, perhaps (any string), and by pattern."""

    certain: set[str] = field(default_factory=set)
    perhaps: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)

    def __ior__(self, other: "Named") -> Self:
        self.certain |= other.certain
        self.perhaps |= other.perhaps
        self.patterns |= other.patterns
        return self

    def covers(self, name: str) -> bool:
        """Whether this text is named somewhere: whole, by a pattern, or as a prefix and the rest of it."""
        cuts = (at + 1 for at, letter in enumerate(name) if letter == "_")
        return self._has(name) or any(name[:cut] in self.perhaps and self._has(name[cut:]) for cut in cuts)

    def _has(self, name: str) -> bool:
        return name in self.certain | self.perhaps or any(re.fullmatch(each, name) for each in self.patterns)


def named_in_template(source: str) -> Named:
    """`t.name`, `t["name"]`, `t["prefix_" ~ value]`, and strings that may become ids."""
    found, tree = Named(), jinja2.Environment(autoescape=True).parse(source)
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if not (isinstance(node.node, nodes.Name) and node.node.name == "t"):
            continue
        if isinstance(node, nodes.Getattr):
            found.certain.add(node.attr)
        elif isinstance(node.arg, nodes.Const):
            found.certain.add(str(node.arg.value))
        elif isinstance(node.arg, nodes.Concat):
            found.patterns.add("".join(_part(each) for each in node.arg.nodes))
    found.perhaps = {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    return found


def _part(node: nodes.Node) -> str:
    return re.escape(str(node.value)) if isinstance(node, nodes.Const) else ".+"


def named_in_script(source: str) -> Named:
    """`texts.name`, and texts[`prefix_${value}`]."""
    found = Named(certain=set(re.findall(r"\btexts\.(\w+)", source)))
    for inside in re.findall(r"\btexts\[`([^`]*)`\]", source):
        found.patterns.add(".+".join(re.escape(part) for part in re.split(r"\$\{[^}]*\}", inside)))
    found.perhaps = set(literals(source))
    return found


def named_in_python(source: str) -> Named:
    """`TEXTS["name"]`, f"prefix_{value}", and strings that may become ids."""
    found, tree = Named(), ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.perhaps.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            fixed = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
            if any(fixed) and all(part is None or _PIECE.fullmatch(part) for part in fixed):
                found.patterns.add("".join(".+" if part is None else re.escape(part) for part in fixed))
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            where = getattr(node.value, "id", getattr(node.value, "attr", ""))
            if where == "TEXTS":
                found.certain.add(str(node.slice.value))
    return found


def sources(root: Path, *endings: str) -> list[Path]:
    """The pages' own files below a folder: nothing vendored."""
    found = [path for ending in endings for path in root.rglob(f"*.{ending}")]
    return sorted(path for path in found if not {"vendor", "benches"} & set(path.parts))
