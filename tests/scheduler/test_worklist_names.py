"""Names for worklists, asked of a real screening over HTTP with the identity token."""

from uuid import UUID, uuid4

import pytest
from access import somebody
from bedside_rig import Served
from screening.screening_rig import ScreeningRig

from services.kit.auth import tokens
from services.kit.business.identity import Unreachable
from services.kit.runfile import write_private
from services.scheduler.settings import SchedulerSettings
from services.scheduler.worklists.names import NOBODY_S, Names


@pytest.fixture
def screening(tmp_path):
    """A real one, behind a real server."""
    rig = ScreeningRig(tmp_path / "screening")
    rig.served = Served(rig.app)
    rig.address = f"http://127.0.0.1:{rig.served.port}"
    yield rig
    rig.served.close()
    rig.close()


def names(rig, directory, role="identity", address=None, **options):
    """Who asks it, in a role."""
    path = directory / f"{uuid4()}.token"
    write_private(path, tokens.mint(rig.keys.private, somebody(role), 600, [tokens.SCREENING]))
    settings = SchedulerSettings(screening_url=address or rig.address, identity_token=path)
    return Names(settings, **options)


def test_a_name_is_told_to_the_identity_role_and_is_in_the_trail(screening, tmp_path):
    """Who asked for whom is a matter of record."""
    patient = UUID(screening.patient(given_name="Đặng", family_name="Müller", birth_date="1961-05-04"))
    person = names(screening, tmp_path).of(patient)
    assert (person.name, f"{person.birth_date}") == ("Đặng Müller", "1961-05-04")
    assert [row["record"] for row in screening.trail("patient.identity")] == [str(patient)]


def test_somebody_without_a_file_is_nobody_and_is_asked_for_again_later(screening, tmp_path):
    """Simulated beds invent patients: they must not be asked for all day."""
    now = [0.0]
    asking, stranger = names(screening, tmp_path, steady=lambda: now[0]), uuid4()
    assert asking.of(stranger) is None
    screening.served.close()
    assert asking.of(stranger) is None  # not asked
    now[0] = NOBODY_S + 1
    with pytest.raises(Unreachable):
        asking.of(stranger)


def test_a_wrong_token_or_no_answer_means_no_names_now(screening, tmp_path, capsys, caplog):
    """The lists go without; the log says so once and never whom it was about."""
    patient = UUID(screening.patient())
    for asking in (
        names(screening, tmp_path, role="therapist"),
        names(screening, tmp_path, address="http://127.0.0.1:9"),
    ):
        for _ in range(2):
            with pytest.raises(Unreachable):
                asking.of(patient)
    words = "worklists go without"
    said = caplog.text if words in caplog.text else "".join(capsys.readouterr())
    assert said.count(words) == 2
    assert str(patient) not in said.replace(f"/patients/{patient}/identity", "")
