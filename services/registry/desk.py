"""What every room of the registry stands on: its office, its authorities, the moment, who is who."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection

from broker.acl import BRIDGE, User, bridge_name
from services.kit import pki
from services.kit.auth.principal import Principal
from services.kit.business.service import Office, open_office
from services.kit.business.sites import unknown
from services.registry import store
from services.registry.authority import Authorities
from services.registry.errors import Conflict, said
from services.registry.models import Issued, Member, us
from services.registry.settings import SERVICES, RegistrySettings
from services.registry.tables import PACKAGE, TABLES

NAME: Final = "registry"
MACHINES: Final = Principal("gateway", "a gateway's machine", ())  # whoever shows a code or a certificate


@dataclass(frozen=True, slots=True)
class Desk:
    """One registry: files and database of ``settings``; ``now`` is whole seconds."""

    office: Office
    settings: RegistrySettings
    now: Callable[[], datetime] = field(default=pki.utc_now)

    @property
    def authorities(self) -> Authorities:
        """As their files are now: a command may have changed them."""
        return Authorities(self.settings.directory, self.now())

    def issue(
        self, connection: Connection, public: ec.EllipticCurvePublicKey, wanted: pki.Wanted,
        *, part: str, member: str | None,
    ) -> str:  # fmt: skip
        """A certificate with the chain below the root, in PEM; it is kept."""
        signer, now = self.authorities.signing, self.now()
        made = pki.issue(signer, public, wanted, now)
        kept = Issued(
            pki.serial_of(made), pki.fingerprint(signer.certificate).hex(), wanted.name, member, part,
            us(now), us(made.not_valid_after_utc), pki.pem_of(made),
        )  # fmt: skip
        store.add_certificate(connection, kept)
        return kept.pem + "".join(map(pki.pem_of, signer.chain[:-1]))

    def until(self, days: float) -> datetime:
        """So many days from now."""
        return self.now() + timedelta(days=days)

    def write_down(self, who: Principal, action: str, record: str, site: str | None, **detail: Any) -> None:
        """A row of the audit trail. Raises TrailUnavailable."""
        self.office.seen(who, action, record, site, **detail)


def open_desk(settings: RegistrySettings) -> Desk:
    """The database brought up to date, the authority made or read. Raises SpondylError."""
    desk = Desk(open_office(NAME, PACKAGE, TABLES, settings), settings)
    _ = desk.authorities
    return desk


def the_member(connection: Connection, name: str, who: Principal | None = None) -> Member:
    """The one of this name, where ``who`` may manage it. Raises NotFound, in the same words for both."""
    found = store.member(connection, name)
    if found is None or (who is not None and not who.may("gateways.manage", found.site or "*")):
        raise unknown({"de": "Gateway", "en": "gateway"}, name)
    return found


def require_living(member: Member) -> Member:
    """Raises Conflict for one that was revoked."""
    if member.ended_us is not None:
        raise said(
            Conflict,
            {
                "de": f"{member.name} ist gesperrt: neu aufnehmen mit `spondyl gateway enrol`",
                "en": f"{member.name} is revoked: `spondyl gateway enrol` takes it in anew",
            },
        )
    return member


def users(members: list[Member], ended: Collection[str] = ()) -> list[User]:
    """Everybody at the central broker, for its access list; but for bridges that were ``ended``."""
    gateways = [one for one in members if one.role == "gateway"]
    sites = dict.fromkeys(one.site for one in gateways if one.site)
    return [
        *(User(service, service) for service in SERVICES),
        *(User(BRIDGE, bridge_name(site), site=site) for site in sites if bridge_name(site) not in ended),
        *(
            User("gateway", one.name, site=one.site, gateway=one.name, devices=one.devices)
            for one in gateways
        ),
        *(User("integrator", one.name, site=one.site) for one in members if one.role == "integrator"),
    ]


def release() -> str:
    """The centre's."""
    return version("spondyl")
