"""Somebody at home: a programme in force, a link to it, and what a telephone sends by it."""

import json
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from asgi_client import Client

EXERCISES = ("bridge", "abdominal-tightening")
WANTED = {
    "region": "lumbar", "stage": "chronic", "hernia": "protrusion", "size": "slight", "body_weight_kg": 80,
    "exercises": [{"exercise": one, "ceiling_level": 2} for one in EXERCISES], "starts_on": "2026-11-23",
    "weeks": 6, "pain_limit_nrs": 4, "note": "Ruhig atmen",
}  # fmt: skip


class Home:
    """A programme, its first sessions signed, and a telephone with a link."""

    def __init__(self, rig, *, site="north", signed=EXERCISES, **wanted):
        self.rig, self.site = rig, site
        self.patient = rig.patient(site)
        rig.clinic_event(
            "clearance.decided", site, patient=self.patient, region="lumbar", outcome="cleared", rules=[]
        )
        body = {"request": str(uuid4()), "site": site, "patient": str(self.patient), "language": "de",
                "wanted": WANTED | wanted}  # fmt: skip
        self.programme = rig.ask("POST", "/programmes", json=body, status=201)["programme"]["id"]
        for exercise in signed:
            self.sign(exercise)
        self.link, self.secret = self.invite()

    def sign(self, exercise, **more):
        """A session beside a therapist."""
        body = {"request": str(uuid4()), "exercise": exercise, "day": "2026-11-23", "went_well": True, **more}
        return self.rig.ask("POST", f"/programmes/{self.programme}/supervised", json=body)

    def turn(self, verb):
        """Pause, resume or end it."""
        body = {"request": str(uuid4()), "reason": "asked for"}
        return self.rig.ask("POST", f"/programmes/{self.programme}/{verb}", json=body)

    def invite(self):
        """One more link: its id and its secret."""
        path = f"/programmes/{self.programme}/links"
        made = self.rig.ask("POST", path, json={"request": str(uuid4())}, status=201)
        return made["link"], urlsplit(made["address"]).path.removeprefix("/h/")

    def get(self, secret=None):
        """The programme as a telephone asks for it."""
        return Client(self.rig.app).get(f"/h/{secret or self.secret}/programme")

    def post(self, *entries, secret=None):
        """Entries as a telephone sends them."""
        content = json.dumps({"entries": list(entries)})  # half characters escaped, as browsers do
        headers = {"content-type": "application/json"}
        path = f"/h/{secret or self.secret}/entries"
        return Client(self.rig.app).post(path, content=content, headers=headers)

    def send(self, *entries, secret=None):
        """The same, taken."""
        answer = self.post(*entries, secret=secret)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def entry(self, kind, data, exercise=None, *, minutes=0, **more):
        """One entry, so many minutes from now."""
        at = self.rig.now + timedelta(minutes=minutes)
        return {
            "id": str(uuid4()), "kind": kind, "exercise": exercise, "day": at.date().isoformat(),
            "at": at.isoformat(), "version": 1, "data": data,
        } | more  # fmt: skip

    def done(self, exercise="bridge", *, minutes=0, data=None, **more):
        """An exercise that was done."""
        said = {"sets": 1, "repetitions": 8, "seconds": 60, "stopped": False} | (data or {})
        return self.entry("exercise", said, exercise, minutes=minutes, **more)

    def session(self, *, minutes=0, **more):
        """A session that is over."""
        said = {"seconds": 300, "pain_before": 2, "pain_after": 1, "felt": "good"}
        return self.entry("session", said, minutes=minutes, **more)

    def pain(self, pain_nrs=6, exercise="bridge", *, minutes=0, data=None, **more):
        """It hurts."""
        said = {"pain_nrs": pain_nrs, "where": "lower-back", "signs": [], "during": True, "words": ""}
        return self.entry("pain", said | (data or {}), exercise, minutes=minutes, **more)

    def answer(self, report, decision="go_on", *, status=200, **more):
        """A clinician's answer to a report."""
        body = {"request": str(uuid4()), "decision": decision, "words": "Bitte langsam weiter"} | more
        return self.rig.ask("POST", f"/pains/{report}/answer", json=body, status=status)

    def diary(self):
        """What staff read of it."""
        return self.rig.ask("GET", f"/programmes/{self.programme}/diary")

    def marks(self):
        """The marks of each entry, by its id."""
        return {one["id"]: [mark["id"] for mark in one["marks"]] for one in self.diary()["entries"]}

    def status(self, exercise="bridge"):
        """How an exercise stands today, as the telephone is told."""
        items = self.get().json()["days"][0]["items"]
        return next(item["status"] for item in items if item["exercise"] == exercise)
