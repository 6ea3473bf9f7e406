"""Secret links: made for a programme, shown once, revoked. Of the secret its digest alone is kept."""

import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection

from services.homecare.diary import store
from services.homecare.errors import Conflict, Gone, NotFound, said
from services.homecare.models import Programme
from services.homecare.programmes import store as programmes
from services.kit.auth.principal import Principal
from services.kit.business.sites import unknown
from services.kit.language import Text
from services.kit.moments import instant_of

Row = dict[str, Any]
SECRET_BYTES: Final = 32
MOST_IN_FORCE: Final = 20  # of one programme
NOTED_EVERY_US: Final = timedelta(hours=1) // timedelta(microseconds=1)
HOLDER: Final = Principal("link", "link", ())  # whoever has an address: nobody knows who
WHAT: Final[Text] = {"de": "Link", "en": "link"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that leads somewhere, and where."""

    link: str
    programme: Programme
    noted_us: int  # when it was noted last that somebody used it; 0: never

    @property
    def record(self) -> str:
        """How the audit trail calls it."""
        return f"link {self.link}"


def find(connection: Connection, secret: str) -> Opened:
    """By its secret. Raises NotFound where there never was one, Gone where it is no more."""
    return _opened(connection, secret, programmes.programme)


def hold(connection: Connection, secret: str) -> Opened:
    """The same, and nobody else changes the programme until the transaction ends."""
    return _opened(connection, secret, programmes.held)


def make(
    connection: Connection, programme: Programme, request: UUID, who: Principal, at_us: int
) -> tuple[Row, str | None]:
    """The link and its secret; None for a request that made it before: nobody knows it any more.

    Raises Conflict.
    """
    known = store.link_by_request(connection, request)
    if known is not None:
        if known["programme"] != str(programme.id):
            raise said(
                Conflict,
                {"de": f"Die Anfrage {request} hat schon einen anderen Link erstellt.",
                 "en": f"the request {request} made another link already"},
            )  # fmt: skip
        return known, None
    _require_room(connection, programme)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row: Row = {
        "link": str(uuid4()), "request": str(request), "programme": str(programme.id),
        "secret_sha256": store.digest(secret), "account": who.account, "name": who.name[:80],
        "made_us": at_us, "opened_us": None, "revoked_us": None, "revoked_by": None,
    }  # fmt: skip
    store.add_link(connection, row)
    return row, secret


def _require_room(connection: Connection, programme: Programme) -> None:
    if programme.state == "ended":
        raise said(
            Conflict,
            {"de": "Das Programm ist beendet: dafür gibt es keinen neuen Link.",
             "en": "the programme has ended: no new link is made for it"},
            state=programme.state,
        )  # fmt: skip
    in_force = sum(row["revoked_us"] is None for row in store.links(connection, programme.id))
    if in_force >= MOST_IN_FORCE:
        raise said(
            Conflict,
            {"de": f"Das Programm hat {in_force} gültige Links, höchstens {MOST_IN_FORCE} sind möglich: "
                   "widerrufen Sie einen davon.",
             "en": f"the programme has {in_force} links in force, at most {MOST_IN_FORCE} are possible: "
                   "revoke one of them"},
        )  # fmt: skip


def of(connection: Connection, link: UUID) -> tuple[Row, Programme]:
    """A link by its id, with its programme. Raises NotFound."""
    row = store.link(connection, link)
    if row is None:
        raise missing(link)
    return row, programmes.programme(connection, row["programme"])


def missing(link: UUID) -> NotFound:
    """There is none, or none that this caller may see."""
    return unknown(WHAT, link)


def shown(row: Row) -> Row:
    """A link as staff see it; never its address."""
    return {
        "link": row["link"], "programme": row["programme"], "by": row["name"],
        "made_at": instant_of(row["made_us"]),
        "opened_at": instant_of(row["opened_us"]) if row["opened_us"] else None,
        "revoked_at": instant_of(row["revoked_us"]) if row["revoked_us"] else None,
        "revoked_by": row["revoked_by"],
    }  # fmt: skip


def qr_svg(address: str) -> str:
    """The address as a code that a telephone's camera reads."""
    import segno

    out = io.BytesIO()
    segno.make_qr(address, error="m").save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True
    )
    return out.getvalue().decode()


def _opened(connection: Connection, secret: str, read: Callable[[Connection, str], Programme]) -> Opened:
    row = _require(connection, secret)
    try:
        found = read(connection, row["programme"])
    except NotFound:  # the patient's file was erased
        raise _gone() from None
    _require(connection, secret)  # once more: it may have been revoked while the programme was waited for
    return Opened(row["link"], found, row["opened_us"] or 0)


def _require(connection: Connection, secret: str) -> Row:
    row = store.link_by_secret(connection, secret)
    if row is None:
        raise said(NotFound, {"de": "Diesen Link gibt es nicht.", "en": "There is no such link."})
    if row["revoked_us"] is not None:
        raise _gone()
    return row


def _gone() -> Gone:
    return said(
        Gone,
        {"de": "Dieser Link gilt nicht mehr. Lassen Sie sich einen neuen geben. Was noch auf diesem "
               "Telefon steht, wurde nicht übertragen.",
         "en": "This link is no longer valid. Your clinic gives you a new one. What is still on this "
               "telephone was not sent."},
    )  # fmt: skip
