"""A real Chromium, pages that collect every error they make, and a console on a real broker."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import least_work
import pytest
import warm
from browser.consoles import CONSOLES
from console.account_rig import ADMINISTRATOR, AccountRig
from console.clinic import Bed, Clinic
from history_rig import HistoryRig
from playwright.sync_api import sync_playwright
from servers import Mosquitto, answers, eventually, free_port

from services.kit.auth import tokens

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "test-output"
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(
    filter(None, map(shutil.which, CHROMIUMS)), "/usr/bin/chromium"
)  # without windows: half the work
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def pytest_collection_modifyitems(items):
    """Everything here needs Chromium."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser():
    """One Chromium for a file's tests; while it runs, its event loop lets no other begin in this process."""
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium on this machine: `make setup` installs it")
    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Open an address; at the end no page may have made an error or met its own security policy.

    A console's page is opened by an administrator, or by `user`; None is a stranger.
    """
    opened = []

    def open_at(
        address, *, width=1440, height=900, locale="en-GB", may_fail=(), user=ADMINISTRATOR, **options
    ):
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale, **options)
        origin = "/".join(address.split("/")[:3])
        if user and origin in CONSOLES:
            context.add_cookies(CONSOLES[origin].cookies(user, origin))
        page = context.new_page()
        page.add_init_script(WATCH_POLICY)
        errors = []
        page.on("console", lambda it: errors.append(it.text) if it.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        opened.append((context, page, errors, may_fail))
        return page

    yield open_at
    for context, page, errors, may_fail in opened:
        violations = page.evaluate("window.violations")
        context.close()
        assert violations == []
        assert [text for text in errors if not any(word in text for word in may_fail)] == []


def shot(page, name):
    """Keep a screenshot for people to look at."""
    page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))


def sideways(page):
    """How far the page scrolls sideways (pixels)."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def service(name, directory, **settings):
    """A service of Spondyl as a process, with these settings only."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("SPONDYL_")}
    return warm.start(
        f"services.{name}", others | least_work.ENVIRONMENT | settings, directory / f"{name}.log"
    )


def stop(process):
    """End a service."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    process.kill()
    process.wait()


class Wall:
    """A console on a real broker, with two clinics that publish."""

    def __init__(self, directory, **settings):
        self.broker = Mosquitto(directory).start()
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.people = CONSOLES[self.address] = AccountRig(f"sqlite:///{directory / 'console' / 'console.db'}")
        self.people.person(ADMINISTRATOR, "administrator")
        settings = {"SPONDYL_PANELS": '{"bed-01": "http://127.0.0.1:9/bed-01"}'} | settings
        self.process = service(
            "console", directory, SPONDYL_MQTT_URL=self.broker.url, SPONDYL_HTTP_PORT=str(self.port),
            SPONDYL_DATA=str(directory), **settings,
        )  # fmt: skip
        self.clinics = []
        eventually(lambda: answers(self.port), 30.0, "the console's answer")

    def clinic(self, site, *beds, history_s=28, **options):
        """A clinic whose beds have half a minute behind them and go on."""
        clinic = Clinic(self.broker.url, site, list(beds), **options)
        self.clinics.append(clinic)
        clinic.birth()
        clinic.history(history_s)
        clinic.run()
        return clinic

    def read(self, path, user=ADMINISTRATOR):
        """What the console answers this person, without a browser."""
        headers = self.people.headers(user)
        return httpx.get(f"{self.address}{path}", headers=headers, timeout=10, trust_env=False)

    def end(self):
        """Everything of it ends."""
        for clinic in self.clinics:
            clinic.close()
        stop(self.process)
        self.broker.stop()
        CONSOLES.pop(self.address).close()


@pytest.fixture
def wall(tmp_path):
    """An empty console."""
    made = Wall(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def lasting_wall(tmp_path_factory):
    """One console for all tests of a file that leave no bed behind."""
    made = Wall(tmp_path_factory.mktemp("wall"))
    yield made
    made.end()


@pytest.fixture
def make_wall(tmp_path):
    """A console with settings of its own."""
    made = []

    def make(**settings):
        made.append(Wall(tmp_path, **settings))
        return made[-1]

    yield make
    for console in made:
        console.end()


@pytest.fixture
def wall_with_archive(valkey, tmp_path):
    """A console whose telemetry has a session of bed-01 in the archive and nothing of it in Redis."""
    port = free_port()
    with contextlib.closing(HistoryRig(valkey.url, tmp_path, minutes=1.0)) as rig:
        rig.store("archived")
        assert not rig.rig.hot_numbers()
    tokens.ensure_keys(tmp_path)
    telemetry = service(
        "telemetry", tmp_path, SPONDYL_REDIS_URL=valkey.url, SPONDYL_DATA=str(tmp_path),
        SPONDYL_HTTP_PORT=str(port),
    )  # fmt: skip
    try:
        eventually(lambda: answers(port), 30.0, "telemetry's answer")
        made = Wall(tmp_path, SPONDYL_TELEMETRY_URL=f"http://127.0.0.1:{port}")
        yield made
        made.end()
    finally:
        stop(telemetry)


@pytest.fixture
def north(wall):
    """A clinic with a pulling, a guarding and a free bed."""
    return wall.clinic("north", Bed("bed-01"), Bed("bed-02", phase="guarded"), Bed("bed-03", phase="idle"))


@pytest.fixture(scope="module")
def address(rig):
    """Where the console of the module's own ``rig`` (a SessionRig) is."""
    with rig.served() as found:
        yield found


@pytest.fixture
def visit(open_page, rig, address):
    """Open a path as north's clinician."""

    def open_at(path, **options):
        page = open_page("about:blank", **options)
        page.set_default_timeout(30_000)
        page.context.add_cookies(rig.accounts.cookies("nora", address))
        page.goto(f"{address}{path}")
        return page

    return open_at
