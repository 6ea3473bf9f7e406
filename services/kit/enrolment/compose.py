"""What a clinic's compose file is told of the gateway that joined: ``DIR/clinic.env``."""

from pathlib import Path
from typing import Final

from services.kit import files
from services.kit.enrolment.machine import READABLE, Joined

NAME: Final = "clinic.env"
HEAD: Final = (
    "# What this clinic is: docs/operations.md. The panel's lines are yours, the others `join` writes again."
)
YOURS: Final = {
    "SPONDYL_PANEL_BIND": "127.0.0.1",
    "SPONDYL_PANEL_PORT": "8081",
    "SPONDYL_PANEL_HOSTS": "",
    "SPONDYL_PANEL_CLIENTS": "",
}


def write(directory: Path, joined: Joined) -> Path:
    """The file, new or with what is ours brought up to date; every other line stays. Raises OSError."""
    path = directory / NAME
    ours = {
        "SPONDYL_CLINIC": str(directory),
        "SPONDYL_SITE": joined.site,
        "SPONDYL_DEVICES": ",".join(joined.devices),
        "SPONDYL_GATEWAY_NAME": joined.gateway,
    }
    held = path.read_text(encoding="utf-8").splitlines() if path.exists() else [HEAD, *_lines(YOURS)]
    kept = [line for line in held if line.partition("=")[0] not in ours]
    files.replace(path, "\n".join((*kept, *_lines(ours), "")).encode(), READABLE)
    return path


def _lines(values: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]
