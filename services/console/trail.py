"""Where the console's audit trail lies; what is asked of it is `services/kit/trail_pages.py`."""

from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from services.console.tables import TRAIL
from services.kit.trail import Trail
from services.kit.trail_pages import columns

COLUMNS: Final = columns(TRAIL)


def open_trail(engine: Engine, data: Path) -> Trail:
    """The trail in the console's database; its seal and its key stay on this machine."""
    return Trail(engine, TRAIL, seal_path(data), key_path(data))


def seal_path(data: Path) -> Path:
    """What says how far the trail had come; each machine has its own."""
    return data / "console" / "trail.seal"


def key_path(data: Path) -> Path:
    """The key that makes the hashes; consoles that share a database share it."""
    return data / "secrets" / "trail.key"
