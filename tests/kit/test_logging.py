import json
import logging

import pytest
import structlog

from services.kit import logging as kit_logging


@pytest.fixture
def configured(capsys):
    """Logs as a service writes them; the library's state is put back."""
    before = logging.getLogger().handlers[:], logging.getLogger().level
    kit_logging.configure("telemetry", "info", "json", site="north")
    yield structlog.get_logger("test")
    structlog.reset_defaults()
    logging.getLogger().handlers, logging.getLogger().level = before


def test_every_line_is_one_json_object_with_service_and_site(configured, capsys):
    """A log collector of a chain has to know whose line it is."""
    configured.info("committed", seq=7)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["service"], line["site"], line["seq"]) == (
        "committed",
        "telemetry",
        "north",
        7,
    )


def test_the_standard_librarys_loggers_speak_the_same_format(configured, capsys):
    """Libraries log too; a second format would be lost."""
    logging.getLogger("somewhere").warning("hm %d", 3)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["service"]) == ("hm 3", "warning", "telemetry")


@pytest.mark.parametrize("field", sorted(kit_logging.IDENTIFIERS))
def test_what_could_name_a_person_or_open_a_door_is_withheld(configured, capsys, field):
    """No log line may carry a direct identifier, whatever a caller passes."""
    configured.info("confirmed", **{field: "Ada Lovelace"})
    assert "Lovelace" not in capsys.readouterr().err


def test_an_exception_is_logged_on_one_line(configured, capsys):
    """Many lines are many entries to a collector; local variables may hold what no log may say."""
    secret = "Lovelace"
    try:
        int("odd" + secret[:0])
    except ValueError:
        configured.exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert (
        json.loads(lines[0])["exception"][0]["exc_value"] == "invalid literal for int() with base 10: 'odd'"
    )
    assert "Lovelace" not in lines[0]
