"""The simulated therapist's account at the beds: made for a machine of simulated beds, signed in by PIN."""

import contextlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from services.kit.auth.hashing import Work, WorkSettings
from services.kit.auth.operators import ensure_bedside_key, hash_pin
from services.kit.errors import SpondylError
from services.kit.runfile import read_json, write_private

NAME = "simulated-therapist"


@dataclass(frozen=True, slots=True)
class SimulatedOperator:
    """Who it is; the PIN stands in clear in a file of the machine's owner: the beds are simulated."""

    account: str
    name: str
    title: str
    pin: str
    pin_hash: str


def path_of(data: Path) -> Path:
    """Where it is kept."""
    return data / "secrets" / "simulated-operator.json"


def ensure(data: Path) -> SimulatedOperator:
    """The one of this data directory, made with a PIN of its own when missing. Raises SpondylError."""
    path, key = path_of(data), ensure_bedside_key(data)
    try:
        return SimulatedOperator(**read_json(path))
    except TypeError:  # not there, or of another release
        made = _made(key, WorkSettings.load().work)
    try:
        write_private(path, json.dumps(asdict(made)))
    except OSError as error:
        raise SpondylError(f"{path} cannot be written: {error.strerror}") from None
    return made


def _made(key: bytes, work: Work) -> SimulatedOperator:
    while True:
        pin = f"{secrets.randbelow(900_000) + 100_000}"
        with contextlib.suppress(SpondylError):  # one of the few that everybody tries first
            return SimulatedOperator(str(uuid4()), NAME, "Simulated therapist", pin, hash_pin(key, pin, work))
