"""Keys, requests, certificates and revocation lists of the chain's own authority: X.509 with EC P-256."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.kit.errors import SpondylError

Use = Literal["client", "server", "both"]
Key = ec.EllipticCurvePrivateKey
CLOCKS_APART: Final = timedelta(minutes=5)  # a certificate holds so long before it was made
# What cryptography raises for what it cannot read or does not know.
_STRANGE: Final = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)
MOST_PEM: Final = 100_000  # characters of a request or of a chain
FINGERPRINT_BYTES: Final = 32
_USAGES: Final = {
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "both": [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH],
}


class NotPem(SpondylError):  # noqa: N818  (the name says what it is)
    """A text that is no certificate, request or key of ours."""

    status = 422


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a certificate is to say: a name, for what, under which host names, until when."""

    name: str
    use: Use
    until: datetime
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority that can sign: its own certificate first, then those above it, up to a root."""

    key: Key
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The one that signs."""
        return self.chain[0]

    @property
    def pem(self) -> str:
        """The chain, as it is handed out."""
        return "".join(map(pem_of, self.chain))


def new_key() -> Key:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """As it is kept: PKCS 8, without a password; the file's mode keeps it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(path: Path) -> Key:
    """The private key in a file. Raises SpondylError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SpondylError(f"the key {path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise SpondylError(f"{path} is no private key in PEM without a password") from None
    if not isinstance(key, Key):
        raise SpondylError(f"{path} is no key of an elliptic curve: EC P-256 is what the chain uses")
    return key


def request_pem(key: Key, name: str) -> str:
    """A request for a certificate; the key does not leave."""
    made = x509.CertificateSigningRequestBuilder().subject_name(_named(name)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def requested(pem: str) -> ec.EllipticCurvePublicKey:
    """The public key of a request whose sender has the private one. Raises NotPem."""
    try:
        request = x509.load_pem_x509_csr(pem[:MOST_PEM].encode())
        key = request.public_key()
        is_proven = request.is_signature_valid
    except _STRANGE:
        raise NotPem("a certificate request is needed (PKCS 10, PEM), signed by its own key") from None
    if not is_proven or not isinstance(key, ec.EllipticCurvePublicKey) or key.key_size < 256:  # noqa: PLR2004  (bits)
        raise NotPem("the request is not signed by its own key, or that is no EC key of 256 bits or more")
    return key


def certificates(pem: str) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text, in its order. Raises NotPem."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem[:MOST_PEM].encode()))
    except _STRANGE:
        raise NotPem("a certificate in PEM is needed") from None


def pem_of(made: x509.Certificate | x509.CertificateRevocationList) -> str:
    """As text."""
    return made.public_bytes(serialization.Encoding.PEM).decode()


def name_of(certificate: x509.Certificate) -> str:
    """The common name: who somebody is at a broker."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def serial_of(certificate: x509.Certificate) -> str:
    """As it is kept and shown: lower-case hexadecimal."""
    return f"{certificate.serial_number:x}"


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate."""
    return certificate.fingerprint(hashes.SHA256())


def authority(name: str, until: datetime, now: datetime) -> Signer:
    """A new authority that answers to nobody."""
    key = new_key()
    subject = _named(name)
    builder = _begin(subject, subject, key.public_key(), now, until).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    return Signer(key, (_usage(builder, is_authority=True).sign(key, hashes.SHA256()),))


def issue(
    signer: Signer, public: ec.EllipticCurvePublicKey, wanted: Wanted, now: datetime
) -> x509.Certificate:
    """A certificate; it does not outlive the authority's own."""
    until = min(wanted.until, signer.certificate.not_valid_after_utc)
    builder = _begin(_named(wanted.name), signer.certificate.subject, public, now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_USAGES[wanted.use]), critical=False)
    builder = builder.add_extension(_issued_by(signer), critical=False)
    if wanted.hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_host(host) for host in wanted.hosts]), critical=False
        )
    return _usage(builder, is_authority=False).sign(signer.key, hashes.SHA256())


def revocation_list(
    signer: Signer, revoked: Iterable[tuple[str, datetime]], now: datetime, until: datetime
) -> x509.CertificateRevocationList:
    """The authority's list of what holds no more: serial numbers and since when.

    It begins earlier, as certificates do: to a clock that is behind it would not hold yet, and then nobody is
    let in.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(now - CLOCKS_APART)
        .next_update(until)
        .add_extension(_issued_by(signer), critical=False)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
    )
    for serial, at in revoked:
        row = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(at)
        builder = builder.add_revoked_certificate(row.build())
    return builder.sign(signer.key, hashes.SHA256())


def is_signed_by(certificate: x509.Certificate, signer: x509.Certificate) -> bool:
    """Whether that authority made it."""
    try:
        certificate.verify_directly_issued_by(signer)
    except _STRANGE:
        return False
    return True


def require_chain(key: Key, chain: Sequence[x509.Certificate], where: str, now: datetime) -> Signer:
    """An authority out of files that somebody gave. Raises SpondylError that says what is wrong with it."""
    if not chain:
        raise SpondylError(f"{where} holds no certificate")
    own = chain[0]
    if own.public_key() != key.public_key():
        raise SpondylError(f"{where}: the first certificate is not the one of the key beside it")
    for certificate in chain:
        if not _is_authority(certificate):
            raise SpondylError(f"{where}: {name_of(certificate)!r} is no authority's certificate (CA: true)")
        if certificate.not_valid_after_utc <= now:
            ended = certificate.not_valid_after_utc.date()
            raise SpondylError(f"{where}: the certificate of {name_of(certificate)!r} expired on {ended}")
    for below, above in zip(chain, [*chain[1:], chain[-1]], strict=True):
        if not is_signed_by(below, above):
            raise SpondylError(
                f"{where}: {name_of(below)!r} is not signed by the next one, {name_of(above)!r}: give the "
                "whole chain, the signing authority first, the root last"
            )
    return Signer(key, tuple(chain))


def matches(chain: Sequence[x509.Certificate], digest: bytes) -> x509.Certificate | None:
    """The first of the chain, if its fingerprint begins so."""
    return chain[0] if chain and fingerprint(chain[0]).startswith(digest) and digest else None


def sign(key: Key, message: bytes) -> bytes:
    """A signature (ECDSA, SHA-256)."""
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def of_bundle(bundle: str) -> bytes:
    """What an authority signs of those that it wants believed beside itself."""
    return b"spondyl authorities\n" + bundle.encode()


def is_signature(certificate: x509.Certificate, signature: bytes, message: bytes) -> bool:
    """Whether the key of that certificate signed this."""
    try:
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except _STRANGE:
        return False
    return True


def digest(text: str) -> str:
    """SHA-256 of a text, hexadecimal: how a secret with enough bits of its own is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def utc_now() -> datetime:
    """This moment, whole seconds: certificates know no others."""
    return datetime.now(UTC).replace(microsecond=0)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(builder: x509.CertificateBuilder, *, is_authority: bool) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=not is_authority, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=is_authority, crl_sign=is_authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return builder.add_extension(usage, critical=True)


def _issued_by(signer: Signer) -> x509.AuthorityKeyIdentifier:
    try:
        own = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
