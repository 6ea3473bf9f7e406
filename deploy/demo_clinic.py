"""`python -m deploy.demo_clinic DATA`: fills a demo with made-up people through the services' own API.

Everything is done as a desk would do it: files, answers, consents, clearances, cures from today on. Who is
finished is written down, so that a second start changes nothing that somebody has changed since.
"""

import json
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

import httpx

from deploy.demo_people import Clinic, Person, name_of, welcome
from services.kit.auth import tokens
from services.kit.auth.principal import Grant, Principal
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.runfile import Run, load, read_json, write_private

WHO: Final = Principal(
    "demo-clinic", "Example data", (Grant("administrator"), Grant("clinician"), Grant("reception"))
)
BEDS_WITHIN_S: Final = 120.0
ALWAYS: Final = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
AUDIENCES: Final = (tokens.SCREENING, tokens.SCHEDULER, tokens.BILLING, tokens.HOMECARE)


def settle(run: Run) -> int:
    """Everybody at their site; how many were new. Raises SpondylError, httpx.HTTPError."""
    table = tomllib.loads((resources.files("deploy") / "demo_clinic.toml").read_text(encoding="utf-8"))
    done = _Done(run.data)
    sites = list(run.sites)
    with _clinic(run) as clinic:
        for site in sites:
            if done.new(f"site {site}"):
                _open(clinic, site, table["therapist"])
                clinic.ask(clinic.billing, "PUT", f"/clinics/{site}", table["letterhead"])
                done.add(f"site {site}")
        _wait_for_beds(clinic, sites)
        people = [person for person in table["person"] if done.new(name_of(person))]
        for person in people:
            site = sites[table["person"].index(person) % len(sites)]
            welcome(clinic, site, person)
            done.add(name_of(person), clinic.homes)
    return len(people)


class _Done:
    """Who is finished, in DATA/demo-clinic.json."""

    def __init__(self, data: Path) -> None:
        self._path = data / "demo-clinic.json"
        try:
            known = read_json(self._path)
            self._names: list[str] = list(known.get("done", []))
            self._homes: dict[str, str] = dict(known.get("homes", {}))
        except (SpondylError, AttributeError):
            self._names, self._homes = [], {}

    def new(self, name: str) -> bool:
        return name not in self._names

    def add(self, name: str, homes: Mapping[str, str] | None = None) -> None:
        self._names.append(name)
        self._homes.update(homes or {})
        write_private(self._path, json.dumps({"done": self._names, "homes": self._homes}))


@contextmanager
def _clinic(run: Run) -> Iterator[Clinic]:
    token = tokens.mint(tokens.ensure_keys(run.data).private, WHO, 3600, audiences=AUDIENCES)
    headers = {"authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=run.screening, headers=headers, timeout=30, trust_env=False) as screening,
        httpx.Client(base_url=run.scheduler, headers=headers, timeout=30, trust_env=False) as scheduler,
        httpx.Client(base_url=run.billing, headers=headers, timeout=30, trust_env=False) as billing,
        httpx.Client(base_url=run.homecare, headers=headers, timeout=30, trust_env=False) as homecare,
    ):
        yield Clinic(screening, scheduler, billing, homecare)


def _open(clinic: Clinic, site: str, therapists: list[Person]) -> None:
    """Open around the clock: whoever looks at the demo at night sees a day's work, too."""
    known = clinic.ask(clinic.scheduler, "GET", f"/sites/{site}")
    told = {name: known[name] for name in ("state", "zone", "appointment_min", "clean_up_min", "rest_h")}
    clinic.ask(clinic.scheduler, "PUT", f"/sites/{site}", {**told, "hours": ALWAYS, "closed": []})
    for therapist in therapists:
        clinic.ask(clinic.scheduler, "POST", "/therapists", {**therapist, "site": site, "shifts": ALWAYS})


def _wait_for_beds(clinic: Clinic, sites: list[str]) -> None:
    """Until every site's gateway has said which beds it has."""
    deadline = time.monotonic() + BEDS_WITHIN_S
    for site in sites:
        while not clinic.ask(clinic.scheduler, "GET", "/resources", site=site)["devices"]:
            if time.monotonic() > deadline:
                raise SpondylError(f"no bed of {site} was heard of within {BEDS_WITHIN_S:.0f} s")
            time.sleep(0.5)


def main() -> None:
    """Fill the demo of the data directory that is named."""
    with refusals_in_one_line():
        try:
            count = settle(load(Path(sys.argv[1])))
        except httpx.HTTPError as error:
            raise SpondylError(f"a service does not answer: {error}") from None
        print(f"{count} people came to the demo's clinics")


if __name__ == "__main__":
    main()
