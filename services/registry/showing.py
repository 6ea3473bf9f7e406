"""What the registry shows of gateways."""

from typing import Any

from services.kit.auth.principal import Principal
from services.kit.database import reading
from services.registry import store
from services.registry.desk import Desk, the_member
from services.registry.models import Issued, Member, shown, us


def gateways(desk: Desk, who: Principal) -> list[dict[str, Any]]:
    """Every gateway and integrator of the caller's sites, with what holds of it."""
    with reading(desk.office.engine) as connection:
        found = [one for one in store.members(connection) if who.may("gateways.manage", one.site or "*")]
        ends = store.newest(connection)
    return [_row(desk, one, ends.get((one.name, one.role))) for one in found]


def gateway(desk: Desk, who: Principal, name: str) -> dict[str, Any]:
    """One of them, with every certificate that it ever had. Raises NotFound."""
    with reading(desk.office.engine) as connection:
        member = the_member(connection, name, who)
        issued = store.certificates_of(connection, name)
        revoked = store.revoked_serials(connection, [one.serial for one in issued])
    last = next((one.ends_us for one in issued if one.part == member.role), None)
    rows = [one.body(one.serial in revoked) for one in issued]
    return {**_row(desk, member, last), "certificates": rows}


def _row(desk: Desk, member: Member, ends_us: int | None) -> dict[str, Any]:
    return {
        "name": member.name, "role": member.role, "site": member.site, "devices": list(member.devices),
        "state": _state(member, ends_us, us(desk.now())), "version": member.version,
        "certificate_until": shown(ends_us), "revoked_at": shown(member.ended_us),
    }  # fmt: skip


def _state(member: Member, ends_us: int | None, now_us: int) -> str:
    if member.ended_us is not None:
        return "revoked"
    if ends_us is None:
        return "invited"
    return "joined" if ends_us > now_us else "expired"


__all__ = ["Issued", "gateway", "gateways"]
