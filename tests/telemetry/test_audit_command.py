import json

import pytest
from gateway_stand_in import block
from run_file import running
from servers import eventually, free_port

from broker import contract
from services.cli import main


def _audit(directory, *options):
    """Exit status of `spondyl audit`."""
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--data", str(directory), *options])
    return ended.value.code


def test_no_running_system_is_one_line_and_exit_2(tmp_path, capsys):
    """A script tells `not running` from `something was lost`."""
    assert _audit(tmp_path) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_a_telemetry_that_does_not_answer_is_one_line(tmp_path, capsys):
    """Not a trace back of the HTTP client."""
    running(tmp_path, f"http://127.0.0.1:{free_port()}")
    assert _audit(tmp_path) == 1
    assert "telemetry does not answer" in capsys.readouterr().err


@pytest.mark.system
def test_a_clean_store_exits_0_with_one_json_object(tmp_path, telemetry, gateway, capsys):
    """Fields that others rely on."""
    gateway.tension(0, 10)
    eventually(lambda: gateway.next() == 20, what="committed")
    running(tmp_path, telemetry.api_address)
    assert _audit(tmp_path, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["lost_samples"], report["duplicate_samples"], report["devices"], report["boots"]) == (
        0,
        0,
        1,
        1,
    )
    assert {"site", "device", "boot", "first_seq", "last_seq", "gaps", "duplicates"} <= set(
        report["streams"][0]
    )


@pytest.mark.system
def test_a_gap_makes_it_fail_and_shows_in_the_table(tmp_path, telemetry, gateway, capsys):
    """The command is the proof: it must fail when there is none."""
    gateway.tension(0, 20)
    eventually(lambda: telemetry.get("/audit").json()["samples"] == 20, what="stored")
    running(tmp_path, telemetry.api_address)
    assert _audit(tmp_path, "--settle-s", "0") == 1
    said = capsys.readouterr().out
    assert "10 lost" in said
    assert "gap: tension 10 to 19: nobody has said why" in said


@pytest.mark.system
def test_a_gap_that_is_still_being_filled_is_waited_for(tmp_path, telemetry, gateway, capsys):
    """After an outage live blocks come before the backlog: that is no loss."""
    gateway.tension(0, 20)
    eventually(lambda: telemetry.get("/audit").json()["samples"] == 20, what="stored")
    running(tmp_path, telemetry.api_address)
    gateway.publish(contract.TENSION, block(gateway.boot, 10))
    assert _audit(tmp_path) == 0
    assert "0 lost" in capsys.readouterr().out
