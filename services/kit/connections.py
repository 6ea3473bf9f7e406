"""How a process reaches the others: bus by the settings, HTTPS by the chain's own authority."""

import functools
import os
import ssl
from pathlib import Path
from typing import Any

from broker.bus import Bus
from broker.wire import Tls
from services.kit.errors import SpondylError
from services.kit.settings import PREFIX, Settings

AUTHORITY = f"{PREFIX}TLS_CA"


def open_bus(settings: Settings, client_id: str, **more: Any) -> Bus:
    """A bus as the settings say; ``more`` as Bus takes it. Raises SpondylError for a wrong address, file."""
    who = broker_of(settings)
    try:
        return Bus(settings.mqtt_url, client_id, **who, **more)
    except ValueError as error:
        raise SpondylError(f"setting {PREFIX}MQTT_URL is {settings.mqtt_url!r}: {error}") from None


def broker_of(settings: Settings) -> dict[str, Any]:
    """Who we are at the broker, as Bus and Receiver take it: name, password, certificates.

    Raises SpondylError when a certificate cannot be used: it names the variable and the file.
    """
    return {"username": settings.mqtt_username, "password": settings.mqtt_secret, "tls": _tls(settings)}


def server_tls(settings: Settings) -> tuple[Path, Path] | None:
    """Certificate and key that this process serves HTTPS with; None: plain HTTP.

    Raises SpondylError when one is missing or the two do not fit.
    """
    pair = _pair(settings.http_certificate, settings.http_key, "HTTP")
    if pair is not None:
        check_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *pair, "HTTP")
    return pair


@functools.cache
def verification() -> ssl.SSLContext:
    """What other services' certificates are checked with: the system's authorities, and SPONDYL_TLS_CA's.

    One for the process: to make it costs more than a request. Raises SpondylError when the file is no such.
    """
    context = ssl.create_default_context()
    path = os.environ.get(AUTHORITY)
    if path:
        _load_authority(context, Path(path), AUTHORITY)
    return context


def check_pair(context: ssl.SSLContext, certificate: Path, key: Path, which: str) -> None:
    """Load certificate and key. Raises SpondylError that names the variables."""
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SpondylError(
            f"setting {PREFIX}{which}_CERTIFICATE is {str(certificate)!r} and {PREFIX}{which}_KEY is "
            f"{str(key)!r}: {_why(error)}; a PEM certificate and its own private key are needed"
        ) from None


def _tls(settings: Settings) -> Tls | None:
    pair = _pair(settings.mqtt_certificate, settings.mqtt_key, "MQTT")
    if settings.mqtt_ca is None and pair is None:
        return None
    if not settings.mqtt_url.startswith("mqtts:"):
        raise SpondylError(
            f"setting {PREFIX}MQTT_URL is {settings.mqtt_url!r}: with certificates it begins with mqtts://"
        )
    if pair is not None:
        check_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *pair, "MQTT")
    if settings.mqtt_ca is not None:
        _load_authority(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings.mqtt_ca, f"{PREFIX}MQTT_CA")
    certificate, key = (None, None) if pair is None else map(str, pair)
    return Tls(str(settings.mqtt_ca) if settings.mqtt_ca else None, certificate, key)


def _pair(certificate: Path | None, key: Path | None, which: str) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = f"{PREFIX}{which}_{'KEY' if key is None else 'CERTIFICATE'}"
        raise SpondylError(f"setting {missing} is missing: a certificate and its key are given together")
    return certificate, key


def _load_authority(context: ssl.SSLContext, path: Path, variable: str) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise SpondylError(
            f"setting {variable} is {str(path)!r}: {_why(error)}; a PEM file of authorities is needed"
        ) from None


def _why(error: OSError) -> str:
    """In a few words: what the system or OpenSSL says."""
    reason = getattr(error, "reason", None)
    return str(error.strerror if error.strerror and reason is None else reason or error)
