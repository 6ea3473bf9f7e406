"""Calendar feeds over HTTP: made and revoked by the desk, read by whoever has the address; and reminders."""

import secrets
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection, RowMapping, select

from broker.fields import Slug
from services.kit.auth.guard import allow, lacking, public, sites_for
from services.kit.auth.principal import Principal, Sites
from services.kit.business.service import Office
from services.kit.database import reading, writing
from services.kit.looks import Looks
from services.kit.moments import instant_of
from services.kit.routes import Routes
from services.scheduler.booking.tables import APPOINTMENTS
from services.scheduler.clock import Now, us_of, utc_now
from services.scheduler.errors import NotFound, said
from services.scheduler.notices import calendars, store
from services.scheduler.notices.settings import NoticeSettings
from services.scheduler.resources import store as resources

PAST: Final = timedelta(days=30)  # so much of it stays in a feed
SECRET_BYTES: Final = 32
READER: Final = Principal("feed", "feed", ())  # whoever has an address: nobody knows who
Writing = Annotated[Principal, allow("appointments.write")]
Seeing = Annotated[Principal, allow("appointments.see")]
SeeingAt = Annotated[Sites, sites_for("appointments.see")]


class FeedAsked(BaseModel):
    """Whose calendar: a patient's, a bed's or a therapist's, at a site."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["patient", "device", "therapist"]
    site: Slug
    of: Annotated[str, Field(min_length=1, max_length=40)]
    language: Literal["de", "en"] = "de"

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.kind != "device":
            try:
                UUID(self.of)
            except ValueError:
                raise ValueError(f"a {self.kind} is named by an id, not {self.of!r}") from None
        return self

    @property
    def subject(self) -> str:
        """Whose."""
        return self.of if self.kind == "device" else str(UUID(self.of))


def router(office: Office, now: Now = utc_now) -> APIRouter:
    """``/feeds``, ``/reminders``."""
    routes = Routes(tags=["notices"])
    _kept(office, routes, now)
    _read(office, routes, now)

    @routes.get("/reminders")
    def reminders(who: Seeing, sites: SeeingAt, site: Slug | None = None) -> list[dict[str, Any]]:
        """What became of e-mail reminders."""
        with reading(office.engine) as connection:
            rows = store.reminders(connection, sites, site)
        office.seen(who, "reminders.seen", "reminders", site)
        return [
            {"appointment": row["appointment"], "starts_at": instant_of(row["starts_us"]),
             "site": row["site"], "state": row["state"], "tries": row["tries"], "why": row["why"]}
            for row in rows
        ]  # fmt: skip

    return routes


def _kept(office: Office, routes: APIRouter, now: Now) -> None:
    @routes.get("/feeds")
    def feeds(
        who: Seeing, sites: SeeingAt, site: Slug | None = None,
        of: Annotated[str | None, Query(max_length=40)] = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Feeds in force; their addresses were shown when they were made, and are kept nowhere."""
        with reading(office.engine) as connection:
            rows = store.feeds(connection, sites, site, of)
        office.seen(who, "feeds.listed", "feeds", site)
        return [_shown(row) for row in rows]

    @routes.post("/feeds", status_code=201)
    def make(request: Request, body: FeedAsked, who: Writing) -> dict[str, Any]:
        """Make a feed; ``address`` is secret, and shown this once."""
        if not who.may("appointments.write", body.site):
            raise lacking(who, "appointments.write", body.site)
        with reading(office.engine) as connection:
            _require_subject(connection, body)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        row = _new_feed(office, who, body, secret, us_of(now()))
        base = _told_base(office) or str(request.base_url)
        return {**_shown({**row, "read_us": None}), "address": f"{base.rstrip('/')}/feeds/{secret}.ics"}

    @routes.delete("/feeds/{feed}", status_code=204)
    def revoke(feed: UUID, who: Writing) -> None:
        """From now on its address leads nowhere."""
        with reading(office.engine) as connection:
            row = store.feed_of(connection, feed)
        if row is None or not who.may("appointments.write", row["site"]):
            raise said(NotFound, {"de": f"Kalender {feed} gibt es nicht", "en": f"there is no feed {feed}"})
        office.seen(who, "feed.revoked", f"feed {feed}", row["site"])
        with writing(office.engine) as connection:
            store.revoke(connection, str(feed), us_of(now()))


def _new_feed(office: Office, who: Principal, body: FeedAsked, secret: str, at_us: int) -> dict[str, Any]:
    """Written down first, then kept; of the address its digest alone."""
    feed = uuid4()
    office.seen(who, "feed.made", f"feed {feed}", body.site, kind=body.kind, subject=body.subject)
    row = {
        "feed": str(feed), "secret_sha256": store.digest(secret), "kind": body.kind,
        "subject": body.subject, "site": body.site, "language": body.language, "by": who.name[:80],
        "at_us": at_us,
    }  # fmt: skip
    with writing(office.engine) as connection:
        store.put_feed(connection, row)
    return row


def _told_base(office: Office) -> str:
    """Where calendars are to be asked for, if somebody has said it."""
    settings = office.settings
    return settings.feed_url if isinstance(settings, NoticeSettings) else ""


def _read(office: Office, routes: APIRouter, now: Now) -> None:
    looks = Looks()

    @routes.get("/feeds/{secret}.ics", dependencies=[public()])
    def ics(secret: str, if_none_match: Annotated[str | None, Header(max_length=200)] = None) -> Response:
        """The calendar, for whoever has its address."""
        with reading(office.engine) as connection:
            feed = store.feed_by(connection, secret)
            if feed is None:
                words = {"de": "Diesen Kalender gibt es nicht", "en": "there is no such calendar"}
                raise said(NotFound, {"de": words["de"], "en": words["en"]})
            found = store.appointments(connection, feed, us_of(now() - PAST))
            changes = store.changes(connection, found)
            zones = {site: _zone(connection, site) for site in {one.site for one in found}}
        record = f"feed {feed['feed']}"
        if not looks.known(READER, "feed.read", record):
            office.seen(READER, "feed.read", record, feed["site"])
            looks.put_down(READER, "feed.read", record)
            with writing(office.engine) as connection:
                store.was_read(connection, feed["feed"], us_of(now()))
        content = calendars.calendar(dict(feed), found, changes, zones)
        headers = {"etag": calendars.etag(content), "cache-control": "private, max-age=900",
                   "content-disposition": 'inline; filename="appointments.ics"'}  # fmt: skip
        if if_none_match and headers["etag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)


def _zone(connection: Connection, site: str) -> ZoneInfo:
    return resources.site_of(connection, site).clock


def _require_subject(connection: Connection, body: FeedAsked) -> None:
    """Somebody or something of this site. Raises NotFound, in the words of one that is not there."""
    if body.kind == "device":
        if body.of not in {one.device for one in resources.devices(connection, body.site)}:
            raise resources.no_such("device", "Liege", f"{body.site}/{body.of}")
    elif body.kind == "therapist":
        if resources.therapist_of(connection, UUID(body.subject))["site"] != body.site:
            raise resources.no_such("therapist", "Therapeutin oder Therapeut", body.subject)
    else:
        ids = store.merged_into(connection, body.subject)
        query = select(APPOINTMENTS.c.appointment).where(
            APPOINTMENTS.c.patient.in_(ids), APPOINTMENTS.c.site == body.site
        )
        if connection.execute(query.limit(1)).first() is None:
            raise resources.no_such("patient with appointments", "Patient mit Terminen:", body.subject)


def _shown(row: RowMapping | dict[str, Any]) -> dict[str, Any]:
    return {
        "feed": row["feed"], "kind": row["kind"], "of": row["subject"], "site": row["site"],
        "language": row["language"], "by": row["by"], "at": instant_of(row["at_us"]),
        "read_at": instant_of(row["read_us"]) if row["read_us"] else None,
    }  # fmt: skip
