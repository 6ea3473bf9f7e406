"""The scheduler in this process: its database, its API asked in anybody's role, what it would tell.

The clock stands at NOW until a test sets ``rig.now``.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import migrated
from business_rig import BusinessRig

from broker.contract import EVENT, STATUS
from broker.messages import Event, GatewayStatus
from services.kit import http
from services.kit.auth import tokens
from services.kit.auth.guard import bearer
from services.kit.business.service import open_office
from services.scheduler.api import routers
from services.scheduler.handlers import handlers
from services.scheduler.settings import SchedulerSettings
from services.scheduler.tables import PACKAGE, TABLES

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)  # a Monday, 08:00 in Berlin
WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
SHIFT = {day: [["08:00", "18:00"]] for day in WORKDAYS}
SITE = {"state": "DE-BE", "zone": "Europe/Berlin", "hours": SHIFT}

PRESCRIPTION = {
    "region": "lumbar", "segment": "L4/5", "body_weight_kg": 80.0, "age_years": 46, "sex": "male",
    "session_number": 1, "peak_n": 150.0, "heat_min": 15.0,
}  # fmt: skip


def cure_body(**wishes):
    """A cure of eighteen for a new patient, as a desk asks for it."""
    return {
        "patient": str(uuid4()), "site": "north", "region": "lumbar", "segment": "L4/5", "sessions": 18,
        "cadence": "three", "earliest": "2026-11-24", "times": [["08:00", "11:00"]],
    } | wishes  # fmt: skip


def session_event(cure, one, at, *, completed=True, **summary):
    """What a bed tells at the end of a session."""
    given = {
        "session": uuid4(), "patient": cure["patient"], "cure": cure["cure"],
        "appointment": one["appointment"], "region": cure["region"], "segment": "L4/5",
        "started_at": at - timedelta(minutes=40), "ended_at": at,
        "reason": "completed" if completed else "patient switch", "traction_s": 1800.0, "heat_s": 0.0,
        "peak_n": 150.0, "hold_mean_n": 145.0, "hold_rms_n": 2.0, "cycles": 15, "guardings": 0,
        "phase_s": {"hold": 900.0}, "pain_before": 6, "pain_after": 5,
    } | summary  # fmt: skip
    return Event(
        id=uuid4(), type="session.completed" if completed else "session.aborted", at=at, boot=uuid4(), seq=1,
        index=1, session=given["session"], summary=given,
    )  # fmt: skip


class SchedulerRig(BusinessRig):
    """One scheduler; on a PostgreSQL by its ``url``, else on SQLite below the directory."""

    audience, role = tokens.SCHEDULER, "reception"

    def __init__(self, directory, url=None, **settings):
        self.directory = directory
        self.keys = tokens.ensure_keys(directory)
        self.now = NOW
        given = {"data": directory, "business_database_url": url, **settings}
        wanted = SchedulerSettings(**given)
        migrated.begin(wanted.database("scheduler"), PACKAGE)
        self.office = open_office("scheduler", PACKAGE, TABLES, wanted)
        self.handlers = handlers(self.office, lambda: self.now)
        self.app = http.create_app(
            "scheduler",
            "0",
            routers=routers(self.office, lambda: self.now),
            guard=bearer(self.keys.public.read_bytes(), tokens.SCHEDULER),
        )

    def birth(self, site="north", gateway="gw-1", **beds):
        """A gateway says which beds it has: ``birth(bed_01="lumbar", bed_02="lumbar cervical")``."""
        devices = [
            {"device": name.replace("_", "-"), "kind": "simulated", "regions": regions.split(), "heat": True}
            for name, regions in beds.items()
        ]
        status = GatewayStatus(state="online", gateway=gateway, boot=uuid4(), at=self.now, devices=devices)
        self.hear(STATUS, status, site, gateway)

    def clinic(self, site="north", beds=None, therapists=2, **said):
        """A site with beds and therapists on full shifts; the therapists' ids."""
        self.birth(site, **(beds or {"bed_01": "lumbar cervical", "bed_02": "lumbar"}))
        self.ask("PUT", f"/sites/{site}", role="administrator", json={**SITE, **said})
        return [self.therapist(site, f"Therapist {number}") for number in range(1, therapists + 1)]

    def therapist(self, site="north", name="Therapist", shifts=SHIFT):
        """The id of a new one."""
        body = {"name": name, "site": site, "shifts": shifts}
        return self.ask("POST", "/therapists", role="administrator", json=body)["therapist"]

    def cure(self, *, role="clinician", **wishes):
        """A booked cure of eighteen with its first prescription, as the API shows it."""
        body = cure_body(**wishes) | {"request": str(uuid4())}
        if body["region"] == "lumbar":
            body |= {"prescription": PRESCRIPTION}
        return self.ask("POST", "/cures", role=role, json=body, status=201)

    def waits(self, **wishes):
        """A new entry of the waiting list, as the API shows it."""
        return self.ask("POST", "/waiting", json={"request": str(uuid4()), **wishes}, status=201)

    def sign(self, cure, *, role="clinician", status=201, **body):
        """Sign a prescription of this cure by a request of its own."""
        path = f"/cures/{cure['cure']}/prescriptions"
        return self.ask("POST", path, role=role, json={"request": str(uuid4()), **body}, status=status)

    def session(self, cure, number=1, *, completed=True, site="north", event=None, **summary):
        """A bed says that a session of this appointment is over; the event, to be heard again."""
        one = next(one for one in cure["appointments"] if one["number"] == number)
        self.now = max(self.now, datetime.fromisoformat(one["ends_at"]))
        event = event or session_event(cure, one, self.now, completed=completed, **summary)
        self.hear(EVENT, event, site, one["device"])
        return event

    def shown(self, cure):
        """The cure as it is now."""
        return self.ask("GET", f"/cures/{cure['cure']}")
