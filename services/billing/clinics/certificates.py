"""A billing office's certificate: whom deliveries are encrypted for."""

from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from cryptography.x509.oid import NameOID

from services.billing.errors import Invalid, said
from services.kit.language import Text

LEAST_BITS: Final = 2048  # BSI TR-02102-1; newer ones have 3000 and more


def read(pem: str) -> Certificate:
    """The certificate of a PEM text. Raises Invalid for anything else, and for a key that is not RSA."""
    key: object
    try:
        found = x509.load_pem_x509_certificate(pem.encode("ascii"))
        key = found.public_key()
    except UnsupportedAlgorithm:
        key = None  # of a kind that nobody here knows
    except (ValueError, TypeError, x509.InvalidVersion):
        raise refused(
            {
                "de": "Zertifikat: kein X.509-Zertifikat als PEM (-----BEGIN CERTIFICATE-----, RFC 7468).",
                "en": "certificate: no X.509 certificate as PEM (-----BEGIN CERTIFICATE-----, RFC 7468)",
            }
        ) from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise refused(
            {
                "de": "Zertifikat: kein RSA-Schlüssel; PKCS#7 verschlüsselt hier nur für RSA (RFC 8017).",
                "en": "certificate: no RSA key; PKCS#7 encrypts for RSA alone here (RFC 8017)",
            }
        )
    if key.key_size < LEAST_BITS:
        raise refused(
            {
                "de": f"Zertifikat: RSA mit {key.key_size} Bit, mindestens {LEAST_BITS} (BSI TR-02102-1).",
                "en": f"certificate: RSA of {key.key_size} bits, at least {LEAST_BITS} (BSI TR-02102-1)",
            }
        )
    return found


def require_valid(pem: str, at: datetime) -> Certificate:
    """The certificate, if it counts at this moment. Raises Invalid."""
    found = read(pem)
    since, until = found.not_valid_before_utc, found.not_valid_after_utc
    if not since <= at <= until:
        raise refused(
            {
                "de": f"Zertifikat: gültig vom {since:%d.%m.%Y} bis {until:%d.%m.%Y}, heute ist der "
                f"{at:%d.%m.%Y} (RFC 5280, 4.1.2.5). Bitte die Abrechnungsstelle um ein neues.",
                "en": f"certificate: valid from {since:%Y-%m-%d} to {until:%Y-%m-%d}, today is "
                f"{at:%Y-%m-%d} (RFC 5280, 4.1.2.5); please ask the office for a new one",
            }
        )
    return found


def written(certificate: Certificate) -> str:
    """The one certificate as PEM, without what else was pasted."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def told(pem: str, at: datetime) -> dict[str, Any]:
    """As pages show it: whose it is, until when it counts, and its fingerprint to be compared."""
    found = read(pem)
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return {
        "subject": str(names[0].value) if names else found.subject.rfc4514_string(),
        "until": found.not_valid_after_utc.date().isoformat(), "sha256": fingerprint(found),
        "is_valid": found.not_valid_before_utc <= at <= found.not_valid_after_utc,
    }  # fmt: skip


def fingerprint(certificate: Certificate) -> str:
    """Of the whole certificate."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def refused(words: Text) -> Invalid:
    """What is wrong with it, at its field."""
    return said(Invalid, words, field="certificate")
