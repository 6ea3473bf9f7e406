"""Routes that are noted where they are declared, and built once, by the application that takes them.

FastAPI builds a route where it is declared and again in every router that includes it: an application with
two hundred of them took half a second to begin, most of it for what was thrown away. An application that
serves builds each at its start, as ever; one that is only asked a few things builds those.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Annotated, Any, Final, get_args, get_origin

from fastapi import APIRouter
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, compile_path, get_name

_BUILDING: Final = threading.RLock()  # an application may be asked by several threads at once


def gives(*kinds: str) -> dict[str, Any]:
    """Options of a route that answers with a file of one of these media types, for its description."""
    return {"response_class": Response, "responses": {200: {"content": {kind: {} for kind in kinds}}}}


class LateRoute(APIRoute):
    """An APIRoute that is built when something of it is asked for that tells it from others by no address."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._noted: dict[str, Any] | None = options
        self.path, self.endpoint = path, endpoint
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.name = options.get("name") or get_name(endpoint)
        self.methods = {method.upper() for method in options.get("methods") or ("GET",)}
        self.include_in_schema = options.get("include_in_schema", True)
        self.dependencies = list(options.get("dependencies") or ())

    def __getattr__(self, name: str) -> Any:
        """What only a built route has; called for what is not there."""
        if not name.startswith("__"):
            self.build()
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def build(self) -> None:
        """Build it, unless it is."""
        with _BUILDING:
            noted, self._noted = self.__dict__.get("_noted"), None
            if noted is not None:
                super().__init__(self.path, self.endpoint, **noted)

    def declared(self) -> Iterator[Depends]:
        """What it depends on by its own words, without building it; what that depends on is left out."""
        yield from self.dependencies
        for name, annotation in getattr(self.endpoint, "__annotations__", {}).items():
            if name != "return" and get_origin(annotation) is Annotated:
                said = [it for it in get_args(annotation)[1:] if isinstance(it, Depends)]
                yield from said[-1:]


class Routes(APIRouter):
    """An APIRouter for ``create_app`` and other Routes; taken to anything else, it builds its routes itself.

    It has those options of an APIRouter that it hands on, and no other.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: Sequence[str | Enum] = (),
        dependencies: Sequence[Depends] = (),
        include_in_schema: bool = True,
        route_class: type[APIRoute] = LateRoute,
    ) -> None:
        self._noted: list[Callable[[APIRouter], None]] = []
        self._built: list[BaseRoute] = []
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            dependencies=list(dependencies),
            include_in_schema=include_in_schema,
            route_class=route_class,
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """Its routes, built now if they were not."""
        noted, self._noted = self._noted, []
        if noted:
            own = APIRouter()
            for add in noted:
                add(own)
            self._built += own.routes
            self._mark_routes_changed()
        return self._built

    @routes.setter
    def routes(self, routes: list[BaseRoute]) -> None:
        self._built = routes

    def into(self, other: APIRouter) -> None:
        """Give these routes to an application's router, or to other Routes."""
        if self._built:
            APIRouter.include_router(other, self)
            return
        for add in self._noted:
            add(other)

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Note a route; its own options come beside those of all."""
        of_all = {
            "tags": [*self.tags, *(options.get("tags") or ())],
            "dependencies": [*self.dependencies, *(options.get("dependencies") or ())],
            "include_in_schema": self.include_in_schema and options.get("include_in_schema", True),
            "route_class_override": options.get("route_class_override") or self.route_class,
        }
        self._note("add_api_route", path, endpoint, **options | of_all)

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[Depends] | None = None,
    ) -> None:
        """Note a WebSocket."""
        needed = [*self.dependencies, *(dependencies or ())]
        self._note("add_api_websocket_route", path, endpoint, name=name, dependencies=needed)

    def include_router(self, router: APIRouter, **options: Any) -> None:
        """Note what another one noted; any other router is noted whole."""
        if isinstance(router, Routes) and not options:
            router.into(self)
            return
        of_all = {
            "prefix": self.prefix + options.get("prefix", ""),
            "tags": [*self.tags, *(options.get("tags") or ())],
            "dependencies": [*self.dependencies, *(options.get("dependencies") or ())],
            "include_in_schema": self.include_in_schema and options.get("include_in_schema", True),
        }
        self._noted.append(lambda other: other.include_router(router, **options | of_all))

    def _note(self, how: str, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._noted.append(lambda other: getattr(other, how)(self.prefix + path, endpoint, **options))
