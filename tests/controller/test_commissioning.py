"""`spondyl bed check` and `spondyl bed identify` against the pymodbus drive with known constants."""

import json

import pytest
from modbus_rig import Clock, Common, doll
from servers import eventually

from services.cli import main
from services.controller.beds.addresses import drive_address
from services.controller.beds.modbus_drive import Drive
from services.controller.beds.modbus_server import Served
from services.controller.commissioning import check, line, parameters
from services.controller.commissioning.line import Line
from services.controller.commissioning.parameters import BedParameters
from services.controller.kernel import faults, layout
from services.kit.errors import SpondylError

LINK_MS = 1000.0  # a test machine's is no drive's
KNOWN = {"harness_n_mm": 8.0, "harness_damping": 0.032, "toe_mm": 1.1, "slide_n": 14.0, "stick_n": 17.5,
         "drive_mm_s": 12.0}  # fmt: skip
FOUND = {
    "device": "bed-01", "serial": 1001, "harness_n_mm": 18.0, "toe_mm": 1.5, "friction_n": 8.0,
    "drive_lag_s": 0.015, "drive_mm_s": 20.0, "measured_at": "2026-01-01T00:00:00Z", "kernel": 4,
    "ceiling_n": 60.0,
}  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    """One time for the drive and for whoever commissions it: how busy this machine is changes nothing."""
    clock = Clock()
    monkeypatch.setattr(line, "Time", lambda: Common(clock))
    return clock


@pytest.fixture
def served(request, clock):
    """The drive of the commissioning doll; its constants by parameter."""
    served = Served(Drive(doll(**getattr(request, "param", {})), clock))
    yield served
    served.close()


def spondyl(capsys, *words):
    """Exit status and the JSON that a command prints."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    lines = capsys.readouterr().out.splitlines()
    return ended.value.code, json.loads(lines[-1]) if lines else None


def test_a_drive_that_is_what_the_loop_takes_it_for_passes_every_point(served, capsys):
    """A bed is tried before anybody lies on it."""
    code, report = spondyl(capsys, "bed", "check", served.address, "--link-ms", str(LINK_MS), "--json")
    assert [row for row in report["checks"] if not row["ok"]] == []
    assert [row["name"] for row in report["checks"]] == [point.name for point in check.POINTS]
    assert (code, report["ok"], report["serial"]) == (0, True, 1001)
    assert 0 < report["link_us"]["p50"] <= report["link_us"]["p99"] <= report["link_us"]["max"]
    assert served.drive.tension_n < 5


def failing(served):
    """The points that fail, quickly: what moves is not tried without what it stands on."""
    report = check.check(drive_address(served.address), LINK_MS, lambda _: None)
    assert not report["ok"]
    return {row["name"]: row for row in report["checks"] if not row["ok"]}


@pytest.mark.parametrize(
    ("fault", "point"),
    [("swapped", "signature"), ("scaling", "units"), ("echo", "heartbeat"), ("contacts", "direction")],
)
def test_a_drive_that_answers_otherwise_fails_at_the_point_that_says_so(served, fault, point):
    """Nothing moves on a wrong map, and what to do stands beside it."""
    served.server.fault = fault
    failed = failing(served)
    assert next(iter(failed)) == point
    assert failed[point]["todo"]
    assert failed["watchdog"]["found"].startswith("not tried")


def test_a_drive_that_does_not_move_as_it_is_told_fails(served):
    """Direction, millimetres and speed are measured, not believed."""
    served.drive.bed.faults[0] = faults.DRIVE_STUCK
    assert failing(served)["direction"]["found"] == "+0.00 mm and +0.00 mm"


def test_a_bed_that_somebody_commands_is_not_tried(served, capsys):
    """A gateway's loop commands its beds also while no session runs."""
    with Line(drive_address(served.address)) as other:
        other.exchange()
        with pytest.raises(SpondylError, match=f"master {other.master} commands this drive"):
            check.check(drive_address(served.address), LINK_MS, lambda _: None)


@pytest.mark.parametrize("served", [KNOWN], indirect=True)
def test_a_test_pull_finds_the_constants_that_the_bed_has(served, capsys, tmp_path):
    """Known constants, within the tolerances of docs/modbus.md; the tension is out again."""
    words = ("bed", "identify", served.address, "--device", "bed-01", "--data", str(tmp_path), "--json")
    code, report = spondyl(capsys, *words)
    assert code == 0
    assert report["harness_n_mm"] == pytest.approx(8.0, rel=0.10)
    assert report["toe_mm"] == pytest.approx(1.1, abs=0.3)
    assert report["friction_n"] == pytest.approx(14.0, rel=0.15)
    assert report["drive_mm_s"] == pytest.approx(12.0, rel=0.03)
    constants = served.drive.bed.constants[:, 0]
    assert report["drive_lag_s"] == pytest.approx(_lag_s(constants), abs=0.004)
    assert served.drive.tension_n < 5
    found = parameters.load(tmp_path / "gateways" / "north", "bed-01", serial=1001)
    assert found is not None
    assert found.harness_n_mm == report["harness_n_mm"]
    assert report["suitable"] is False, "such a bed warns by itself"
    assert [row["name"] for row in report["unsuitable"]] == ["friction", "harness_n_mm", "drive_mm_s"]
    assert "at most 0.04 (docs/control.md" in report["unsuitable"][0]["text"]["en"]


def _lag_s(constants):
    from math import log

    from services.controller.beds.modbus_drive import STEP_S
    from services.controller.kernel import plant

    return -STEP_S / log(1.0 - constants[plant.K_DRIVE_GAIN])


def test_a_pressed_switch_ends_the_pull_and_lets_the_tension_out(served):
    """Who stands beside the doll has the switch in his hand."""
    with Line(drive_address(served.address)) as hand:
        for look in hand.move(5.0, 20.0, 60.0):
            if look.force_n > 10:
                served.drive.bed.faults[0] = faults.SWITCH_PRESSED
                break
        with pytest.raises(SpondylError, match="the patient switch was pressed"):
            list(hand.move(5.0, 1.0, 60.0))
    assert served.drive.tension_n < 5


@pytest.mark.requirement("refuse-foreign-parameters")
def test_parameters_of_another_device_or_drive_are_refused_with_both_named(tmp_path):
    """Copied files and swapped drives: a harness of 10 N/mm is not one of 30."""
    BedParameters(**FOUND).save(tmp_path)
    assert parameters.load(tmp_path, "bed-01", 1001).harness_n_mm == 18.0
    assert parameters.load(tmp_path, "bed-02") is None
    with pytest.raises(SpondylError, match=r"bed-01 was measured with drive 1001 and now has drive 1002"):
        parameters.load(tmp_path, "bed-01", 1002)
    parameters.path_of(tmp_path, "bed-01").rename(parameters.path_of(tmp_path, "bed-02"))
    with pytest.raises(SpondylError, match=r"parameters of bed-01 \(drive 1001\), not of bed-02"):
        parameters.load(tmp_path, "bed-02")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", json.dumps(FOUND | {"harness_n_mm": -1}), json.dumps(FOUND | {"more": 1})]
)
def test_a_file_that_holds_no_parameters_is_refused_and_says_what_to_do(tmp_path, text):
    """Half a file must not become a bed of default stiffness."""
    path = parameters.path_of(tmp_path, "bed-01")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(SpondylError, match="measure again with spondyl bed identify"):
        parameters.load(tmp_path, "bed-01")


def test_a_load_cell_turned_round_ends_the_pull_at_the_ceiling(served):
    """It shows tension as pressure: never above the ceiling, however hard it pulls."""
    with Line(drive_address(served.address)) as hand:
        served.server.fault = "turned"
        with pytest.raises(SpondylError, match="the ceiling is 40 N"):
            list(hand.move(5.0, 8.0, 40.0))
    assert served.drive.tension_n < 45


@pytest.mark.parametrize(
    ("fault", "said"), [(faults.SENSOR_LOST, "is not valid"), (faults.SENSOR_STUCK, "has stood at")]
)
def test_a_load_cell_that_measures_nothing_ends_the_pull(served, clock, fault, said):
    """What it says then is no force: no ceiling holds, and the drive lets go by itself."""
    with Line(drive_address(served.address)) as hand:
        served.drive.bed.faults[0] = fault
        with pytest.raises(SpondylError, match=f"the load cell {said}"):
            list(hand.move(5.0, 8.0, 40.0))
    assert served.drive.tension_n < 80
    clock.now += 3.0  # nobody commands it any more
    eventually(lambda: served.drive.released_at > 0, 10.0, "the drive's release")


@pytest.mark.parametrize(
    ("fault", "said"), [("scaling", "force_scale 100, not 10"), ("swapped", "signature")]
)
def test_nothing_is_pulled_by_a_drive_of_another_map(served, capsys, tmp_path, fault, said):
    """A force of another scale has no ceiling that could be kept."""
    served.server.fault = fault
    before = served.drive.bed.reading[layout.R_POSITION, 0]
    with pytest.raises(SystemExit) as ended:
        main(["bed", "identify", served.address, "--device", "bed-01", "--data", str(tmp_path)])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
    assert served.drive.bed.reading[layout.R_POSITION, 0] == before
    assert parameters.load(tmp_path / "gateways" / "north", "bed-01") is None


def test_a_wrong_unit_is_named_in_one_line(served, capfd):
    """Whoever mistypes a unit looks for the number, not for another register map."""
    with pytest.raises(SystemExit) as ended:
        main(["bed", "check", served.address.replace("unit=1", "unit=7")])
    assert ended.value.code == 1
    (said,) = capfd.readouterr().err.splitlines()
    assert said.endswith(
        "?unit=7 refuses the exchange (Modbus exception 4, device failure): there is no unit 7, or it has "
        "another register map, see docs/modbus.md"
    )
