"""Ending a gateway's or an integrator's access: its certificates, its rights and its codes, all at once.

The broker looks at the revocation list when somebody connects, and at the access list at every message: what
is connected already stays so with Mosquitto, deaf and mute, until it reconnects and is refused.
"""

from services.kit.auth.principal import Principal
from services.kit.database import writing
from services.registry import files, store
from services.registry.desk import Desk, the_member
from services.registry.errors import Conflict, said
from services.registry.models import Member


def revoke(desk: Desk, who: Principal, name: str, reason: str) -> tuple[Member, int]:
    """End it; gives how many certificates held until now. Raises NotFound, Conflict."""
    with writing(desk.office.engine) as connection:
        store.wait_turn(connection)
        now = desk.now()
        member = the_member(connection, name, who)
        if member.ended_us is not None:
            raise said(
                Conflict,
                {"de": f"{name} ist schon gesperrt", "en": f"{name} is revoked already: nothing to do"},
            )
        held = [one.serial for one in store.certificates_of(connection, name)]
        fresh = [serial for serial in held if serial not in store.revoked_serials(connection, held)]
        store.revoke(connection, held, now, reason)
        store.end_member(connection, name, now)
    desk.write_down(who, f"{member.role}.revoked", name, member.site, reason=reason, certificates=len(fresh))
    files.write_broker(desk)
    return member, len(fresh)
