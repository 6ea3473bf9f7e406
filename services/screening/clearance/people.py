"""Whose rows they are: files that were merged keep their ids in what was written before."""

from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.kit.business.service import Office
from services.kit.database import reading
from services.screening.errors import NotFound
from services.screening.patients import store
from services.screening.patients.models import File


def find(connection: Connection, patient: UUID) -> File | None:
    """The file that counts, locked for what is about to change with it; None of somebody unknown."""
    held = store.hold(connection, patient)
    return store.current(connection, UUID(held["id"])) if held is not None else None


def hold(connection: Connection, patient: UUID) -> File:
    """The same of somebody known: what is read from now on holds until the commit. Raises NotFound."""
    file = find(connection, patient)
    if file is None:
        raise unknown(patient)
    return file


def ids(connection: Connection, patient: UUID) -> list[UUID]:
    """Every id of this one's rows."""
    return store.family(connection, patient)


def require(
    connection: Connection, patient: UUID, who: Principal | None = None, permission: Permission | None = None
) -> File:
    """The file, if this one may see it. Raises NotFound, in the same words where there is none."""
    file = store.current(connection, patient)
    is_hidden = who is not None and permission is not None and file and not who.may(permission, file.site)
    if file is None or is_hidden:
        raise unknown(patient)
    return file


def site_of(office: Office, patient: UUID, who: Principal, permission: Permission) -> str:
    """The site of somebody with whom this one may do this. Raises NotFound."""
    with reading(office.engine) as connection:
        return require(connection, patient, who, permission).site


def unknown(patient: UUID) -> NotFound:
    """The refusal of somebody who is not here, or whom this one may not see."""
    english = f"there is no patient {patient} here"
    return NotFound(english, {"de": f"hier gibt es keinen Patienten {patient}", "en": english})
