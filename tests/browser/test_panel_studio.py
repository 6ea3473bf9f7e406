"""The studio in a real browser: what a prescription would do, and STOP beside it."""

import pytest
from bedside_rig import BACK, Clinic, Served, Ticking
from browser.conftest import sideways
from operator_rig import PIN, THERAPIST
from playwright.sync_api import expect

from services.controller.panel import pages


@pytest.fixture
def clinic(tmp_path):
    """Two beds and their panel."""
    ticking = Ticking()
    clinic = Clinic(tmp_path, ticking)
    clinic.served = Served(clinic.panel(pages=pages.router, directory=tmp_path))
    yield clinic
    clinic.served.close()
    clinic.clear_up()
    clinic.store.close()
    ticking.close()


def typed(page, **values):
    """A prescription in the form of whoever confirms a patient."""
    for name, value in values.items():
        field = page.locator(f'#dialog-confirm [name="{name}"]')
        if name in ("region", "segment", "sex"):
            field.select_option(value)
        else:
            field.fill(str(value))


@pytest.mark.requirement("say-model")
def test_what_is_typed_is_previewed_as_a_model_and_stop_stays_in_reach(clinic, open_page):
    """By the force at the segment, on a phone too: chart, table, words; nobody is confirmed by it."""
    address = f"http://127.0.0.1:{clinic.served.port}"
    page = open_page(f"{address}/bed-01", may_fail=("409",))
    page.request.post(f"{address}/api/sign-in", data={"name": THERAPIST, "pin": PIN})
    page.reload()
    expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
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
