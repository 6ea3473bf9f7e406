"""Names and places that others need to know without loading a database: the first account, the demo's."""

from pathlib import Path
from typing import Final

FIRST_NAME: Final = "admin"
FIRST_PASSWORD: Final = Path("secrets") / "first-password"  # below the data directory, until it is changed
DEMO_NAME: Final = "demo"
DEMO_PASSWORD: Final = "spondyl-demo-2026"  # noqa: S105  (the page shows it; nothing but the demo starts on it)


def first_password(data: Path) -> str | None:
    """The first administrator's one-time password while it stands."""
    try:
        return (data / FIRST_PASSWORD).read_text(encoding="ascii").strip() or None
    except OSError:
        return None
