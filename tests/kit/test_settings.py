import pytest

from services.kit.errors import SpondylError
from services.kit.settings import Settings, described


def test_a_setting_comes_from_its_variable(monkeypatch):
    """Containers and `spondyl up` hand everything over by the environment."""
    monkeypatch.setenv("SPONDYL_HTTP_PORT", "8123")
    assert Settings.load().http_port == 8123


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SPONDYL_HTTP_PORT", "70000"),
        ("SPONDYL_HTTP_PORT", "eighty"),
        ("SPONDYL_MQTT_URL", "http://127.0.0.1"),
        ("SPONDYL_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_variable(monkeypatch, variable, value):
    """Whoever set it must find it without reading our code."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SpondylError, match=variable) as refusal:
        Settings.load()
    assert value in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_password_shows_nowhere(monkeypatch):
    """Settings are printed and logged; the password in them must not be."""
    monkeypatch.setenv("SPONDYL_MQTT_PASSWORD", "sesame")
    settings = Settings.load()
    assert "sesame" not in repr(settings)
    assert settings.mqtt_secret == "sesame"


def test_every_setting_is_described():
    """docs/operations.md is checked against this list."""
    rows = described(Settings, Settings)
    assert [row.variable for row in rows] == [f"SPONDYL_{name.upper()}" for name in Settings.model_fields]
    assert all(row.description for row in rows)
