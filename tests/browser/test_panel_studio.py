"""The studio in a real browser: what a prescription would do; STOP and what else is pressed beside it all."""

import time

import pytest
from bedside_rig import BACK, Clinic, Served, Ticking
from browser.conftest import sideways
from operator_rig import PIN, THERAPIST
from playwright.sync_api import expect

from services.controller.alarms.table import COPY_FAILS
from services.controller.kernel.faults import SENSOR_LOST
from services.controller.panel import pages

WHOLE = """(element) => {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  const edges = [[left + 2, y], [right - 2, y], [x, top + 2], [x, bottom - 2]];
  return edges.every(([x, y]) => element.contains(document.elementFromPoint(x, y)));
}"""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """Two beds and their panel."""
    directory, ticking = tmp_path_factory.mktemp("clinic"), Ticking()
    clinic = Clinic(directory, ticking)
    clinic.served = Served(clinic.panel(pages=pages.router, directory=directory))
    yield clinic
    clinic.served.close()
    clinic.clear_up()
    clinic.store.close()
    ticking.close()


@pytest.fixture
def page(clinic, open_page):
    """The page of the first bed, with somebody signed in."""
    address = f"http://127.0.0.1:{clinic.served.port}"
    page = open_page(f"{address}/bed-01", may_fail=("409",))
    page.request.post(f"{address}/api/sign-in", data={"name": THERAPIST, "pin": PIN})
    page.reload()
    expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
    return page


def typed(page, **values):
    """A prescription in the form of whoever confirms a patient."""
    for name, value in values.items():
        field = page.locator(f'#dialog-confirm [name="{name}"]')
        if name in ("region", "segment", "sex"):
            field.select_option(value)
        else:
            field.fill(str(value))


@pytest.mark.requirement("say-model")
def test_what_is_typed_is_previewed_as_a_model_and_stop_stays_in_reach(clinic, page):
    """By the force at the segment, on a phone too: chart, table, words; nobody is confirmed by it."""
    page.locator('[data-action="confirm"]').click()
    known = ("region", "segment", "body_weight_kg", "age_years", "sex", "session_number")
    typed(page, **{name: BACK[name] for name in known}, segment_peak_n=600)
    expect(page.locator('#dialog-confirm [name="peak_n"]')).to_be_disabled()
    preview = page.locator("#dialog-confirm [data-preview]")
    preview.click()
    studio = page.locator("#dialog-studio")
    expect(studio.locator("[data-refusals]")).to_contain_text("600 N at the segment, by the model a pull")
    studio.locator("[data-cancel]").click()
    typed(page, segment_peak_n=300)
    preview.press("Enter")
    expect(studio.locator("[data-text]")).to_contain_text("300 N at the segment: by the model a pull")
    expect(studio).to_contain_text("a model, not a measurement")
    expect(studio.locator("h2")).to_have_text("Before the first pull")
    chart = studio.locator("#studio-profile")
    expect(chart.locator("svg .line-segment")).to_be_visible()
    assert "By the model 300 N of the peak reach the segment" in chart.get_attribute("aria-label")
    cells = studio.locator("#studio-levels tr").nth(2).locator("th, td").all_inner_texts()
    assert (cells[0], cells[2]) == ("Peak", "300")
    expect(studio.locator("#studio-said")).not_to_be_empty()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(chart.locator("svg")).to_have_attribute("width", str(round(chart.bounding_box()["width"])))
    assert sideways(page) == 0
    studio.locator("[data-cancel]").press("Enter")
    expect(page.locator("#dialog-confirm")).to_be_visible()
    page.locator("#stop").click()
    expect(page.locator("#stop-note")).not_to_have_text("Esc key")
    assert clinic.phase() == "idle"


@pytest.mark.requirement("tell-the-operator")
def test_stop_and_acknowledging_are_whole_with_alarms_on(clinic, page):
    """An alarm takes room from what is read, never from what is pressed."""
    clinic.memory.health.update(mqtt_connected=1, recorder_ns=time.monotonic_ns() + 10**13)  # believed
    clinic.started(prescription=BACK)
    for text in ("pulls in the left leg, otherwise well", "a cushion below the head", "asked for a blanket"):
        clinic.bedside.note("bed-01", "", text)
    page.locator('[data-action="studio"]').click()
    expect(page.locator("#dialog-studio h2")).to_have_text("What this prescription does")
    page.locator("#dialog-studio [data-cancel]").press("Enter")
    clinic.memory.health.update(disk_full=COPY_FAILS, clock_step_ms=2500)
    clinic.memory.faults[0] = SENSOR_LOST
    expect(page.locator(".alarm-button")).to_have_count(3, timeout=20_000)
    expect(page.locator('[data-action="reset"]')).to_be_visible(timeout=20_000)
    clinic.ticking.rest_s = 0.02
    for width, height in ((1440, 900), (1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        buttons = page.locator("#stop, .alarm-button").all()
        if width > 1000:  # a phone scrolls to the others
            buttons += [it for it in page.locator("#actions button").all() if it.is_visible()]
            assert len(buttons) >= 8
        assert [it.inner_text() for it in buttons if not it.evaluate(WHOLE)] == [], f"at {width} x {height}"
        assert sideways(page) == 0
