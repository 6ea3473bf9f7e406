"""A bed that is not fit for the controller says so, and a slow drive is asked for no more than it gives."""

import numpy as np
import pytest
from bedside_rig import NECK
from commissioned import measured

from services.controller.benches import bench_beds
from services.controller.commissioning.known import KnownBeds
from services.controller.commissioning.suitability import LIMITS, WHERE, doubts
from services.controller.errors import SessionRefused
from services.controller.kernel import layout, plant
from services.controller.models import Confirm
from services.controller.panel.view import Watch, bed_state
from services.controller.simulation import simulate, study
from services.kit.errors import SpondylError

BEYOND = {"friction": {"friction_n": 11.0}, "harness_n_mm": {"harness_n_mm": 6.0},
          "drive_mm_s": {"drive_mm_s": 9.0}, "drive_lag_s": {"drive_lag_s": 0.1}}  # fmt: skip
AT = {"friction": {"friction_n": 0.04 * 9.81 * 27}, "harness_n_mm": {"harness_n_mm": 10.0},
      "drive_mm_s": {"drive_mm_s": 15.0}, "drive_lag_s": {"drive_lag_s": 0.08}}  # fmt: skip
SLOW_MM_S = 10.0


def test_a_suitable_bed_is_one_at_every_limit_and_says_nothing():
    """Who is warned of everything reads nothing."""
    assert doubts(measured()) == ()
    assert [row.name for limit in LIMITS for row in doubts(measured(**AT[limit.name]))] == []


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_what_lies_beyond_a_limit_is_told_with_value_limit_source_and_what_to_do(limit):
    """In both languages: whoever reads it must know whom to call."""
    (doubt,) = doubts(measured(**BEYOND[limit.name]))
    bound = limit.least or limit.most
    assert (doubt.name, doubt.limit) == (limit.name, bound)
    for language in ("en", "de"):
        text, what, todo = (getattr(words, language) for words in (doubt.text, limit.what, limit.todo))
        assert text.startswith(f"{what} {doubt.value:.3g}")
        for part in (f"{bound:g}", WHERE, todo):
            assert part in text
        assert "{" not in text
        assert "  " not in text


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_every_limit_lies_among_the_values_that_were_tried(limit):
    """A limit that nothing was measured at would be an opinion; a trait that nobody knows is refused."""
    tried = bench_beds.TRAITS[limit.name][1]
    for bound in (limit.least, limit.most):
        assert bound is None or min(tried) <= bound <= max(tried)
    with pytest.raises(SpondylError, match="the traits are friction, "):
        bench_beds.measure(1.0, str, "colour")


def test_a_file_that_changes_is_read_anew_and_anothers_is_no_measurement(tmp_path):
    """A bed is measured again while the panel runs; a copied file must not pass for it."""
    beds = KnownBeds(tmp_path)
    assert [doubt.name for doubt in beds.doubts("bed-01", real=True)] == ["unmeasured"]
    assert beds.doubts("bed-01", real=False) == ()
    path = measured(harness_n_mm=6.0).save(tmp_path)
    assert [doubt.name for doubt in beds.doubts("bed-01", real=True)] == ["harness_n_mm"]
    measured().save(tmp_path)
    assert beds.doubts("bed-01", 1001, real=True) == ()
    assert [doubt.name for doubt in beds.doubts("bed-01", 7, real=True)] == ["unusable"]
    path.write_text(measured("bed-02").model_dump_json())
    (doubt,) = beds.doubts("bed-01", real=True)
    assert "enthält die Messwerte von bed-02" in doubt.text.de
    assert "bed-02" in doubt.text.en


def test_the_bedside_tells_what_is_against_the_bed_and_whether_it_is_simulated(clinic, monkeypatch):
    """Before the start, from what was measured at this bed alone; a gateway may have beds of both kinds."""
    monkeypatch.setattr(clinic.memory, "addresses", ("simulated", "modbus://192.0.2.1:502?unit=1"))
    measured(drive_mm_s=9.0).save(clinic.directory)
    first, second = (bed_state(clinic.bedside, device, Watch()) for device in clinic.memory.devices)
    assert (first["simulated"], second["simulated"]) == (True, False)
    assert [row["name"] for row in first["unsuitable"]] == ["drive_mm_s"]
    assert [row["name"] for row in second["unsuitable"]] == ["unmeasured"]


def test_a_session_is_compiled_with_the_drives_own_speed_where_it_is_less(clinic):
    """A faster drive gets no new limit by a measurement: every figure is of 20 mm/s."""
    for mm_s, compiled in ((35.0, 20.0), (SLOW_MM_S, SLOW_MM_S)):
        measured(drive_mm_s=mm_s).save(clinic.directory)
        session = clinic.confirm()
        assert session.parameters[layout.P_DRIVE_SPEED] == compiled
        changed = clinic.bedside.change("bed-01", {**NECK, "peak_n": 55.0}, "")
        assert changed.session == session.session
        assert clinic.store.by_id(session.session).parameters[layout.P_DRIVE_SPEED] == compiled
        clinic.clear_up()


@pytest.mark.requirement("refuse-foreign-parameters")
def test_no_patient_is_confirmed_on_a_bed_with_anothers_parameters(clinic):
    """The loop looks at its start; a file may be copied later."""
    path = measured("bed-02").save(clinic.directory)
    path.rename(path.with_name("bed-01.json"))
    with pytest.raises(
        SessionRefused, match=r"parameters of bed-02 \(drive 1001\), not of bed-01"
    ) as refused:
        clinic.bedside.confirm("bed-01", Confirm(**clinic.request()))
    assert refused.value.german.startswith("Messwerte nicht verwendbar")
    assert clinic.phase() == "idle"


@pytest.mark.parametrize(("asked_mm_s", "stuck"), [(20.0, True), (SLOW_MM_S, False)])
def test_a_slow_drive_that_is_known_to_be_slow_is_not_taken_for_a_stuck_one(asked_mm_s, stuck):
    """It yields to a contraction as fast as it can; asked for more it would fall behind and lose power."""
    one = study.default_parameters(0.02)
    one[layout.P_DRIVE_SPEED] = asked_mm_s
    beds = study.calm_beds(6050, 0, 4, 0.02)
    beds.constants[plant.CONSTANTS.index("drive_mm_s")] = SLOW_MM_S
    start = simulate.ticks(simulate.START_S, 0.02)
    study.give(beds, [study.synthetic(np.random.default_rng(1))] * 4, 80.0, np.full(4, 100.0))
    script = simulate.session_script(start, one, 4)
    everybody, ticks = np.repeat(one[:, None], 4, axis=1), simulate.ticks(110.0, 0.02)
    courses = simulate.run(beds, everybody, script, ticks, start)
    told = [bool((course.row(layout.S_CONDITIONS) & layout.ACTUATOR_STUCK).any()) for course in courses]
    assert any(told) == stuck
