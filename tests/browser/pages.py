"""Every page that there is, one row each: what looks at all pages (axe, keyboard, size, pictures) walks it.

In a path `{session}`, `{other}`, `{cure}` and `{bed}` are filled in by the ward.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One row: its name (and its picture's), where it is, who opens it, what stands there when whole."""

    name: str
    path: str
    role: str | None = "administrator"  # None: nobody is signed in
    wait: str = "main h1"
    may_fail: tuple[str, ...] = ()  # words of errors that a browser reports here by right


PAGES = (
    Page("sign-in", "/sign-in", role=None, wait="main form"),
    Page("wall", "/", wait='.tile[data-link="live"]'),
    Page("bed", "/beds/{bed}?site=north", role="clinician", wait="#sessions li"),
    Page("patient", "/beds/{bed}/patient?site=north", role="therapist", wait="canvas"),
    Page("alarms", "/alarms"),
    Page("sessions", "/sessions", role="clinician", wait="main a[href*='/sessions/']"),
    Page("session", "/sessions/{session}", role="clinician", wait="#plot canvas"),
    Page("compare", "/sessions/compare?session={session}&session={other}", role="clinician"),
    Page("cure", "/cures/{cure}/sessions", role="clinician"),
    Page("users", "/users", wait="main table"),
    Page("trail", "/trail", wait="main table"),
    Page("password", "/password", wait="main form"),
    Page("design", "/design", wait=".design-theme"),
    Page("not-found", "/nowhere", may_fail=("404",)),
    Page("refused", "/trail", role="monitor", may_fail=("403",)),
)
