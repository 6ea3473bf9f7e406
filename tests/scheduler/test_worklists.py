"""What the scheduler tells each bed of today, through its outbox."""

import json
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from scheduler.scheduler_rig import NOW, PRESCRIPTION, SchedulerRig, cure_body

from broker import codec
from broker.contract import STATUS, STREAMS, WORKLIST
from broker.messages import GatewayStatus
from services.kit.business.identity import Unreachable
from services.kit.database import writing
from services.kit.sealed import Person, public_text, unseal_person
from services.scheduler.worklists import hearing, publishing, store
from services.scheduler.worklists.names import Names

KEY = X25519PrivateKey.generate()
PERSON = Person("Đặng Ngọc Müller", date(1961, 5, 4))


class Registry:
    """Who is who; a stand-in for screening's answers, which may fail."""

    def __init__(self):
        self.people, self.asked, self.is_down = {}, 0, False

    def of(self, patient):
        """As Names does."""
        self.asked += 1
        if self.is_down:
            raise Unreachable
        return self.people.get(patient)


class Lists(SchedulerRig):
    """A scheduler with what tells its lists, and the last that each bed was told."""

    def __init__(self, directory, url=None):
        super().__init__(directory, url)
        self.registry = Registry()
        self.worklists = publishing.Worklists(self.office, self.registry, lambda: self.now)
        self.birth(bed_01="lumbar cervical", bed_02="lumbar")

    def birth(self, site="north", gateway="gw-1", key=KEY, **beds):
        """A gateway with a key that names are sealed for."""
        devices = [
            {"device": name.replace("_", "-"), "kind": "simulated", "regions": regions.split(), "heat": True}
            for name, regions in beds.items()
        ]
        said = {"state": "online", "gateway": gateway, "boot": uuid4(), "at": self.now, "devices": devices}
        self.hear(STATUS, GatewayStatus(**said, sealing_key=public_text(key)), site, gateway)

    def lists(self):
        """What waits for the broker: by bed, oldest first."""
        rows = [row for row in self.office.outbox.first(1000) if row["stream"] == "worklist"]
        found = {}
        for row in rows:
            found.setdefault(row["device"], []).append(codec.decode(WORKLIST, bytes(row["payload"])))
        return found

    def newest(self, device="bed-01"):
        """What a bed was told last."""
        return self.lists()[device][-1]

    def cure(self, patient=None, **wishes):
        """A cure at bed-01 from today on; its patient, who is in the registry."""
        self.clinic()
        self.birth(bed_01="lumbar cervical", bed_02="lumbar")
        patient = patient or uuid4()
        self.registry.people[patient] = PERSON
        body = cure_body(
            patient=str(patient), earliest=f"{self.now.date()}", device="bed-01", request=str(uuid4()),
            prescription=PRESCRIPTION, **wishes,
        )  # fmt: skip
        self.booked = self.ask("POST", "/cures", role="clinician", json=body)
        self.now = datetime.fromisoformat(self.first["starts_at"])
        return patient

    @property
    def first(self):
        """The cure's first appointment."""
        return self.booked["appointments"][0]

    def clear(self, patient, region="lumbar"):
        """Screening gives a clearance; its id."""
        clearance = uuid4()
        self.clinic_event(
            "clearance.given", clearance=clearance, patient=patient, region=region, token="signed.token",
            valid_from=(self.now - timedelta(hours=1)).isoformat(),
            valid_until=(self.now + timedelta(days=40)).isoformat(), conditions=[],
        )  # fmt: skip
        return clearance

    def suspend(self, patient, **said):
        """Screening suspends; the id."""
        suspension = uuid4()
        data = {"region": None, "reason": "adverse", "adverse": True, **said}
        self.clinic_event("clearance.suspended", suspension=suspension, patient=patient, **data)
        return suspension


@pytest.fixture
def rig(tmp_path):
    """One of them."""
    made = Lists(tmp_path)
    yield made
    made.close()


def test_a_bed_is_told_its_appointments_with_prescription_clearance_and_sealed_name(rig):
    """With this alone the bed works while the network is down."""
    patient = rig.cure()
    rig.clear(patient)
    rig.worklists.look()
    (entry,) = rig.newest().entries
    assert (entry.patient, str(entry.appointment)) == (patient, rig.first["appointment"])
    assert (entry.session_number, entry.clearance) == (1, "signed.token")
    assert entry.prescription["peak_n"] == PRESCRIPTION["peak_n"]
    assert unseal_person(KEY, entry.patient_sealed, entry.appointment, patient) == PERSON
    assert rig.newest("bed-02").entries == []


def test_a_suspension_and_its_end_are_told_to_every_bed_of_the_site(rig):
    """Whoever is suspended must not be treated at the next bed either."""
    patient = rig.cure()
    rig.worklists.look()
    suspension = rig.suspend(patient)
    assert rig.worklists.look() == 2
    for device in ("bed-01", "bed-02"):
        (row,) = rig.newest(device).suspended
        assert (row.patient, row.reason, row.adverse) == (patient, "adverse", True)
    rig.clinic_event("clearance.restored", suspension=suspension, patient=patient, region=None)
    assert rig.worklists.look() == 2
    assert rig.newest().suspended == []


def test_a_clearance_that_ended_is_no_longer_on_the_list(rig):
    """The appointment stays, so that the bed can say why nobody is treated."""
    patient = rig.cure()
    clearance = rig.clear(patient)
    rig.worklists.look()
    rig.clinic_event("clearance.ended", clearance=clearance, patient=patient, region="lumbar")
    rig.worklists.look()
    (entry,) = rig.newest().entries
    assert entry.clearance is None


def test_a_list_is_told_once_until_it_changes_and_every_hour(rig):
    """A broker is no place for the same list every second, and silence must mean that the centre is gone."""
    rig.cure()
    assert rig.worklists.tell() == 2
    assert rig.worklists.tell() == 0
    rig.now += timedelta(minutes=30)
    assert rig.worklists.tell() == 0
    rig.now += timedelta(minutes=30)
    assert rig.worklists.tell() == 2
    first, last = rig.lists()["bed-01"]
    assert last.at - first.at == timedelta(hours=1)
    assert last.entries == first.entries


def test_a_cancelled_appointment_leaves_the_list(rig):
    """Nobody waits for somebody who does not come."""
    rig.cure()
    rig.worklists.look()
    rig.now -= timedelta(hours=1)
    rig.ask("POST", f"/appointments/{rig.first['appointment']}/cancel", json={"reason": "ill"})
    rig.worklists.look()
    assert rig.newest().entries == []


def test_the_day_is_the_sites_and_begins_at_its_midnight(rig):
    """23:30 in London is tomorrow in Berlin."""
    rig.cure()
    day = datetime.fromisoformat(rig.first["starts_at"]).date()
    rig.now = datetime.fromisoformat(f"{day}T00:00:00+01:00") - timedelta(minutes=1)
    rig.worklists.tell()
    assert rig.newest().entries == []
    rig.now += timedelta(minutes=1)
    rig.worklists.tell()
    assert len(rig.newest().entries) == 1


def test_a_clock_set_back_makes_no_suspension_the_older_word(rig):
    """Gateways keep the newest list: an earlier time would leave the suspension unheard."""
    patient = rig.cure()
    rig.worklists.look()
    before = rig.newest().at
    rig.now -= timedelta(minutes=20)
    rig.suspend(patient)
    rig.worklists.look()
    assert rig.newest().at > before


def test_a_list_goes_without_a_name_rather_than_not_at_all(rig):
    """Screening is down at seven in the morning: the beds still need their prescriptions."""
    rig.registry.is_down = True
    patient = rig.cure()
    rig.worklists.tell()
    assert [entry.patient_sealed for entry in rig.newest().entries] == [None]
    rig.registry.is_down = False
    rig.worklists.tell()
    (entry,) = rig.newest().entries
    assert unseal_person(KEY, entry.patient_sealed, entry.appointment, patient) == PERSON
    asked = rig.registry.asked
    rig.worklists.tell()
    assert rig.registry.asked == asked


def test_a_changed_name_and_a_changed_key_are_sealed_anew(rig):
    """A typing error at the desk, a gateway that was replaced."""
    patient = rig.cure()
    rig.worklists.look()
    rig.registry.people[patient] = Person("Dana Ng", PERSON.birth_date)
    rig.clinic_event("patient.changed", patient=patient)
    rig.worklists.look()
    (entry,) = rig.newest().entries
    assert unseal_person(KEY, entry.patient_sealed, entry.appointment, patient).name == "Dana Ng"
    key = X25519PrivateKey.generate()
    rig.now += timedelta(seconds=1)
    rig.birth(key=key, bed_01="lumbar cervical", bed_02="lumbar")
    rig.worklists.look()
    (entry,) = rig.newest().entries
    assert unseal_person(key, entry.patient_sealed, entry.appointment, patient).name == "Dana Ng"


def test_no_name_lies_in_clear_in_the_database_or_the_log(rig, capsys, caplog):
    """Only the gateway's private key opens it."""
    rig.cure()
    rig.worklists.tell()
    rig.office.engine.dispose()
    content = b"".join(path.read_bytes() for path in rig.directory.rglob("scheduler.db*"))
    assert str(rig.newest().entries[0].appointment).encode() in content
    for word in ("Müller", "Ngọc", "1961-05-04"):
        assert word.encode() not in content
        assert json.dumps(word).strip('"').encode() not in content
        assert word not in caplog.text + "".join(capsys.readouterr())


def test_a_merged_patient_is_suspended_under_every_id(rig):
    """The session on the bed may go by the old one."""
    patient, old = rig.cure(), uuid4()
    rig.clinic_event("patient.registered", patient=old)
    rig.suspend(old)
    rig.clinic_event("patient.merged", patient=old, into=patient)
    rig.worklists.look()
    assert {row.patient for row in rig.newest().suspended} == {old, patient}


def test_a_list_stays_within_what_the_contract_allows(rig):
    """Two thousand suspended patients must not silence a bed; whoever comes today is among the named."""
    patient = rig.cure()
    rig.suspend(patient, adverse=False, reason="gate")
    with writing(rig.engine) as connection:
        from services.scheduler.booking import care

        for number in range(1500):
            care.suspend(connection, {
                "suspension": str(uuid4()), "patient": str(UUID(int=number)), "site": "north", "region": None,
                "reason": "adverse", "adverse": True, "since_us": 1_000_000 * number,
            })  # fmt: skip
    rig.worklists.tell()
    rows = rig.newest().suspended
    assert len(rows) == 1200
    assert patient in {row.patient for row in rows}


def test_an_event_of_patients_that_says_nothing_of_use_is_passed_over(rig):
    """Another service's mistake must not stop the inbox."""
    for data in ({}, {"patient": "nobody"}, {"patient": None, "into": 3}):
        message = {"id": uuid4(), "type": "patient.changed", "time": NOW, "data": data}
        with writing(rig.engine) as connection:
            heard = hearing.Heard(STREAMS["patient"], "north", None, hearing.ClinicEvent(**message))
            hearing.hear(connection, heard)
    with writing(rig.engine) as connection:
        assert store.sealed(connection, []) == {}


def test_names_are_asked_of_nobody_where_screening_is_not_set(rig):
    """A scheduler alone works, without names."""
    assert Names(rig.office.settings).of(uuid4()) is None
