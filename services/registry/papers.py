"""A gateway's papers: its certificates, whom it trusts, who else is at its site."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection

from broker.acl import bridge_name
from services.kit import pki
from services.kit.database import reading
from services.kit.enrolment.models import Member as AtSite
from services.kit.enrolment.models import Papers, Part
from services.registry import files, store
from services.registry.desk import Desk, release, the_member
from services.registry.models import GATEWAY_DAYS, Member

Keys = dict[Part, ec.EllipticCurvePublicKey]
_USES: Final[dict[Part, pki.Use]] = {"gateway": "both", "bridge": "client", "broker": "both"}


def keys_of(requests: dict[Part, str]) -> Keys:
    """The public keys of requests. Raises NotPem: nothing else of a request counts, we say the names."""
    return {part: pki.requested(pem) for part, pem in requests.items()}


def issue(desk: Desk, connection: Connection, member: Member, keys: Keys) -> dict[Part, str]:
    """A certificate for each key, under the name that we know the part by."""
    names: dict[Part, str] = {
        "gateway": member.name, "bridge": bridge_name(member.site or ""), "broker": f"broker-{member.site}",
    }  # fmt: skip
    until = desk.until(GATEWAY_DAYS)
    return {
        part: desk.issue(
            connection, key,
            pki.Wanted(names[part], _USES[part], until, () if part == "bridge" else member.hosts),
            part=part, member=member.name,
        )
        for part, key in keys.items()
    }  # fmt: skip


def papers(desk: Desk, name: str, certificates: dict[Part, str]) -> Papers:
    """The papers of today, with these certificates."""
    authorities = desk.authorities
    with reading(desk.office.engine) as connection:
        member = the_member(connection, name)
        others = store.members(connection, living=True)
    return Papers(
        gateway=member.name,
        site=member.site or "",
        devices=member.devices,
        certificates=certificates,
        authorities=authorities.bundle,
        revoked=files.write_revoked(desk, authorities),
        broker=desk.settings.registry_broker_url,
        members=tuple(
            AtSite(
                name=one.name, role="gateway" if one.role == "gateway" else "integrator", devices=one.devices
            )
            for one in others
            if one.site == member.site
        ),
        hosts=member.hosts,
        version=release(),
    )
