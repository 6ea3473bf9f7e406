"""`/devices`: who is there, what they do now, and what they did."""

import time
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.telemetry.errors import BadQuestion
from services.telemetry.models import Place, Source
from services.telemetry.query import History, Span
from services.telemetry.routes.answers import (
    Accept,
    Edge,
    FormName,
    Points,
    Site,
    Window,
    asked_spans,
    form_of,
)
from services.telemetry.windows import newest

MAX_BLOCKS: Final = 20_000
MAX_SECONDS: Final = 4 * 3600


def add(router: APIRouter, history: History) -> None:
    """The routes of devices."""
    _add_states(router, history)
    _add_samples(router, history)


def _add_states(router: APIRouter, history: History) -> None:
    @router.get("/devices")
    def devices() -> list[dict[str, Any]]:
        """Every device with its last state, alarms, gateway's status, last seq and age."""
        gateways, heard = _now(history)
        return [_device(history, place, gateways, heard) for place in history.places()]

    @router.get("/devices/{device}")
    def one_device(device: str, site: Site = None) -> dict[str, Any]:
        """One device, as in the list."""
        return _device(history, history.place(device, site), *_now(history))

    @router.get("/devices/{device}/state")
    def last_state(device: str, site: Site = None) -> dict[str, Any]:
        """The last `state` and `alarm` that the device published, and how long ago its newest block came."""
        row = _device(history, history.place(device, site), *_now(history))
        names = ("site", "device", "gateway", "status", "boot", "state", "alarms", "last_at", "age_s")
        return {name: row[name] for name in names}


def _add_samples(router: APIRouter, history: History) -> None:
    @router.get("/devices/{device}/window", responses={200: {"description": "Gapless pieces of samples."}})
    def window(
        device: str,
        site: Site = None,
        boot: UUID | None = None,
        since: Annotated[Edge, Query(alias="from")] = None,
        until: Annotated[Edge, Query(alias="to")] = None,
        points: Points = None,
        form: Annotated[FormName, Query(alias="format")] = None,
        accept: Accept = "",
    ) -> Response:
        """The samples from a time to a time, or from a seq to before a seq of a boot."""
        if since is None or until is None:
            raise BadQuestion("a window needs from and to: two times (ISO 8601), or two seqs of a boot")
        wanted = form_of(form, accept)
        place = history.place(device, site)
        spans = asked_spans(history, place, since, until, boot)
        return Window(place, spans, points, wanted).answer(history)

    @router.get("/devices/{device}/blocks", responses={200: {"description": "Gapless pieces of samples."}})
    def blocks(
        device: str,
        site: Site = None,
        boot: Annotated[UUID | None, Query(description="The newest boot unless given.")] = None,
        last: Annotated[int | None, Query(ge=1, le=MAX_BLOCKS, description="That many blocks.")] = None,
        seconds: Annotated[
            float | None, Query(gt=0, le=MAX_SECONDS, description="That many seconds.")
        ] = None,
        points: Points = None,
    ) -> Response:
        """The device's last samples: ``last`` blocks or ``seconds``; 10 s unless told."""
        place = history.place(device, site)
        spans = _last(history, place, boot, last, seconds)
        return Window(place, spans, points).answer(history)


def _last(
    history: History, place: Place, boot: UUID | None, last: int | None, seconds: float | None
) -> list[Span]:
    boots = [boot] if boot else history.boots(place)
    if not boots:
        return []
    source = Source(place, boots[-1])
    if last is not None:
        found = history.hot.last_blocks(source, last) if history.hot else []
        return [Span(source, found[0].seq, found[-1].after)] if found else []
    return newest(history, source, seconds or 10.0)


def _now(history: History) -> tuple[dict[Place, dict[str, Any]], dict[Place, int]]:
    return (history.hot.gateways(), history.hot.heard()) if history.hot else ({}, {})


def _device(
    history: History, place: Place, gateways: dict[Place, dict[str, Any]], heard: dict[Place, int]
) -> dict[str, Any]:
    latest = history.hot.latest(place) if history.hot else {}
    boots = history.boots(place)
    block = history.hot.newest(Source(place, boots[-1])) if boots and history.hot else None
    gateway = _gateway_of(place, gateways)
    after = history.after(Source(place, boots[-1])) if boots else 0
    ended = block.started_at + timedelta(milliseconds=len(block.phase) * block.period_ms) if block else None
    return {
        "site": place.site,
        "device": place.device,
        "gateway": gateway.get("gateway"),
        "status": gateway.get("state", "unknown"),
        "boot": str(boots[-1]) if boots else None,
        "last_seq": after - 1 if after else None,
        "last_at": ended.isoformat() if ended else None,
        "age_s": round(max(0.0, time.time() - heard[place] / 1000), 3) if place in heard else None,
        "state": latest.get("state"),
        "alarms": latest.get("alarm", {}).get("alarms", []),
    }


def _gateway_of(place: Place, gateways: dict[Place, dict[str, Any]]) -> dict[str, Any]:
    for gateway, word in gateways.items():
        if gateway.site == place.site and any(
            row["device"] == place.device for row in word.get("devices", [])
        ):
            return word
    return {}
