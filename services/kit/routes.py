"""Routes that are noted where they are declared, and built once, by the application that takes them.

FastAPI builds a route where it is declared and again in every router that includes it: an application with
two hundred of them took half a second to begin, most of it for what was thrown away.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from fastapi import APIRouter
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute


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
        route_class: type[APIRoute] = APIRoute,
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
