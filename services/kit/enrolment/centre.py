"""Asking the registry from a clinic: over TLS that is checked from the first secret on."""

import base64
import contextlib
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509

from services.kit import pki
from services.kit.enrolment.codes import Code
from services.kit.errors import SpondylError

PATIENCE_S: Final = 20.0
MOST_BYTES: Final = 1_000_000


class CentreAway(SpondylError):  # noqa: N818  (the state that a user meets)
    """It does not answer, or cannot: try again later."""


class CentreRefuses(SpondylError):  # noqa: N818  (the same)
    """It answers no, and why."""


class WrongCentre(SpondylError):  # noqa: N818  (who it is)
    """Whoever answers there is not the centre that the code or the authorities name; nothing was sent."""


class Centre:
    """The registry at an address; ``trusted`` are the authorities in PEM, none before a code was checked."""

    def __init__(self, url: str, trusted: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query:
            raise SpondylError(f"the centre's address is {url[:200]!r}: https://host or https://host:port")
        self.url = url.rstrip("/")
        self._trusted = trusted

    def introduce(self, code: Code) -> None:
        """Get the authorities, and trust them if the code names them. Raises WrongCentre, CentreAway."""
        told = self._ask("/authority", None, _believing_anybody())
        authorities = str(told.get("authorities", ""))
        chain = pki.certificates(authorities)
        if not chain or not code.fits(pki.fingerprint(chain[0])) or not _is_proven(chain[0], told):
            raise WrongCentre(
                f"whoever answers at {self.url} is not the centre that made this code (its authority has "
                "another fingerprint, or does not vouch for what came with it): nothing was sent; check the "
                "address, and ask there for a new code"
            )
        self._trusted = authorities

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers. Raises WrongCentre, CentreRefuses, CentreAway."""
        context = ssl.create_default_context(cadata=self._trusted)
        return self._ask(path, json.dumps(body).encode(), context)

    def _ask(self, path: str, body: bytes | None, context: ssl.SSLContext) -> dict[str, Any]:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        request = urllib.request.Request(  # noqa: S310  (https: it was checked)
            self.url + path, body, {"Content-Type": "application/json"}
        )
        try:
            with opener.open(request, timeout=PATIENCE_S) as answer:
                return _object(answer.read(MOST_BYTES), self.url)
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except (OSError, ValueError) as error:
            raise self._failed(error) from None

    def _refused(self, error: urllib.error.HTTPError) -> SpondylError:
        said = ""
        with contextlib.suppress(OSError, ValueError, SpondylError):
            said = str(_object(error.read(MOST_BYTES), self.url).get("detail", ""))
        error.close()
        if error.code >= 500 or error.code == 429:  # noqa: PLR2004  (HTTP)
            return CentreAway(f"{self.url} answers {error.code}: {said or 'it has a fault'}; try again later")
        if not said or said == HTTPStatus.NOT_FOUND.phrase:  # of a web server that knows no enrolment
            said = f"{self.url} answers {error.code}, as no registry does: is this its address, its port?"
        return CentreRefuses(said)

    def _failed(self, error: OSError | ValueError) -> SpondylError:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = reason.verify_message or reason.reason
            return WrongCentre(
                f"the certificate at {self.url} cannot be trusted ({why}): nothing was sent; is the address "
                "the name that stands in the certificate (SPONDYL_REGISTRY_HOSTS at the centre), and this "
                "machine's clock right?"
            )
        if isinstance(reason, socket.gaierror):
            return CentreAway(f"no machine is called {urlsplit(self.url).hostname}: {reason.strerror}")
        return CentreAway(f"{self.url} does not answer: {getattr(reason, 'strerror', None) or reason}")


def _believing_anybody() -> ssl.SSLContext:
    """For the one question whose answer proves itself by the code's fingerprint."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_proven(pinned: x509.Certificate, told: Mapping[str, Any]) -> bool:
    """Whether the authority that the code names signed the whole list: anybody may repeat its certificate."""
    try:
        proof = base64.b64decode(str(told.get("proof", "")), validate=True)
    except ValueError:
        return False
    return pki.is_signature(pinned, proof, pki.of_bundle(str(told["authorities"])))


def _object(body: bytes, url: str) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise CentreAway(f"what answers at {url} is no registry")
    return found
