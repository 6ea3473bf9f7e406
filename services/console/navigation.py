"""What the navigation can show: a row an entry, shown where the page exists and the reader may open it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fastapi import FastAPI
from starlette.routing import Match

from services.kit.auth.principal import ALL_SITES, Principal
from services.kit.auth.roles import ROLES, Permission
from services.kit.pages import Language


@dataclass(frozen=True, slots=True)
class Entry:
    """One place: its text's id, its path, its symbol (icons.svg) and what opens it (None: signing in)."""

    id: str
    text: str
    path: str
    icon: str
    permission: Permission | None = None
    also: str | tuple[str, ...] = ()  # paths whose pages belong to this entry, too
    is_seldom: bool = False  # it stands in the user's menu, also where the screen is wide

    def is_here(self, path: str) -> bool:
        """Whether this path is one of the entry's pages."""
        if path == self.path or path.startswith(self.also):
            return True
        return self.path != "/" and path.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True)
class Tab:
    """A page beside others of one room: its id, its text's id, its path, and what opens it."""

    id: str
    text: str
    path: str
    permission: Permission


ENTRIES: Final = (
    Entry("wall", "nav_wall", "/", "bed", "beds.see", also="/beds/"),
    Entry("patients", "nav_patients", "/patients", "person", "patients.see"),
    Entry("sessions", "nav_sessions", "/sessions", "sessions", "sessions.see"),
    Entry(
        "planning",
        "nav_planning",
        "/board",
        "calendar",
        "appointments.see",
        also=(
            "/calendar",
            "/appointments/",
            "/planning",
            "/cures",
            "/waiting",
            "/replanning",
            "/resources",
            "/feeds",
        ),
    ),
    Entry("homecare", "nav_homecare", "/homecare", "home", "homecare.see"),
    Entry("billing", "nav_billing", "/billing", "invoice", "billing.see"),
    Entry("attention", "nav_attention", "/attention", "warning", "clearance.sign"),
    Entry("outcomes", "nav_outcomes", "/outcomes", "trail", "outcomes.see", is_seldom=True),
    Entry("documents", "nav_documents", "/documents", "print", "documents.edit", is_seldom=True),
    Entry("exchange", "nav_exchange", "/exchange", "download", "exchange.use", is_seldom=True),
    Entry("users", "nav_users", "/users", "people", "users.manage", is_seldom=True),
    Entry("trail", "nav_trail", "/trail", "trail", "trail.see", is_seldom=True),
)

LANDING: Final = ("wall", "billing")  # where a sign-in leads, before any other that it opens
NOWHERE: Final = Entry("password", "change_password", "/password", "key")  # what every sign-in opens


def home(principal: Principal | None) -> Entry:
    """The first page that this reader may open: where a sign-in leads, and an error's page back."""
    wanted = sorted(ENTRIES, key=lambda entry: entry.id not in LANDING)
    return next((entry for entry in wanted if _may(principal, entry.permission)), NOWHERE)


def shown(exists: Callable[[str], bool], principal: Principal | None) -> list[Entry]:
    """The entries whose page exists and which this reader may open."""
    return [entry for entry in ENTRIES if exists(entry.path) and _may(principal, entry.permission)]


@lru_cache(maxsize=256)
def exists(app: FastAPI, path: str, method: str = "GET") -> bool:
    """Whether the application answers this path by a route of its own."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "headers": [],
        "query_string": b"",
    }
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


def roles(principal: Principal | None, language: Language) -> list[str]:
    """What the reader is, and where: one line a grant."""
    if principal is None:
        return []
    return [
        ROLES[grant.role].title[language] + ("" if grant.site == ALL_SITES else f" ({grant.site})")
        for grant in principal.grants
    ]


def _may(principal: Principal | None, permission: Permission | None) -> bool:
    return principal is None or permission is None or principal.may(permission)
