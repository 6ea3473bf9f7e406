"""What nobody measured is a gap in every live trace, and the rest is drawn, whenever a page is opened."""

import re

import pytest
from bedside_rig import PERIOD_NS, Served, Ticking
from bedside_rig import Clinic as Gateway
from browser.conftest import shot
from console.clinic import Bed, alarm
from playwright.sync_api import expect
from servers import eventually

from services.controller.panel import pages

NUMBER = re.compile(r"^\d+$")
AWAY = ("503",)
LOST = {
    "load_cell": ("load_cell_lost", "the load cell gives no valid value"),
    "link": ("link_lost", "the bed does not answer"),
}
# The share of these samples at whose place the tension's colour is; null before the bar has passed them.
DRAWN = """([selector, from, to]) => {
  const canvas = document.querySelector(selector);
  const sweep = canvas?.sweep; // none before the page's script has run
  if (!(sweep?.drawn > to)) return null;
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = sweep.colour("--tension");
  pen.fillRect(0, 0, 1, 1);
  const wanted = pen.getImageData(0, 0, 1, 1).data;
  const height = Math.round(canvas.height * sweep.lanes[0].to) + 4;
  const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, height);
  const coloured = new Set();
  for (let at = 0; at < data.length; at += 4)
    if ([0, 1, 2, 3].every((part) => Math.abs(data[at + part] - wanted[part]) < 16))
      coloured.add((at / 4) % width);
  let count = 0;
  for (let seq = from; seq < to; seq++) count += coloured.has(Math.floor(sweep.x(seq))) ? 1 : 0;
  return count / (to - from);
}"""


def drawn(page, canvas, first, behind):
    """The share of these samples that the trace of the tension shows."""
    share = []

    def passed():
        share[:] = [page.evaluate(DRAWN, [canvas, first, behind])]
        return share != [None]

    eventually(passed, 20, "the trace's bar behind these samples")
    return share[0]


def is_a_gap(page, canvas, begin, end):
    """Measured, then nobody measured, then measured again; a block's length at each edge is left open."""
    assert drawn(page, canvas, begin - 150, begin - 20) > 0.9
    assert drawn(page, canvas, begin + 20, end - 20) == 0
    assert drawn(page, canvas, end + 20, end + 60) > 0.9


PLACES = {
    "bed": ("/beds/bed-01?site=north", ".bed-sweep canvas", "#bed"),
    "wall": ("/", ".tile canvas", ".tile"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("cause", LOST)
def test_a_page_that_is_opened_in_or_after_a_fault_draws_what_was_measured_and_no_more(
    wall, open_page, place, cause
):
    """Half a minute of 0 N after a reset, or an empty trace in a fault, tells the wrong story of a pull."""
    condition, why = LOST[cause]
    path, canvas, root = PLACES[place]
    north = wall.clinic("north", Bed("bed-01", phase="hold", tension_n=150.0))
    bed = north.beds["bed-01"]
    begin = bed.seq
    bed.lost = cause
    north.alarm("bed-01", alarm(condition, "high", "AUSGEFALLEN", "LOST"))
    eventually(lambda: bed.seq > begin + 120, 20, "a stretch that nobody measured")
    page = open_page(wall.address + path, may_fail=AWAY)
    number = page.locator(f'{root} [data-field="tension"]').first
    words = page.locator(f'{root} [data-field="words"]').first
    expect(number).to_have_text("--")
    expect(words).to_contain_text(why)
    assert drawn(page, canvas, begin - 150, begin - 20) > 0.9
    assert drawn(page, canvas, begin + 20, begin + 80) == 0
    shot(page, f"live-gap-{place}-{cause}-in")
    end, bed.lost = bed.seq, None
    expect(number).to_have_text(NUMBER)  # measured again, its alarm still on
    expect(words).not_to_contain_text(why)
    expect(page.locator(f"{root} .alarm").first).to_contain_text("LOST")
    eventually(lambda: bed.seq > end + 80, 20, "samples after it")
    is_a_gap(page, canvas, begin, end)
    north.alarm("bed-01")
    page.reload()
    is_a_gap(page, canvas, begin, end)
    shot(page, f"live-gap-{place}-{cause}-after")


@pytest.mark.parametrize("place", PLACES)
def test_target_and_measured_are_of_one_moment(wall, open_page, place):
    """A target that lags by a second reads as an overshoot of thirty newtons."""
    path, _, root = PLACES[place]
    wall.clinic("north", Bed("bed-01", offset_s=22.0))  # its ramp begins now
    page = open_page(wall.address + path, may_fail=AWAY)
    expect(page.locator(f'{root} [data-field="tension"]').first).to_have_text(NUMBER)
    page.evaluate(
        """(root) => {
          const one = (name) => document.querySelector(`${root} [data-field="${name}"]`);
          window.pairs = [];
          const look = () => window.pairs.push(["target", "tension"].map((name) => one(name).textContent));
          new MutationObserver(look).observe(one("tension"), { childList: true });
        }""",
        root,
    )

    def moving():
        pairs = [tuple(map(float, pair)) for pair in page.evaluate("window.pairs")]
        found = [pair for pair in pairs if 105 < pair[0] < 265]
        return found if len(found) >= 10 else None

    pairs = eventually(moving, 30, "numbers while the target moves")
    assert [pair for pair in pairs if abs(pair[0] - pair[1]) > 8] == []


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway that pulls in real time."""
    beds = Ticking()
    clinic = Gateway(tmp_path_factory.mktemp("gaps"), beds)
    clinic.under_way()
    clinic.until("hold")
    beds.rest_s = PERIOD_NS / 1e9
    yield clinic
    beds.close()
    clinic.store.close()


@pytest.fixture
def panel(gateway):
    """Its panel's address; asked for before `open_page`, so that its pages never see it gone."""
    served = Served(gateway.panel(pages=pages.router))
    yield f"http://127.0.0.1:{served.port}"
    served.close()


def test_the_panel_draws_the_gap_and_shows_the_number_again_before_the_reset(gateway, panel, open_page):
    """At the bed the trace decides what a therapist does next."""
    memory, bedside = gateway.memory, gateway.bedside
    head = memory.head()
    eventually(lambda: memory.head() > head + 160, 20, "a stretch in real time")
    eventually(lambda: gateway.phase() == "hold", 60, "a hold")
    bedside.fault("bed-01", "sensor-lost", "", clear=False)
    begin = memory.head()
    eventually(lambda: memory.head() > begin + 100, 20, "a stretch that nobody measured")
    page = open_page(f"{panel}/bed-01")
    tension, words = (page.locator(f'[data-field="{name}"]').first for name in ("tension", "words"))
    expect(tension).to_have_text("--")
    expect(words).to_contain_text(LOST["load_cell"][1])
    assert drawn(page, "#panel canvas", begin - 150, begin - 20) > 0.9
    bedside.fault("bed-01", "sensor-lost", "", clear=True)
    end = memory.head()
    expect(tension).to_have_text(NUMBER)
    expect(words).not_to_contain_text(LOST["load_cell"][1])
    expect(page.locator("#alarms")).to_contain_text("LOAD CELL LOST")
    eventually(lambda: memory.head() > end + 80, 20, "samples after it")
    is_a_gap(page, "#panel canvas", begin, end)
    page.reload()
    is_a_gap(page, "#panel canvas", begin, end)
    shot(page, "live-gap-panel")
    bedside.fault("bed-01", "link-lost", "", clear=False)
    expect(words).to_contain_text(LOST["link"][1])
    expect(tension).to_have_text("--")
    expect(page.locator("#alarms")).to_contain_text("NO ANSWER FROM THE BED")
    shot(page, "live-gap-panel-link")
