"""A gateway whose centre has another release: it says so, and goes on."""

import json

import pytest
from structlog.testing import capture_logs

from services.controller.centre.release import FILE, MISMATCH, Centre, CentreMetrics


def said(centre):
    """The metric."""
    (family,) = CentreMetrics(centre).collect()
    assert family.name == MISMATCH
    return family.samples[0].value


def test_a_centre_that_does_not_fit_is_said_once_and_shown_by_the_panel(tmp_path):
    """The recorder hears it with every promise; the panel is another process and reads what it kept."""
    recorder, panel = Centre(tmp_path, "1.2.0"), Centre(tmp_path, "1.2.0")
    with capture_logs() as logs:
        for theirs in ("1.3.1", "1.3.1", "1.4.0", "1.4.0", "", "1.4.0"):
            recorder.take(theirs)
    assert [(row["log_level"], row["centre"]) for row in logs] == [("info", "1.3.1"), ("error", "1.4.0")]
    assert "recording goes on" in logs[1]["event"]
    panel.refresh()
    assert "1.2.0, of the centre: 1.4.0" in panel.words.en
    assert "1.2.0, der Zentrale: 1.4.0" in panel.words.de
    assert said(panel) == 1.0
    recorder.take("1.2.5")
    assert said(panel) == 0.0
    assert panel.words is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", json.dumps({"version": "9"}).encode()])
def test_a_file_that_cannot_be_read_takes_nothing_back(tmp_path, content):
    """A disk that fails must not hide what was known."""
    centre = Centre(tmp_path, "1.2.0")
    centre.refresh()
    assert (centre.words, centre.release) == (None, "")
    Centre(tmp_path, "1.2.0").take("2.0.0")
    centre.refresh()
    (tmp_path / FILE).write_bytes(content)
    centre.refresh()
    assert centre.release == "2.0.0"
