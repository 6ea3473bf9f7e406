"""Whose rows they are: files that were merged keep their ids in what was written before."""

from uuid import UUID

from sqlalchemy import Connection

from services.kit.auth.principal import Principal
from services.kit.auth.roles import Permission
from services.screening.errors import NotFound
from services.screening.patients import store
from services.screening.patients.models import File


def find(connection: Connection, patient: UUID) -> File | None:
    """The file that counts, locked for what is about to change with it; None of somebody unknown."""
    file = store.current(connection, patient)
    if file is not None:
        store.lock(connection, file.patient)
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
        english = f"there is no patient {patient} here"
        raise NotFound(english, {"de": f"hier gibt es keinen Patienten {patient}", "en": english})
    return file
