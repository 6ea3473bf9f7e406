"""``python -m services.controller.therapist``: a simulated therapist who works through each panel's own API.

Signs in with a PIN as a person would. One session after another at every bed: confirms the next patient of
its worklist, or a made-up one while nobody is listed there, lets the switch be tested, starts, looks after
stops and faults, asks for the pain, closes. Knows nothing but what the panel says: panels may restart.
"""

import asyncio
import json
import math
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import structlog
from pydantic import Field, SecretStr

from services.controller.scenarios import staging
from services.controller.settings import ControllerSettings
from services.controller.therapist.made_up import invent
from services.kit import clearance, logging
from services.kit.connections import verification
from services.kit.errors import SpondylError, refusals_in_one_line
from services.kit.therapy import dosing

log = structlog.get_logger(__name__)

PANELS_VARIABLE = "SPONDYL_PANELS"
LOOK_S = 1.0  # between two looks at a bed
SOON_S = 0.2  # while a session is being prepared
REQUEST_S = 5.0
STAGGER_S = 2.0  # between the first patients of neighbouring beds
BREAK_S = (15.0, 45.0)
LOOKS_AFTER_S = {"stopped": 8.0, "fault": 12.0, "paused": 60.0, "done": 3.0}  # a person needs a moment
GIVES_UP_S = 60.0  # with a bed that does not get ready
AGAIN_S = 3.0  # after a refusal; twice as long after each further one
MOST_DOUBLINGS = 4
MENDED_S = 5.0  # a cause must have been gone for so long before a person believes it
RESETS_AGAIN_S = (15.0, 30.0, 60.0, 120.0, 300.0)  # after the first, second, ... reset that did not help
HARMLESS = frozenset({"tilt_mismatch"})  # goes when the next prescription's angle is set
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One request to the panel: the route's last part and its body."""

    action: str
    body: Json = field(default_factory=dict)


@dataclass(slots=True)
class Visit:
    """What the therapist remembers of a bed."""

    device: str
    index: int
    dice: random.Random
    sessions: int = 0
    next_patient_at: float = 0.0
    phase: str = ""
    phase_since: float = 0.0
    session: str | None = None
    pain_before: int = 5
    heated: bool = False
    not_before: float = 0.0
    refusals: int = 0  # one after the other
    stood_at: float = -math.inf  # when the cause of an alarm was last seen to stand
    reset_from: float = 0.0
    resets: int = 0  # that left something on
    answers: bool = True
    listed: list[Json] = field(default_factory=list)  # who is still to be treated at this bed today
    waits_s: float = 0.0  # for its first list, before anybody is made up
    waits_until: float | None = None
    play: staging.Play | None = None  # what a demo shows in this session

    def see(self, state: Json, now: float) -> None:
        """Notice a new phase or session, and what stands in the way."""
        if set(state["standing"]) - HARMLESS:
            self.stood_at = now
        if not latched(state):
            self.resets = 0
        if state["phase"] != self.phase:
            if state["phase"] == "idle":
                wait_s = self.dice.uniform(*BREAK_S) if self.phase else STAGGER_S * self.index
                self.next_patient_at = now + wait_s
            self.phase, self.phase_since, self.refusals = state["phase"], now, 0
        session = (state["session"] or {}).get("session")
        if session != self.session:
            self.session, self.heated = session, False

    def told(self, now: float, *, refused: bool) -> None:
        """What came of the last step: after a refusal the next one waits, ever longer."""
        if not refused:
            self.refusals = 0
            return
        self.not_before = now + AGAIN_S * 2 ** min(self.refusals, MOST_DOUBLINGS)
        self.refusals += 1


def latched(state: Json) -> set[str]:
    """The conditions that keep a patient off the bed."""
    return set(state["conditions"]) - HARMLESS


Clear = Callable[[UUID, str], str]


def decide(state: Json, visit: Visit, now: float, clear: Clear) -> Step | None:
    """What a therapist would do next at this bed; ``clear`` issues a clearance for a patient and region."""
    visit.see(state, now)
    if now < visit.not_before or not state["fresh"]:
        return None
    act = _IN_PHASE.get(state["phase"], _treating)
    return act(state, visit, now, clear)


def _idle(state: Json, visit: Visit, now: float, clear: Clear) -> Step | None:
    if latched(state):  # nobody is laid on a bed with an alarm
        return _reset(visit, now)
    if now < visit.next_patient_at:
        return None
    if visit.listed:
        return _next_listed(visit)
    visit.waits_until = now + visit.waits_s if visit.waits_until is None else visit.waits_until
    if now < visit.waits_until:
        return None
    patient = UUID(int=visit.dice.getrandbits(128), version=4)
    prescription = invent(visit.dice, visit.index, visit.sessions)
    visit.pain_before = visit.dice.randint(3, 8)
    return Step(
        "confirm",
        {
            "patient": str(patient),
            "prescription": prescription,
            "clearance": clear(patient, prescription["region"]),
            "cure": str(UUID(int=visit.dice.getrandbits(128), version=4)),
            "appointment": str(UUID(int=visit.dice.getrandbits(128), version=4)),
            "pain_before": visit.pain_before,
        },
    )


def _next_listed(visit: Visit) -> Step | None:
    """The first of the list who may be treated; while only others are listed the bed waits for them."""
    row = next((row for row in visit.listed if row["clear"]), None)
    if row is None:
        return None
    visit.pain_before = visit.dice.randint(3, 8)
    body = {"appointment": row["appointment"], "identity_asked": True, "pain_before": visit.pain_before}
    return Step("confirm-listed", body)


def _start(state: Json) -> Step:
    must_be_seen = (state.get("centre") or {}).get("must_be_seen", False)
    return Step("start", {"silence_seen": True} if must_be_seen else {})


def _ready(state: Json, visit: Visit, now: float, _clear: Clear) -> Step | None:
    if state.get("suspension"):
        return Step("close")
    switch = state["switch"]
    if not switch["tested"]:
        return None if switch["asking"] else Step("switch-test")
    wanted, tolerance = state["tilt_prescribed_deg"], state["tilt_tolerance_deg"]
    if wanted is not None and abs(state["tilt_deg"] - wanted) <= tolerance and not state["conditions"]:
        return _start(state)
    return Step("close") if now - visit.phase_since > GIVES_UP_S else None


def _treating(state: Json, visit: Visit, _now: float, _clear: Clear) -> Step | None:
    heat = state["heat"]
    if heat["allowed"] and not heat["on"] and not visit.heated and state["phase"] in ("precondition", "hold"):
        visit.heated = True
        return Step("heat", {"on": True})
    return None


def _paused(state: Json, visit: Visit, now: float, _clear: Clear) -> Step | None:
    if not _has_looked(visit, now):
        return None
    return Step("stop") if state.get("suspension") else Step("resume")


def _ended(state: Json, visit: Visit, now: float, _clear: Clear) -> Step | None:
    """Stopped, at fault or done: look, reset what was latched, ask for the pain, close."""
    if not _has_looked(visit, now):
        return None
    if state["phase"] != "done" and latched(state):
        step = _reset(visit, now)
        if step is not None:
            return step
    relief = visit.dice.randint(-1, 3) if state["phase"] == "done" else visit.dice.randint(-2, 1)
    return Step("close", {"pain_after": min(10, max(0, visit.pain_before - relief))})


def _reset(visit: Visit, now: float) -> Step | None:
    """A reset, when the causes are gone as far as the bed says; again only when a person would try again."""
    if now - visit.stood_at < MENDED_S or now < visit.reset_from:
        return None
    visit.reset_from = now + RESETS_AGAIN_S[min(visit.resets, len(RESETS_AGAIN_S) - 1)]
    visit.resets += 1
    return Step("reset")


def _has_looked(visit: Visit, now: float) -> bool:
    return now - visit.phase_since >= LOOKS_AFTER_S[visit.phase]


def still_to_treat(worklist: Json, device: str) -> list[Json]:
    """The appointments of this bed that have had no session yet, in the order of their times."""
    return [row for row in worklist["appointments"] if row["device"] == device and row["session"] is None]


_IN_PHASE = {
    "idle": _idle,
    "ready": _ready,
    "paused": _paused,
    "done": _ended,
    "stopped": _ended,
    "fault": _ended,
    "cooldown": lambda *_: None,
}

# --- at the beds -----------------------------------------------------------------------------------------


class Therapist:
    """Looks after every bed at once."""

    def __init__(
        self,
        panels: Mapping[str, str],
        key: Path,
        seed: int,
        *,
        name: str,
        pin: str,
        waits_s: float = 0.0,
        stage: staging.Stage | None = None,
    ) -> None:
        self._panels = dict(panels)
        self._waits_s = waits_s
        self._sign_in = {"name": name, "pin": pin}
        self._key = key
        self._seed = seed
        self._show = stage

    async def run(self) -> None:
        """Work until cancelled."""
        limits = httpx.Limits(max_keepalive_connections=len(self._panels))
        async with (
            httpx.AsyncClient(
                verify=verification(), timeout=REQUEST_S, limits=limits, trust_env=False
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            for index, device in enumerate(sorted(self._panels)):
                group.create_task(self._attend(client, device, index))

    async def _attend(self, client: httpx.AsyncClient, device: str, index: int) -> None:
        clock = asyncio.get_running_loop()
        dice = random.Random(f"{self._seed} {device}")  # noqa: S311  (made-up patients, nothing secret)
        visit = Visit(device, index, dice, waits_s=self._waits_s if index % 2 else 0.0)
        while True:
            try:
                await self._look(client, visit, clock.time())
                visit.answers = True
            except (httpx.HTTPError, ValueError, KeyError, SpondylError) as error:
                if visit.answers:  # told once an outage
                    log.info("the panel does not answer", device=device, error=repr(error)[:200])
                visit.answers = False
            await asyncio.sleep(SOON_S if visit.phase in ("", "ready") else LOOK_S)

    async def _look(self, client: httpx.AsyncClient, visit: Visit, now: float) -> None:
        root = httpx.URL(self._panels[visit.device]).join(f"/api/devices/{visit.device}")
        answer = await client.get(root)
        if answer.is_error:
            return
        state = answer.json()
        if state["phase"] == "idle" and now >= visit.next_patient_at:
            visit.listed = still_to_treat(await self._ask(client, f"{root}/worklist"), visit.device)
        if visit.play is not None and (due := visit.play.due(state["phase"], now)):
            await self._stage(client, f"{root}/{due[0]}", due[1], state["site"])
        step = decide(state, visit, now, self._clear)
        if step is not None:
            await self._do(client, f"{root}/{step.action}", step, visit, now)

    async def _ask(self, client: httpx.AsyncClient, url: str) -> Json:
        """What only somebody who is signed in is told."""
        answer = await client.get(url)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            await client.post(httpx.URL(url).join("/api/sign-in"), json=self._sign_in)
            answer = await client.get(url)
        found: Json = answer.raise_for_status().json()
        return found

    async def _do(self, client: httpx.AsyncClient, url: str, step: Step, visit: Visit, now: float) -> None:
        answer = await client.post(url, json=step.body)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            await client.post(httpx.URL(url).join("/api/sign-in"), json=self._sign_in)
            answer = await client.post(url, json=step.body)
        detail = answer.json().get("detail")
        visit.told(now, refused=answer.is_error)
        if answer.is_error:
            log.info("refused", device=visit.device, action=step.action, detail=detail)
            return
        if step.action in ("confirm", "confirm-listed"):
            visit.play = self._show.of(visit.index, visit.sessions) if self._show else None
            visit.sessions += 1
        log.info("done", device=visit.device, action=step.action, detail=detail)

    async def _stage(self, client: httpx.AsyncClient, url: str, body: Json, site: str) -> None:
        """One thing that a scenario brings; a fault needs other rights than a therapist's, so no cookie."""
        if self._show is not None and url.endswith("/fault"):
            headers = {"authorization": f"Bearer {self._show.authority(site)}"}
            async with httpx.AsyncClient(verify=verification(), timeout=REQUEST_S, trust_env=False) as other:
                answer = await other.post(url, json=body, headers=headers)
        else:
            answer = await client.post(url, json=body)
        log.info("scenario", url=url, body=body, status=answer.status_code)

    def _clear(self, patient: UUID, region: str) -> str:
        token, _ = clearance.issue(
            self._key, patient, region, valid_for=timedelta(days=1), issuer="spondyl-simulation"
        )
        return token


class TherapistSettings(ControllerSettings):
    """What the simulated therapist is told beyond a gateway's settings."""

    operator_name: str = Field("", max_length=80, description="Whom the simulated therapist signs in as.")
    operator_pin: SecretStr = Field(SecretStr(""), description="The PIN of the simulated therapist.")
    therapist_waits_s: float = Field(
        0.0,
        ge=0,
        le=3600,
        description="At every second bed the simulated therapist waits so long for a first worklist before "
        "anybody is made up; `spondyl up --demo` gives the demo's clinics the time to book.",
    )
    therapist_scenarios: str = Field(
        "",
        description="Directory of golden scenarios: the simulated therapist shows some of them, at a third "
        "of the beds and in every second session; `spondyl up --demo` names those of the tests.",
    )


def panels_from(text: str | None) -> dict[str, str]:
    """The addresses in SPONDYL_PANELS; raises SpondylError when it is no JSON object of texts."""
    try:
        panels = json.loads(text or "")
    except ValueError:
        panels = None
    if not isinstance(panels, dict) or not panels or not all(isinstance(row, str) for row in panels.values()):
        raise SpondylError(f'setting {PANELS_VARIABLE} must be a JSON object {{"device": "address"}}')
    return panels


def main() -> None:
    """Work until told to end."""
    with refusals_in_one_line():
        settings = TherapistSettings.load()
        logging.configure("therapist", settings.log_level, settings.log_format)
        dosing.load()
        panels = panels_from(os.environ.get(PANELS_VARIABLE))
        key = clearance.ensure_keys(settings.data).private
        therapist = Therapist(
            panels, key, settings.seed,
            name=settings.operator_name, pin=settings.operator_pin.get_secret_value(),
            waits_s=settings.therapist_waits_s, stage=_stage(settings),
        )  # fmt: skip
        asyncio.run(_until_told(therapist))


def _stage(settings: TherapistSettings) -> staging.Stage | None:
    directory = settings.therapist_scenarios
    return staging.Stage(staging.library(Path(directory)), settings.data) if directory else None


async def _until_told(therapist: Therapist) -> None:
    """Work until a signal; what is asked of a panel then is not waited for, it might hold up the end."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    work, end = asyncio.create_task(therapist.run()), asyncio.create_task(told.wait())
    await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        work.result()
    log.info("ended")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
