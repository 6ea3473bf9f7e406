"""The scheduler's process killed between booking and publishing: nothing double, nothing lost."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from access import somebody
from business_process import PATIENT_S, Process
from scheduler.scheduler_rig import NOW, SchedulerRig, session_event
from servers import Mosquitto, eventually

from broker import codec
from broker.bus import Bus
from broker.contract import EVENT, STREAMS
from services.kit.auth import tokens
from services.kit.database import reading
from services.scheduler.booking import store
from services.scheduler.booking.tables import APPOINTMENTS, CURES
from services.scheduler.progression.tables import RESULTS

pytestmark = pytest.mark.system
ROUNDS = [pytest.param(1, id="short"), pytest.param(8, marks=pytest.mark.soak, id="long")]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_killed_between_booking_and_publishing_nothing_is_double_and_nothing_lost(tmp_path, rounds):
    """With the broker frozen nothing gets out; killed then, the next process tells it all, once by id."""
    rig = SchedulerRig(tmp_path)
    rig.clinic(beds={"bed_01": "lumbar", "bed_02": "lumbar"})
    rig.office.outbox.told([row["number"] for row in rig.office.outbox.first(1000)])
    header = {"authorization": "Bearer " + bearer(rig)}
    with Mosquitto(tmp_path) as broker:
        others = Bus(broker.url, "others", session_expiry_s=600)
        for stream in ("cure", "appointment"):
            others.subscribe(STREAMS[stream])
        others.start()
        eventually(lambda: others.connected, PATIENT_S)
        process, told = Process("scheduler", tmp_path, broker), []
        for done in range(1, rounds + 1):
            body = future_cure(done)
            process.start()
            broker.freeze()
            made = process.post("/cures", body, header)
            process.kill()
            assert rig.office.outbox.waiting() > 0, "told already: the kill came too late to mean anything"
            broker.thaw()
            process.start()
            again = process.post("/cures", body, header)  # the desk's connection broke: it asks once more
            assert again["cure"] == made["cure"]
            wanted = 19 * done

            def gathered(wanted=wanted):
                batch = others.take(100, 0.1)
                told.extend(delivery.message for delivery in batch)
                others.acknowledge(batch)
                return len({message.id for message in told}) >= wanted

            eventually(gathered, PATIENT_S, f"{wanted} events")
            eventually(lambda: rig.office.outbox.waiting() == 0, PATIENT_S, "an empty outbox")
            process.kill()
        others.close()
    by_id = {message.id: message for message in told}
    assert Counter(message.type for message in by_id.values()) == {
        "cure.planned": rounds, "appointment.booked": 18 * rounds,
    }  # fmt: skip
    with reading(rig.engine) as connection:
        held = store.find(connection)
    assert sorted(message.data.get("appointment", "") for message in by_id.values())[rounds:] == sorted(
        str(one.appointment) for one in held
    )
    assert (rig.count(CURES), rig.count(APPOINTMENTS)) == (rounds, 18 * rounds)
    rig.close()


def test_the_same_session_delivered_five_times_through_kills_counts_once(tmp_path):
    """Five deliveries, the process killed in between: one result, one event, one session of the cure."""
    rig = SchedulerRig(tmp_path)
    rig.clinic()
    cure = rig.cure()
    one = cure["appointments"][0]
    event = session_event(cure, one, NOW)
    with Mosquitto(tmp_path) as broker:
        process = Process("scheduler", tmp_path, broker).start()
        bed = Bus(broker.url, "bed")
        bed.start()
        eventually(lambda: bed.connected, PATIENT_S)
        for number in range(5):
            payload = codec.encode(EVENT, event)
            assert bed.publish(EVENT, payload, "north", one["device"]).wait(PATIENT_S)
            if number in (0, 2):
                process.kill()
                process.start()
        last = session_event(cure, cure["appointments"][1], NOW)
        assert bed.publish(EVENT, codec.encode(EVENT, last), "north", one["device"]).wait(PATIENT_S)
        eventually(lambda: rig.count(RESULTS) == 2, PATIENT_S, "the session behind the five")
        eventually(lambda: rig.office.outbox.waiting() == 0, PATIENT_S, "an empty outbox")
        process.kill()
        bed.close()
    states = Counter(row["state"] for row in rig.shown(cure)["appointments"])
    assert states == {"completed": 2, "booked": 16}
    rig.close()


def bearer(rig):
    """A reception's token."""
    return tokens.mint(rig.keys.private, somebody("reception"), 3600, [tokens.SCHEDULER])


def future_cure(number):
    """A cure far enough ahead for this machine's own clock."""
    earliest = datetime.now(UTC).date() + timedelta(days=7)
    return {
        "patient": str(uuid4()), "site": "north", "region": "lumbar", "segment": "L4/5", "sessions": 18,
        "cadence": "taper", "earliest": str(earliest), "request": str(uuid4()),
        "times": [[f"{8 + number % 4:02}:00", f"{10 + number % 4:02}:00"]],
    }  # fmt: skip
