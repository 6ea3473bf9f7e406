"""All SQL of places and people."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, and_, insert, select, update

from broker.messages import GatewayStatus
from services.kit.moments import instant_of
from services.scheduler.clock import us_of
from services.scheduler.errors import NotFound, said
from services.scheduler.resources.models import Device, Outage, Site, Therapist
from services.scheduler.resources.tables import DEVICES, OUTAGES, SITES, THERAPISTS

Row = dict[str, Any]


def no_such(kind: str, german: str, name: object) -> NotFound:
    """The refusal of what is not there, or not for this caller."""
    shown = str(name)[:60]
    return said(NotFound, {"de": f"{german} {shown} gibt es nicht", "en": f"there is no {kind} {shown}"})


def site_of(connection: Connection, site: str, *, lock: bool = False) -> Site:
    """A site; ``lock``: nobody else books there until this transaction ends. Raises NotFound."""
    query = select(SITES).where(SITES.c.site == site)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise no_such("site", "Standort", site)
    return Site.model_validate({name: row[name] for name in Site.model_fields})


def sites(connection: Connection) -> list[str]:
    """Every site that is known."""
    return list(connection.execute(select(SITES.c.site).order_by(SITES.c.site)).scalars())


def put_site(connection: Connection, site: str, said_: Site, at_us: int) -> None:
    """What the clinic says of a site, known or new."""
    values = said_.model_dump(mode="json") | {"changed_us": at_us}
    if connection.execute(update(SITES).where(SITES.c.site == site).values(values)).rowcount == 0:
        connection.execute(insert(SITES).values(site=site, **values))


def devices(connection: Connection, site: str) -> list[Device]:
    """The beds of a site, those that were removed included."""
    query = select(DEVICES).where(DEVICES.c.site == site).order_by(DEVICES.c.device)
    return [Device.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def use_device(connection: Connection, site: str, device: str, *, in_use: bool) -> None:
    """Take a bed into the plan, or out of it. Raises NotFound."""
    row = and_(DEVICES.c.site == site, DEVICES.c.device == device)
    if connection.execute(update(DEVICES).where(row).values(in_use=in_use)).rowcount == 0:
        raise no_such("device", "Liege", f"{site}/{device}")


def open_site(connection: Connection, site: str, at_us: int) -> bool:
    """A site that was never heard of, as most are; whether it is one."""
    if connection.execute(select(SITES.c.site).where(SITES.c.site == site)).first() is not None:
        return False
    put_site(connection, site, Site.default(), at_us)
    return True


def hear_gateway(connection: Connection, site: str, status: GatewayStatus) -> None:
    """What a gateway's birth says of its beds; those that it no longer speaks for are not there any more."""
    at_us = us_of(status.at)
    mine = and_(DEVICES.c.site == site, DEVICES.c.gateway == status.gateway)
    newest = connection.execute(select(DEVICES.c.heard_us).where(mine).limit(1)).scalar()
    if newest is not None and newest > at_us:
        return  # an old birth that the broker kept
    names = [bed.device for bed in status.devices]
    connection.execute(update(DEVICES).where(mine, DEVICES.c.device.not_in(names)).values(is_there=False))
    for bed in status.devices:
        values = {
            "gateway": status.gateway, "regions": list(bed.regions), "heat": bed.heat, "is_there": True,
            "sealing_key": status.sealing_key, "heard_us": at_us,
        }  # fmt: skip
        row = and_(DEVICES.c.site == site, DEVICES.c.device == bed.device)
        if connection.execute(update(DEVICES).where(row).values(values)).rowcount == 0:
            connection.execute(insert(DEVICES).values(site=site, device=bed.device, in_use=True, **values))


def therapists(connection: Connection, site: str) -> list[Row]:
    """Who treats at a site, also who no longer does."""
    query = select(THERAPISTS).where(THERAPISTS.c.site == site)
    return [
        dict(row) for row in connection.execute(query.order_by(THERAPISTS.c.name, "therapist")).mappings()
    ]


def therapist_of(connection: Connection, therapist: UUID) -> Row:
    """One of them. Raises NotFound."""
    query = select(THERAPISTS).where(THERAPISTS.c.therapist == str(therapist))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise no_such("therapist", "Therapeutin oder Therapeut", therapist)
    return dict(row)


def add_therapist(connection: Connection, person: Therapist, at_us: int) -> UUID:
    """Somebody new."""
    therapist = uuid4()
    values = person.model_dump(mode="json") | {"changed_us": at_us}
    connection.execute(insert(THERAPISTS).values(therapist=str(therapist), **values))
    return therapist


def put_therapist(connection: Connection, therapist: UUID, person: Therapist, at_us: int) -> None:
    """Their name, shifts, whether they still treat; nobody moves to another site. Raises NotFound."""
    values = person.model_dump(mode="json", exclude={"site"}) | {"changed_us": at_us}
    changed = update(THERAPISTS).where(THERAPISTS.c.therapist == str(therapist)).values(values)
    if connection.execute(changed).rowcount == 0:
        raise no_such("therapist", "Therapeutin oder Therapeut", therapist)


def outages(connection: Connection, site: str, from_us: int, to_us: int) -> list[Row]:
    """Who and what is out in this time."""
    query = select(OUTAGES).where(
        OUTAGES.c.site == site, OUTAGES.c.ended_us.is_(None), OUTAGES.c.from_us < to_us,
        OUTAGES.c.to_us > from_us,
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query.order_by(OUTAGES.c.from_us)).mappings()]


def outage_of(connection: Connection, outage: UUID) -> Row:
    """One that was not taken back. Raises NotFound."""
    query = select(OUTAGES).where(OUTAGES.c.outage == str(outage), OUTAGES.c.ended_us.is_(None))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise no_such("outage", "Ausfall", outage)
    return dict(row)


def add_outage(connection: Connection, outage: Outage, by: str, at_us: int) -> UUID:
    """Note one. Raises NotFound for a bed or somebody whom the site does not have."""
    known: Sequence[str]
    if outage.device:
        known, name = [bed.device for bed in devices(connection, outage.site)], outage.device
    else:
        known = [row["therapist"] for row in therapists(connection, outage.site)]
        name = str(outage.therapist)
    if name not in known:
        raise no_such("device or therapist", "Liege oder Behandelnde", f"{outage.site}/{name}")
    made = uuid4()
    connection.execute(
        insert(OUTAGES).values(
            outage=str(made), site=outage.site, device=outage.device,
            therapist=str(outage.therapist) if outage.therapist else None, from_us=us_of(outage.from_),
            to_us=us_of(outage.to), reason=outage.reason, by=by, at_us=at_us,
        )
    )  # fmt: skip
    return made


def end_outage(connection: Connection, outage: UUID, at_us: int) -> None:
    """Take one back."""
    connection.execute(update(OUTAGES).where(OUTAGES.c.outage == str(outage)).values(ended_us=at_us))


def shown_outage(row: Row) -> Row:
    """As the API says it."""
    return {
        "outage": row["outage"], "site": row["site"], "device": row["device"], "therapist": row["therapist"],
        "from": instant_of(row["from_us"]), "to": instant_of(row["to_us"]), "reason": row["reason"],
        "by": row["by"],
    }  # fmt: skip
