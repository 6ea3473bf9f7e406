"""A demo chain's certificate authority, in the files that the registry keeps its own in: it takes it over."""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.kit import pki

CA_DAYS: Final = 3650
DAYS: Final = 365
EARLIER: Final = timedelta(minutes=5)  # by how much another machine's clock may be behind
EVERYBODY, OWNER = 0o444, 0o400


class Authority:
    """``authority.pem`` and ``authority.key`` in a directory, made when missing."""

    def __init__(self, directory: Path, name: str = "Spondyl demo chain") -> None:
        self.certificate_path, self._key_path = directory / "authority.pem", directory / "authority.key"
        if not self._key_path.exists():
            self._make(name)
        key = serialization.load_pem_private_key(self._key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_path} is no key on an elliptic curve")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())

    def issue(
        self, directory: Path, file: str, name: str, hosts: Sequence[str] = (), days: float = DAYS
    ) -> None:
        """``FILE.crt`` and ``FILE.key`` for somebody called ``name``, good for these hosts, unless there.

        A negative number of days makes one that expired so long ago.
        """
        if (directory / f"{file}.crt").exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        until = datetime.now(UTC) + timedelta(days=days)
        builder = _builder(name, self._certificate.subject, key.public_key())
        builder = builder.not_valid_before(min(datetime.now(UTC), until) - EARLIER).not_valid_after(until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        write(directory / f"{file}.key", _private(key), OWNER)
        write(directory / f"{file}.crt", signed.public_bytes(serialization.Encoding.PEM), EVERYBODY)

    def _make(self, name: str) -> None:
        now = pki.utc_now()
        made = pki.authority(name, now + timedelta(days=CA_DAYS), now)
        write(self._key_path, pki.key_pem(made.key), OWNER)
        write(self.certificate_path, made.pem.encode(), EVERYBODY)


def write(path: Path, content: bytes, mode: int) -> None:
    """A new file of this mode, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    unfinished.chmod(mode)
    unfinished.replace(path)


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
