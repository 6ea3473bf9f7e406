"""What may come to its end unnoticed on every machine: certificates, disks, backups; as metrics."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.kit.files import replace
from services.kit.metrics import Looked, Row
from services.kit.settings import Settings

KEEP_S: Final = 30.0
BACKED_UP: Final = "backup.txt"  # seconds since the epoch: when the last backup of this data ended well


def standing(settings: Settings) -> Looked:
    """How this process's certificates, its disk and the backups of its data are; looked at now and then."""
    return Looked(lambda: _rows(settings), KEEP_S)


def backed_up(data: Path, at: float | None = None) -> None:
    """A backup of this data ended well, now or at that time (seconds since the epoch)."""
    replace(data / BACKED_UP, f"{time.time() if at is None else at:.0f}\n".encode(), 0o644)


def _rows(settings: Settings) -> Iterator[Row]:
    yield from _certificates(settings)
    try:
        usage = shutil.disk_usage(settings.data)
        yield "spondyl_disk_free_bytes", (), usage.free
        yield "spondyl_disk_bytes", (), usage.total
    except OSError:
        pass  # no directory yet, or none to be read: nothing is known
    try:
        ended = float((settings.data / BACKED_UP).read_text(encoding="ascii"))
        yield "spondyl_backup_age_seconds", (), max(0.0, time.time() - ended)
    except (OSError, ValueError):
        pass


def _certificates(settings: Settings) -> Iterator[Row]:
    uses = {"mqtt": settings.mqtt_certificate, "http": settings.http_certificate, "ca": settings.tls_ca}
    for use, path in uses.items():
        if path is not None and (ends := _ends(path)) is not None:
            yield "spondyl_certificate_expires_seconds", (use,), ends - time.time()


def _ends(path: Path) -> float | None:
    """When the first certificate of a file ends (seconds since the epoch); None when it cannot be read."""
    from cryptography import x509  # only where there are certificates

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    return min(one.not_valid_after_utc.timestamp() for one in found)
