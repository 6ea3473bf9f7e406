"""What every page stands on: language, theme, templates and the strict content security policy.

Texts live in tables of German and English; a page is rendered on the server in the language that the reader
chose (cookie) or that the browser asks for (Accept-Language).
"""

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import jinja2
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from services.kit import bidi, formats
from services.kit.language import DEFAULT_LANGUAGE, LANGUAGES, Language, Table, Text
from services.kit.routes import Routes

__all__ = (
    "COOKIE_S", "LANGUAGES", "STRICT_POLICY", "THEMES", "Language", "Pages", "Table", "Text", "Theme",
    "accepted", "choose", "language_of", "own_path", "preferences", "theme_of",
)  # fmt: skip

Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("dark", "light")
COOKIE_S = 365 * 24 * 3600

# Nothing inline, nothing from elsewhere: scripts, styles, fonts and connections are this server's own.
STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TEMPLATES = Path(__file__).parent / "templates"


def language_of(request: Request) -> Language:
    """The reader's language: ``?lang=``, else the cookie, else the best of Accept-Language, else English."""
    for chosen in (request.query_params.get("lang"), request.cookies.get("language")):
        if chosen in LANGUAGES:
            return chosen
    return accepted(request.headers.get("accept-language", ""))


def accepted(header: str) -> Language:
    """The language of ours that an Accept-Language header prefers most."""
    ranked: list[tuple[float, Language]] = []
    for item in header.split(","):
        name, _, parameters = item.strip().partition(";")
        code = name.strip().lower().split("-")[0]
        if code in LANGUAGES:
            ranked.append((_quality(parameters), code))
    best = max(ranked, key=lambda row: row[0], default=(0.0, DEFAULT_LANGUAGE))
    return best[1] if best[0] > 0 else DEFAULT_LANGUAGE


def theme_of(request: Request) -> Theme:
    """The reader's theme: the cookie, else dark."""
    chosen = request.cookies.get("theme")
    return chosen if chosen in THEMES else "dark"


def choose(texts: Table, language: Language) -> dict[str, str]:
    """A table of texts in one language."""
    return {key: text[language] for key, text in texts.items()}


class Pages:
    """Renders templates with the reader's language and theme in reach.

    Templates see ``t`` (texts), ``language``, ``theme``, ``here`` (this page's path), ``address`` (the path
    with its query, for the switches), ``link(page=2)`` (this page with another query), ``counted("apply",
    3)`` (a text in its form for
    so many), the filters of
    ``formats`` and ``bidi`` and what the route passes.
    """

    def __init__(self, directories: Sequence[Path], texts: Table) -> None:
        self._texts = {language: choose(texts, language) for language in LANGUAGES}
        self._loader = jinja2.FileSystemLoader([*directories, TEMPLATES])
        self._environment = _environment((*directories, TEMPLATES))

    def texts(self, language: Language) -> dict[str, str]:
        """Every text in this language."""
        return self._texts[language]

    def render(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """The page in the reader's language and theme."""
        html = self.part(request, template, **context)
        return HTMLResponse(
            html, status_code=status, headers={"cache-control": "no-store", "vary": "accept-language"}
        )

    def part(self, request: Request, template: str, **context: Any) -> Markup:
        """What a template makes, without an answer around it."""
        language = language_of(request)
        return Markup(  # noqa: S704  (the template has escaped what it was given)
            self._environment.get_template(template).render(
                t=self._texts[language],
                language=language,
                theme=theme_of(request),
                here=request.url.path,
                address=_address(request),
                link=partial(_changed, request),
                counted=partial(_counted, self._texts[language]),
                **context,
            )
        )

    def source(self, template: str) -> str:
        """A template as it is written."""
        return self._loader.get_source(self._environment, template)[0]


@cache
def _environment(directories: tuple[Path, ...]) -> jinja2.Environment:
    """What reads the templates of these directories: one a process, so that each is compiled once."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directories),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(formats.filters() | bidi.FILTERS)
    return environment


def preferences() -> APIRouter:
    """``/preferences?language=&theme=&next=``: keeps the choice in a cookie and goes back to the page."""
    router = Routes(include_in_schema=False)

    @router.get("/preferences")
    def prefer(language: str = "", theme: str = "", next: str = "/") -> RedirectResponse:  # noqa: A002  (the query's name)
        answer = RedirectResponse(own_path(next), status_code=303)
        if language in LANGUAGES:
            answer.set_cookie("language", language, max_age=COOKIE_S, samesite="lax", httponly=True)
        if theme in THEMES:
            answer.set_cookie("theme", theme, max_age=COOKIE_S, samesite="lax", httponly=True)
        return answer

    return router


def own_path(address: str) -> str:
    """The address when it is a path of this server, else the start page: a link must not lead elsewhere."""
    try:
        parts = urlsplit(address)
    except ValueError:  # `//[`: what begins like an IPv6 address and is none
        return "/"
    safe = not parts.scheme and not parts.netloc and address.startswith("/") and "\\" not in address
    return address if safe and not address.startswith("//") else "/"


def _counted(texts: dict[str, str], name: str, count: int, **values: Any) -> str:
    """As ``catalogues.counted``, in the page's language."""
    return texts[f"{name}_one" if count == 1 else name].format(count=count, **values)


def _address(request: Request) -> str:
    """This page with its query, but for the language that a link asked for once."""
    query = urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "lang"])
    return f"{request.url.path}?{query}" if query else request.url.path


def _changed(request: Request, **changes: object) -> str:
    """This page's query with these changes; None takes one out. A change of anything leads to page one."""
    query = dict(request.query_params.items()) | {"page": None} | changes
    query.pop("lang", None)
    return "?" + urlencode({name: str(value) for name, value in query.items() if value is not None})


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
