"""How a process reaches the others: bus by the settings, HTTPS by the chain's own authority."""

import contextlib
import functools
import os
import ssl
from pathlib import Path
from typing import Any

import structlog

from broker.bus import Bus
from broker.wire import Tls
from services.kit.errors import SpondylError
from services.kit.settings import PREFIX, Settings

log = structlog.get_logger(__name__)

AUTHORITY = f"{PREFIX}TLS_CA"


def open_bus(settings: Settings, client_id: str, *, must_fit: bool = True, **more: Any) -> Bus:
    """A bus as the settings say; ``more`` as Bus takes it. Raises SpondylError for a wrong address, file.

    Who has other work than its broker opens it all the same (not ``must_fit``) where files cannot be used:
    the log says which, and the bus tries them at every connect.
    """
    who = broker_of(settings, must_fit=must_fit)
    try:
        return Bus(settings.mqtt_url, client_id, **who, **more)
    except ValueError as error:
        raise SpondylError(f"setting {PREFIX}MQTT_URL is {settings.mqtt_url!r}: {error}") from None


def broker_of(settings: Settings, *, must_fit: bool = True) -> dict[str, Any]:
    """Who we are at the broker, as Bus and Receiver take it: name, password, certificates.

    Raises SpondylError when a certificate cannot be used: it names the variable and the file.
    """
    return {
        "username": settings.mqtt_username,
        "password": settings.mqtt_secret,
        "tls": _tls(settings, must_fit=must_fit),
    }


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

    One for the process: to make it costs more than a request. An authority that comes into the file later is
    believed from the next connection on, one that is taken out of it until the end of the process. Raises
    SpondylError when the file is no such.
    """
    path = os.environ.get(AUTHORITY)
    if not path:
        return ssl.create_default_context()
    context = _Renewed(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.follow(Path(path))
    return context


class _Renewed(ssl.SSLContext):
    """Looks before every connection whether its file of authorities has changed."""

    def follow(self, path: Path) -> None:
        """Believe who is in the file, now and later. Raises SpondylError."""
        self._path, self._held = path, _state(path)
        _load_authority(self, path, AUTHORITY)

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        """As ever."""
        self._look()
        return super().wrap_socket(*given, **named)

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """As ever."""
        self._look()
        return super().wrap_bio(*given, **named)

    def _look(self) -> None:
        """A file that cannot be used takes nothing back; its next change is looked at again."""
        found = _state(self._path)
        if found == self._held:
            return
        self._held = found
        try:
            _load_authority(self, self._path, AUTHORITY)
        except SpondylError as error:
            log.warning(
                "the new authorities cannot be used; those from before are believed", why=error.message
            )
        else:
            log.info("authorities read again", path=str(self._path))


def _state(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def check_pair(context: ssl.SSLContext, certificate: Path, key: Path, which: str) -> None:
    """Load certificate and key. Raises SpondylError that names the variables."""
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SpondylError(
            f"setting {PREFIX}{which}_CERTIFICATE is {str(certificate)!r} and {PREFIX}{which}_KEY is "
            f"{str(key)!r}: {_why(error)}; a PEM certificate and its own private key are needed"
        ) from None


def _tls(settings: Settings, *, must_fit: bool) -> Tls | None:
    pair = _pair(settings.mqtt_certificate, settings.mqtt_key, "MQTT")
    if settings.mqtt_ca is None and pair is None:
        return None
    if not settings.mqtt_url.startswith("mqtts:"):
        raise SpondylError(
            f"setting {PREFIX}MQTT_URL is {settings.mqtt_url!r}: with certificates it begins with mqtts://"
        )
    try:
        if pair is not None:
            check_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *pair, "MQTT")
        if settings.mqtt_ca is not None:
            _load_authority(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), settings.mqtt_ca, f"{PREFIX}MQTT_CA")
    except SpondylError as error:
        if must_fit:
            raise
        log.warning("no connection to the broker with these files; trying again", why=error.message)
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
