"""A console with the real scheduler and the real screening behind it, all in this process.

The scheduler's clock is the present one; what is planned begins on ``rig.monday``, the next Monday but one,
so that no test depends on the day on which it runs.
"""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from uuid import uuid4

import httpx
from console.room_rig import RoomRig
from scheduler.scheduler_rig import SchedulerRig
from screening.screening_rig import ScreeningRig

from services.console.offices import OfficeClient
from services.kit.auth import tokens

SEE_OTHER, FORBIDDEN, NOT_FOUND, TAKEN, REFUSED, AWAY = 303, 403, 404, 409, 422, 503
WEEK = timedelta(days=7)
PRESCRIPTION = {
    "region": "lumbar", "segment": "L4/5", "body_weight_kg": 78, "age_years": 60, "sex": "female",
    "session_number": 1, "peak_n": 170,
}  # fmt: skip


class Waiting(httpx.ASGITransport):
    """The way to a service in this process; ``waits_s``: how long the console would wait, by path."""

    def __init__(self, app, waits_s):
        super().__init__(app)
        self.waits_s = waits_s

    async def handle_async_request(self, request):
        """Note the limit and ask."""
        self.waits_s[request.url.path] = request.extensions["timeout"]["read"]
        return await super().handle_async_request(request)


class PlanningRig:
    """One clinic, `north`: three beds, three therapists, three people who sign in.

    Cures come in the afternoon, unless a test says otherwise: the mornings are free to move to.
    """

    def __init__(self, directory):
        self.waits_s = {}
        self.scheduler = SchedulerRig(directory)
        self.scheduler.now = datetime.now(UTC)
        self.screening = ScreeningRig(directory)
        self.room = RoomRig(directory)
        console = self.room.console
        console.scheduler = self._office("scheduler", tokens.SCHEDULER, self.scheduler.app)
        console.screening = self._office("screening", tokens.SCREENING, self.screening.app)
        beds = {"bed_01": "lumbar cervical", "bed_02": "lumbar", "bed_03": "lumbar"}
        self.therapists = self.scheduler.clinic(beds=beds, therapists=3)
        self.room.bed("bed-01", "north", phase="idle")
        for name, role in (("rita", "reception"), ("cleo", "clinician"), ("ada", "administrator")):
            self.room.person(name, f"{role}@north")
        today = date.today()  # noqa: DTZ011  (a day far enough away in every zone)
        self.monday = today + WEEK + timedelta(days=7 - today.weekday())
        while not self._is_free_of_holidays():
            self.monday += WEEK

    def _office(self, name, audience, app):
        """The console's way to a service in this process."""
        key = self.room.console.key
        return OfficeClient(
            name,
            f"http://{name}",
            lambda who: tokens.mint(key, who, audiences=(audience,)),
            transport=Waiting(app, self.waits_s),
        )

    def _is_free_of_holidays(self):
        body = self.scheduler.ask("GET", "/sites/north")
        days = {(self.monday + timedelta(days=number)).isoformat() for number in range(12)}
        return not days & {row["day"] for row in body["holidays"]}

    def patient(self, family="Grünwald", given="Änne"):
        """The id of a new file."""
        content = {
            "family_name": family, "given_name": given, "birth_date": "1966-04-12", "sex": "female",
            "language": "de", "insurance": "private", "body_weight_kg": 78, "body_height_cm": 175,
            "region": "lumbar", "segment": "L4/5",
        }  # fmt: skip
        body = {"site": "north", "content": content, "anyway": True}
        return self.screening.ask("POST", "/patients", json=body)["patient"]

    def cure(self, patient, **changes):
        """A booked cure, as the scheduler shows it."""
        body = {
            "patient": patient, "site": "north", "region": "lumbar", "segment": "L4/5", "sessions": 15,
            "cadence": "three", "earliest": self.monday.isoformat(), "times": [["12:00", "17:00"]],
            "weekdays": [], "request": str(uuid4()), "prescription": PRESCRIPTION,
        }  # fmt: skip
        return self.scheduler.ask("POST", "/cures", role="clinician", json=body | changes)

    def client(self, name="rita", **headers):
        """A signed-in browser of this person."""
        return self.room.client(name, **({"accept": "text/html", "accept-language": "en"} | headers))

    def close(self):
        """Let go of the databases."""
        self.room.close()
        self.scheduler.close()
        self.screening.engine.dispose()


def shown(answer, status=200):
    """The page's text, its marks away."""
    assert answer.status_code == status, answer.text[:600]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def request_in(page):
    """What a form that is sent twice is known by."""
    return re.search(r'name="request" value="([0-9a-f-]{36})"', page.text)[1]
