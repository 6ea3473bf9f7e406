"""Certificates that the centre makes whole: for integrators, and for whatever else of its own needs one."""

from pathlib import Path
from typing import Final

from broker.acl import User
from broker.contract import Role
from services.kit import files as disk
from services.kit import pki
from services.kit.auth.principal import Principal
from services.kit.business.sites import here
from services.kit.database import writing
from services.registry import files, store
from services.registry.desk import Desk
from services.registry.errors import Conflict, Invalid, said
from services.registry.models import INTEGRATOR_DAYS, Member, us

PREFIX: Final[Role] = "integrator"


def issue(desk: Desk, who: Principal, name: str, site: str | None, out: Path) -> None:
    """An integrator's key and certificate in a directory; the key is kept nowhere else. Raises SpondylError.

    It may read what integrators may, at its site or at every one; one that is known gets a further
    certificate, the ones before hold until they expire.
    """
    if name != PREFIX and not name.startswith(f"{PREFIX}-"):
        raise Invalid(f"the integrator's name is {name!r}: it begins with {PREFIX!r}, as integrator-lab")
    try:
        User(PREFIX, name, site=site)  # as the access list will have it: what it cannot hold is not kept
    except ValueError as error:
        raise Invalid(str(error)) from None
    here(who, "gateways.manage", site or "*")
    key, now = pki.new_key(), desk.now()
    wanted = pki.Wanted(name, "client", desk.until(INTEGRATOR_DAYS))
    with writing(desk.office.engine) as connection:
        store.wait_turn(connection)
        before = store.member(connection, name)
        if before is not None and before.site != site:
            raise said(
                Conflict,
                {
                    "de": f"{name} gibt es schon, am Standort {before.site or '*'}",
                    "en": f"{name} is there, at site {before.site or '*'}: give this one another name",
                },
            )
        store.put_member(connection, Member(name, PREFIX, site, (), (), us(now), None, ""))
        pem = desk.issue(connection, key.public_key(), wanted, part=PREFIX, member=name)
    disk.replace(out / f"{name}.key", pki.key_pem(key), files.PRIVATE)
    disk.replace(out / f"{name}.crt", pem.encode(), 0o644)
    disk.replace(out / "ca.crt", desk.authorities.bundle.encode(), 0o644)
    desk.write_down(who, "integrator.issued", name, site)
    files.write_broker(desk)
