"""New certificates for a machine that has one that holds: the request is signed with its key."""

import base64
import binascii
from datetime import timedelta
from typing import Final

from cryptography import x509
from pydantic import ValidationError
from sqlalchemy import Connection

from services.kit import pki
from services.kit.database import reading, writing
from services.kit.enrolment.models import Papers, Renewal, Signed
from services.registry import enrolling, papers, store
from services.registry.desk import MACHINES, Desk
from services.registry.errors import Invalid, Unproven
from services.registry.models import Member

CLOCKS: Final = timedelta(minutes=15)  # by how much a gateway's clock may differ


def renew(desk: Desk, asked: Signed, address: str) -> Papers:
    """Certificates for these keys, and what is new of the site. Raises Unproven, Invalid."""
    renewal = _read(asked)
    held = _certificate(renewal)
    message, signature = asked.body.encode(), _signature(asked)
    if not pki.is_signature(held, signature, message):
        raise Unproven("the renewal is not signed by the key of the certificate that it shows")
    with reading(desk.office.engine) as connection:
        member = _holder(desk, connection, held)
    apart = abs(desk.now() - renewal.at)
    if apart > CLOCKS:
        raise Unproven(
            f"the renewal is of {renewal.at:%Y-%m-%d %H:%M:%S} UTC, by the clock of {member.name}; here it "
            f"is {desk.now():%H:%M:%S}: set the gateway's clock, at most {CLOCKS.seconds // 60} minutes may "
            "lie between"
        )
    keys = papers.keys_of(renewal.requests)
    with writing(desk.office.engine) as connection:
        store.wait_turn(connection)
        member = _holder(desk, connection, held)  # once more: it may have been revoked meanwhile
        _require_own(connection, member, keys)
        enrolling.require_one_bridge(connection, member, keys, desk.now())
        made = papers.issue(desk, connection, member, keys)
        if renewal.version != member.version:
            store.note_version(connection, member.name, renewal.version)
    if made:
        desk.write_down(
            MACHINES, "gateway.renewed", member.name, member.site, address=address, parts=", ".join(made),
            version=renewal.version,
        )  # fmt: skip
    return papers.papers(desk, member.name, made)


def _read(asked: Signed) -> Renewal:
    try:
        return Renewal.model_validate_json(asked.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Invalid(f"the renewal: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _certificate(renewal: Renewal) -> x509.Certificate:
    found = pki.certificates(renewal.certificate)
    if not found:
        raise Invalid("the renewal shows no certificate")
    return found[0]


def _signature(asked: Signed) -> bytes:
    try:
        return base64.b64decode(asked.signature, validate=True)
    except binascii.Error:
        raise Invalid("the signature is no base64") from None


def _holder(desk: Desk, connection: Connection, held: x509.Certificate) -> Member:
    """The gateway whose certificate this is, if it holds. Raises Unproven."""
    again = "enrol it anew with a code of the centre (`spondyl gateway enrol`)"
    if desk.authorities.of(held) is None:
        raise Unproven(f"the certificate is of an authority that is not known here: {again}")
    serial = pki.serial_of(held)
    kept = store.certificate(connection, serial)
    is_revoked = store.is_revoked(connection, serial)
    member = store.member(connection, kept.member) if kept and kept.member else None
    if kept is None or member is None or kept.part != "gateway":
        raise Unproven(f"the certificate is no gateway's: {again}")
    if is_revoked or member.ended_us is not None:
        raise Unproven(f"{member.name} is revoked: ask the centre; if that was a mistake, {again}")
    if held.not_valid_after_utc <= desk.now():
        raise Unproven(
            f"the certificate of {member.name} expired on {held.not_valid_after_utc:%Y-%m-%d}: {again}"
        )
    return member


def _require_own(connection: Connection, member: Member, keys: papers.Keys) -> None:
    """Only what a code once gave is renewed: not the bridge of a site by who is one of its gateways."""
    issued = store.certificates_of(connection, member.name)
    revoked = store.revoked_serials(connection, [one.serial for one in issued])
    own = {one.part for one in issued if one.serial not in revoked}
    if strange := sorted(set(keys) - own):
        raise Unproven(
            f"{member.name} has no certificate for {', '.join(strange)}: such a one is given with a "
            "code alone (`spondyl gateway enrol`)"
        )
