"""The demo's home programmes, set through homecare's own API."""

import tomllib
from datetime import UTC, datetime
from importlib.resources import files
from uuid import uuid4

from deploy.demo_people import Clinic, at_home

TABLE = tomllib.loads((files("deploy") / "demo_clinic.toml").read_text(encoding="utf-8"))
AT_HOME = [person for person in TABLE["person"] if "home" in person]


def test_the_demo_has_one_programme_that_goes_well_and_one_whose_pain_waits(rig):
    """The console's pages would be empty; neither of them may stop a cure at the clinic."""
    rig.now = datetime.now(UTC)
    clinic = Clinic(None, None, None, rig.client())
    for person in AT_HOME:
        patient = uuid4()
        rig.clinic_event("patient.registered", patient=patient)
        told = {"region": person["region"], "outcome": "cleared", "rules": []}
        rig.clinic_event("clearance.decided", patient=patient, **told)
        at_home(clinic, "north", str(patient), person)
    assert len(clinic.homes) == 2
    rows = rig.ask("GET", "/overview")["rows"]
    assert [row["open_reports"] for row in rows] == [1, 0]
    assert all(row["state"] == "running" for row in rows)
    assert rows[1]["adherence"]["28"]["done"] >= 8
    assert rows[1]["last_pain"]["most"] < 4
    assert not any(event.data.get("above") for event in rig.told("programme"))
