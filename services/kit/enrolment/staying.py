"""A gateway keeps its papers current by itself: at its start and every hour, as long as it runs."""

import threading
from pathlib import Path
from typing import Final

import structlog

from services.kit.errors import SpondylError

log = structlog.get_logger(__name__)

EVERY_S: Final = 3600.0
SOON_S: Final = 5.0  # behind the start: the control loop comes first


def stay(directory: Path, every_s: float = EVERY_S, first_s: float = SOON_S) -> threading.Event | None:
    """Begin in the background, where the directory is one that joined; set what it gives to end it."""
    if not (directory / "gateway.json").exists():
        return None
    ending = threading.Event()
    threading.Thread(
        target=_run, args=(directory, every_s, first_s, ending), name="papers", daemon=True
    ).start()
    return ending


def _run(directory: Path, every_s: float, wait_s: float, ending: threading.Event) -> None:
    from services.kit.enrolment import joining  # (a gateway without a centre needs none of it)

    said = ""
    while not ending.wait(wait_s):
        wait_s, why = every_s, ""
        try:
            joined, parts = joining.renew(directory)
            if parts:
                log.info("certificates renewed", gateway=joined.gateway, parts=list(parts))
        except SpondylError as error:
            why = error.message
        except OSError as error:
            why = f"the papers in {directory} cannot be written: {error.strerror}"
        if why and why != said:
            log.error("the centre was not asked for what is new; tried again, everything goes on", why=why)
        said = why
