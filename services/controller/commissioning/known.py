"""The gateway's beds as commissioning measured them, for whoever treats on them."""

import threading
from pathlib import Path
from typing import Final

from services.controller.commissioning import parameters
from services.controller.commissioning.parameters import BedParameters, Unusable
from services.controller.commissioning.suitability import UNMEASURED, Doubt, doubts, unusable

Stamp = tuple[int, int, int]
NONE: Final[Stamp] = (0, 0, 0)


class KnownBeds:
    """Reads a device's file anew when it has changed; safe from any thread.

    ``directory`` is the gateway's, where `spondyl bed identify` wrote; None: nothing was ever measured.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._held: dict[tuple[str, int], tuple[Stamp, BedParameters | Unusable | None]] = {}

    def of(self, device: str, serial: int = 0) -> BedParameters | None:
        """What was measured; None where nothing was. Unusable where it is another bed's or drive's.

        ``serial`` is the drive's that the loop has on the line, 0 where it is not known.
        """
        found = self._look(device, serial)
        if isinstance(found, Unusable):
            raise Unusable(found.message, found.german)
        return found

    def doubts(self, device: str, serial: int = 0, *, real: bool) -> tuple[Doubt, ...]:
        """What is against treating on this bed; ``real``: it has a drive, which wants to be measured."""
        found = self._look(device, serial)
        if isinstance(found, Unusable):
            return (unusable(found),)
        if found is None:
            return (UNMEASURED,) if real else ()
        return doubts(found)

    def _look(self, device: str, serial: int) -> BedParameters | Unusable | None:
        if self._directory is None:
            return None
        stamp = _stamp(parameters.path_of(self._directory, device))
        with self._lock:
            held = self._held.get((device, serial))
            if held is None or held[0] != stamp:
                held = self._held[device, serial] = (stamp, self._read(self._directory, device, serial))
            return held[1]

    @staticmethod
    def _read(directory: Path, device: str, serial: int) -> BedParameters | Unusable | None:
        try:
            return parameters.load(directory, device, serial or None)
        except Unusable as error:
            return error


def _stamp(path: Path) -> Stamp:
    """What is another after every change of a file."""
    try:
        found = path.stat()
    except OSError:
        return NONE
    return found.st_ino, found.st_mtime_ns, found.st_size
