"""The authority's keys in files, and which of them sign and which are only trusted still.

DATA/registry/authority.key .pem    signs: made at the first start, or given, with the chain above it
DATA/registry/next.key .pem         prepared by `spondyl registry rotate`: trusted, does not sign yet
DATA/registry/former-*.key .pem     signed once: trusted, and lists what it revoked, until it expires
"""

import base64
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from services.kit import files, pki
from services.kit.errors import SpondylError
from services.registry.errors import Conflict, said
from services.registry.models import AUTHORITY_DAYS

READABLE: Final = 0o644


class Authorities:
    """Every authority whose certificates are believed; the first signs."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory = directory
        self.signing = self._load(directory / "authority", now)
        self.next = self._load_next(now)
        self.former = self._load_former(now)

    @property
    def trusted(self) -> tuple[pki.Signer, ...]:
        """All of them: the one that signs first."""
        return (self.signing, *((self.next,) if self.next else ()), *self.former)

    @property
    def bundle(self) -> str:
        """Whom to trust, in PEM, each certificate once."""
        return "".join(dict.fromkeys(pki.pem_of(one) for signer in self.trusted for one in signer.chain))

    @property
    def proof(self) -> str:
        """The one that signs vouches for all of them, base64: a code names it alone."""
        return base64.b64encode(pki.sign(self.signing.key, pki.of_bundle(self.bundle))).decode()

    @property
    def fingerprint(self) -> bytes:
        """Of the authority that signs: enrolment codes carry its beginning."""
        return pki.fingerprint(self.signing.certificate)

    def of(self, certificate: x509.Certificate) -> pki.Signer | None:
        """Which of them made it."""
        return next((one for one in self.trusted if pki.is_signed_by(certificate, one.certificate)), None)

    @staticmethod
    def prepare(directory: Path, now: datetime) -> pki.Signer:
        """The next authority: from now on it is trusted. Raises Conflict where one waits already."""
        if (directory / "next.key").exists():
            raise said(
                Conflict,
                {
                    "de": "eine neue Ausstellerin ist schon vorbereitet: `rotate activate`",
                    "en": "the next authority is prepared already: `rotate activate` lets it sign",
                },
            )
        return _make(directory / "next", now)

    @staticmethod
    def activate(directory: Path, now: datetime) -> pki.Signer:
        """Let the next authority sign. Raises Conflict where none was prepared."""
        if not (directory / "next.key").exists():
            raise said(
                Conflict,
                {
                    "de": "keine neue Ausstellerin ist vorbereitet: erst `rotate prepare`",
                    "en": "no next authority is prepared: `rotate prepare` first, then wait until every "
                    "gateway has been online for an hour",
                },
            )
        chain = pki.certificates((directory / "authority.pem").read_text(encoding="ascii"))
        former = f"former-{pki.fingerprint(chain[0]).hex()[:16]}"
        for ending in ("key", "pem"):
            (directory / f"authority.{ending}").replace(directory / f"{former}.{ending}")
            (directory / f"next.{ending}").replace(directory / f"authority.{ending}")
        files.flush_directory(directory)
        return Authorities(directory, now).signing

    def _load(self, base: Path, now: datetime) -> pki.Signer:
        key, pem = base.with_suffix(".key"), base.with_suffix(".pem")
        if not key.exists() and not pem.exists():
            return _make(base, now)
        if not (key.exists() and pem.exists()):
            missing = pem if key.exists() else key
            raise SpondylError(
                f"{missing} is missing beside {(key if key.exists() else pem).name}: an authority is its key "
                "and its certificate with the chain above it"
            )
        return _read(base, now)

    def _load_next(self, now: datetime) -> pki.Signer | None:
        base = self._directory / "next"
        return _read(base, now) if base.with_suffix(".key").exists() else None

    def _load_former(self, now: datetime) -> tuple[pki.Signer, ...]:
        found = []
        for path in sorted(self._directory.glob("former-*.pem")):
            chain = pki.certificates(path.read_text(encoding="ascii"))
            if chain and chain[0].not_valid_after_utc > now:
                found.append(pki.Signer(pki.read_key(path.with_suffix(".key")), chain))
        return tuple(found)


def _read(base: Path, now: datetime) -> pki.Signer:
    pem = base.with_suffix(".pem")
    try:
        chain = pki.certificates(pem.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise SpondylError(f"{pem} cannot be read: {error}") from None
    return pki.require_chain(pki.read_key(base.with_suffix(".key")), chain, str(pem), now)


def _make(base: Path, now: datetime) -> pki.Signer:
    """A new one; of two processes that start at once the first one's key counts, for both."""
    name = f"Spondyl authority {now:%Y-%m-%d} {secrets.token_hex(3)}"  # of two no name is the same
    made = pki.authority(name, now + timedelta(days=AUTHORITY_DAYS), now)
    base.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.publish(base.with_suffix(".key"), pki.key_pem(made.key))
    key = pki.read_key(base.with_suffix(".key"))
    if key.public_key() == made.key.public_key():
        files.publish(base.with_suffix(".pem"), made.pem.encode(), READABLE)
    return _read(base, now)
