"""The library: every exercise with what it refers to, read once and checked whole."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from services.homecare.exercises.errors import LibraryError
from services.homecare.exercises.models import Condition, Equipment, Exercise, Lines, Region, Rule, Source
from services.kit.language import Text

HERE: Final = Path(__file__).parent
FILES: Final = ("traction", "lumbar", "bridge", "thoracic", "cervical")

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Library:
    """Every exercise by its id, in the order of the files, and everything they name by code."""

    exercises: Mapping[str, Exercise]
    conditions: Mapping[str, Condition]
    equipment: Mapping[str, Equipment]
    sources: Mapping[str, Source]
    everyday: Mapping[str, Rule]
    stop_always: tuple[Text, ...]  # stands at every exercise's stop_when too
    folder: Path

    def of(self, exercise: str) -> Exercise:
        """The exercise of this id. Raises KeyError."""
        return self.exercises[exercise]

    def for_region(self, region: Region) -> tuple[Exercise, ...]:
        """The exercises of a region, and those of the whole spine."""
        return tuple(row for row in self.exercises.values() if row.region in (region, "whole"))

    def drawing(self, id: str) -> str:  # noqa: A002  (an exercise's or a rule's id, as everywhere)
        """The drawing of an exercise or of a rule for every day, as SVG. Raises KeyError."""
        drawn = self.everyday[id].drawing if id in self.everyday else bool(self.exercises[id])
        if not drawn:
            raise KeyError(id)
        return (self.folder / "drawings" / f"{id}.svg").read_text("utf-8")


@cache
def library() -> Library:
    """The library of this software. Raises LibraryError."""
    return read(HERE)


def read(folder: Path) -> Library:
    """The library of a folder. Raises LibraryError, naming file, entry and field."""
    words = _table(folder / "words.toml")
    always = _always(folder / "words.toml", words.pop("stop_always", []))
    found = Library(
        exercises=_by(_exercises(folder, always), "id"),
        conditions=_by(_rows(folder / "conditions.toml", "condition", Condition), "code"),
        equipment=_by(_of(folder / "words.toml", words, "equipment", Equipment), "code"),
        sources=_by(_of(folder / "words.toml", words, "source", Source), "code"),
        everyday=_by(_rows(folder / "everyday.toml", "rule", Rule), "id"),
        stop_always=always,
        folder=folder,
    )
    _require_known(found)
    return found


def _exercises(folder: Path, always: tuple[Text, ...]) -> list[tuple[str, Exercise]]:
    rows: list[tuple[str, Exercise]] = []
    for name in FILES:
        file = folder / "library" / f"{name}.toml"
        table = _table(file)
        for row in table.get("exercise", []):
            row["stop_when"] = [*row.get("stop_when", []), *always]
        rows += _of(file, table, "exercise", Exercise)
    return rows


def _rows(file: Path, key: str, model: type[Row]) -> list[tuple[str, Row]]:
    return _of(file, _table(file), key, model)


def _of(file: Path, table: dict[str, Any], key: str, model: type[Row]) -> list[tuple[str, Row]]:
    """The entries of a file's list with the file's name. Raises LibraryError."""
    rows = []
    for index, row in enumerate(table.get(key, [])):
        entry = row.get("id") or row.get("code") or f"{key} {index + 1}"
        try:
            rows.append((file.name, model.model_validate(row)))
        except ValidationError as error:
            raise _wrong(file, str(entry)[:60], error) from None
    if not rows:
        raise LibraryError(f"{file.name}: no [[{key}]]: at least one is needed")
    return rows


def _always(file: Path, lines: Any) -> tuple[Text, ...]:
    try:
        return TypeAdapter(Lines).validate_python(lines)
    except ValidationError as error:
        raise _wrong(file, "stop_always", error) from None


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LibraryError(f"{file.name}: cannot be read: {error}") from None


def _wrong(file: Path, entry: str, error: ValidationError) -> LibraryError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "whole"
    given = "" if first["type"] in ("missing", "contradiction") else f" is {first['input']!r:.60}"
    return LibraryError(f"{file.name}: {entry}: {field}{given}: {first['msg']}")


def _by(rows: Iterable[tuple[str, Row]], key: str) -> Mapping[str, Row]:
    """By the rows' key. Raises LibraryError of a key that stands twice."""
    found: dict[str, Row] = {}
    for file, row in rows:
        name = getattr(row, key)
        if name in found:
            raise LibraryError(f"{file}: {name}: {key} stands twice")
        found[name] = row
    return MappingProxyType(found)


def _require_known(found: Library) -> None:
    """Every code that is named exists. Raises LibraryError."""
    for exercise in found.exercises.values():
        for field, codes, known in (
            ("not_for", exercise.not_for, found.conditions),
            ("equipment", exercise.equipment, found.equipment),
            ("source", (exercise.source, exercise.dose_source), found.sources),
        ):
            _require(f"exercise {exercise.id}: {field}", codes, known)
    for rule in found.everyday.values():
        _require(f"everyday.toml: {rule.id}: source", (rule.source,), found.sources)
        if rule.id in found.exercises:
            raise LibraryError(f"everyday.toml: {rule.id}: id is an exercise's too")


def _require(where: str, codes: tuple[str, ...], known: Mapping[str, object]) -> None:
    for code in codes:
        if code not in known:
            raise LibraryError(f"{where} is {code!r}: known are {', '.join(known)}")
