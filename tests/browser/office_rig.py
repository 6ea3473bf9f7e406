"""A console with the business services behind it, as processes on one data directory."""

import contextlib

import httpx
from browser.conftest import Wall, service, stop
from servers import answers, eventually, free_port

from services.kit.auth import tokens

PERSON = {
    "family_name": "Mustermann", "given_name": "Erika", "birth_date": "1964-08-12", "sex": "female",
    "street": "Heidestraße 17", "postal_code": "51147", "city": "Köln", "phone": "+49 2203 1234",
    "email": "erika@example.org", "insurance": "private", "insurer": "Debeka", "body_weight_kg": 70.5,
    "body_height_cm": 168, "diagnosis": "Bandscheibenvorfall L4/5 links", "region": "lumbar",
    "segment": "L4/5", "referral_by": "Dr. Weber", "referral_on": "2026-10-05",
}  # fmt: skip


class Screening:
    """Screening as a process; ``ask`` speaks as the machine's owner."""

    def __init__(self, directory, mqtt_url, port=None):
        tokens.ensure_keys(directory)
        self.directory, self.port = directory, port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = service(
            "screening", directory, SPONDYL_MQTT_URL=mqtt_url, SPONDYL_HTTP_PORT=str(self.port),
            SPONDYL_DATA=str(directory),
        )  # fmt: skip
        eventually(lambda: answers(self.port), 60.0, "screening's answer")

    def ask(self, method, path, **options):
        """The JSON of an answer that is no refusal."""
        token = tokens.of_system(self.directory, (tokens.SCREENING,))
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.request(
            method, f"{self.address}{path}", headers=headers, timeout=30, trust_env=False, **options
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:400]}"
        return answer.json() if answer.content else None

    def patient(self, site="north", **content):
        """The id of a new patient, Erika Mustermann unless said."""
        body = {"site": site, "content": PERSON | content, "anyway": True}
        return self.ask("POST", "/patients", json=body)["patient"]

    def finding(self, patient, content, kind="mri-before", name="mrt.dcm", taken_on="2026-09-30"):
        """The id of a new finding."""
        form = {"kind": kind, "taken_on": taken_on}
        path = f"/patients/{patient}/attachments"
        return self.ask("POST", path, data=form, files={"file": (name, content)})["attachment"]

    def end(self):
        """Stop it."""
        stop(self.process)


@contextlib.contextmanager
def practice(directory, **settings):
    """A console and the screening behind it: (wall, screening)."""
    port = free_port()
    wall = Wall(directory, SPONDYL_SCREENING_URL=f"http://127.0.0.1:{port}", **settings)
    screening = Screening(directory, wall.broker.url, port)
    try:
        yield wall, screening
    finally:
        screening.end()
        wall.end()
