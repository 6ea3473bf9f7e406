"""A console with the real homecare and the real screening behind it, all in this process.

Homecare's clock is the present one: the pages ask for the days that lie behind today.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
from console.room_rig import RoomRig
from homecare.homecare_rig import HomecareRig
from screening.screening_rig import ScreeningRig

from services.console.offices import OfficeClient
from services.kit.auth import tokens

PEOPLE = (
    ("cleo", "clinician"), ("theo", "therapist"), ("rita", "reception"), ("ada", "administrator"),
    ("bill", "billing"),
)  # fmt: skip
FINDING = {
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "slight", "body_weight_kg": 78,
    "conditions": [],
}  # fmt: skip


class HomecareRoom:
    """One clinic, `north`, and five people who sign in."""

    def __init__(self, directory):
        self.homecare = HomecareRig(directory)
        self.homecare.now = datetime.now(UTC)
        self.screening = ScreeningRig(directory)
        self.room = RoomRig(directory)
        console = self.room.console
        console.homecare = self._office("homecare", tokens.HOMECARE, self.homecare.app)
        console.screening = self._office("screening", tokens.SCREENING, self.screening.app)
        self.room.bed("bed-01", "north", phase="idle")
        for name, role in PEOPLE:
            self.room.person(name, f"{role}@north")

    def _office(self, name, audience, app):
        """The console's way to a service in this process."""
        key = self.room.console.key
        return OfficeClient(
            name,
            f"http://{name}",
            lambda who: tokens.mint(key, who, audiences=(audience,)),
            transport=httpx.ASGITransport(app),
        )

    def patient(self, family="Grünwald", given="Änne", site="north", **content):
        """The id of a new file, known to screening and to homecare."""
        content = {
            "family_name": family, "given_name": given, "birth_date": "1966-04-12", "sex": "female",
            "language": "de", "insurance": "private", "body_weight_kg": 78, "body_height_cm": 175,
            "region": "lumbar", "segment": "L4/5",
        } | content  # fmt: skip
        body = {"site": site, "content": content, "anyway": True}
        patient = UUID(self.screening.ask("POST", "/patients", json=body)["patient"])
        self.homecare.clinic_event("patient.registered", site, patient=patient)
        said = {"region": "lumbar", "outcome": "cleared", "rules": [], "body_weight_kg": 78.0}
        self.homecare.clinic_event("clearance.decided", site, patient=patient, **said)
        return patient

    def programme(self, patient, days_ago=0, site="north", signed=("bridge",)):
        """A programme by its template with these signed, as homecare showed it when it was set."""
        now, self.homecare.now = self.homecare.now, self.homecare.now - timedelta(days=days_ago)
        finding = FINDING | {"starts_on": self.homecare.now.date().isoformat()}
        wanted = self.homecare.ask("POST", "/fill", json=finding)["wanted"]
        body = {"request": str(uuid4()), "site": site, "patient": str(patient), "language": "de"}
        made = self.homecare.ask("POST", "/programmes", json=body | {"wanted": wanted})
        self.sign(made, *signed)
        self.homecare.now = now
        return made

    def sign(self, made, *exercises):
        """Every supervised session that these need (each of the programme), one a day, the last one today."""
        key = made["programme"]["id"]
        for one in made["decision"]["exercises"]:
            needed = one["supervised_sessions"] if one["exercise"] in (exercises or [one["exercise"]]) else 0
            for number in range(needed):
                day = (self.homecare.now - timedelta(days=needed - 1 - number)).date().isoformat()
                body = {"request": str(uuid4()), "exercise": one["exercise"], "day": day, "went_well": True}
                self.homecare.ask("POST", f"/programmes/{key}/supervised", json=body)

    def link(self, made):
        """The secret of a new link."""
        path = f"/programmes/{made['programme']['id']}/links"
        return self.homecare.ask("POST", path, json={"request": str(uuid4())})["address"].rpartition("/")[2]

    def entered(self, secret, *entries, days_ago=0):
        """What a telephone sends, of a day."""
        at = self.homecare.now - timedelta(days=days_ago)
        rows = [
            {"id": str(uuid4()), "day": at.date().isoformat(), "at": at.isoformat(), "version": 1, **one}
            for one in entries
        ]
        answer = self.homecare.ask("POST", f"/h/{secret}/entries", json={"entries": rows})
        assert not answer["refused"], answer["refused"]
        return [row["id"] for row in rows]

    def hurt(self, secret, exercise=None, nrs=7, **data):
        """A report of pain; its id."""
        data = {"pain_nrs": nrs, "where": "lower-back", "signs": [], "during": True, "words": ""} | data
        return self.entered(secret, {"kind": "pain", "exercise": exercise, "data": data})[0]

    def client(self, name="cleo", **headers):
        """A signed-in browser of this person."""
        return self.room.client(name, **({"accept": "text/html", "accept-language": "en"} | headers))

    def close(self):
        """Let go of the databases."""
        self.room.close()
        self.homecare.office.engine.dispose()
        self.screening.engine.dispose()
