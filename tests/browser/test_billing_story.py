"""A whole cure to a paid invoice in a browser: console, screening and billing as processes, a real bus."""

import contextlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from access import somebody
from billing import bank
from billing.billing_rig import CLINIC
from browser.conftest import Wall, service, sideways, stop
from browser.office_rig import Screening
from playwright.sync_api import expect
from screening.treated import ended
from servers import answers, eventually, free_port

from broker.bus import Bus
from broker.contract import EVENT, STREAMS
from broker.messages import ClinicEvent
from services.billing.papers import validating
from services.kit.auth import tokens

SESSIONS = 6
TOTAL = "424.08"  # six times 70.68
ESTIMATED = "491.78"  # the same behind a first visit of 67.70
SITE = {"site": "north"}


class Billing:
    """Billing as a process, which asks screening for names; ``ask`` speaks as the machine's owner."""

    def __init__(self, directory, mqtt_url, screening_url, port):
        self.directory, self.address = directory, f"http://127.0.0.1:{port}"
        identity = directory / "identity.token"
        key = tokens.ensure_keys(directory).private
        identity.write_text(tokens.mint(key, somebody("identity"), 3600, [tokens.SCREENING]))
        self.process = service(
            "billing", directory, SPONDYL_MQTT_URL=mqtt_url, SPONDYL_HTTP_PORT=str(port),
            SPONDYL_DATA=str(directory), SPONDYL_SCREENING_URL=screening_url, SPONDYL_BILLING_EVERY_S="0.3",
            SPONDYL_IDENTITY_TOKEN=str(identity),
        )  # fmt: skip
        eventually(lambda: answers(port), 60.0, "billing's answer")

    def ask(self, method, path, **options):
        """The JSON of an answer that is no refusal."""
        headers = {"authorization": f"Bearer {tokens.of_system(self.directory, (tokens.BILLING,))}"}
        answer = httpx.request(
            method, f"{self.address}{path}", headers=headers, timeout=30, trust_env=False, **options
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:400]}"
        return answer.json()

    def drafts(self):
        """What waits at the site and lacks nothing."""
        return [one for one in self.ask("GET", "/drafts", params=SITE)["drafts"] if one["case"]["payer"]]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The console and both services behind it; the people who use it."""
    directory = tmp_path_factory.mktemp("practice")
    ports = {name: free_port() for name in ("screening", "billing")}
    urls = {f"SPONDYL_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with contextlib.ExitStack() as stack:
        wall = Wall(directory, **urls)
        stack.callback(wall.end)
        screening = Screening(directory, wall.broker.url, ports["screening"])
        stack.callback(screening.end)
        billing = Billing(directory, wall.broker.url, screening.address, ports["billing"])
        stack.callback(stop, billing.process)
        wall.people.person("bill", "billing@north")
        wall.people.person("rita", "reception@north")
        billing.ask("PUT", "/clinics/north", json=CLINIC)
        yield wall, screening, billing


def test_a_cure_becomes_an_estimate_an_invoice_and_money(here, open_page):
    """What a patient is told before, what the bed did, what the law allows and what the bank says, agree."""
    wall, screening, billing = here
    patient = screening.patient()
    _estimated(open_page, wall, patient)
    _treated(wall, patient)
    eventually(lambda: [one["total"] for one in billing.drafts()] == [TOTAL], 60.0, "the cure's draft")
    page = open_page(f"{wall.address}/billing/drafts", user="bill", may_fail=("422",))
    invoice, number = _issued(page)
    report = validating.report(page.request.get(f"{wall.address}/billing/invoices/{invoice}/pdf").body())
    assert report.ok, report.body()
    assert (report.number, str(report.total)) == (number, TOTAL)
    _paid(page, wall, number)
    page.goto(f"{wall.address}/billing/invoices/{invoice}/payments")
    expect(page.locator("#standing")).to_contain_text(f"€{TOTAL} / €{TOTAL}")
    expect(page.locator(".page-head .tag")).to_have_text("paid")
    beside = open_page(f"{wall.address}/patients/{patient}/costs", user="rita").locator("#invoices")
    expect(beside).to_contain_text(number)
    expect(beside.locator(".tag")).to_have_text("paid")
    _counted(open_page, wall)


def _estimated(open_page, wall, patient):
    """§ 630c Abs. 3 BGB: in text form, before it begins."""
    page = open_page(f"{wall.address}/patients/{patient}/costs", user="rita")
    expect(page.locator("#quote")).to_contain_text("€1,339.94")
    page.get_by_label("Sessions").fill(str(SESSIONS))
    expect(page.locator("#quote")).to_contain_text(f"€{ESTIMATED}")
    expect(page.get_by_role("button", name="Work out")).to_be_hidden()
    page.get_by_role("button", name="Make an estimate").click()
    expect(page.get_by_text("Made. Please look at it and hand it over.")).to_be_visible(timeout=30_000)
    handing = page.locator("#handing")
    handing.get_by_label("How").select_option("paper")
    handing.get_by_role("button", name="Keep handing over").click()
    expect(page.get_by_text("Handing over is kept.")).to_be_visible()


def _treated(wall, patient):
    """As scheduler and bed tell it over the bus: planned, treated, over."""
    cure, bus = uuid4(), Bus(wall.broker.url, "gw-north", site="north")
    told = {"cure": str(cure), "patient": patient, "region": "lumbar", "sessions": SESSIONS}
    bus.start()
    try:
        assert bus.wait_connected(20)
        _tell(bus, "cure.planned", told | {"segment": "L4/5"})
        for days_ago in range(2 * SESSIONS, 0, -2):
            event = ended(UUID(patient), cure=cure, days_ago=days_ago, heat_s=900.0)
            assert bus.publish(EVENT, event, device="bed-01").wait(20)
        _tell(bus, "cure.ended", told | {"reason": "completed"})
    finally:
        bus.close()


def _tell(bus, kind, data):
    event = ClinicEvent(id=uuid4(), type=kind, time=datetime.now(UTC), data=data)
    assert bus.publish(STREAMS["cure"], event, "north").wait(20)


def _issued(page):
    """A person looks at the draft and issues it; the invoice's id and number."""
    page.get_by_role("link", name="Mustermann").click()
    expect(page.get_by_text("No rule stops this invoice")).to_be_visible()
    page.get_by_role("button", name="Issue the invoice").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("I have checked this draft").check()
    dialog.get_by_role("button", name="Issue the invoice").click()
    heading = page.get_by_role("heading", name="Invoice NORTH-")
    expect(heading).to_be_visible(timeout=30_000)
    return page.url.split("/")[-1].partition("?")[0], heading.inner_text().split()[-1]


def _paid(page, wall, number):
    """The bank's file names it: booked by itself; a file that is none says so, and books nothing."""
    page.goto(f"{wall.address}/billing/bank?site=north")
    file = page.get_by_label("The bank's file")
    file.set_input_files({"name": "brief.xml", "mimeType": "text/xml", "buffer": b"<brief/>"})
    page.get_by_role("button", name="Read").click()
    expect(page.locator("#f-file-error")).to_contain_text("nothing of it was booked")
    today = datetime.now(UTC).date().isoformat()
    entry = bank.entry(TOTAL, f"Rechnung {number}", name="Erika Mustermann", on=today, reference="A1")
    file.set_input_files(
        {"name": "auszug.xml", "mimeType": "text/xml", "buffer": bank.statement(entry, iban=CLINIC["iban"])}
    )
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_text("New entries: 1; matched by themselves: 1")).to_be_visible()
    expect(page.locator("#booked")).to_contain_text(number)
    page.goto(f"{wall.address}/billing/open-items?site=north")
    expect(page.get_by_text("Nothing is open")).to_be_visible()


def _counted(open_page, wall):
    """On a phone, in German: invoiced and received are the same."""
    today = datetime.now(UTC).date()
    span = f"from={today - timedelta(days=2)}&to={today + timedelta(days=2)}"
    page = open_page(
        f"{wall.address}/billing/revenue?{span}&by=site", user="bill", width=390, height=844, locale="de-DE"
    )
    sums = page.locator(".money-sums")
    expect(sums).to_contain_text("424,08\N{NO-BREAK SPACE}€ in Rechnung gestellt")
    expect(sums).to_contain_text("424,08\N{NO-BREAK SPACE}€ eingegangen")
    assert not sideways(page)
    expect(page.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=1)
