"""What somebody may not see is answered like what does not exist."""

from services.kit.auth.principal import Principal, Sites
from services.kit.auth.roles import Permission
from services.kit.business.errors import NotFound, said
from services.kit.language import Text


def here(who: Principal, permission: Permission, site: str) -> str:
    """The site, where this is permitted to them. Raises NotFound."""
    if not who.may(permission, site):
        raise unknown({"de": "Standort", "en": "site"}, site)
    return site


def within(who: Principal, permission: Permission, site: str | None) -> Sites:
    """The site that is asked for, or every one where this is permitted. Raises NotFound."""
    return who.sites(permission) if site is None else frozenset({here(who, permission, site)})


def unknown(what: Text, name: object) -> NotFound:
    """There is no such record, or none that this caller may see."""
    return said(
        NotFound, {"de": f"{what['de']} {name} gibt es nicht.", "en": f"there is no {what['en']} {name}"}
    )
