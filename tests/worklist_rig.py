"""Worklists for tests of the bedside: what a centre would send, kept as the recorder keeps it."""

import time
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from bedside_rig import NECK, PATIENT, Clinic

from broker.messages import Suspension, Worklist, WorklistEntry
from services.controller.bedside.admission import Admission
from services.controller.bedside.reports import Reports
from services.controller.centre.worklists import Keeper, Worklists
from services.controller.panel.worklist import TodaysList
from services.kit import sealed
from services.kit.clearance import Clocks, issue, read_public
from services.kit.sealed import Person, ensure_key, public_text, seal_person

PERSON = Person("Erika Mustermann", date(1961, 5, 4))
NOW = datetime.now(UTC).replace(microsecond=0)


def entry(key, token, *, prescription=NECK, patient=PATIENT, person=PERSON, appointment=None, in_h=0.0):
    """An appointment of today, its name sealed for ``key``."""
    appointment = appointment or uuid4()
    starts_at = NOW + timedelta(hours=in_h)
    return WorklistEntry(
        appointment=appointment,
        patient=patient,
        cure=uuid4(),
        session_number=5,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=45),
        prescription=None if prescription is None else dict(prescription),
        clearance=token,
        patient_sealed=seal_person(public_text(key), person, appointment, patient) if person else None,
    )


def suspension(patient: UUID = PATIENT, *, region=None, reason="answer", adverse=False):
    """Somebody who must not be treated."""
    return Suspension(
        patient=patient, region=region, since=NOW - timedelta(hours=1), reason=reason, adverse=adverse
    )


class Centre:
    """What the centre says, straight into the keeper's hands; the latest word has the latest time."""

    def __init__(self, directory, now=time.time):
        self.keeper = Keeper(directory, now)
        self.said = 0

    def says(self, *entries, suspended=(), device="bed-01", at=None):
        """A list of one bed; whether the gateway keeps it."""
        self.said += 1
        at = at or NOW + timedelta(seconds=self.said)
        return self.keeper.take(device, Worklist(at=at, entries=list(entries), suspended=list(suspended)))


class ListedClinic(Clinic):
    """A clinic whose gateway has a centre."""

    def __init__(self, directory, ticking, clocks=None, silent_after_h=24.0):
        self.clocks = clocks or Clocks()
        self.worklists = Worklists(directory, reports=Reports(self._reports, self._add_report))
        self.admission = Admission(self.worklists, self.clocks, silent_after_h=silent_after_h)
        super().__init__(directory, ticking)
        self.centre = Centre(directory)
        self.key = ensure_key(directory / sealed.KEY_FILE)
        public = read_public(self.keys.public)
        self.todays = TodaysList(self.admission, self.store, self.clocks, public, self.key)

    def _reports(self, behind):
        return self.store.reports(behind)

    def _add_report(self, made):
        self.store.add_report(made)

    def new_bedside(self, **options):
        """A bedside that asks the lists."""
        return super().new_bedside(admission=self.admission, **options)

    def token(self, valid_from, patient=PATIENT, region="cervical"):
        """A clearance of two days."""
        return issue(self.keys.private, patient, region, valid_for=timedelta(days=2), valid_from=valid_from)[
            0
        ]

    def entry(self, *, cleared=True, **options):
        """An appointment of this clinic."""
        region = (options.get("prescription") or NECK)["region"]
        patient = options.get("patient", PATIENT)
        token = self.token(NOW - timedelta(hours=1), patient, region)
        return entry(self.key, token if cleared else None, **options)
