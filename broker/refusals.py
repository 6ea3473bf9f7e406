"""Why a broker and we do not take each other's certificate, in one line: what, and what to do about it.

With TLS 1.3 our side of the handshake is done before the broker has looked at our certificate: its refusal is
an alert at the first reading, and some brokers just hang up. What our own certificate says decides then.
"""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

Kind = Literal[
    "broker_expired", "broker_not_yet", "broker_elsewhere", "broker_unknown", "own_expired", "own_not_yet",
    "own_revoked", "own_unknown", "own_missing", "own_unreadable", "hung_up",
]  # fmt: skip

_ENROL: Final = "take the gateway in anew (`spondyl gateway enrol`, then `join`)"
SAID: Final[dict[Kind, str]] = {
    "broker_expired": "the broker's certificate has expired, or this machine's clock is ahead: renew it "
    "there (`spondyl gateway renew`, at the centre `spondyl registry write`), or set the clock",
    "broker_not_yet": "the broker's certificate is not valid yet: this machine's clock is behind, set it",
    "broker_elsewhere": "the broker's certificate is for another host name: SPONDYL_MQTT_URL must have one "
    "that stands in it",
    "broker_unknown": "the broker's certificate is of an authority that is not trusted here: SPONDYL_MQTT_CA "
    "must be the chain's ca.crt; is this the right broker?",
    "own_expired": f"our own certificate has expired: {_ENROL}",
    "own_not_yet": "our own certificate is not valid yet: this machine's clock is behind, set it",
    "own_revoked": f"our own certificate is revoked: ask the centre why; if it was a mistake, {_ENROL}",
    "own_unknown": "our own certificate is of an authority that the broker does not know: it must be of "
    "the same chain; is this the right broker?",
    "own_missing": "the broker wants a certificate and we have none: see SPONDYL_MQTT_CERTIFICATE",
    "own_unreadable": "our certificate, its key or the authority cannot be read: see "
    "SPONDYL_MQTT_CERTIFICATE, _KEY and _CA",
    "hung_up": "the broker hung up before it answered: its log says why; is our certificate one of its "
    "chain, and its revocation list not too old?",
}
# OpenSSL's X509_V_ERR_*: 62 and 64 are host name and address.
_VERIFY: Final[dict[int, Kind]] = {
    9: "broker_not_yet", 10: "broker_expired", 62: "broker_elsewhere", 64: "broker_elsewhere",
}  # fmt: skip
_ALERTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("CERTIFICATE_REVOKED", "own_revoked"),
    ("CERTIFICATE_EXPIRED", "own_expired"),
    ("UNKNOWN_CA", "own_unknown"),
    ("CERTIFICATE_REQUIRED", "own_missing"),
    ("BAD_CERTIFICATE", "own_unknown"),
    ("CERTIFICATE_UNKNOWN", "own_unknown"),
)


def kind_of(error: OSError, certificate: str | None, *, is_secure: bool) -> Kind | None:
    """What went wrong with certificates; None when it is about something else."""
    if not is_secure:
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code, "broker_unknown")
    reason = str(getattr(error, "reason", None) or "")
    for word, kind in _ALERTS:
        if word in reason:
            return (_by_ours(certificate) or kind) if kind == "own_unknown" else kind
    is_over = isinstance(error, (ssl.SSLError, ConnectionResetError, BrokenPipeError))
    return (_by_ours(certificate) or "hung_up") if is_over else None


def hung_up(certificate: str | None) -> Kind:
    """Of a broker that ended a secure connection without a word before it answered."""
    return _by_ours(certificate) or "hung_up"


def _by_ours(certificate: str | None) -> Kind | None:
    if certificate is None:
        return "own_missing"
    from cryptography import x509  # (who has a certificate has this; a machine without needs none)

    try:
        held = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    except (OSError, ValueError):
        return "own_unreadable"
    now = datetime.now(UTC)
    if held.not_valid_after_utc <= now:
        return "own_expired"
    return "own_not_yet" if held.not_valid_before_utc > now else None
