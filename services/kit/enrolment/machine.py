"""What a machine that joined keeps: keys made here, certificates, and its clinic's broker.

DIR/gateway.json                 who it is, where the centre is
DIR/secrets/gateway.crt .key     the gateway's own; mqtt and bridge: of the clinic's broker
DIR/secrets/ca.crt               whom to trust; access.pub, clearance.pub, bedside.key
DIR/mosquitto/mosquitto.conf     the clinic's broker, with acl and crl.pem
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from pydantic import BaseModel, ConfigDict, ValidationError

from broker.acl import User
from broker.mosquitto import render_site
from broker.mosquitto.render import Central, Certificates
from services.kit import files, pki
from services.kit.enrolment.models import Papers, Part
from services.kit.errors import SpondylError

FILES: Final[dict[Part, str]] = {"gateway": "gateway", "bridge": "bridge", "broker": "mqtt"}
READABLE: Final = 0o644
PORT: Final = 8883
BEGIN: Final = "-----BEGIN CERTIFICATE-----"


class Joined(BaseModel):
    """``gateway.json``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    gateway: str
    site: str
    devices: tuple[str, ...]
    centre: str  # address of the registry
    mqtt: str  # address of the broker that the gateway speaks to
    seen_as: str = ""  # the directory as the broker sees it
    listen: str = f"127.0.0.1:{PORT}"
    parts: tuple[Part, ...] = ("gateway",)
    centre_version: str = ""


class Machine:
    """The directory of one gateway's machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.secrets = directory / "secrets"

    @property
    def joined(self) -> Joined | None:
        """Who it is; None before it joined. Raises SpondylError when the file cannot be read."""
        path = self.directory / "gateway.json"
        try:
            return Joined.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            raise SpondylError(
                f"{path} cannot be read ({type(error).__name__}): join anew with a code"
            ) from None

    def certificate(self, part: Part) -> x509.Certificate | None:
        """The one that is held."""
        try:
            return pki.certificates((self.secrets / f"{FILES[part]}.crt").read_text(encoding="ascii"))[0]
        except (OSError, IndexError, pki.NotPem):
            return None

    def key(self, part: Part) -> pki.Key:
        """Its key. Raises SpondylError."""
        return pki.read_key(self.secrets / f"{FILES[part]}.key")

    @property
    def trusted(self) -> str:
        """The authorities, in PEM."""
        return (self.secrets / "ca.crt").read_text(encoding="ascii")

    def keep(self, papers: Papers, keys: Mapping[Part, pki.Key], joined: Joined) -> None:
        """Write what came: each file in one step, keys with their certificates, who we are last."""
        self.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        for part, key in keys.items():
            both = pki.key_pem(key) + papers.certificates[part].encode()
            files.replace(self.secrets / f"{FILES[part]}.new", both)
        self.settle()
        given = {
            "ca.crt": papers.authorities, "access.pub": papers.access_public_key,
            "clearance.pub": papers.clearance_public_key,
        }  # fmt: skip
        for name, text in given.items():
            if text:
                _put(self.secrets / name, text, READABLE)
        if papers.bedside_key:
            _put(self.secrets / "bedside.key", papers.bedside_key, files.OWNER_ONLY)
        if "broker" in joined.parts:
            self._render(papers, joined)
        _put(self.directory / "gateway.json", joined.model_dump_json(indent=1), READABLE)

    def settle(self) -> None:
        """Put new keys and certificates into their places: finished at the next start if this one ends now.

        A key without its certificate could neither connect nor ask for another.
        """
        for path in sorted(self.secrets.glob("*.new")):
            key, begin, certificate = path.read_text(encoding="ascii").partition(BEGIN)
            files.replace(path.with_suffix(".key"), key.encode())
            files.replace(path.with_suffix(".crt"), (begin + certificate).encode(), READABLE)
            path.unlink()

    def environment(self, joined: Joined) -> dict[str, str]:
        """What the gateway's process is told, as variables."""
        own = Path(joined.seen_as) if joined.seen_as else self.directory.absolute()
        return {
            "SPONDYL_SITE": joined.site,
            "SPONDYL_DEVICES": ",".join(joined.devices),
            "SPONDYL_GATEWAY_NAME": joined.gateway,
            "SPONDYL_MQTT_URL": joined.mqtt,
            "SPONDYL_MQTT_CA": str(own / "secrets" / "ca.crt"),
            "SPONDYL_MQTT_CERTIFICATE": str(own / "secrets" / "gateway.crt"),
            "SPONDYL_MQTT_KEY": str(own / "secrets" / "gateway.key"),
            "SPONDYL_ACCESS_PUBLIC_KEY": str(own / "secrets" / "access.pub"),
            "SPONDYL_CLEARANCE_PUBLIC_KEY": str(own / "secrets" / "clearance.pub"),
            "SPONDYL_BEDSIDE_KEY": str(own / "secrets" / "bedside.key"),
            "SPONDYL_CLINIC_DIRECTORY": str(own),
        }

    def _render(self, papers: Papers, joined: Joined) -> None:
        """The clinic's broker: who may what there is what the centre says of the site."""
        seen = Path(joined.seen_as) if joined.seen_as else self.directory.absolute()
        own = seen / "secrets"
        _put(self.directory / "mosquitto" / "crl.pem", papers.revoked, READABLE)
        host, _, port = joined.listen.rpartition(":")
        render_site(
            self.directory / "mosquitto",
            site=papers.site,
            host=host,
            port=int(port),
            users=[_user(one, papers.site) for one in papers.members],
            central=Central(
                papers.broker.removeprefix("mqtts://"),
                certificates=Certificates(own / "ca.crt", own / "bridge.crt", own / "bridge.key"),
            ),
            certificates=Certificates(
                own / "ca.crt", own / "mqtt.crt", own / "mqtt.key", seen / "mosquitto" / "crl.pem"
            ),
            seen_as=seen / "mosquitto",
        )


def is_over(certificate: x509.Certificate | None, now: datetime, share: float) -> bool:
    """Whether so much of its time has passed, or there is none."""
    if certificate is None:
        return True
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begins + (ends - begins) * share


def _user(member: Any, site: str) -> User:
    gateway = member.name if member.role == "gateway" else None
    return User(member.role, member.name, site=site, gateway=gateway, devices=member.devices)


def _put(path: Path, text: str, mode: int) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        files.replace(path, text.encode(), mode)
