"""Who did what to a session from the console: acknowledgements, and commands that the trail alone names."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import trail_rig
from sqlalchemy import insert

from services.console.sessions.from_console import LATE, during
from services.console.sessions.models import Session
from services.console.tables import ACKNOWLEDGEMENTS, TRAIL

STARTED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ENDED = STARTED + timedelta(minutes=30)
BED = ("north", "bed-01")
CONFIRMED = '{"done": true, "detail": "stopping"}'


@pytest.fixture
def kept(tmp_path):
    """The console's tables with nothing in them."""
    trail, engine = trail_rig.opened(f"sqlite:///{tmp_path / 'console.db'}", tmp_path)
    yield trail, engine
    engine.dispose()


def session(ended_at=ENDED):
    """One of bed-01 at north."""
    return Session(
        UUID(int=1), *BED, "completed" if ended_at else "running", "lumbar", None, None, None, None,
        STARTED, ended_at, 0, 1, {},
    )  # fmt: skip


def us(after):
    """So long after the session's start, as the tables keep it."""
    return round((STARTED + after).timestamp() * 1e6)


def command(engine, seq, action, after, *, bed=BED, detail=CONFIRMED, name="Nora"):
    """A row of the trail as it was written then."""
    row = {
        "seq": seq, "at_us": us(after), "account": "a", "name": name, "address": "", "action": action,
        "site": bed[0], "record": "/".join(bed), "detail": detail,
        "previous": "", "hash": str(seq),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(TRAIL).values(row))


def acknowledged(engine, after, *, bed=BED):
    """An alarm that was silenced then."""
    row = {
        "site": bed[0], "device": bed[1], "condition": "over_force", "occurrence": str(after),
        "account": "a", "name": "Tina", "at_us": us(after),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(ACKNOWLEDGEMENTS).values(row))


def test_commands_and_acknowledgements_stand_in_the_order_of_their_times(kept):
    """Whoever reads the record later sees who silenced it first and who stopped it then."""
    trail, engine = kept
    command(engine, 1, "bed.stop", timedelta(minutes=20))
    command(engine, 2, "bed.pause", timedelta(minutes=3), name="Ada")
    acknowledged(engine, timedelta(minutes=10))
    lines = during(engine, trail, session(), "en")
    assert [(line.at - STARTED, line.what, line.by) for line in lines] == [
        (timedelta(minutes=3), "Pause from remote", "by Ada"),
        (timedelta(minutes=10), "over force", "acknowledged by Tina"),
        (timedelta(minutes=20), "Stop from remote", "by Nora"),
    ]


@pytest.mark.parametrize("detail", ['{"done": false, "detail": "stop: no answer"}', '{"cut": ""}', "damaged"])
def test_a_command_without_an_answer_is_said_to_be_unconfirmed(kept, detail):
    """That somebody asked says nothing of what the bed did."""
    trail, engine = kept
    command(engine, 1, "bed.stop", timedelta(minutes=20), detail=detail)
    (line,) = during(engine, trail, session(), "de")
    assert (line.what, line.by) == (
        "Stopp aus der Ferne", "verlangt von Nora, von der Liege nicht bestätigt",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("done", "by"),
    [
        ("true", "asked for by Nora, done by the bed all the same, 12\N{NO-BREAK SPACE}s after its time"),
        ("false", "asked for by Nora, refused by the bed 12\N{NO-BREAK SPACE}s after its time"),
    ],
)
def test_a_late_answer_is_said_to_be_late(kept, done, by):
    """A pause cannot have been done and not have been confirmed, unless it is said when it was."""
    trail, engine = kept
    command(engine, 1, "bed.pause", timedelta(minutes=3), detail='{"done": false, "detail": "no answer"}')
    command(engine, 2, "bed.pause", timedelta(minutes=4), detail=f'{{"done": {done}, "late_s": 12.0}}')
    said = [line.by for line in during(engine, trail, session(), "en")]
    assert said == ["asked for by Nora, not confirmed by the bed", by]


@pytest.mark.parametrize(("late_s", "lines"), [(120, 1), (119, 0)])
def test_a_late_answer_belongs_to_the_session_that_it_was_asked_for_in(kept, late_s, lines):
    """The answer waited for the broker; the bed had stopped, and with it the session."""
    trail, engine = kept
    after = ENDED - STARTED + LATE + timedelta(minutes=2)
    command(engine, 1, "bed.stop", after, detail=f'{{"done": true, "late_s": {late_s}}}')
    assert len(during(engine, trail, session(), "en")) == lines


def test_a_stop_counts_though_its_row_is_written_after_the_end_that_it_caused(kept):
    """The trail's row follows the bed's answer."""
    trail, engine = kept
    command(engine, 1, "bed.stop", ENDED - STARTED + LATE)
    assert [line.what for line in during(engine, trail, session(), "en")] == ["Stop from remote"]


def test_a_session_that_goes_on_shows_what_was_done_until_now(kept):
    """Its end is not known yet."""
    trail, engine = kept
    command(engine, 1, "bed.pause", timedelta(0))
    assert len(during(engine, trail, session(ended_at=None), "en")) == 1


@pytest.mark.parametrize(
    ("bed", "action", "after"),
    [
        (("south", "bed-01"), "bed.stop", timedelta(minutes=1)),
        (("north", "bed-02"), "bed.stop", timedelta(minutes=1)),
        (BED, "bed.seen", timedelta(minutes=1)),
        (BED, "bed.stop", timedelta(seconds=-1)),
        (BED, "bed.stop", ENDED - STARTED + LATE + timedelta(seconds=1)),
    ],
)
def test_what_was_done_elsewhere_or_at_another_time_stands_in_no_record_of_this_session(
    kept, bed, action, after
):
    """A name beside what somebody did not do would be worse than none."""
    trail, engine = kept
    command(engine, 1, action, after, bed=bed)
    assert during(engine, trail, session(), "en") == []


@pytest.mark.parametrize(
    ("bed", "after"),
    [
        (("south", "bed-01"), timedelta(minutes=1)), (("north", "bed-02"), timedelta(minutes=1)),
        (BED, timedelta(seconds=-1)), (BED, ENDED - STARTED + timedelta(seconds=1)),
    ],
)  # fmt: skip
def test_an_alarm_that_was_acknowledged_elsewhere_or_at_another_time_is_left_out(kept, bed, after):
    """The same of those who silenced an alarm."""
    trail, engine = kept
    acknowledged(engine, after, bed=bed)
    assert during(engine, trail, session(), "en") == []
