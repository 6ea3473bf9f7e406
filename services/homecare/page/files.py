"""Everything the page is made of, read once: its files, their version, the worker and the manifest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson

from services.homecare.exercises.library import library
from services.kit.language import Language

HERE: Final = Path(__file__).parent
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
WORKER: Final = "worker.js"  # is served beside the pages: what lies in a folder rules that folder alone
GROUND: Final = "#f4f1ea"
ICON_SIZES: Final = (192, 512)
NAMES: Final[Mapping[Language, str]] = {"de": "Spondyl Übungen", "en": "Spondyl exercises"}


@dataclass(frozen=True, slots=True)
class File:
    """What is sent for one name."""

    body: bytes
    media_type: str
    tag: str  # changes with the body


@cache
def files() -> Mapping[str, File]:
    """The page's files by the name that they have below ``/h/app/``; drawings are ``drawings/{id}.svg``."""
    found = {path.name: path for path in sorted((HERE / "static").iterdir()) if path.name != WORKER}
    found |= {f"locale/{path.name}": path for path in sorted((HERE / "locale").iterdir())}
    return MappingProxyType({name: _file(path.read_bytes(), path.suffix) for name, path in found.items()})


@cache
def drawing(name: str) -> File | None:
    """A drawing of an exercise or of a rule for every day; None: there is no such thing."""
    if name not in library().exercises and name not in library().everyday:
        return None
    try:
        return _file(library().drawing(name).encode(), ".svg")
    except KeyError:
        return None


@cache
def shell() -> File:
    """The page itself, before a script has run: it knows no link and nobody."""
    return _file((HERE / "shell.html").read_bytes(), ".html", "text/html; charset=utf-8")


@cache
def worker() -> File:
    """The service worker, with the names and the version of what it keeps: any change makes it a new one."""
    version = hashlib.sha256("".join(file.tag for file in (*files().values(), shell())).encode()).hexdigest()
    table = orjson.dumps({"version": version[:16], "files": [*files()]}).decode()
    script = (HERE / "static" / WORKER).read_text("utf-8")
    return _file(f"const KEPT = {table};\n{script}".encode(), ".js")


def manifest(secret: str, language: Language) -> dict[str, Any]:
    """What makes a link an application of its own on the telephone. It names nobody."""
    icons = [
        {"src": f"../app/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in ICON_SIZES
        for purpose in ("any", "maskable")
    ]
    return {
        "name": NAMES[language], "short_name": NAMES[language].partition(" ")[2], "lang": language,
        "id": f"../{secret}", "start_url": f"../{secret}", "scope": "../", "display": "standalone",
        "orientation": "portrait", "background_color": GROUND, "theme_color": GROUND,
        "icons": [*icons, {"src": "../app/icon.svg", "sizes": "any", "type": "image/svg+xml"}],
    }  # fmt: skip


def _file(body: bytes, suffix: str, media_type: str | None = None) -> File:
    return File(body, media_type or TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:24]}"')
