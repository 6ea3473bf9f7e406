"""`spondyl users` from the shell, on the database itself."""

import io
import json

import pytest
from console.account_rig import AccountRig
from least_work import LEAST

from services.cli import main
from services.console.accounts.entry import Entry


@pytest.fixture
def people(tmp_path, monkeypatch):
    """A console's accounts with one administrator; no console runs."""
    monkeypatch.delenv("SPONDYL_CONSOLE_DATABASE_URL", raising=False)
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path))
    rig = AccountRig(f"sqlite:///{tmp_path}/console/console.db")
    rig.person("ada", "administrator")
    yield rig
    rig.close()


@pytest.fixture
def spondyl(capsys, monkeypatch):
    """Run a command with a line of stdin; its exit status, stdout and stderr."""

    def run(*words, line=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(line))
        with pytest.raises(SystemExit) as ended:
            main(["users", *words])
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run


def test_an_account_is_made_listed_changed_and_switched_off_from_the_shell(people, spondyl):
    """When nobody can sign in, the machine's owner still can do all of it."""
    status, out, _ = spondyl("add", "Grace", "--title", "Grace H", "--role", "therapist@north", "--json")
    made = json.loads(out)
    assert (status, made["name"], made["roles"], made["must_change"]) == (
        0,
        "grace",
        ["therapist@north"],
        True,
    )
    assert Entry(people.store, LEAST).admit("grace", made["password"], "x").title == "Grace H"
    assert spondyl("role", "grace", "clinician", "billing@south")[0] == 0
    assert spondyl("disable", "grace")[0] == 0
    listed = {row["name"]: row for row in json.loads(spondyl("list", "--json")[1])["users"]}
    assert listed["grace"]["roles"] == ["billing@south", "clinician@*"]
    assert listed["grace"]["disabled"]
    assert "password" not in listed["grace"]
    assert not json.loads(spondyl("enable", "grace", "--json")[1])["disabled"]


def test_a_reset_prints_a_password_once_and_ends_a_lock(people, spondyl):
    """A locked-out person on the phone is helped in one line."""
    user = people.person("grace", "clinician")
    people.store.change_user(user.id, {"locked_until_us": 1 << 60, "failures": 9})
    _, out, _ = spondyl("reset", "grace")
    password = out.split("one-time password: ")[1].strip()
    assert Entry(people.store, LEAST).admit("grace", password, "x").must_change


def test_pin_and_badge_come_by_stdin_and_are_never_shown(people, spondyl):
    """An argument would be in every process list and in the shell's history."""
    people.person("grace", "therapist")
    assert json.loads(spondyl("pin", "grace", "--json", line="394817\n")[1])["pin"]
    assert json.loads(spondyl("badge", "grace", "--json", line="04:A2:19\n")[1])["badge"]
    assert "394817" not in spondyl("list")[1]
    assert not json.loads(spondyl("pin", "grace", "--remove", "--json")[1])["pin"]
    status, _, err = spondyl("pin", "grace", line="12\n")
    assert status == 1
    assert "6 to 12 digits" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("disable", "ada"), "last administrator"),
        (("role", "ada", "clinician"), "last administrator"),
        (("role", "ada", "king"), "'king' is no role: administrator, clinician"),
        (("add", "ada", "--role", "clinician"), "an account named 'ada' already"),
        (("add", "x" * 10_000, "--role", "clinician"), "10000 characters: 1 to 80"),
        (("reset", "nobody"), "no account 'nobody'"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(people, spondyl, words, said):
    """A script must see that nothing was done, and a person why."""
    status, out, err = spondyl(*words)
    assert status == 1
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_data_directory_without_a_console_is_named(tmp_path, monkeypatch, spondyl):
    """A mistyped --data must not make a second, empty console."""
    monkeypatch.delenv("SPONDYL_CONSOLE_DATABASE_URL", raising=False)
    status, _, err = spondyl("list", "--data", str(tmp_path / "elsewhere"))
    assert status == 1
    assert "no database at" in err
    assert not (tmp_path / "elsewhere").exists()


def test_a_site_that_is_not_known_is_said_and_still_given(people, spondyl, tmp_path):
    """`therapist@nrth` is most likely mistyped; but a site may be new, so the account is made."""
    (tmp_path / "run.json").write_text(json.dumps({"sites": {"north": {}, "south": {}}}))
    status, out, err = spondyl("add", "grace", "--role", "therapist@nrth", "--json")
    assert (status, json.loads(out)["roles"]) == (0, ["therapist@nrth"])
    assert err == "spondyl: warning: site nrth is not known yet: mistyped? known are north, south\n"
    assert "site sout is not known" in spondyl("role", "grace", "therapist@sout", "clinician@north")[2]
    assert spondyl("role", "grace", "therapist@south", "clinician")[2] == ""
