"""The design system's page shows what there is."""

import re

import pytest
from asgi_client import Client
from console.account_rig import AccountRig

from services.console import api, context, design
from services.console.live import Live
from services.console.models import ConsoleSettings
from services.console.remote import Remote
from services.console.store import Store
from services.kit.formats import FILTERS

KIT = context.HERE.parent / "kit"
PIECES = re.compile(r"\{% macro (\w+)\(")
INNER = {
    "attributes",
    "described",
    "notes",
    "label",
    "token",
    "direction",
    "heading",
    "step",
    "toasts",
    "icon",
    "head",
    "tools",
}  # fmt: skip  (parts of others, or of the frame)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The page in both languages, to somebody who is signed in."""
    data = tmp_path_factory.mktemp("design")
    settings = ConsoleSettings(data=data)
    (data / "console").mkdir()
    console = context.Console(Live(), Remote(None), settings, Store(settings.database))
    rig = AccountRig(settings.database)
    rig.person("ada", "reception")
    client = Client(api.create(console, "1", []))
    answers = {
        language: client.get("/design", headers=rig.headers("ada") | {"accept-language": language})
        for language in ("de", "en")
    }
    yield {language: answer.text for language, answer in answers.items() if answer.status_code == 200}
    rig.close()
    console.store.close()


def test_every_component_is_shown_dark_and_light_with_its_markup(pages):
    """A component that nobody sees is written a second time."""
    for page in pages.values():
        assert page.count('class="design-theme" data-theme="dark"') == len(design.NAMES)
        assert page.count('class="design-theme" data-theme="light"') == len(design.NAMES)
        assert page.count("<pre tabindex") == len(design.NAMES)
    assert "Speichern" in pages["de"]
    assert "Save" in pages["en"]


@pytest.mark.parametrize("file", ["forms.html", "tables.html", "parts.html"])
def test_no_macro_is_left_out(file):
    """What the kit offers is what its page shows."""
    sources = "".join(
        path.read_text()
        for path in (
            *(context.HERE / "templates/design").glob("*.html"),
            context.HERE / "templates/design.html",
        )
    )
    offered = set(PIECES.findall((KIT / "templates" / file).read_text())) - INNER
    assert [name for name in offered if f".{name}(" not in sources] == []


def test_no_id_stands_twice_and_every_reference_leads_somewhere(pages):
    """Both themes on one page must not share a label or a radio group."""
    ids = re.findall(r'\sid="([^"]+)"', pages["en"])
    assert len(ids) == len(set(ids))
    named = re.findall(r'(?:for|aria-labelledby|aria-describedby|data-opens)="([^"]+)"', pages["en"])
    assert {each for value in named for each in value.split()} <= set(ids)


def test_every_filter_has_its_example_and_every_colour_its_swatch():
    """A new filter or colour is seen where the others are."""
    assert len(design.formats()) == len(FILTERS)
    css = (context.HERE / "static/design.css").read_text()
    tokens = set(re.findall(r"--([\w-]+): #", (KIT / "static/base.css").read_text()))
    assert all(f'[data-colour="{name}"]' in css for name in design.COLOURS)
    assert set(design.COLOURS) <= tokens
