"""The generated parts of docs/operations.md: every setting, from the classes that read it.

``python -m deploy.reference`` writes them; a test fails when they are not current.
"""

import re
from pathlib import Path

from services.console.models import ConsoleSettings
from services.controller.panel.__main__ import PanelSettings
from services.controller.settings import ControllerSettings
from services.kit.settings import Settings, described
from services.telemetry.settings import TelemetrySettings

OPERATIONS = Path(__file__).parent.parent / "docs" / "operations.md"
READERS: tuple[tuple[str, type[Settings]], ...] = (
    ("every service", Settings),
    ("gateway", ControllerSettings),
    ("panel", PanelSettings),
    ("telemetry", TelemetrySettings),
    ("console", ConsoleSettings),
)


def settings_table() -> str:
    """One row a variable: who reads it, its default, what it is."""
    rows = ["| variable | read by | default | what |", "|---|---|---|---|"]
    seen: set[str] = set()
    for reader, cls in READERS:
        for row in described(cls):
            if row.variable not in seen:
                seen.add(row.variable)
                default = f"`{row.default}`" if row.default else ""
                rows.append(f"| `{row.variable}` | {reader} | {default} | {row.description} |")
    return "\n".join(rows)


def with_part(text: str, name: str, part: str) -> str:
    """The page with the lines between its two marks replaced."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    filled = rf"\g<1>\n{part.replace(chr(92), chr(92) * 2)}\n\n\g<2>"
    replaced, count = re.subn(pattern, filled, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"docs/operations.md has {count} parts between the marks of {name!r}: one is needed")
    return replaced


def current(text: str) -> str:
    """The page as it should be."""
    return with_part(text, "settings", settings_table())


def main() -> None:
    """Write the page anew."""
    OPERATIONS.write_text(current(OPERATIONS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
