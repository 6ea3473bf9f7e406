"""What nobody measured is a gap with a name: in a browser, on paper, and for who does not see the picture."""

import re

import pytest
from browser.conftest import shot
from console.session_rig import SessionRig
from history_rig import OFFSET
from playwright.sync_api import expect
from servers import Valkey, eventually
from simulated_session import CURE, SESSION

LOST_S = (24.0, 30.0)  # since the session's start
SAID = {
    "en": "Not measured, as the load cell or the connection to the bed was lost: ",
    "de": "Nicht gemessen, weil die Kraftmessung oder die Verbindung zur Liege ausfiel: ",
}
# In which columns of the plot (CSS pixels since its left edge) the tension's colour is.
COLOURED = """() => {
  const canvas = document.querySelector("#plot canvas");
  const over = document.querySelector("#plot .u-over").getBoundingClientRect();
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--tension").trim();
  pen.fillRect(0, 0, 1, 1);
  const wanted = pen.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const ratio = canvas.width / canvas.getBoundingClientRect().width;
  const left = over.left - canvas.getBoundingClientRect().left;
  const columns = new Set();
  for (let at = 0; at < data.length; at += 4)
    if ([0, 1, 2].every((part) => Math.abs(data[at + part] - wanted[part]) < 12))
      columns.add(Math.round(((at / 4) % canvas.width) / ratio - left));
  return { width: over.width, columns: [...columns].sort((a, b) => a - b) };
}"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A session that lost its load cell for six seconds, and one more of its cure."""
    directory = tmp_path_factory.mktemp("unmeasured")
    with Valkey(directory) as valkey:
        made = SessionRig(valkey.url, directory)
        first, after = (OFFSET + round(at / 0.02) for at in LOST_S)
        made.history.session = made.history.session.losing(first, after)
        made.alarm("load_cell_lost", first, after + 400)
        made.history.store("archived")
        made.another(1, days=2)
        yield made
        made.close()


def drawn_between(page, since_s, until_s):
    """The share of this part of the plot in which tension is drawn."""
    found = page.evaluate(COLOURED)
    total_s = float(page.locator("#plot").get_attribute("data-to"))
    left, right = (found["width"] * at / total_s for at in (since_s, until_s))
    return len([x for x in found["columns"] if left < x < right]) / (right - left)


@pytest.mark.parametrize(
    ("language", "width", "theme"),
    [("en", 1440, "light"), ("de", 1440, "dark"), ("de", 390, "light"), ("en", 390, "dark")],
)
def test_a_session_shows_a_gap_with_its_name_where_the_load_cell_was_lost(visit, language, width, theme):
    """A flat line at 0 N would say that the patient was let go; nobody knows that."""
    page = visit(f"/preferences?theme={theme}&next=/sessions/{SESSION}", locale=language, width=width)
    plot = page.locator("#plot")
    expect(plot).to_have_attribute("data-unmeasured", "1")
    assert drawn_between(page, 15.0, LOST_S[0] - 1) > 0.9
    assert drawn_between(page, LOST_S[0] + 1, LOST_S[1] - 1) == 0
    assert drawn_between(page, LOST_S[1] + 1, 40.0) > 0.9
    told = page.locator("#unmeasured")
    expect(told).to_have_text(re.compile(re.escape(SAID[language]) + r"0:2[34]\u20130:3[01]$"))
    assert "unmeasured" in plot.get_attribute("aria-describedby").split()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    shot(page, f"unmeasured-{width}-{theme}-{language}")


def test_the_words_lead_to_the_gap_and_its_edges_are_then_exact(visit):
    """From the whole session to the sample, by keyboard."""
    page = visit(f"/sessions/{SESSION}")
    link = page.locator("#unmeasured a")
    expect(page.locator("#plot")).to_have_attribute("data-unmeasured", "1")
    link.focus()
    page.keyboard.press("Enter")
    data = "() => ({...document.getElementById('plot').dataset})"
    seen = eventually(
        lambda: next((it for it in [page.evaluate(data)] if float(it["to"]) < 50), None), what="the part"
    )
    assert float(seen["from"]) < LOST_S[0] < LOST_S[1] < float(seen["to"])
    assert seen["unmeasured"] == "1"


def test_the_drawing_of_the_server_has_the_band_and_its_name_too(visit):
    """On paper, and while no script runs."""
    text = visit(f"/sessions/{SESSION}").evaluate("fetch(location).then((answer) => answer.text())")
    (band,) = re.findall(r'<rect class="drawn-unmeasured" x="([\d.]+)" y="14" width="([\d.]+)"', text)
    assert float(band[1]) > 20
    assert ">not measured</text>" in text
    line = re.search(r'data-trace="tension" d="([^"]+)"', text)[1]
    left, right = float(band[0]) + 2, float(band[0]) + float(band[1]) - 2
    assert line.count("M") == 2
    assert not [x for x in map(float, re.findall(r"[ML]([\d.]+) ", line)) if left < x < right]


def test_a_comparison_has_the_gap_and_says_which_session_it_is(visit):
    """Beside other curves a gap is easily taken for a line that is hidden."""
    page = visit(f"/cures/{CURE}/sessions")
    expect(page.locator("#plot")).to_have_attribute("data-points", re.compile(r"\d+,\d+"))
    expect(page.locator(".past-toggles").first).to_contain_text("not measured in parts")
    shot(page, "unmeasured-compare")
