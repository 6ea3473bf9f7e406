"""What an API may be asked: a parameter that its definition does not know is refused, not passed over.

``?from=`` at a route that has none would be answered with everything, as if that had been asked for. Every
rule of ``auth/guard.py`` looks here once it knows who asks, so that no route has to say anything. Left alone:

- pages, which are in no API's definition: their addresses come with the parameters of mails and of providers;
- what is public, such as probes: what asks there is written by others;
- whatever changes something: no STOP fails for a word too many.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection

from services.kit.errors import UnknownParameter
from services.kit.language import Text

_METHOD: Final = "GET"
_MOST_NAMED: Final = 5
_MOST_CHARACTERS: Final = 40  # of a name that is refused


def require_known(connection: HTTPConnection) -> None:
    """Raises UnknownParameter when the route's definition has no parameter of that name."""
    asked = connection.query_params.keys()
    if not asked or connection.scope.get("method") != _METHOD:
        return
    known = _definition(connection.app, connection.scope.get("route"))
    if known is not None and (strange := [name for name in asked if name not in known[1]]):
        raise UnknownParameter(*_refusal(known[0], strange, sorted(known[1])))


def _definition(app: Any, route: Any) -> tuple[str, frozenset[str]] | None:
    """Of a route in the API's definition: its path and what it may be asked; made when it is asked first."""
    if not hasattr(app.state, "parameters"):
        app.state.parameters = {}
    made: dict[int, tuple[str, frozenset[str]] | None] = app.state.parameters
    if id(route) not in made:
        made[id(route)] = _defined(app, route)
    return made[id(route)]


def _defined(app: Any, route: Any) -> tuple[str, frozenset[str]] | None:
    here = [it for it in iter_route_contexts(app.routes) if it.original_route is route]
    for path, operations in get_openapi(title=app.title, version=app.version, routes=here)["paths"].items():
        if _METHOD.lower() in operations:
            return path, _names(operations[_METHOD.lower()])
    return None


def _names(operation: dict[str, Any]) -> frozenset[str]:
    return frozenset(it["name"] for it in operation.get("parameters", ()) if it["in"] == "query")


def _refusal(path: str, strange: Iterable[str], known: list[str]) -> tuple[str, Text]:
    """The refusal for a program, and the same for a person."""
    names = ", ".join(repr(name[:_MOST_CHARACTERS]) for name in list(strange)[:_MOST_NAMED])
    takes = ", ".join(known)
    english = (
        f"{_METHOD} {path} has no parameter {names}: it takes {takes or 'none'}, "
        "says this API's definition at /openapi.json"
    )
    german = (
        f"{_METHOD} {path} kennt den Parameter {names} nicht, nur {takes}."
        if takes
        else f"{_METHOD} {path} kennt keinen Parameter, auch nicht {names}."
    )
    return english, {"de": f"{german} So steht es in der API-Definition, /openapi.json.", "en": english}
