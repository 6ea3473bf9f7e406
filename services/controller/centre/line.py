"""Why the broker does not take this gateway's certificate, or it the broker's: DATA/gateways/SITE/line.json.

The recorder meets it and writes it down, the panel says it in one line. Recording goes on into the spool.
"""

import json
from pathlib import Path
from typing import Final, cast

import structlog

from broker.refusals import SAID, Kind
from services.controller.words import Words
from services.kit import files

log = structlog.get_logger(__name__)

FILE: Final = "line.json"
MOST_BYTES: Final = 4096
WHY: Final[dict[Kind, Words]] = {
    "broker_expired": Words(
        "the broker's certificate has expired, or this clock is ahead",
        "das Zertifikat des Brokers ist abgelaufen, oder die Uhr hier geht vor",
    ),
    "broker_not_yet": Words(
        "the broker's certificate is not valid yet: this clock is behind",
        "das Zertifikat des Brokers gilt noch nicht: die Uhr hier geht nach",
    ),
    "broker_elsewhere": Words(
        "the broker's certificate is for another host name",
        "das Zertifikat des Brokers gilt für einen anderen Rechnernamen",
    ),
    "broker_unknown": Words(
        "the broker's certificate is of an unknown authority",
        "das Zertifikat des Brokers stammt von einer unbekannten Stelle",
    ),
    "own_expired": Words(
        "this gateway's certificate has expired: it must be taken in anew",
        "das Zertifikat dieses Gateways ist abgelaufen: es muss neu aufgenommen werden",
    ),
    "own_not_yet": Words(
        "this gateway's certificate is not valid yet: this clock is behind",
        "das Zertifikat dieses Gateways gilt noch nicht: die Uhr hier geht nach",
    ),
    "own_revoked": Words(
        "this gateway's certificate is revoked: ask the centre",
        "das Zertifikat dieses Gateways ist gesperrt: bitte die Zentrale fragen",
    ),
    "own_unknown": Words(
        "the broker does not know the authority of this gateway's certificate",
        "der Broker kennt die Stelle nicht, die das Zertifikat dieses Gateways ausgestellt hat",
    ),
    "own_missing": Words(
        "the broker wants a certificate, this gateway has none",
        "der Broker will ein Zertifikat, dieses Gateway hat keines",
    ),
    "own_unreadable": Words(
        "this gateway's certificate or key cannot be read",
        "Zertifikat oder Schlüssel dieses Gateways sind nicht lesbar",
    ),
    "hung_up": Words(
        "the broker hangs up without a reason: its log has it",
        "der Broker legt ohne Begründung auf: sein Protokoll nennt sie",
    ),
}
_TEXT: Final = Words(
    "No connection: {why}. Treatment and recording go on; tell the technical service.",
    "Keine Verbindung: {why}. Behandlung und Aufzeichnung gehen weiter; bitte dem technischen Dienst melden.",
)


class Line:
    """What is between gateway and broker; ``take`` is the recorder's, ``refresh`` the panel's."""

    def __init__(self, directory: Path) -> None:
        self._path, self.why = directory / FILE, cast("Kind | None", None)
        self._kept = files.Followed(self._path, MOST_BYTES)
        self._written: str | None = "nothing yet"

    def take(self, why: Kind | None) -> None:
        """What holds now; written when it changes."""
        if why == self._written:
            return
        self.why = why
        try:
            files.replace(self._path, json.dumps({"why": why}).encode(), named=False)
            self._written = why
        except OSError as error:
            log.warning("why there is no connection could not be kept", why=error.strerror)
            self._written = why  # (said once; it is no sample)

    def refresh(self) -> None:
        """Read the file if it has changed; one that cannot be read says nothing."""
        try:
            if (content := self._kept.changed()) is None:
                return
            why = json.loads(content).get("why")
        except (OSError, ValueError, AttributeError):
            why = None
        self.why = why if why in SAID else None

    @property
    def words(self) -> Words | None:
        """What the panel says of it; None while the broker takes us, or is merely away."""
        if self.why is None:
            return None
        why = WHY[self.why]
        return Words(_TEXT.en.format(why=why.en), _TEXT.de.format(why=why.de))
