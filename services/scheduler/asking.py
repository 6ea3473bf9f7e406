"""The same questions to a running scheduler or to a problem in a file."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.errors import SpondylError
from services.scheduler.planner.problem import Problem

Row = dict[str, Any]


class Asked(Protocol):
    """Whoever answers."""

    def replan(self, site: str, device: str | None, therapist: UUID | None, starts: str, ends: str) -> Row:
        """Where everything would go."""

    def why(
        self, site: str, region: str, starts_at: datetime, device: str | None, patient: UUID | None
    ) -> Row:
        """Whether an appointment may be there, and the rules against it."""


def moment(words: str, option: str, zone: str | None, *, end: bool = False) -> datetime:
    """A time with a zone, or a date of the zone's: its midnight, or the next one when it is an ``end``.

    Raises SpondylError.
    """
    try:
        if len(words) == len("2026-11-24") and zone is not None:
            day = date.fromisoformat(words) + timedelta(days=end)
            return datetime.combine(day, time(), ZoneInfo(zone))
        found = datetime.fromisoformat(words)
    except (ValueError, OverflowError):
        raise SpondylError(
            f"{option} is {words!r}: a date such as 2026-11-24, or a time with a zone"
        ) from None
    if found.tzinfo is None:
        raise SpondylError(f"{option} is {words!r}: a time needs its zone, such as 2026-11-24T10:00+01:00")
    return found


def of_file(path: Path) -> "InFile":
    """A problem that was written down. Raises SpondylError."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return InFile(TypeAdapter(Problem).validate_json(path.read_bytes()))
    except OSError as error:
        raise SpondylError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpondylError(f"{path} is no problem for the planner: {where}: {first['msg']}") from None


def of_system(data: Path | None, most_s: float) -> "InSystem":
    """The running system's scheduler, asked in its owner's name. Raises NotRunning."""
    from services.kit import runfile
    from services.kit.auth import tokens

    run = runfile.load(data)
    token = tokens.of_system(run.data, (tokens.SCHEDULER,))
    return InSystem(run.scheduler, token, {name: site.devices for name, site in run.sites.items()}, most_s)


@dataclass(frozen=True, slots=True)
class InFile:
    """A problem without a system."""

    problem: Problem

    def replan(self, site: str, device: str | None, therapist: UUID | None, starts: str, ends: str) -> Row:
        """The planner's own answer."""
        from services.scheduler.planner.replan import Failure, replan

        problem = self.problem
        known = {*(one.id for one in problem.devices), *(one.device for one in problem.booked)}
        if device not in {None, *known} or therapist not in {None, *(one.id for one in problem.therapists)}:
            raise SpondylError(f"the problem has no {device or therapist}")
        where = self._site(site, device, therapist)
        zone = problem.sites[where].zone
        begins, until = moment(starts, "--from", zone), moment(ends, "--to", zone, end=True)
        _require_order(begins, until, starts, ends)
        found = replan(self.problem, Failure(where, begins, until, device, therapist))
        return {
            "moved": [
                {
                    "appointment": str(move.was.id), "patient": str(move.was.patient), "site": move.site,
                    "changes_time": move.changes_time, "from": _place(move.was), "to": _place(move.to),
                }
                for move in found.moves
            ],
            "unplaced": [
                {"appointment": str(one.id), "patient": str(one.patient), "from": _place(one)}
                for one in found.unplaced
            ],
            "patients_moved": found.patients_moved, "lower_bound": found.lower_bound,
            "proven": found.proven, "gap": found.gap,
        }  # fmt: skip

    def why(
        self, site: str, region: str, starts_at: datetime, device: str | None, patient: UUID | None
    ) -> Row:
        """The rules' own answer."""
        from services.scheduler.planner.why import NOBODY, single, why

        where = self._site(site, device, None)
        found = why(self.problem, single(where, region, patient or NOBODY), starts_at, device)
        return {
            "ok": found.ok, "rules": [reason.row() for reason in found.reasons], "device": found.device,
            "therapist": None if found.therapist is None else str(found.therapist),
        }  # fmt: skip

    def _site(self, site: str, device: str | None, therapist: UUID | None) -> str:
        if site:
            if site not in self.problem.sites:
                raise SpondylError(f"--site is {site!r}: the problem has {', '.join(self.problem.sites)}")
            return site
        found = {one.site for one in self.problem.devices if one.id == device}
        found |= {one.site for one in self.problem.therapists if one.id == therapist}
        found = found or set(self.problem.sites)
        if len(found) != 1:
            raise SpondylError(f"name the --site, one of {', '.join(sorted(found))}")
        return found.pop()


def _require_order(begins: datetime, until: datetime, starts: str, ends: str) -> None:
    if begins >= until:
        raise SpondylError(f"--from {starts} is not before --to {ends}")


def _place(one: Any) -> Row:
    return {
        "starts_at": one.starts_at.isoformat(), "ends_at": one.ends_at.isoformat(), "device": one.device,
        "therapist": None if one.therapist is None else str(one.therapist),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class InSystem:
    """The scheduler of a running system."""

    address: str
    token: str
    devices: dict[str, list[str]]  # of every site
    most_s: float

    def replan(self, site: str, device: str | None, therapist: UUID | None, starts: str, ends: str) -> Row:
        """What the scheduler proposes; it is kept there and may be applied."""
        where = self._site(site, device)
        zone = str(self._ask("GET", f"/sites/{where}")["zone"])
        begins, until = moment(starts, "--from", zone), moment(ends, "--to", zone, end=True)
        _require_order(begins, until, starts, ends)
        body = {"site": where, "from": begins.isoformat(), "to": until.isoformat()}
        body |= {"device": device} if device is not None else {"therapist": str(therapist)}
        return self._ask("POST", "/replan", body)

    def why(
        self, site: str, region: str, starts_at: datetime, device: str | None, patient: UUID | None
    ) -> Row:
        """What the scheduler says."""
        asked = {
            "site": self._site(site, device), "region": region, "starts_at": starts_at.isoformat(),
            "device": device, "patient": patient,
        }  # fmt: skip
        return self._ask("GET", "/why?" + urlencode({k: v for k, v in asked.items() if v is not None}))

    def _site(self, site: str, device: str | None) -> str:
        found = [name for name, beds in self.devices.items() if device is None or device in beds]
        if not site and not found:
            raise SpondylError(f"--device is {device!r}: no site has that bed")
        if not site and len(found) != 1:
            raise SpondylError(f"name the --site, one of {', '.join(found)}")
        return site or found[0]

    def _ask(self, method: str, path: str, body: Row | None = None) -> Row:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, sent, headers, method=method)  # noqa: S310  (ours)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self.most_s) as answer:
                found: Row = json.loads(answer.read())
                return found
        except urllib.error.HTTPError as error:
            raise SpondylError(f"the scheduler refuses: {_detail(error.read())}") from None
        except OSError as error:
            raise SpondylError(f"the scheduler at {self.address} does not answer: {error}") from None


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
