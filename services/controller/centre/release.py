"""Which release the centre has, as telemetry says with its promises: kept in DATA/gateways/SITE/centre.json.

The recorder hears it and writes it down, the panel shows where the two do not work together. Whatever the
releases are, recording and publishing go on: the bed is not the place to settle an upgrade.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from broker import release
from services.controller.words import Words
from services.kit import files

log = structlog.get_logger(__name__)

FILE: Final = "centre.json"
MISMATCH: Final = "spondyl_gateway_version_mismatch"
MOST_BYTES: Final = 4096
_APART: Final = Words(
    "Software of this bed: {ours}, of the centre: {theirs}. They are not made to work together. Treatment "
    "and recording go on; tell the technical service.",
    "Software dieser Liege: {ours}, der Zentrale: {theirs}. Sie sind nicht füreinander gemacht. Behandlung "
    "und Aufzeichnung gehen weiter; bitte dem technischen Dienst melden.",
)


class Centre:
    """What was said last. ``take`` is the recorder's, ``refresh`` reads what it has kept."""

    def __init__(self, directory: Path, ours: str = release.OURS) -> None:
        self._path, self.ours, self.release = directory / FILE, ours, ""
        self._kept = files.Followed(self._path, MOST_BYTES)
        self._said: str | None = None

    def take(self, theirs: str) -> None:
        """What telemetry says of itself; empty: nothing. Said in the log when it changes."""
        if not theirs or theirs == self._said:
            return
        self._said = self.release = theirs
        if self.is_apart:
            log.error(
                "the centre's release is not made to work with this gateway's: recording goes on",
                centre=theirs, gateway=self.ours, rule="same major release, one minor apart at most",
            )  # fmt: skip
        else:
            log.info("the centre's release", centre=theirs, gateway=self.ours)
        try:
            files.replace(self._path, json.dumps({"release": theirs}).encode())
        except OSError as error:
            log.warning("the centre's release could not be kept", why=error.strerror)

    def refresh(self) -> None:
        """Read the file if it has changed; one that cannot be read takes nothing back."""
        try:
            if (content := self._kept.changed()) is not None:
                self.release = str(json.loads(content)["release"])[:40]
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("the centre's release cannot be read", path=str(self._path), why=str(error)[:200])

    @property
    def is_apart(self) -> bool:
        """Whether the two are not made to work together."""
        return not release.together(self.ours, self.release)

    @property
    def words(self) -> Words | None:
        """What the panel says of it."""
        return _APART.format(ours=self.ours, theirs=self.release) if self.is_apart else None


class CentreMetrics(Collector):
    """Whether gateway and centre are of releases that do not work together."""

    def __init__(self, centre: Centre) -> None:
        self._centre = centre

    def collect(self) -> Iterator[Metric]:
        """1 or 0, by what is kept now."""
        self._centre.refresh()
        text = "1: gateway and centre are of releases that are not made to work together."
        yield GaugeMetricFamily(MISMATCH, text, value=float(self._centre.is_apart))

    def describe(self) -> list[Metric]:
        """Looked up when it is asked for."""
        return []
