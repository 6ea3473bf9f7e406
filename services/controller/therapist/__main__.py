"""``python -m services.controller.therapist``: a simulated therapist who works through each panel's own API.

Signs in with a PIN as a person would. One session after another at every bed: confirms the next patient of
its worklist, or a made-up one while nobody is listed there, lets the switch be tested, starts, looks after
stops and faults, asks for the pain, closes. Knows nothing but what the panel says: panels may restart.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import structlog
from pydantic import Field, SecretStr

from services.controller.scenarios import staging
from services.controller.settings import ControllerSettings
from services.controller.therapist.attending import Therapist
from services.kit import clearance, logging
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.therapy import dosing

log = structlog.get_logger(__name__)

PANELS_VARIABLE = "SPONDYL_PANELS"


class TherapistSettings(ControllerSettings):
    """What the simulated therapist is told beyond a gateway's settings."""

    operator_name: str = Field("", max_length=80, description="Whom the simulated therapist signs in as.")
    operator_pin: SecretStr = Field(SecretStr(""), description="The PIN of the simulated therapist.")
    therapist_waits_s: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="At every second bed the simulated therapist waits so long for a first worklist before "
        "anybody is made up; `spondyl up --demo` gives the demo's clinics the time to book.",
    )
    therapist_scenarios: str = Field(
        "",
        description="Directory of golden scenarios: the simulated therapist shows some of them, at a third "
        "of the beds and in every second session; `spondyl up --demo` names those of the tests.",
    )


def panels_from(text: str | None) -> dict[str, str]:
    """The addresses in SPONDYL_PANELS; raises SpondylError when it is no JSON object of texts."""
    try:
        panels = json.loads(text or "")
    except ValueError:
        panels = None
    if not isinstance(panels, dict) or not panels or not all(isinstance(row, str) for row in panels.values()):
        raise SpondylError(f'setting {PANELS_VARIABLE} must be a JSON object {{"device": "address"}}')
    return panels


def main() -> None:
    """Work until told to end."""
    with refusals_in_one_line():
        settings = TherapistSettings.load()
        logging.configure("therapist", settings.log_level, settings.log_format)
        dosing.load()
        panels = panels_from(os.environ.get(PANELS_VARIABLE))
        key = clearance.ensure_keys(settings.data).private
        therapist = Therapist(
            panels, key, settings.seed,
            name=settings.operator_name, pin=settings.operator_pin.get_secret_value(),
            waits_s=settings.therapist_waits_s, stage=_stage(settings),
        )  # fmt: skip
        asyncio.run(_until_told(therapist))


def _stage(settings: TherapistSettings) -> staging.Stage | None:
    directory = settings.therapist_scenarios
    return staging.Stage(staging.library(Path(directory)), settings.data) if directory else None


async def _until_told(therapist: Therapist) -> None:
    """Work until a signal; what is asked of a panel then is not waited for, it might hold up the end."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    work, end = asyncio.create_task(therapist.run()), asyncio.create_task(told.wait())
    await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()
    log.info("ended")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
