"""Wrong words in the environment of any service: one line that names the variable, and nothing begins."""

import os
import re
import subprocess
import sys

import pytest

from services.billing.settings import BillingSettings
from services.console.models import ConsoleSettings
from services.controller.panel.__main__ import PanelSettings
from services.controller.settings import ControllerSettings
from services.homecare.settings import HomecareSettings
from services.kit.connections import open_bus, server_tls
from services.kit.errors import SpondylError
from services.registry.settings import RegistrySettings
from services.scheduler.settings import SchedulerSettings
from services.screening.settings import ScreeningSettings
from services.telemetry.settings import TelemetrySettings

EVERY = (
    BillingSettings, ConsoleSettings, ControllerSettings, HomecareSettings, PanelSettings, RegistrySettings,
    SchedulerSettings, ScreeningSettings, TelemetrySettings,
)  # fmt: skip
NOWHERE = "/nowhere/file.pem"
# What is in the environment, which variable the line names, and what it says.
WRONG = [
    ({"MQTT_URL": "broker:1883"}, "MQTT_URL", "broker:1883"),
    ({"MQTT_URL": "mqtt://u:p@broker"}, "MQTT_URL", "//***@broker"),
    ({"HTTP_PORT": "70000"}, "HTTP_PORT", "70000"),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL", "loud"),
    ({"MQTT_URL": "mqtts://b:1", "MQTT_CERTIFICATE": NOWHERE}, "MQTT_KEY", "missing"),
    ({"MQTT_URL": "mqtts://b:1", "MQTT_KEY": NOWHERE}, "MQTT_CERTIFICATE", "missing"),
    ({"MQTT_URL": "mqtts://b:1", "MQTT_CERTIFICATE": NOWHERE, "MQTT_KEY": NOWHERE}, "MQTT_KEY", "No such"),
    ({"MQTT_URL": "mqtts://b:1", "MQTT_CA": NOWHERE}, "MQTT_CA", NOWHERE),
    ({"MQTT_CA": NOWHERE}, "MQTT_URL", "mqtts://"),
    ({"HTTP_CERTIFICATE": NOWHERE}, "HTTP_KEY", "missing"),
    ({"HTTP_CERTIFICATE": NOWHERE, "HTTP_KEY": NOWHERE}, "HTTP_CERTIFICATE", NOWHERE),
    ({"MQTT_PASSWORD_FILE": NOWHERE}, "MQTT_PASSWORD_FILE", NOWHERE),
]
ADDRESSES = {
    BillingSettings: ("SCREENING_URL",), SchedulerSettings: ("SCREENING_URL",),
    HomecareSettings: ("SCREENING_URL",),
    ConsoleSettings: ("TELEMETRY_URL", "SCREENING_URL", "SCHEDULER_URL", "BILLING_URL", "HOMECARE_URL"),
}  # fmt: skip
DATABASES = {
    BillingSettings: "BUSINESS_DATABASE_URL", SchedulerSettings: "BUSINESS_DATABASE_URL",
    ScreeningSettings: "BUSINESS_DATABASE_URL", HomecareSettings: "BUSINESS_DATABASE_URL",
    RegistrySettings: "BUSINESS_DATABASE_URL", ConsoleSettings: "CONSOLE_DATABASE_URL",
    TelemetrySettings: "ARCHIVE_DATABASE_URL",
}  # fmt: skip


def refusal(settings, environment, monkeypatch):
    """The line with which this service ends; AssertionError where it would start."""
    for name in list(os.environ):
        if name.startswith("SPONDYL_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(f"SPONDYL_{name}", value)
    with pytest.raises(SpondylError) as refused:
        begin(settings)
    line = refused.value.message
    assert "\n" not in line
    return line


def begin(settings):
    """What every main does first."""
    loaded = settings.load()
    open_bus(loaded, "nobody")
    server_tls(loaded)


@pytest.mark.parametrize("settings", EVERY)
@pytest.mark.parametrize(("environment", "variable", "words"), WRONG)
def test_every_service_names_the_wrong_or_missing_variable(
    settings, environment, variable, words, monkeypatch
):
    """Whoever installs a clinic at night reads one line and knows what to change."""
    line = refusal(settings, environment, monkeypatch)
    assert f"SPONDYL_{variable}" in line
    assert words in line


@pytest.mark.parametrize(
    ("settings", "variable"), [(s, name) for s, names in ADDRESSES.items() for name in names]
)
@pytest.mark.parametrize("address", ["screening:8080", "ftp://x", "http://", "http://u:p@x", "http://x y"])
def test_an_address_of_another_service_that_is_none_is_refused_at_the_start(
    settings, variable, address, monkeypatch
):
    """Not with the first patient whose name cannot be had."""
    line = refusal(settings, {variable: address}, monkeypatch)
    assert f"SPONDYL_{variable} is {address.replace('u:p', '***')!r}" in line
    assert "http://HOST:PORT" in line


@pytest.mark.parametrize(("settings", "variable"), DATABASES.items())
@pytest.mark.parametrize(
    "address", ["mysql://u:secret@h/n", "postgresql://u:secret@h/n", "u:secret@h", "sqlite:x"]
)
def test_a_database_that_is_none_is_refused_without_its_password(settings, variable, address, monkeypatch):
    """A log is no place for it."""
    line = refusal(settings, {variable: address}, monkeypatch)
    assert f"SPONDYL_{variable}" in line
    assert "postgresql+psycopg://" in line
    assert "secret" not in line


def test_a_slash_at_the_end_of_an_address_changes_nothing(monkeypatch):
    """`http://screening/` is what a browser shows."""
    monkeypatch.setenv("SPONDYL_SCREENING_URL", "https://centre.example/screening/")
    assert BillingSettings.load().screening_url == "https://centre.example/screening"


def test_a_process_ends_with_that_line_and_status_1(tmp_path):
    """As a supervisor and a log see it."""
    environment = {"PATH": "", "SPONDYL_DATA": str(tmp_path), "SPONDYL_MQTT_URL": "nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "services.homecare"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"spondyl: setting SPONDYL_MQTT_URL is 'nowhere': .*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []
