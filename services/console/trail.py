"""Where the console's audit trail lies."""

from pathlib import Path

from sqlalchemy import Engine

from services.console.tables import TRAIL
from services.kit.trail import Trail


def open_trail(engine: Engine, data: Path) -> Trail:
    """The trail in the console's database; its seal and its key stay on this machine."""
    return Trail(engine, TRAIL, data / "console" / "trail.seal", data / "secrets" / "trail.key")
