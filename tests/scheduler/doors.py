"""A scheduler with something of everything, for whoever tries every one of its doors."""

import json
from uuid import uuid4

from scheduler.scheduler_rig import PRESCRIPTION, SHIFT, SITE, SchedulerRig, cure_body

UNKNOWN = "5e551011-0000-4000-8000-0000000000ff"
SPAN = {"from": "2026-12-01T00:00:00+01:00", "to": "2026-12-02T00:00:00+01:00"}
QUERIES = {
    "/resources": "?site=north",
    "/calendar": "?site=north&from=2026-11-23T00:00:00Z&to=2026-11-30T00:00:00Z",
    "/board": "?site=north&day=2026-11-24",
    "/standing": "?site=north&region=lumbar&patient=5e551011-0000-4000-8000-0000000000aa",
    "/waiting": "?site=north",
    "/replan": "?site=north",
    "/why": "?site=north&starts_at=2026-11-24T09:00:00Z",
    "/fhir/Appointment": "?date=ge2026-11-23",
}


class Doors:
    """The rig, and what each of its routes is asked."""

    def __init__(self, directory):
        self.rig = rig = SchedulerRig(directory)
        therapist = rig.clinic()[0]
        self.cure = rig.cure()
        self.appointment = self.cure["appointments"][0]["appointment"]
        feed = {"kind": "device", "site": "north", "of": "bed-01"}
        failure = {"site": "north", "device": "bed-02", **SPAN}
        outage = {"site": "north", "device": "bed-01", "reason": "drive", **SPAN}
        admin = {"role": "administrator"}
        made = {
            "outage": rig.ask("POST", "/outages", json=outage, **admin)["outage"],
            "waiting_id": rig.waits(appointment=self.appointment)["waiting"],
            "replan": rig.ask("POST", "/replan", json=failure)["replan"],
            "feed": rig.ask("POST", "/feeds", json=feed)["feed"],
        }
        self.records = {
            "site": "north", "device": "bed-01", "therapist": therapist, "cure": self.cure["cure"],
            "appointment": self.appointment, **made,
        }  # fmt: skip
        self.unknown = dict.fromkeys(self.records, UNKNOWN) | {"site": "nowhere", "device": "bed-zz"}
        self.bodies = {path: ("application/json", json.dumps(body).encode()) for path, body in self._bodies()}

    def _bodies(self):
        person = {"name": "Somebody", "site": "north", "shifts": SHIFT}
        move = {"starts_at": "2026-11-24T14:00:00+01:00"}
        yield "/sites/{site}", SITE
        yield "/devices/{site}/{device}", {"in_use": True}
        yield "/therapists", person
        yield "/therapists/{therapist}", person
        yield "/outages", {"site": "north", "device": "bed-02", "reason": "drive", **SPAN}
        yield "/cures/preview", cure_body()
        yield "/cures", cure_body() | {"request": str(uuid4())}
        yield "/cures/{cure}/end", {"reason": "moved away"}
        signed = {"request": str(uuid4()), "number": 2, "prescription": PRESCRIPTION}
        yield "/cures/{cure}/prescriptions", signed
        yield "/cures/{cure}/automatic", {"most_peak_n": 200, "most_step_n": 22}
        for what in ("check", "move"):
            yield f"/appointments/{{appointment}}/{what}", move
        for what in ("cancel", "missed", "confirm"):
            yield f"/appointments/{{appointment}}/{what}", {"reason": "ill"}
        yield "/fhir/Appointment/{appointment}", {"resourceType": "Appointment", "id": self.appointment}
        yield "/fhir/Appointment", {"resourceType": "Appointment"}
        yield "/appointments/{appointment}/decide", {"decision": "counts", "reason": "nearly done"}
        yield "/waiting", {"request": str(uuid4()), "appointment": self.appointment}
        yield "/improve", {"site": "north"}
        yield "/replan", {"site": "north", "device": "bed-02", **SPAN}
