"""`spondyl audit-trail` from the shell."""

import json

import pytest
from sqlalchemy import text

from services.cli import main
from services.console.store import Store
from services.console.trail import open_trail
from services.kit.auth.principal import SYSTEM
from services.kit.database import writing


@pytest.fixture
def spondyl(capsys):
    """Run a command; its exit status and what it wrote to stdout and stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(words)
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return run


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A data directory whose trail has four rows; its database without the triggers."""
    monkeypatch.delenv("SPONDYL_CONSOLE_DATABASE_URL", raising=False)
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path))
    store = Store(f"sqlite:///{tmp_path}/console/console.db")
    trail = open_trail(store.engine, tmp_path)
    for number in range(4):
        trail.append(SYSTEM, "session.seen", record=str(number))
    with writing(store.engine) as connection:
        connection.execute(text("DROP TRIGGER console_trail_no_delete"))
    yield trail, store.engine
    store.close()


def test_a_whole_chain_ends_with_0_and_names_its_head(kept, spondyl):
    """A nightly job needs an exit status; an auditor writes the head down."""
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["rows"], said["first_bad"]) == (0, True, 4, None)
    head = f"{said['head']['seq']}:{said['head']['hash']}"
    assert spondyl("audit-trail", "verify", "--expect", head)[0] == 0
    assert "4 rows" in spondyl("audit-trail", "verify")[1]


def test_a_removed_row_ends_with_1_and_is_named(kept, spondyl):
    """What is missing is said by number."""
    with writing(kept[1]) as connection:
        connection.execute(text("DELETE FROM console_trail WHERE seq = 2"))
    status, out, _ = spondyl("audit-trail", "verify", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["first_bad"], said["what"]) == (1, False, 2, "removed")
    assert "row 2 is missing" in spondyl("audit-trail", "verify")[1]


def test_a_head_that_was_written_down_elsewhere_is_missed(kept, spondyl):
    """Whoever put back database and seal together is found by a note on paper."""
    assert spondyl("audit-trail", "verify", "--expect", f"9:{'a' * 64}")[0] == 1
    assert spondyl("audit-trail", "verify", "--expect", f"2:{'a' * 64}")[0] == 1
    assert spondyl("audit-trail", "verify", "--expect", "nonsense")[0] == 2


def test_sealing_again_needs_a_reason_and_leaves_a_row(kept, spondyl):
    """After a backup was put back."""
    with writing(kept[1]) as connection:
        connection.execute(text("DELETE FROM console_trail WHERE seq = 4"))
    assert spondyl("audit-trail", "verify")[0] == 1
    assert spondyl("audit-trail", "reseal")[0] == 2
    status, out, _ = spondyl("audit-trail", "reseal", "--reason", "backup put back", "--json")
    assert (status, json.loads(out)["rows"]) == (0, 4)
    assert spondyl("audit-trail", "verify")[0] == 0


def test_without_a_trail_it_says_so_and_makes_none(tmp_path, monkeypatch, spondyl):
    """A look at the wrong directory must not be `whole: 0 rows`."""
    monkeypatch.setenv("SPONDYL_DATA", str(tmp_path / "nothing"))
    status, _, err = spondyl("audit-trail", "verify")
    assert status == 1
    assert "no audit trail" in err
    assert not (tmp_path / "nothing").exists()
