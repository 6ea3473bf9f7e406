"""A delivery's invoices for the office's eyes alone: CMS enveloped data (PKCS#7, RFC 5652), AES-256."""

from datetime import datetime

from services.billing.clinics import certificates
from services.billing.errors import Invalid
from services.billing.models import BillingOffice

ENDING = ".p7m"


def for_office(data: bytes, office: BillingOffice, at: datetime) -> bytes:
    """Encrypted for the certificate's holder; as it is where the office has none. Raises Invalid."""
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

    if not office.certificate:
        return data
    try:
        certificate = certificates.require_valid(office.certificate, at)
    except Invalid as error:
        error.more["missing"] = ["billing_offices"]
        raise
    builder = PKCS7EnvelopeBuilder().set_data(data).add_recipient(certificate)
    builder = builder.set_content_encryption_algorithm(algorithms.AES256)
    return builder.encrypt(Encoding.DER, [PKCS7Options.Binary])
