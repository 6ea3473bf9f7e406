"""Taking a gateway in: a code at the centre, and what a machine with the code is given, once."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from sqlalchemy import Connection

from services.kit import clearance, pki
from services.kit.auth import keys, operators, tokens
from services.kit.auth.principal import Principal
from services.kit.database import reading, writing
from services.kit.enrolment import codes
from services.kit.enrolment.models import PARTS, Joining, Papers
from services.registry import files, papers, store
from services.registry.desk import MACHINES, Desk, require_living, the_member
from services.registry.errors import CodeRefused, Conflict, Invalid, said
from services.registry.models import Enrolling, Member, us
from services.registry.settings import SERVICES

PREFIX: Final = "gw-"
UNKNOWN: Final = "the enrolment code is not known here: type it again, or ask the centre for a new one"


def enrol(desk: Desk, who: Principal, wanted: Enrolling) -> tuple[codes.Code, int]:
    """A code for this gateway, good once; the ones before are void. Gives when it ends, microseconds.

    A gateway that is known keeps its name and gets these devices; one that was revoked comes back with it.
    Raises NotFound for a site that is not theirs, Conflict for a device that another one has.
    """
    require_name(wanted.name)
    require_hosts(desk, wanted.hosts)
    now = desk.now()
    code, ends = codes.make(desk.authorities.fingerprint), now + timedelta(minutes=wanted.minutes)
    with writing(desk.office.engine) as connection:
        store.wait_turn(connection)
        before = store.member(connection, wanted.name)
        if before is not None:
            the_member(connection, wanted.name, who)  # another site's is not known to them
            _require_same_site(before, wanted)
        _require_free(connection, wanted)
        made = Member(
            wanted.name, "gateway", wanted.site, wanted.devices, wanted.hosts,
            before.made_us if before else us(now), None, before.version if before else "",
        )  # fmt: skip
        store.put_member(connection, made)
        store.void_codes(connection, wanted.name, now)
        store.add_code(connection, pki.digest(code.secret), wanted.name, now, ends)
    desk.write_down(
        who, "gateway.enrolment-made", wanted.name, wanted.site, devices=", ".join(wanted.devices),
        minutes=wanted.minutes,
    )  # fmt: skip
    files.write_broker(desk)
    return code, us(ends)


def join(desk: Desk, asked: Joining, address: str) -> Papers:
    """What the machine with the code is given. Raises CodeRefused, Invalid; then nothing was issued."""
    digest = pki.digest(asked.secret)
    with reading(desk.office.engine) as connection:
        found = store.code(connection, digest)
    if found is None:
        desk.write_down(MACHINES, "gateway.code-refused", "", None, why="unknown", address=address)
        raise CodeRefused(UNKNOWN)
    name = str(found["member"])
    with reading(desk.office.engine) as connection:
        member = require_living(the_member(connection, name))
    why = (
        "used" if found["used_us"] is not None else "expired" if found["ends_us"] <= us(desk.now()) else None
    )
    if why is not None:
        desk.write_down(MACHINES, "gateway.code-refused", name, member.site, why=why, address=address)
        raise CodeRefused(_again(name, why))
    public = papers.keys_of(asked.requests)
    if set(public) - {"bridge", "broker"} != {"gateway"}:
        raise Invalid(f"requests for {', '.join(PARTS)} are needed, or for gateway alone")
    with writing(desk.office.engine) as connection:
        store.wait_turn(connection)
        now, member = desk.now(), require_living(the_member(connection, name))  # it may have ended meanwhile
        require_one_bridge(connection, member, public, now)
        if not store.use_code(connection, digest, now):  # somebody else had it a moment ago
            raise CodeRefused(_again(name, "used"))
        made = papers.issue(desk, connection, member, public)
        store.note_version(connection, name, asked.version)
    desk.write_down(
        MACHINES, "gateway.joined", name, member.site, address=address, version=asked.version,
        parts=", ".join(made),
    )  # fmt: skip
    files.write_broker(desk)
    return papers.papers(desk, name, made).model_copy(update=_secrets(desk))


def require_name(name: str) -> None:
    """Raises Invalid for a name that could be taken for a service's or a bridge's."""
    if not name.startswith(PREFIX):
        raise Invalid(
            f"the gateway's name is {name!r}: it begins with {PREFIX!r}, so that it is never a service's "
            "(its certificate's name is who it is at the broker)"
        )


def require_hosts(desk: Desk, hosts: tuple[str, ...]) -> None:
    """Raises Invalid for names of the centre: a clinic must not be able to pass for it."""
    told, named = desk.settings, files.names_of_broker(desk)
    centre = {*map(_same, (*named, *SERVICES, "registry", "proxy", *told.registry_services))}
    taken = sorted((centre - {"localhost", "127.0.0.1", "::1"}) & set(map(_same, hosts)))
    if taken:
        raise Invalid(f"the clinic's broker cannot be called {taken[0]!r}: that is a name of the centre")


def _same(host: str) -> str:
    """One way of writing a name or an address."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


def _again(name: str, why: str) -> str:
    words = {"used": "was used already, a code is good once", "expired": "has expired"}[why]
    return f"the enrolment code {words}: ask the centre for a new one (`spondyl gateway enrol {name} ...`)"


def _require_same_site(before: Member, wanted: Enrolling) -> None:
    if before.site != wanted.site:
        raise said(
            Conflict,
            {
                "de": f"{before.name} steht am Standort {before.site}: ein Gateway zieht nicht um",
                "en": f"{before.name} is at site {before.site}: a gateway does not move, give it a new name",
            },
        )


def _require_free(connection: Connection, wanted: Enrolling) -> None:
    for other in store.members(connection, living=True):
        shared = [
            device for device in wanted.devices if device in other.devices and other.name != wanted.name
        ]
        if shared:
            raise said(
                Conflict,
                {
                    "de": f"{shared[0]} gehört schon {other.name}",
                    "en": f"{shared[0]} is {other.name}'s already: each device has one gateway in the chain",
                },
            )


def require_one_bridge(connection: Connection, member: Member, asked: papers.Keys, now: datetime) -> None:
    """Two bridges of one name would throw each other out at the centre for ever. Raises Invalid."""
    if "bridge" not in asked:
        return
    living = {one.name for one in store.members(connection, living=True) if one.site == member.site}
    for (name, part), ends_us in store.newest(connection).items():
        if part == "bridge" and name in living - {member.name} and ends_us > us(now):
            raise Invalid(
                f"{name} has the broker of site {member.site} already: join with --broker mqtts://HOST:8883 "
                "of that machine"
            )


def _secrets(desk: Desk) -> dict[str, str]:
    """What only the first papers carry: TLS and the code protect it on its way."""
    data, settings = desk.settings.data, desk.settings
    cleared = settings.clearance_public_key or keys.keys_at(data, clearance.NAME).public
    bedside = settings.bedside_key or operators.bedside_key_path(data)
    return {
        "access_public_key": tokens.public_key(settings.access_public_key, data).decode(),
        "clearance_public_key": clearance.read_public(cleared).decode(),
        "bedside_key": operators.read_bedside_key(bedside).hex(),
    }
