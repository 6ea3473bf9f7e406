"""A console with the real billing and the real screening behind it, all in this process.

Billing's clock stands at its rig's NOW. People are in screening, where the console asks for their names, and
in what billing asks for addresses.
"""

from datetime import timedelta
from uuid import UUID

import httpx
from billing.billing_rig import ANNA, BillingRig
from console.room_rig import RoomRig
from screening.screening_rig import ScreeningRig

from services.console.offices import OfficeClient
from services.kit.auth import tokens

PEOPLE = (
    ("bill", "billing"), ("rita", "reception"), ("cleo", "clinician"), ("ada", "administrator"),
    ("theo", "therapist"),
)  # fmt: skip


class BillingRoom:
    """One clinic, `north`, with its letterhead, and five people who sign in."""

    def __init__(self, directory, *, letterhead=True):
        self.billing = BillingRig(directory)
        self.screening = ScreeningRig(directory)
        self.room = RoomRig(directory)
        console = self.room.console
        console.billing = self._office("billing", tokens.BILLING, self.billing.app)
        console.screening = self._office("screening", tokens.SCREENING, self.screening.app)
        self.room.bed("bed-01", "north", phase="idle")
        for name, role in PEOPLE:
            self.room.person(name, f"{role}@north")
        if letterhead:
            self.billing.clinic()

    def _office(self, name, audience, app):
        """The console's way to a service in this process."""
        key = self.room.console.key
        return OfficeClient(
            name,
            f"http://{name}",
            lambda who: tokens.mint(key, who, audiences=(audience,)),
            transport=httpx.ASGITransport(app),
        )

    def patient(self, family="Muster", given="Anna", **changed):
        """The id of a new file, known to screening and to billing."""
        content = {
            "family_name": family, "given_name": given, "birth_date": "1980-05-17", "sex": "female",
            "language": "de", "insurance": "private", "body_weight_kg": 78, "body_height_cm": 175,
            "region": "lumbar", "segment": "L4/5",
        }  # fmt: skip
        body = {"site": "north", "content": content, "anyway": True}
        patient = UUID(self.screening.ask("POST", "/patients", json=body)["patient"])
        names = {"family_name": family, "given_name": given}
        self.billing.screening.files[str(patient)] = {**ANNA, **names, **changed}
        self.billing.clinic_event("patient.registered", "north", patient=patient)
        return patient

    def treated(self, patient, sessions=2, payer="private", **terms):
        """The case of a patient who has had so many sessions of a cure, one a day, and how it is paid."""
        cure = self.billing.cure(patient)
        for day in range(sessions):
            self.billing.session(patient, cure, at=self.billing.now - timedelta(days=sessions - day))
        asked = {"site": "north", "patient": str(patient)}
        case = self.billing.ask("GET", "/cases", params=asked)["cases"][0]
        if payer is None:
            return case
        return self.billing.ask("PUT", f"/cases/{case['id']}", json={"payer": payer, **terms})

    def client(self, name="bill", **headers):
        """A signed-in browser of this person."""
        return self.room.client(name, **({"accept": "text/html", "accept-language": "en"} | headers))

    def close(self):
        """Let go of the databases."""
        self.room.close()
        self.billing.close()
        self.screening.engine.dispose()
