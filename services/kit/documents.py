"""Reading a small YAML, JSON or TOML document that a person wrote, or one clear line why not."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from services.kit.errors import SpondylError
from services.kit.files import read_text

MAX_BYTES = 64_000


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases (a few lines of them expand to gigabytes) and without repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("aliases (*name) are not taken: write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = True) -> dict[Any, Any]:  # noqa: FBT001, FBT002  (PyYAML's signature)
        build = self.construct_object
        return _unique([(build(key, deep=deep), build(value, deep=deep)) for key, value in node.value])


def read(path: Path, what: str) -> dict[str, Any]:
    """The mapping in the file; ``what`` names the document in errors. Raises SpondylError."""
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise SpondylError(f"{what} {path} must end in {', '.join(sorted(_PARSERS))}")
    text = read_text(path, f"{what} {path}", MAX_BYTES)
    try:
        document = parse(text)
    except RecursionError:
        raise SpondylError(f"{what} {path} is nested too deeply") from None
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SpondylError(f"{what} {path} is not {path.suffix[1:].upper()}: {reason}") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise SpondylError(f"{what} {path} must be a mapping of names to values")
    return document


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping in which a repeated name is refused: two peaks in one prescription are no prescription."""
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise ValueError(f"{key!r} is no name")  # noqa: TRY004  (a fault of the document, not of a caller)
        if key in mapping:
            raise ValueError(f"{key} stands there twice")
        mapping[key] = value
    return mapping


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=_PlainLoader)  # noqa: S506  (derived from SafeLoader)


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".json": _json,
    ".toml": tomllib.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}
