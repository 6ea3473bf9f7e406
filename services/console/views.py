"""What one open page wants to see: whose beds, which of them, in which language, which part of the list."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

from services.console.glance import Glance
from services.console.models import Key
from services.kit.pages import Language

Show = Literal["all", "session", "alarm", "away"]
SIZES: Final = (24, 48, 96)
DEFAULT_SIZE: Final = 24
MAX_SIZE: Final = 96
MAX_TEXT: Final = 80  # of a search; the rest of a longer one is not looked at
MAX_PAGE: Final = 1_000_000

SHOWS: Final[dict[Show, Callable[[Glance], bool]]] = {
    "all": lambda _glance: True,
    "session": lambda glance: glance.in_session,
    "alarm": lambda glance: glance.severity > 0,
    "away": lambda glance: glance.away,
}


@dataclass(frozen=True, slots=True)
class View:
    """One way to look. Pages with the same view are served the same bytes.

    ``sites`` is what the reader may see, None for everything; ``device`` is the bed whose own page it is;
    ``wall`` asks for tiles. Neither of the two: a page that has only the alarm header.
    """

    language: Language = "en"
    sites: frozenset[str] | None = None
    device: Key | None = None
    wall: bool = False
    site: str = ""
    show: Show = "all"
    q: str = ""
    page: int = 1
    size: int = DEFAULT_SIZE
    group: bool = False  # by site, each worst first

    def sees(self, site: str) -> bool:
        """Whether the reader may see this site's beds at all."""
        return self.sites is None or site in self.sites

    def address(self, **changes: Any) -> str:
        """The query of this view with some values changed: what a link or the address bar has."""
        view = replace(self, **changes)
        values = {
            "q": view.q,
            "site": view.site,
            "show": "" if view.show == "all" else view.show,
            "group": "site" if view.group else "",
            "size": "" if view.size == DEFAULT_SIZE else str(view.size),
            "page": "" if view.page == 1 else str(view.page),
        }
        return urlencode({name: value for name, value in values.items() if value})


def wall_view(query: Mapping[str, str], language: Language, sites: frozenset[str] | None) -> View:
    """The view of a wall's address. What is no choice counts as not chosen: an old link must still open."""
    show = query.get("show", "all")
    return View(
        language=language,
        sites=sites,
        wall=True,
        site=query.get("site", "")[:MAX_TEXT],
        show=show if show in get_args(Show) else "all",  # type: ignore[arg-type]  # (just looked at)
        q=" ".join(query.get("q", "")[:MAX_TEXT].lower().split()),
        page=_whole(query.get("page", ""), 1, MAX_PAGE),
        size=_whole(query.get("size", ""), DEFAULT_SIZE, MAX_SIZE),
        group=query.get("group") == "site",
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The part of the list that a view shows, and what it is a part of."""

    names: list[str]
    page: int
    pages: int
    found: int
    counts: dict[Show, int]  # of the beds that site and text leave


def choose(view: View, order: Sequence[str], glances: Mapping[str, Glance]) -> Chosen:
    """One page of the beds that fit, in their order; a page beyond the last one is the last one."""
    near = [glances[name] for name in order if _near(view, glances[name])]
    counts: dict[Show, int] = {show: sum(map(fits, near)) for show, fits in SHOWS.items()}
    found = [glance for glance in near if SHOWS[view.show](glance)]
    if view.group:
        found.sort(key=lambda glance: glance.site)  # stable: each site keeps its order
    pages = max(1, -(-len(found) // view.size))
    page = min(view.page, pages)
    part = found[(page - 1) * view.size : page * view.size]
    return Chosen([glance.name for glance in part], page, pages, len(found), counts)


def _near(view: View, glance: Glance) -> bool:
    """Whether site and text fit."""
    key = glance.device.key
    return (
        view.sees(key.site)
        and (not view.site or key.site == view.site)
        and (not view.q or view.q in f"{key.device} {key.site}")
    )


def _whole(text: str, default: int, most: int) -> int:
    """The positive number of a text, ``default`` for anything else."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(sys.maxsize)) else 0
    return min(number, most) if number else default
