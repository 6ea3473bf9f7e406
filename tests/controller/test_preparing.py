"""How far a loop is before it ticks: what its gateway writes down, and what panel, console and `up` say."""

import asyncio
import json
import os
from types import SimpleNamespace

import numba
import pytest
from bedside_rig import Served

from services.console.starting import Starting
from services.controller.bedside.session import Bedside
from services.controller.loop import compiling, preparing
from services.controller.loop.compiling import progress_told
from services.controller.loop.link import LoopLink
from services.controller.loop.preparing import Preparing
from services.controller.panel import pages
from services.kit.auth.guard import NOBODY
from services.kit.clearance import Clocks
from services.kit.http import create_app


@pytest.fixture
def gateway(tmp_path):
    """A gateway's directory and where its loop's compiled code is kept; the loop is this process."""
    made = SimpleNamespace(directory=tmp_path / "gateway", compiled=tmp_path / "compiled")
    preparing.begin(made.directory, made.compiled)
    return made


def test_a_loop_that_loads_one_that_compiles_and_one_that_ticks_are_told_apart(gateway):
    """A bed that is compiled for must not look dead, and one that ticks must not look like starting."""
    assert preparing.look(gateway.directory) == Preparing(None)
    preparing.tell(gateway.compiled, 43)
    assert preparing.look(gateway.directory) == Preparing(43)
    preparing.told(gateway.compiled)
    assert preparing.look(gateway.directory) == Preparing(None)
    preparing.end(gateway.directory)
    assert preparing.look(gateway.directory) is None


@pytest.mark.parametrize("row", ["", "[]", "{}", '{"pid": 1}', '{"pid": "x", "started_at": 0}', "dead"])
def test_a_file_of_nobody_who_lives_says_nothing(gateway, row):
    """A loop that was killed while it compiled is not waited for."""
    if row == "dead":
        row = json.dumps({"pid": os.getpid(), "started_at": 1.0, "compiled": str(gateway.compiled)})
    (gateway.directory / preparing.STARTING).write_text(row)
    assert preparing.look(gateway.directory) is None


def test_what_compiles_says_so_from_the_first_function_to_the_last(tmp_path):
    """Where nothing is compiled nothing may be said: the next start would look like a first one."""
    with progress_told(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    with progress_told(tmp_path):
        numba.njit(lambda x: x + 1)(1)
        assert said(tmp_path) == 0, "a function of somebody else's brings the loop no further"
    assert list(tmp_path.iterdir()) == []


def test_the_share_told_is_of_the_loops_own_functions_each_once(tmp_path, monkeypatch):
    """A count of whatever is compiled was at its end long before the compiler: the page stood at 90 %."""
    monkeypatch.setattr(compiling, "TELL_EVERY_S", 0.0)
    inner = numba.njit(lambda x: x + 1)
    outer = numba.njit(lambda x: inner(x) * 2)
    other = numba.njit(lambda x: x - 1)
    monkeypatch.setattr(compiling, "own_functions", lambda: {inner, outer, other})
    with progress_told(tmp_path):
        inner(1)
        assert said(tmp_path) == 33
        inner(1.0)  # for another type
        assert said(tmp_path) == 33
        outer(1)
        assert said(tmp_path) == 67
        other(1)
        assert said(tmp_path) == 99, "the rest is told by the loop's first tick"


def said(compiled):
    """How many percent are told."""
    return json.loads((compiled / preparing.PROGRESS).read_text())["percent"]


@pytest.fixture
def waiting(clinic, gateway):
    """The panel of a gateway whose loop is compiled just now."""
    preparing.tell(gateway.compiled, 43)
    clinic.bedside = Bedside(LoopLink(gateway.directory), clinic.store, None, Clocks())
    served = Served(clinic.panel(pages=pages.router))
    yield served
    served.close()


@pytest.mark.parametrize(("language", "words"), [("en", "is compiled for this machine"), ("de", "übersetzt")])
@pytest.mark.parametrize("path", ["/", "/bed-01"])
def test_the_panel_says_how_far_it_is_before_there_is_a_bed(waiting, path, language, words):
    """Instead of an error, or of no panel at all; once there is a loop the page opens by itself."""
    page = waiting.http.get(path, headers={"accept-language": language})
    assert (page.status_code, words in page.text, 'value="43"' in page.text) == (503, True, True)
    assert "/static/starting.js" in page.text


def test_a_loop_that_does_not_start_is_not_told_as_one_that_does(waiting, gateway):
    """It was refused, or dies again and again: who is told to wait calls nobody."""
    preparing.end(gateway.directory)
    page = waiting.http.get("/", headers={"accept-language": "de"})
    words, _, _ = page.text.partition('id="starting-words"')[2].partition("</p>")
    assert (page.status_code, "Gerade startet kein Regler" in words) == (503, True)
    assert waiting.http.get("/readyz").json()["starting"] == ""


def test_programs_are_told_in_both_languages_and_by_readyz(waiting):
    """The console asks /readyz, a page the API."""
    answer = waiting.http.get("/api/devices").json()
    assert (answer["starting"], "43 %" in answer["detail"], "43 %" in answer["detail_de"]) == (
        {"percent": 43}, True, True,
    )  # fmt: skip
    found = waiting.http.get("/readyz")
    assert (found.status_code, found.json()["starting"]) == (503, "43")
    assert "43 %" in found.json()["detail"]


def test_the_console_asks_every_sites_panel_and_shows_only_who_may_see(waiting):
    """A site whose panel does not answer says nothing, and hinders no other."""
    panels = {
        "north/bed-01": f"http://127.0.0.1:{waiting.port}/bed-01", "south/bed-04": "http://127.0.0.1:1/bed-04",
    }  # fmt: skip
    starting = Starting(panels)
    [row] = asyncio.run(starting.rows(None, "de"))
    assert (row["site"], row["percent"], "43 % sind fertig" in row["text"]) == ("north", 43, True)
    assert asyncio.run(Starting(panels).rows({"south"}, "en")) == []


class Says:
    """A panel whose readiness says so."""

    def __init__(self, starting):
        app = create_app("panel", "1", guard=NOBODY, facts={"starting": lambda: starting})
        self.served = Served(app)
        self.address = f"http://127.0.0.1:{self.served.port}/bed-01"


@pytest.fixture
def says():
    """Panels that say what a test wants, ended with it."""
    made = []

    def panels(*told):
        made.extend(Says(one) for one in told)
        return {f"north/bed-0{number}": it.address for number, it in enumerate(made, 1)}

    yield panels
    for one in made:
        one.served.close()


@pytest.mark.parametrize(
    ("told", "percent"),
    [
        (("80", "30", ""), 30),
        (("loading", "", ""), None),
        (("", "loading", "12"), 12),
        (("9" * 5000,), None),
        (("101",), None),
        (("-3",), None),
        (("٣",), None),
        (("100",), 100),
    ],
    ids=["the last counts", "one loads", "one compiles", "huge", "too much", "negative", "arabic", "whole"],
)
def test_every_panel_of_a_site_is_asked_and_none_breaks_the_wall(says, told, percent):
    """A site has as many panels as gateways, and what answers at an address may be anybody's program."""
    [row] = asyncio.run(Starting(says(*told)).rows(None, "en"))
    assert (row["site"], row["percent"]) == ("north", percent)


def test_a_site_whose_gateways_all_run_is_not_told(says):
    """The wall asks until it hears of every bed."""
    assert asyncio.run(Starting(says("", "")).rows(None, "en")) == []
