import json
import logging

import pytest
import structlog

from services.kit import logging as kit_logging


@pytest.fixture
def configure():
    """Turns logging on as a service does, within the test's own stderr; the libraries' state is put back."""
    before = logging.getLogger().handlers[:], logging.getLogger().level

    def start(log_format="json"):
        kit_logging.configure("telemetry", "info", log_format, site="north")
        return structlog.get_logger("test")

    yield start
    structlog.reset_defaults()
    logging.getLogger().handlers, logging.getLogger().level = before


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
    """Many lines are many entries to a collector; local variables may hold what no log may say."""
    secret = "Lovelace"
    try:
        int("odd" + secret[:0])
    except ValueError:
        configure().exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert (
        json.loads(lines[0])["exception"][0]["exc_value"] == "invalid literal for int() with base 10: 'odd'"
    )
    assert "Lovelace" not in lines[0]


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
