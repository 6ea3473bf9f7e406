"""Telemetry over HTTP: devices, sessions, blocks and the audit; read only."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from services.telemetry.audit import audit
from services.telemetry.hot import Hot
from services.telemetry.models import Place, Source
from services.telemetry.query import segments, thinned, whole

Age = Callable[[Place], float | None]
Points = Annotated[
    int | None, Query(ge=10, le=20_000, description="Thin to at most this many buckets (min, max).")
]
Site = Annotated[str | None, Query(description="Needed only where two sites have a device of the same name.")]
MAX_BLOCKS = 20_000
MAX_SECONDS = 4 * 3600


class OrjsonResponse(JSONResponse):
    """Lists of many numbers, written fast."""

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return orjson.dumps(content)


def create_router(hot: Hot, age_s: Age) -> APIRouter:
    """The routes; ``age_s`` tells how long ago a device's newest block came in."""
    router = APIRouter(default_response_class=OrjsonResponse)
    _add_devices(router, hot, age_s)
    _add_sessions(router, hot)

    @router.get("/audit")
    def whole_audit() -> dict[str, Any]:
        """First and last seq, gaps and duplicates of every device and boot, counted from what is stored."""
        return audit(hot)

    return router


def _add_devices(router: APIRouter, hot: Hot, age_s: Age) -> None:
    @router.get("/devices")
    def devices() -> list[dict[str, Any]]:
        """Every device with its last state, alarms, gateway's status, last seq and age."""
        gateways = hot.gateways()
        return [_device(hot, place, gateways, age_s(place)) for place in hot.places()]

    @router.get("/devices/{device}")
    def one_device(device: str, site: Site = None) -> dict[str, Any]:
        """One device, as in the list."""
        place = hot.place(device, site)
        return _device(hot, place, hot.gateways(), age_s(place))

    @router.get("/devices/{device}/blocks", responses={200: {"description": "Runs of consecutive samples."}})
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
        place = hot.place(device, site)
        boots = hot.boots(place)
        source = Source(place, boot or boots[-1]) if boot or boots else None
        if source is None:
            found = []
        elif last is not None:
            found = hot.last_blocks(source, last)
        else:
            found = hot.last_seconds(source, seconds or 10.0)
        return OrjsonResponse(_trace(source, place, segments(found), points))


def _add_sessions(router: APIRouter, hot: Hot) -> None:
    @router.get("/sessions")
    def sessions(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        device: Annotated[str | None, Query(description="Only those of this device.")] = None,
    ) -> list[dict[str, Any]]:
        """The sessions that started last, newest first; ``limit`` are looked at."""
        rows = [_session(session_id, fields) for session_id, fields in hot.sessions(limit)]
        return [row for row in rows if device in (None, row["device"])]

    @router.get("/sessions/{session}")
    def one_session(session: UUID) -> dict[str, Any]:
        """One session with its summary and everything that happened in it."""
        fields = hot.session(session)
        source = _source_of(fields)
        events = hot.events(source) if source else []
        mine = [event for event in events if event["session"] == str(session)]
        return _session(session, fields) | {"events": mine}

    @router.get("/sessions/{session}/blocks")
    def session_blocks(session: UUID, points: Points = None) -> Response:
        """All samples from the session's start to its end, or to now."""
        fields = hot.session(session)
        source = _source_of(fields)
        place = Place(fields["site"], fields["device"])
        if source is None:
            return OrjsonResponse(_trace(None, place, [], points))
        first, after = int(fields["first_seq"]), _after_of(fields)
        return OrjsonResponse(
            _trace(source, place, segments(hot.blocks(source, first, after), first, after), points)
        )


def _device(
    hot: Hot, place: Place, gateways: dict[Place, dict[str, Any]], age: float | None
) -> dict[str, Any]:
    latest = hot.latest(place)
    boots = hot.boots(place)
    newest = hot.newest(Source(place, boots[-1])) if boots else None
    gateway = _gateway_of(place, gateways)
    return {
        "site": place.site,
        "device": place.device,
        "gateway": gateway.get("gateway"),
        "status": gateway.get("state", "unknown"),
        "boot": str(boots[-1]) if boots else None,
        "last_seq": newest.after - 1 if newest else None,
        "last_at": _end_of(newest).isoformat() if newest else None,
        "age_s": None if age is None else round(age, 3),
        "state": latest.get("state"),
        "alarms": latest.get("alarm", {}).get("alarms", []),
    }


def _end_of(block: Any) -> Any:
    return block.started_at + timedelta(milliseconds=len(block.phase) * block.period_ms)


def _gateway_of(place: Place, gateways: dict[Place, dict[str, Any]]) -> dict[str, Any]:
    for gateway, word in gateways.items():
        if gateway.site == place.site and any(
            row["device"] == place.device for row in word.get("devices", [])
        ):
            return word
    return {}


def _session(session_id: UUID, fields: dict[str, str]) -> dict[str, Any]:
    summary = orjson.loads(fields["summary"]) if "summary" in fields else None
    source = _source_of(fields)
    after = _after_of(fields) if source else None
    return {
        "session": str(session_id),
        "site": fields["site"],
        "device": fields["device"],
        "boot": fields.get("boot"),
        "state": fields.get("ended_by", "session.running").removeprefix("session."),
        "region": fields.get("region"),
        "segment": fields.get("segment"),
        "started_at": fields.get("started_at"),
        "ended_at": summary["ended_at"] if summary else None,
        "first_seq": int(fields["first_seq"]) if source else None,
        "last_seq": after - 1 if after else None,
        "summary": summary,
    }


def _source_of(fields: dict[str, str]) -> Source | None:
    """Where the session's samples lie; None before its start was heard of."""
    if "first_seq" not in fields:
        return None
    return Source(Place(fields["site"], fields["device"]), UUID(fields["boot"]))


def _after_of(fields: dict[str, str]) -> int | None:
    """The seq behind the session's last sample; None while it goes on."""
    ended_here = "end_seq" in fields and fields.get("end_boot") == fields.get("boot")
    return int(fields["end_seq"]) + 1 if ended_here else None


def _trace(source: Source | None, place: Place, parts: list[Any], points: int | None) -> dict[str, Any]:
    return {
        "site": place.site,
        "device": place.device,
        "boot": str(source.boot) if source else None,
        "segments": thinned(parts, points) if points else [whole(part) for part in parts],
    }
