"""Becoming a gateway of the chain, and staying one: keys are made here and never leave."""

import base64
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from services.kit import pki
from services.kit.enrolment import codes
from services.kit.enrolment.centre import Centre, CentreAway
from services.kit.enrolment.machine import PORT, Joined, Machine, is_over
from services.kit.enrolment.models import PARTS, Papers, Part, Renewal
from services.kit.errors import SpondylError

RENEW_AT: Final = 2 / 3  # of a certificate's time


@dataclass(frozen=True, slots=True)
class Place:
    """Where the clinic's broker is: this machine's own, or (``broker``) another machine's."""

    listen: str = f"127.0.0.1:{PORT}"
    seen_as: str = ""
    broker: str = ""  # mqtts://host:port


def join(directory: Path, centre_url: str, typed: str, place: Place) -> Joined:
    """Show the code, get the papers, write them. Raises SpondylError; then nothing was written."""
    code = codes.read(typed)
    machine = Machine(directory)
    _require_empty(machine)
    centre = Centre(centre_url)
    centre.introduce(code)
    parts: tuple[Part, ...] = ("gateway",) if place.broker else PARTS
    keys = {part: pki.new_key() for part in parts}
    body = {"secret": code.secret, "requests": _requests(keys), "version": version("spondyl")}
    papers = _papers(centre, centre.post("/enrolments", body), parts)
    joined = Joined(
        gateway=papers.gateway, site=papers.site, devices=papers.devices, centre=centre.url,
        mqtt=place.broker or _own(place), listen=place.listen, seen_as=place.seen_as, parts=parts,
        centre_version=papers.version,
    )  # fmt: skip
    machine.keep(papers, keys, joined)
    return joined


def renew(directory: Path, *, now_at_once: bool = False) -> tuple[Joined, tuple[Part, ...]]:
    """Ask for what is new; for new certificates where two thirds of one are over, or if told.

    Gives who we are and what was renewed. Raises SpondylError; then everything is as it was.
    """
    machine = Machine(directory)
    machine.settle()
    joined = machine.joined
    held = machine.certificate("gateway")
    if joined is None or held is None:
        raise SpondylError(f"{directory} is no gateway's: `spondyl gateway join` makes it one")
    now = pki.utc_now()
    due = [part for part in joined.parts if now_at_once or is_over(machine.certificate(part), now, RENEW_AT)]
    keys = {part: pki.new_key() for part in due}
    renewal = Renewal(
        certificate=pki.pem_of(held), requests=_requests(keys), at=now, version=version("spondyl")
    ).model_dump_json()
    signature = base64.b64encode(pki.sign(machine.key("gateway"), renewal.encode())).decode()
    centre = Centre(joined.centre, machine.trusted)
    papers = _papers(centre, centre.post("/renewals", {"body": renewal, "signature": signature}), tuple(due))
    told = {"devices": papers.devices, "centre_version": papers.version}
    joined = joined.model_copy(update=told)
    machine.keep(papers, keys, joined)
    return joined, tuple(due)


def _papers(centre: Centre, answer: dict[str, Any], parts: tuple[Part, ...]) -> Papers:
    try:
        papers = Papers.model_validate(answer)
    except ValidationError:
        raise CentreAway(f"{centre.url} answers what this release does not understand") from None
    missing = [part for part in parts if part not in papers.certificates]
    if missing:
        raise CentreAway(f"{centre.url} sent no certificate for {', '.join(missing)}")
    return papers


def _requests(keys: dict[Part, pki.Key]) -> dict[Part, str]:
    return {part: pki.request_pem(key, part) for part, key in keys.items()}


def _require_empty(machine: Machine) -> None:
    """A directory of another gateway, or one whose certificate holds, is not overwritten."""
    joined, held = machine.joined, machine.certificate("gateway")
    if joined is not None and held is not None and held.not_valid_after_utc > pki.utc_now():
        raise SpondylError(
            f"{machine.directory} is {joined.gateway}'s already, its certificate holds until "
            f"{held.not_valid_after_utc:%Y-%m-%d}: take another directory, or move this one away first"
        )


def _own(place: Place) -> str:
    host, _, port = place.listen.rpartition(":")
    return f"mqtts://{'localhost' if host in ('0.0.0.0', '127.0.0.1', '::') else host}:{port}"  # noqa: S104  (compared)
