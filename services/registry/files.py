"""What others read from the registry's disk: the centre's certificates, the central broker's directory.

    CENTRE/secrets/ca.crt                       whom to trust
    CENTRE/secrets/mqtt.crt .key                the central broker's, and so for each service by its name
    CENTRE/mosquitto/mosquitto.conf acl crl.pem

Everything is written only where it is not so already, in one step each: who watches a directory sees a change
when there is one. The broker reads them anew on SIGHUP (``deploy/containers/broker-entry.sh`` sends it).
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from broker.mosquitto import render_central
from broker.mosquitto.render import Certificates
from services.kit import files, pki
from services.kit.auth.principal import SYSTEM
from services.kit.database import reading, writing
from services.kit.errors import SpondylError
from services.registry import store
from services.registry.authority import Authorities
from services.registry.desk import Desk, users
from services.registry.models import CRL_DAYS, CRL_EVERY_DAYS, RENEW_AT, SERVICE_DAYS, moment

PRIVATE: Final = 0o600
BROKER: Final = "mqtt"
CRL: Final = "mosquitto/crl.pem"
CA: Final = "secrets/ca.crt"


def write_all(desk: Desk) -> None:
    """Bring everything up to date. Raises SpondylError, OSError."""
    (desk.settings.centre / "secrets").mkdir(parents=True, exist_ok=True, mode=0o700)
    hosts = desk.settings.registry_hosts
    for name in desk.settings.registry_services:
        ensure_certificate(desk, name, tuple(dict.fromkeys((name, *hosts))), "both")
    write_broker(desk)


def write_broker(desk: Desk) -> None:
    """The central broker's directory: who is trusted, who is not any more, who may what."""
    authorities, settings = desk.authorities, desk.settings
    ensure_certificate(desk, BROKER, names_of_broker(desk), "both")
    put(settings.centre / CA, authorities.bundle)
    write_revoked(desk, authorities)
    seen = settings.registry_seen_as or settings.centre
    host, _, port = settings.registry_broker_listen.rpartition(":")
    with reading(desk.office.engine) as connection:
        members, ended = store.members(connection, living=True), store.ended_bridges(connection)
    own = (seen / path for path in (CA, f"secrets/{BROKER}.crt", f"secrets/{BROKER}.key", CRL))
    render_central(
        settings.centre / "mosquitto", host=host, port=int(port), users=users(members, ended),
        certificates=Certificates(*own), seen_as=seen / "mosquitto",
    )  # fmt: skip


def names_of_broker(desk: Desk) -> tuple[str, ...]:
    """What the central broker is called in its certificate: nobody else may be."""
    address = urlsplit(desk.settings.registry_broker_url).hostname
    return tuple(dict.fromkeys((BROKER, *desk.settings.registry_hosts, address or BROKER)))


def write_revoked(desk: Desk, authorities: Authorities) -> str:
    """The revocation lists of every authority, made anew when one is a day old or not complete; as text."""
    path, now = desk.settings.centre / CRL, desk.now()
    with reading(desk.office.engine) as connection:
        wanted = {
            signer: store.revoked(connection, pki.fingerprint(signer.certificate).hex(), now)
            for signer in authorities.trusted
        }
    held = _held(path)
    lists = [(signer.certificate.subject, {serial for serial, _ in rows}) for signer, rows in wanted.items()]
    if held is None or not _is_current(held, lists, now):
        until = now + timedelta(days=CRL_DAYS)
        made = [
            pki.revocation_list(signer, [(serial, moment(at_us)) for serial, at_us in rows], now, until)
            for signer, rows in wanted.items()
        ]
        put(path, "".join(map(pki.pem_of, made)))
    return path.read_text(encoding="ascii")


def ensure_certificate(desk: Desk, name: str, hosts: tuple[str, ...], use: pki.Use) -> bool:
    """Key and certificate of one of the centre's own, made anew when two thirds are over; whether it was."""
    path, key_path = (desk.settings.centre / "secrets" / f"{name}.{ending}" for ending in ("crt", "key"))
    if not _is_due(desk, path, key_path, hosts):
        return False
    key = pki.new_key()
    wanted = pki.Wanted(name, use, desk.until(SERVICE_DAYS), hosts)
    with writing(desk.office.engine) as connection:
        pem = desk.issue(connection, key.public_key(), wanted, part=use, member=None)
    files.replace(key_path, pki.key_pem(key), PRIVATE)
    files.replace(path, pem.encode(), 0o644)
    desk.write_down(SYSTEM, "certificate.issued", name, None, hosts=", ".join(hosts))
    return True


def put(path: Path, text: str, mode: int = 0o644) -> None:
    """Write it unless it is there already."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except OSError:
        pass
    files.replace(path, text.encode(), mode)


def is_over(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether two thirds of its time have passed."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begins + (ends - begins) * RENEW_AT


def _is_due(desk: Desk, path: Path, key_path: Path, hosts: tuple[str, ...]) -> bool:
    try:
        held = pki.certificates(path.read_text(encoding="ascii"))[0]
        is_pair = pki.read_key(key_path).public_key() == held.public_key()
    except (OSError, IndexError, SpondylError):
        return True
    signed = pki.is_signed_by(held, desk.authorities.signing.certificate)
    return not (signed and is_pair) or is_over(held, desk.now()) or _names(held) != hosts


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in found)


def _held(path: Path) -> list[x509.CertificateRevocationList] | None:
    end = "-----END X509 CRL-----\n"
    try:
        parts = path.read_text(encoding="ascii").split(end)[:-1]
        return [x509.load_pem_x509_crl((part + end).encode()) for part in parts]
    except (OSError, ValueError):
        return None


def _is_current(
    held: list[x509.CertificateRevocationList], wanted: list[tuple[x509.Name, set[str]]], now: datetime
) -> bool:
    said = [(one.issuer, {f"{row.serial_number:x}" for row in one}) for one in held]
    fresh = now - timedelta(days=CRL_EVERY_DAYS)
    return said == wanted and all(fresh < one.last_update_utc <= now for one in held)
