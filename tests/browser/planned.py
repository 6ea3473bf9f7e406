"""What a ward has planned and billed: patients with names, cures at `north`, the services that keep them."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from browser.billed import bill
from browser.cared import care
from browser.conftest import service, stop
from pydicom.data import get_testdata_file
from scheduler.scheduler_rig import SchedulerRig
from screening.screening_rig import ScreeningRig
from servers import answers, eventually, free_port
from simulated_session import CURE
from sqlalchemy import update

from services.kit.database import writing
from services.scheduler.booking.tables import APPOINTMENTS, CURES

OFFICES = ("screening", "scheduler", "billing", "homecare")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BEDS = {f"bed_0{number}": "lumbar cervical" for number in range(1, 7)}
PEOPLE = (
    ("Lindgren", "Maja", "08:00"), ("Öztürk", "Deniz", "09:00"), ("O'Neill", "Siobhán", "10:00"),
    ("Kowalczyk-Brandenburg", "Maximilian", "11:00"), ("Čapek", "Žofie", "13:00"),
)  # fmt: skip


def apart(work, *arguments):
    """Do it in a thread of its own: the rigs run loops, and so does a browser, in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *arguments).result()


def plan(directory):
    """Cures that begin today, the first of them telemetry's CURE; what a page's address may name."""
    screening, scheduler = ScreeningRig(directory), SchedulerRig(directory)
    zone = ZoneInfo("Europe/Berlin")
    scheduler.now = datetime.combine(datetime.now(zone), time(0, 5), zone).astimezone(UTC)
    hours = {day: [["08:00", "18:00"]] for day in DAYS}
    scheduler.birth("north", "gw-north", **BEDS)
    site = {"state": "DE-BE", "zone": "Europe/Berlin", "hours": hours}
    scheduler.ask("PUT", "/sites/north", role="administrator", json=site)
    for name in ("Tim Okafor", "Jonas Lindqvist", "Ute Abel"):
        scheduler.therapist("north", name, hours)
    people = [(_patient(screening, *names), *names) for *names, _ in PEOPLE]
    begins = [begin for *_, begin in PEOPLE]
    cures = [_cure(scheduler, patient, begin) for (patient, *_), begin in zip(people, begins, strict=True)]
    first = cures[0]
    with writing(scheduler.engine) as connection:
        for table in (CURES, APPOINTMENTS):
            connection.execute(update(table).where(table.c.cure == first["cure"]).values(cure=str(CURE)))
    _file(screening, first["patient"])
    screening.engine.dispose()
    scheduler.close()
    billed, cared = bill(directory, people), care(directory, people)
    return {
        "appointment": first["appointments"][3]["appointment"], "patient": first["patient"], **billed,
        **cared,
    }  # fmt: skip


def _file(screening, patient):
    """What stands in the first one's file: a correction, a note, an MRI before and after; and a duplicate."""
    path = f"/patients/{patient}"
    content = screening.ask("GET", path)["content"]
    body = {"content": content | {"body_weight_kg": 73.2, "city": "Berlin"}, "version": 1, "reason": "Waage"}
    screening.ask("PUT", path, json=body)
    screening.ask("POST", f"{path}/notes", json={"text": "Liegt gern mit Knierolle."})
    for name, kind, day in (
        ("MR_small.dcm", "mri-before", "2026-01-12"), ("CT_small.dcm", "mri-after", "2026-06-30"),
    ):  # fmt: skip
        files = {"file": (name, Path(get_testdata_file(name)).read_bytes())}
        screening.ask("POST", f"{path}/attachments", data={"kind": kind, "taken_on": day}, files=files)
    _patient(screening, "Lindgren", "Maya")


def _patient(screening, family, given):
    content = {
        "family_name": family, "given_name": given, "birth_date": "1971-03-02", "sex": "female",
        "language": "de", "insurance": "private", "body_weight_kg": 74, "body_height_cm": 171,
        "region": "lumbar", "segment": "L4/5",
    }  # fmt: skip
    body = {"site": "north", "content": content, "anyway": True}
    return screening.ask("POST", "/patients", json=body)["patient"]


def _cure(scheduler, patient, begin):
    end = f"{int(begin[:2]) + 1:02}:00"
    return scheduler.ask(
        "POST", "/cures",
        json={
            "patient": patient, "site": "north", "region": "lumbar", "segment": "L4/5", "sessions": 15,
            "cadence": "taper", "earliest": scheduler.now.date().isoformat(), "times": [[begin, end]],
            "request": str(uuid4()),
        },
    )  # fmt: skip


@contextlib.contextmanager
def offices(directory, ports, mqtt_url):
    """Screening, the scheduler, billing and homecare as processes on these ports."""
    with contextlib.ExitStack() as stack:
        for name, port in ports.items():
            process = service(
                name, directory, SPONDYL_MQTT_URL=mqtt_url, SPONDYL_HTTP_PORT=str(port),
                SPONDYL_DATA=str(directory),
            )  # fmt: skip
            stack.callback(stop, process)
        for name, port in ports.items():
            eventually(lambda port=port: answers(port), 60.0, f"{name}'s answer")
        yield


def addresses(ports):
    """What a console is told of them."""
    return {f"SPONDYL_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}


def free_ports():
    """One for each of them."""
    return {name: free_port() for name in OFFICES}
