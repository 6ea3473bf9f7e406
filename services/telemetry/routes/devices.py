"""`/devices`: who is there, what they do now, and what they did."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.telemetry.archive import census
from services.telemetry.errors import ArchiveUnavailable, BadQuestion
from services.telemetry.hot import Overview
from services.telemetry.models import Place, Source
from services.telemetry.query import History, Span
from services.telemetry.routes.answers import (
    Accept,
    Device,
    Devices,
    Edge,
    FormName,
    Points,
    Site,
    Window,
    asked_spans,
    day_of,
    form_of,
)
from services.telemetry.trail import Reader, ReadTrail
from services.telemetry.windows import newest

MAX_BLOCKS: Final = 20_000
MAX_SECONDS: Final = 4 * 3600
LAST_S: Final = 60.0  # of a window that names no time
NOTHING: Final = Overview({}, [], None)


def add(router: APIRouter, history: History, trail: ReadTrail) -> None:
    """The routes of devices."""
    for part in (_add_states, _add_window, _add_blocks):
        part(router, history, trail)


def _add_states(router: APIRouter, history: History, trail: ReadTrail) -> None:
    def seen(reader: Reader, device: str, site: str | None) -> dict[str, Any]:
        place = history.place(device, site, reader.sites)
        return trail.shown(reader, _devices(history, [place])[0], str(place), place.site)

    @router.get("/devices")
    def devices(reader: Devices) -> list[dict[str, Any]]:
        """The devices of the caller's sites: last state, alarms, gateway's status, last seq and age."""
        found = _devices(history, history.places(reader.sites))
        return trail.shown(reader, found, None, reader.site)

    @router.get("/devices/{device}")
    def one_device(device: str, reader: Device, site: Site = None) -> dict[str, Any]:
        """One device, as in the list."""
        return seen(reader, device, site)

    @router.get("/devices/{device}/state")
    def last_state(device: str, reader: Device, site: Site = None) -> dict[str, Any]:
        """The last `state` and `alarm` that the device published, and how long ago its newest block came."""
        row = seen(reader, device, site)
        names = ("site", "device", "gateway", "status", "boot", "state", "alarms", "last_at", "age_s")
        return {name: row[name] for name in names}


def _add_window(router: APIRouter, history: History, trail: ReadTrail) -> None:
    @router.get("/devices/{device}/window", responses={200: {"description": "Gapless pieces of samples."}})
    def window(
        device: str,
        reader: Device,
        site: Site = None,
        boot: UUID | None = None,
        since: Annotated[Edge, Query(alias="from")] = None,
        until: Annotated[Edge, Query(alias="to")] = None,
        points: Points = None,
        form: Annotated[FormName, Query(alias="format")] = None,
        accept: Accept = "",
    ) -> Response:
        """The samples from a time to a time, or from a seq to before a seq of a boot; the last 60 s unless
        told.
        """
        if (since is None) != (until is None):
            raise BadQuestion("a window needs from and to: two times (ISO 8601), or two seqs of a boot")
        wanted = form_of(form, accept)
        place = history.place(device, site, reader.sites)
        if since is None or until is None:
            spans = _last(history, place, boot, None, LAST_S)
        else:
            spans = asked_spans(history, place, since, until, boot)
        day = day_of("from", since)
        named = boot or (spans[0].source.boot if spans and since is not None and day is None else None)
        return trail.shown(
            reader, Window(place, spans, points, wanted).answer(history), str(place), place.site,
            since=day, until=day_of("to", until), boot=named,
        )  # fmt: skip


def _add_blocks(router: APIRouter, history: History, trail: ReadTrail) -> None:
    @router.get("/devices/{device}/blocks", responses={200: {"description": "Gapless pieces of samples."}})
    def blocks(
        device: str,
        reader: Device,
        site: Site = None,
        boot: Annotated[UUID | None, Query(description="The newest boot unless given.")] = None,
        last: Annotated[int | None, Query(ge=1, le=MAX_BLOCKS, description="That many blocks.")] = None,
        seconds: Annotated[
            float | None, Query(gt=0, le=MAX_SECONDS, description="That many seconds.")
        ] = None,
        points: Points = None,
    ) -> Response:
        """The device's last samples: ``last`` blocks or ``seconds``; 10 s unless told."""
        place = history.place(device, site, reader.sites)
        spans = _last(history, place, boot, last, seconds)
        answer = Window(place, spans, points).answer(history)
        return trail.shown(reader, answer, str(place), place.site, boot=boot)


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


def _devices(history: History, places: Sequence[Place]) -> list[dict[str, Any]]:
    """Rows of these devices, in as few questions as for one."""
    hot = history.hot
    seen = hot.overview(places) if hot else {}
    gateways, heard = (hot.gateways(), hot.heard()) if hot else ({}, {})
    ends = _archived_ends(history, [place for place in places if place not in seen or not seen[place].newest])
    return [
        _device(
            place, seen.get(place, NOTHING), ends.get(place), _gateway_of(place, gateways), heard.get(place)
        )
        for place in places
    ]


def _archived_ends(history: History, places: Sequence[Place]) -> dict[Place, tuple[UUID, int]]:
    """Of devices whose samples have all left Redis: the newest boot and the seq behind its last sample."""
    if not places:
        return {}
    wanted = set(places)
    found: dict[Place, tuple[UUID, int]] = {}
    try:
        ends = census.ends(history.archive.index) if history.archive else {}
    except ArchiveUnavailable:
        return {}  # what Redis knows of a device is told all the same
    for source, marks in ends.items():  # oldest boot first: the last one stays
        if source.place in wanted:
            found[source.place] = (source.boot, marks)
    return found


def _device(
    place: Place,
    seen: Overview,
    archived: tuple[UUID, int] | None,
    gateway: dict[str, Any],
    heard_ms: int | None,
) -> dict[str, Any]:
    block, boot, after = seen.newest, seen.boots[-1] if seen.boots else None, 0
    if block:
        after = block.after
    elif archived and boot in (None, archived[0]):
        boot, after = archived
    ended = block.started_at + timedelta(milliseconds=len(block.phase) * block.period_ms) if block else None
    return {
        "site": place.site,
        "device": place.device,
        "gateway": gateway.get("gateway"),
        "status": gateway.get("state", "unknown"),
        "boot": str(boot) if boot else None,
        "last_seq": after - 1 if after else None,
        "last_at": ended.isoformat() if ended else None,
        "age_s": None if heard_ms is None else round(max(0.0, time.time() - heard_ms / 1000), 3),
        "state": seen.latest.get("state"),
        "alarms": seen.latest.get("alarm", {}).get("alarms", []),
    }


def _gateway_of(place: Place, gateways: dict[Place, dict[str, Any]]) -> dict[str, Any]:
    for gateway, word in gateways.items():
        if gateway.site == place.site and any(
            row["device"] == place.device for row in word.get("devices", [])
        ):
            return word
    return {}
