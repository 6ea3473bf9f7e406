"""The studio of the panel: what a prescription would do, shown before the first pull, in nobody's way."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bedside_rig import BACK, NECK, Served
from servers import eventually

from services.controller.commissioning.parameters import BedParameters
from services.controller.panel import studio as module
from services.controller.panel.studio import Job, Jobs, Studio
from services.controller.simulation import simulate
from services.kit.therapy.prescription import Prescription, default_prescription

PATH = "bed-01/studio"


@pytest.fixture
def panel(clinic):
    """The panel behind a real server, with somebody signed in."""
    served = Served(clinic.panel(directory=clinic.directory))
    served.sign_in()
    yield served
    served.close()


def looked(panel, prescription):
    return panel.post(PATH, {"prescription": prescription}).raise_for_status().json()


def workers():
    """The processes that this one's main thread runs now."""
    own = os.getpid()
    return [int(word) for word in Path(f"/proc/{own}/task/{own}/children").read_text().split()]


@pytest.mark.requirement("say-model")
def test_a_prescription_is_shown_with_its_limits_model_and_a_simulated_session(panel):
    """Before anybody lies down: everything at once but the simulation, which comes when it is done."""
    found = looked(panel, BACK)
    assert found["levels"] == {"base": 90.0, "first_peak": 225.0, "peak": 360.0, "ceiling": 420.0}
    assert found["profile"]["phases"][0]["phase"] == "slack"
    at = found["segment"]["at"]["peak"]
    assert 0 < at["axial_low_n"] < at["axial_n"] < at["axial_high_n"] < 360.0
    assert found["segment"]["model"] is True
    assert len(found["segment"]["low_n"]) == len(found["profile"]["time_s"])
    assert found["identified"] is None

    def done():
        job = looked(panel, BACK)["preview"]
        assert job["stage"] in ("waiting", "preparing", "simulating", "done"), job
        return job if job["stage"] == "done" else None

    result = eventually(done, 240.0, "simulated session")["result"]
    assert result["simulated"] is True
    assert result["ceiling_n"] == 420.0
    assert max(result["most_n"]) < 420.0
    assert looked(panel, BACK)["preview"]["result"] == result, "kept, not simulated again"


@pytest.mark.requirement("stop-first")
def test_stop_is_answered_while_a_simulation_is_being_made(panel, clinic):
    """A preview for the next patient must not keep this one under the pull."""
    clinic.under_way()
    clinic.until("precondition", "ramp", "hold")
    assert looked(panel, BACK)["preview"]["stage"] != "done"
    assert panel.post("bed-01/stop").json()["accepted"] is True
    clinic.until("stopped", "done")


def test_a_refused_prescription_is_refused_there_too(panel):
    """A preview must not be the place where 900 N look possible."""
    answer = panel.post(PATH, {"prescription": {**BACK, "peak_n": 900.0}})
    assert answer.status_code == 409
    assert "the lumbar ceiling" in answer.json()["detail"]
    assert panel.post("bed-77/studio", {"prescription": BACK}).status_code == 404


def test_the_session_on_the_bed_is_shown_and_none_is_said(panel, clinic):
    """Without a patient there is nothing to preview; with one, what was prescribed for them."""
    assert panel.http.get(f"/api/devices/{PATH}").status_code == 409
    clinic.confirm(prescription={name: value for name, value in BACK.items() if name != "peak_n"}
                   | {"segment_peak_n": 300.0})  # fmt: skip
    found = panel.get(f"/{PATH}")
    assert found["prescription"]["segment_peak_n"] == 300.0
    assert found["segment"]["at"]["peak"]["axial_n"] == pytest.approx(300.0, abs=0.2)
    assert found["identified"] is None


def test_what_the_first_pulls_tell_narrows_the_model_and_changes_no_pull(clinic, tmp_path):
    """The recorder's file of this session is read by a worker; the compiled session stays what it was."""
    plan = simulate.Plan(default_prescription(), 2, 6.0)
    record = clinic.started(prescription=NECK)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / f"{record.session}.jsonl").write_bytes(
        simulate.recording(plan, simulate.simulate(plan))
    )
    session = clinic.store.by_id(record.session)
    before = session.parameters

    async def told():
        made = Studio(tmp_path)
        made.jobs.kept[module.key_of(plan.prescription)] = Job("done", 1.0, {})  # only the fit matters here
        first = await made.of("bed-01", plan.prescription, session)
        assert first["segment"]["friction"] == "table"
        await made.jobs.settled()
        return await made.of("bed-01", plan.prescription, session)

    found = asyncio.run(told())
    rows = {row["name"]: row for row in found["identified"]["result"]["values"]}
    assert rows["series_n_mm"]["told"]
    assert rows["friction_n"]["told"]
    assert found["segment"]["friction"] == "measured"
    assert clinic.store.by_id(record.session).parameters == before


def test_a_bed_that_was_measured_lends_its_harness_and_friction_and_anothers_are_refused(panel, clinic):
    """Until this patient's own pulls tell: what commissioning found at this bed, at no other."""
    beds = clinic.directory / "beds"
    found = BedParameters(
        device="bed-01", serial=7, harness_n_mm=20.0, toe_mm=1.0, friction_n=15.0, drive_lag_s=0.015,
        drive_mm_s=20.0, measured_at=datetime.now(UTC), kernel=4, ceiling_n=200.0,
        uncertainty={"harness_n_mm": 0.2, "friction_n": 0.5},
    )  # fmt: skip
    assumed = looked(panel, BACK)["segment"]["friction_n"]
    found.save(clinic.directory)
    segment = looked(panel, BACK)["segment"]
    assert segment["friction"] == "bed"
    assert segment["friction_n"] > assumed
    (beds / "bed-01.json").write_text(found.model_copy(update={"device": "bed-02"}).model_dump_json())
    assert looked(panel, BACK)["segment"]["friction"] == "table"


def test_a_worker_that_dies_is_said_tried_again_and_no_more_than_a_few_wait(monkeypatch):
    """Someone kills it, or a hundred previews are asked for: the panel answers, and goes on."""
    monkeypatch.setattr(module, "WORKER", "this_module_is_not_there")

    async def asked():
        jobs = Jobs()
        first = jobs.ask("a", {"task": "preview"})
        many = [jobs.ask(str(number), {"task": "preview"}) for number in range(module.MOST_WAITING + 2)]
        assert [job.stage for job in many].count("busy") == 3
        await jobs.settled()
        assert (first.stage, first.result) == ("failed", None)
        again = jobs.ask("a", {"task": "preview"})
        assert again is not first
        await jobs.close()

    asyncio.run(asked())


@pytest.mark.soak  # in real time: wants a machine that does nothing else
def test_what_is_running_ends_with_the_panel():
    """A panel that is restarted leaves no worker behind."""

    async def closed():
        jobs = Jobs()
        document = Prescription.parse(BACK).model_dump()
        job = jobs.ask("a", {"task": "preview", "prescription": document, "seed": 7})
        await asyncio.to_thread(eventually, lambda: job.stage != "waiting", 60.0, "a worker")
        running = workers()
        await jobs.close()
        return running

    running = asyncio.run(closed())
    assert running
    for pid in running:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)
