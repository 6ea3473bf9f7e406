import json
import logging
import sqlite3
import sys
import threading
import time

import psycopg
import pytest
import structlog
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from services.kit import correlation
from services.kit import logging as kit_logging
from services.kit.told import plain, told

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
NAMED = "Anna Muster", "anna@example.org", "1980-05-17", "DE02120300000000202051"


@pytest.fixture
def configure():
    """Turns logging on as a service does, within the test's own stderr; the libraries' state is put back."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    hooks = sys.excepthook, threading.excepthook

    def start(log_format="json"):
        kit_logging.configure("telemetry", "info", log_format, site="north")
        return structlog.get_logger("test")

    yield start
    structlog.reset_defaults()
    logging.getLogger().handlers, logging.getLogger().level = before
    sys.excepthook, threading.excepthook = hooks


def test_every_line_is_one_json_object_with_service_and_site(configure, capsys):
    """A log collector of a chain has to know whose line it is."""
    configure().info("committed", seq=7)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["service"], line["site"], line["seq"]) == (
        "committed",
        "telemetry",
        "north",
        7,
    )


def test_the_standard_librarys_loggers_speak_the_same_format(configure, capsys):
    """Libraries log too; a second format would be lost."""
    configure()
    logging.getLogger("somewhere").warning("hm %d", 3)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["service"]) == ("hm 3", "warning", "telemetry")


@pytest.mark.parametrize("field", sorted(kit_logging.IDENTIFIERS))
def test_what_could_name_a_person_or_open_a_door_is_withheld(configure, capsys, field):
    """No log line may carry a direct identifier, whatever a caller passes."""
    configure().info("confirmed", **{field: "Ada Lovelace"})
    written = capsys.readouterr().err
    assert json.loads(written)[field] == kit_logging.WITHHELD
    assert "Lovelace" not in written


def test_an_exception_is_logged_on_one_line(configure, capsys):
    """Many lines are many entries to a collector; what went wrong and where must not need the words."""
    log = configure()
    try:
        int("Lovelace")
    except ValueError:
        log.exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    said = json.loads(lines[0])["exception"][0]
    assert said["exc_type"] == "ValueError"
    assert said["frames"][-1]["name"] == "test_an_exception_is_logged_on_one_line"
    assert "Lovelace" not in lines[0]


class Row(BaseModel):
    """What somebody sends."""

    born: int


def invalid():
    """Pydantic's, which quotes what it was given."""
    Row.model_validate({"born": NAMED[2]})


def refused_by_sqlite():
    """SQLite's, as SQLAlchemy wraps it: with the parameters."""
    try:
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE p (email TEXT UNIQUE)")
        for _ in range(2):
            database.execute("INSERT INTO p VALUES (?)", (NAMED[1],))
    except sqlite3.IntegrityError as error:
        raise IntegrityError("INSERT", {"email": NAMED[1]}, error) from error


def refused_by_postgresql():
    """PostgreSQL's, whose detail is the row's values."""
    raise psycopg.errors.UniqueViolation(f"duplicate key\nDETAIL:  Key (email)=({NAMED[1]}) already exists.")


def unheard_of():
    """Somebody's own words, and what they came from."""
    try:
        {}[NAMED[0]]
    except KeyError as error:
        raise RuntimeError(f"no account {NAMED[3]} of {NAMED[0]}") from error


RAISING = invalid, refused_by_sqlite, refused_by_postgresql, unheard_of


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("fail", RAISING)
def test_the_words_of_an_exception_are_in_no_log(configure, capsys, fail, log_format):
    """They hold what was being worked on: names, addresses, a database's row."""
    log = configure(log_format)
    try:
        fail()
    except Exception as error:
        log.exception("failed", error=error, why=told(error))
    said = capsys.readouterr().err
    assert "failed" in said
    assert not [name for name in NAMED if name in said]


def test_a_database_s_rule_is_told_without_its_row():
    """Whoever mends it needs the rule; the row is in the database."""
    with pytest.raises(IntegrityError) as caught:
        refused_by_sqlite()
    assert told(caught.value) == (
        "IntegrityError: SQLITE_CONSTRAINT_UNIQUE UNIQUE constraint failed: p.email"
    )


def test_a_full_disk_is_told_in_words():
    """Nobody is named by it, and somebody has to act."""
    assert told(OSError(28, "No space left on device", NAMED[0])) == "OSError: No space left on device"


def test_an_identifier_deep_in_a_field_is_withheld_too(configure, capsys):
    """A dictionary is handed to a log more easily than its fields."""
    held = {"rows": [{"email": "a", "seq": 7}], "why": f"{NAMED[1]} and {NAMED[3]} are unknown"}
    configure().warning("refused", row=held)
    line = json.loads(capsys.readouterr().err)
    assert line["row"] == {
        "rows": [{"email": kit_logging.WITHHELD, "seq": 7}],
        "why": f"{kit_logging.WITHHELD} and {kit_logging.WITHHELD} are unknown",
    }


def test_what_nobody_catches_is_a_line_without_words_too(configure, capsys):
    """The interpreter would print the words, in a format that no collector reads."""
    configure()
    thread = threading.Thread(target=unheard_of, name="drafts")
    thread.start()
    thread.join()
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["thread"]) == ("critical", "drafts")
    assert [one["exc_type"] for one in line["exception"]] == ["RuntimeError", "KeyError"]


def test_lines_carry_what_they_belong_to_while_it_is_held(configure, capsys):
    """From a tap to the invoice one id finds every line, in whatever service."""
    log = configure()
    with correlation.holding(ID):
        log.info("inside")
        logging.getLogger("somewhere").warning("a library's")
    log.info("behind")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("correlation") for line in lines] == [ID, ID, None]


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (f"00-{ID}-00f067aa0ba902b7-01", True),
        (f"cc-{ID}-00f067aa0ba902b7-01-more", True),  # a later version says more
        (f"ff-{ID}-00f067aa0ba902b7-01", False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-{ID}-{'0' * 16}-01", False),
        (f"00-{ID.upper()}-00f067aa0ba902b7-01", False),
        ("anna@example.org", False),
        (None, False),
    ],
)
def test_a_request_is_taken_at_its_trace_and_at_nothing_else(header, known):
    """What is made up by a caller must not reach the logs as it is."""
    tap = correlation.given(header)
    assert (tap.correlation == ID) is known
    assert correlation.given(tap.header).correlation == tap.correlation


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_says_where_and_never_the_values_of_variables(configure, capsys, log_format):
    """Whatever a function holds may be a name or a secret; a terminal is read by many."""
    log = configure(log_format)

    def fail(held):
        raise ValueError(len(held))

    try:
        fail("a-secret-" * 3)
    except ValueError:
        log.exception("request failed")
    said = capsys.readouterr().err
    assert "request failed" in said
    assert "in fail" in said or '"name": "fail"' in said
    assert "a-secret-a-secret" not in said


def test_a_long_value_costs_its_length_and_no_more():
    """A line is written where somebody waits for it: one value must not hold a process for seconds."""
    began = time.process_time()
    for text in ("a" * 40_000, "a." * 20_000, "A" * 40_000, "a@" * 20_000, "a@" + "b" * 40_000):
        assert plain(text) == text
    assert time.process_time() - began < 0.5


def test_an_odd_value_is_still_one_line_of_json(configure, capsys):
    """A collector drops what is none, and with it why something failed."""

    class Speechless:
        def __str__(self):
            raise RuntimeError

    configure("fulda")
    held = {"worst": float("nan"), "beds": {("north", 1): 2.5}, "why": [Speechless(), float("inf")]}
    structlog.get_logger("odd").info("measured", **held)
    line = json.loads(capsys.readouterr().err, parse_constant=pytest.fail)
    assert line["worst"] == "nan"
    assert line["beds"] == {"('north', 1)": 2.5}
    assert line["why"] == ["<Speechless>", "inf"]
