"""The patient's page as it is served, before a browser runs it: the same for all, and silent."""

import gzip
import json
import re

import pytest
from asgi_client import Client

from services.homecare.page.files import HERE, files, worker
from services.kit.language import LANGUAGES

SECRET = "nV3-x_Q"
PERSONAL = "/h/nV3-x_Q", "/h/nV3-x_Q/manifest.webmanifest"
SHARED = (
    "/h/worker.js",
    "/h/app/main.js",
    "/h/app/page.css",
    "/h/app/locale/de.json",
    "/h/app/drawings/bridge.svg",
)
MOST_BYTES = 60_000
CALLED = re.compile(r"""say\(\s*["'`]([\w.]+)["'`]""")
BUILT = re.compile(r"""`([\w.]+)\$\{""")
QUOTED = re.compile(r"""["'`]([\w.]+)["'`]""")


@pytest.fixture
def stranger(rig):
    """Whoever has an address."""
    return Client(rig.app)


def texts(language):
    return json.loads((HERE / "locale" / f"{language}.json").read_text("utf-8"))


@pytest.mark.parametrize("path", [*PERSONAL, *SHARED])
def test_nothing_of_a_secret_address_is_told_to_others_or_found_by_a_search(stranger, path):
    """The address is the secret."""
    headers = stranger.get(path).headers
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert "'unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("path", PERSONAL)
def test_what_stands_under_a_secret_is_kept_by_no_cache(stranger, path):
    """A proxy or a shared computer must not have it afterwards."""
    assert stranger.get(path).headers["cache-control"] == "no-store"


def test_the_page_is_the_same_for_every_link(stranger):
    """Whether a link is good, and whose, is for its JSON to say; a mistyped address is told in words too."""
    pages = {stranger.get(f"/h/{secret}").text for secret in (SECRET, "unknown", "a%20b)", "x" * 300)}
    assert len(pages) == 1


def test_files_are_asked_for_again_by_their_tag(stranger):
    """A telephone on a slow network loads only what changed."""
    first = stranger.get("/h/app/main.js")
    again = stranger.get("/h/app/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize(
    "name", ["none.js", "..%2Fapi.py", "worker.js", "drawings/none.svg", "drawings/..%2Fx.svg"]
)
def test_no_other_file_is_given(stranger, name):
    """Only what the page is made of."""
    assert stranger.get(f"/h/app/{name}").status_code == 404


def test_the_worker_keeps_every_file_of_the_page(stranger):
    """A file that it forgot is missing on a day without a network."""
    table = json.loads(stranger.get("/h/worker.js").text.partition(";\n")[0].removeprefix("const KEPT = "))
    assert set(table["files"]) == set(files())
    assert worker().body.startswith(b"const KEPT")


def test_all_of_it_weighs_little():
    """It is loaded over a village's network, and kept on an old telephone."""
    told = [file.body for name, file in files().items() if not name.endswith(".png")]
    assert sum(len(gzip.compress(body)) for body in told) < MOST_BYTES


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_installed_page_opens_its_own_link_and_names_nobody(stranger, language):
    """The name stands on the telephone's screen, where others see it."""
    found = stranger.get(f"/h/{SECRET}/manifest.webmanifest?language={language}").json()
    assert found["start_url"] == f"../{SECRET}"
    assert found["name"].startswith("Spondyl")
    assert {icon["src"] for icon in found["icons"]} == {
        f"../app/icon{end}" for end in ("-192.png", "-512.png", ".svg")
    }


def test_both_languages_have_every_text_with_the_same_values():
    """A text that one language lacks stands there as its key."""
    german, english = map(texts, ("de", "en"))
    assert list(german) == list(english)
    for key, words in german.items():
        assert words.strip(), key
        assert english[key].strip(), key
        filled = [set(re.findall(r"\{(\w+)\}", table[key])) for table in (german, english)]
        assert filled[0] == filled[1], key


def test_every_text_that_a_script_names_exists_and_none_is_left_over():
    """A renamed key would show itself to a patient."""
    code = "".join(path.read_text("utf-8") for path in (HERE / "static").glob("*.js"))
    known = {key.removesuffix(".one") for key in texts("de")}
    called = set(CALLED.findall(code))
    assert called - known == set()
    starts = tuple(BUILT.findall(code))
    assert {key for key in known - set(QUOTED.findall(code)) if not key.startswith(starts)} == set()
