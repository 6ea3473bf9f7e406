"""`spondyl bed fault` at a panel that is really served."""

import json
import shlex

import pytest

from services.cli import main
from services.controller.beds import fault_words, modbus_server
from services.controller.kernel.faults import BITS
from services.kit.errors import SpondylError


def spondyl(capsys, *words):
    """What a command prints."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    return "\n".join(line for line in printed if " [info " not in line)  # what the panel logs in this process


@pytest.mark.parametrize("kind", BITS)
def test_a_fault_says_how_long_it_lasts_and_the_command_that_ends_it(clinic, home, capsys, kind):
    """Somebody who tries an alarm waited for it to go by itself; none does."""
    bit = BITS[kind]
    told = json.loads(spondyl(capsys, "bed", "fault", "bed-01", kind, "--data", str(home), "--json"))
    assert (told["set"], told["lasts"]) == (True, "until cleared")
    assert "reset at its panel" in told["alarm"]
    assert clinic.memory.faults[0] & bit
    mended = spondyl(capsys, *shlex.split(told["clear_with"])[1:], "--json")
    assert json.loads(mended)["lasts"] is None
    assert not clinic.memory.faults[0] & bit


def test_a_person_is_told_the_same_in_words(home, capsys):
    """The line can be copied."""
    said = spondyl(capsys, "bed", "fault", "bed-02", "heat-stuck", "--data", str(home))
    command = f"spondyl bed fault bed-02 heat-stuck --clear --data {home}"
    assert f"bed-02: heat-stuck set: it stays until it is cleared with: {command}\n" in said
    assert "until the bed is reset at its panel" in said
    assert "stays until it is cleared" not in spondyl(capsys, *shlex.split(command)[1:])


def test_the_help_names_every_kind_of_fault(capsys):
    """Three kinds and three dots leave the other six to guessing."""
    said = spondyl(capsys, "bed", "fault", "--help")
    unbroken = "".join(character for character in said if character.isalnum() or character == "-")
    assert [kind for kind in BITS if kind not in unbroken] == []


def test_every_fault_of_a_drive_is_listed_on_a_line_of_its_own(capsys):
    """Thirty names in one line are read by nobody, and a name alone says nothing."""
    said = spondyl(capsys, "bed", "--fault", "list")
    assert set(fault_words.ANSWERS) == set(modbus_server.FAULTS)
    assert set(fault_words.BEDS) == set(modbus_server.BED_FAULTS)
    for name, what in {**fault_words.ANSWERS, **fault_words.BEDS}.items():
        assert [line for line in said.splitlines() if line.split() == [name, *what.split()]], name
    with pytest.raises(SpondylError, match="--fault is 'noise', and none of these") as refused:
        modbus_server.break_drive(None, "noise")
    assert refused.value.message.endswith(said)
