"""A therapist at every bed at once: looks at the panels, asks what to do, does it by the panels' own API."""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import structlog

from services.controller.scenarios import staging
from services.controller.therapist.deciding import Json, Step, Visit, decide, still_to_treat
from services.kit import clearance
from services.kit.connections import verification
from services.kit.errors import SpondylError

log = structlog.get_logger(__name__)

LOOK_S = 1.0  # between two looks at a bed
SOON_S = 0.2  # while a session is being prepared
REQUEST_S = 5.0


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
            await asyncio.sleep(SOON_S if visit.phase == "ready" else LOOK_S)

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
