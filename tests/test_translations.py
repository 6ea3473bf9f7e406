"""Every word that a person reads stands in the catalogues, in German and in English."""

import re
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from human_text import (
    Named,
    in_script,
    in_template,
    named_in_python,
    named_in_script,
    named_in_template,
    sources,
)

from services.console.texts import TEXTS as CONSOLE
from services.controller.panel.texts import TEXTS as PANEL
from services.kit.catalogues import UntranslatedText, load
from services.kit.language import LANGUAGES

SERVICES = Path(__file__).parents[1] / "services"
TEMPLATES = sources(SERVICES, "html")
SCRIPTS = sources(SERVICES, "js")
CATALOGUES = sorted(SERVICES.glob("**/locale/en/LC_MESSAGES/*.po"))
KIT = SERVICES / "kit"
PAGES = {"console": (SERVICES / "console", CONSOLE), "panel": (SERVICES / "controller/panel", PANEL)}


BEFORE_ANY_LANGUAGE = {"homecare/page/shell.html"}  # said before a script knows the reader: in both at once
IN_BOTH = " · "


def name(path):
    return str(path.relative_to(SERVICES))


def messages(path):
    with path.open("rb") as file:
        return {str(message.id): message for message in read_po(file) if message.id}


def fields(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_both_languages_have_every_text_with_the_same_values_none_empty_none_in_doubt(path):
    """A translator works on one file; what is left out must be found before a patient reads it."""
    english = messages(path)
    german = messages(Path(str(path).replace("/en/", "/de/")))
    assert german.keys() == english.keys()
    for texts in (german, english):
        assert [key for key, message in texts.items() if not str(message.string).strip()] == []
        assert [key for key, message in texts.items() if message.fuzzy] == []
    differing = [
        key for key in english if fields(str(english[key].string)) != fields(str(german[key].string))
    ]
    assert differing == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_template_speaks_for_itself(path):
    """Text outside the catalogues is seen in one language only."""
    said = in_template(path.read_text(encoding="utf-8"))
    assert [text for text in said if name(path) not in BEFORE_ANY_LANGUAGE or IN_BOTH not in text] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_no_script_speaks_for_itself(path):
    """What a script says comes from the server, in the reader's language."""
    assert in_script(path.read_text(encoding="utf-8")) == []


def named(*roots):
    """Everything that the sources below these folders name."""
    found = Named()
    for root in roots:
        for read, ending in ((named_in_template, "html"), (named_in_script, "js"), (named_in_python, "py")):
            for path in sources(root, ending):
                found |= read(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("service", PAGES)
def test_every_text_that_a_page_a_script_or_a_module_names_exists(service):
    """A name that is not there is a fault page, or `undefined` on a button."""
    root, texts = PAGES[service]
    assert sorted(named(root).certain - set(texts) - {"phases", "reasons"}) == []


def test_no_text_is_left_that_nobody_says():
    """A translator must not work for nothing."""
    spoken = ("console", "controller/panel", "telemetry/routes")  # (rules name what the trail's page shows)
    said = named(*(SERVICES / room for room in spoken), KIT, SERVICES.parent / "deploy")
    assert sorted(key for key in {**CONSOLE, **PANEL} if not said.covers(key)) == []


GLOSSARY = SERVICES.parent / "docs/translating.md"
GERMAN = sorted(SERVICES.glob("**/locale/de/LC_MESSAGES/*.po"))
SPOKEN_IN_CODE = [*sources(SERVICES, "py"), *sources(SERVICES, "toml")]  # alarms, refusals, roles


def dropped():
    """The words of the glossary's last column."""
    _, _, table = GLOSSARY.read_text(encoding="utf-8").partition("| no longer |")
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return [word.strip() for row in rows for word in row[3].split(",") if word.strip()]


def finds(words, text):
    """Those of the words that a text says, whole and in whatever case."""
    return [word for word in words if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)]


@pytest.mark.parametrize("path", GERMAN, ids=name)
def test_german_has_one_word_for_one_thing(path):
    """Who reads Sollwert here and Soll there looks for two things."""
    said = {key: finds(dropped(), str(message.string)) for key, message in messages(path).items()}
    assert {key: words for key, words in said.items() if words} == {}


def test_the_german_sentences_of_the_code_keep_to_the_same_words():
    """Alarms, refusals and roles stand beside the pages' own words."""
    said = {name(path): finds(dropped(), path.read_text(encoding="utf-8")) for path in SPOKEN_IN_CODE}
    assert {key: words for key, words in said.items() if words} == {}


def test_a_word_that_was_dropped_is_found():
    """The glossary itself must be read."""
    assert {"Sollwert", "Klinik", "Kliniken"} <= set(dropped())
    assert finds(dropped(), "Nach KLINIK ordnen") == ["Klinik"]
    assert finds(dropped(), "Nach Standort ordnen, Tischler") == []


STATES = {  # what is empty or failed: the title, and what to do
    "empty_title": "empty_text", "nothing_found": "nothing_found_hint", "past_none": "past_none_hint",
    "past_none_narrowed": "past_none_hint_narrowed", "alarm_none_title": "alarm_none_text",
    "att_nobody": "att_nobody_hint", "out_nothing": "out_nothing_hint", "board_empty": "board_empty_hint",
    "patient_nobody": "patient_nobody_hint", "patient_nobody_found": "patient_nobody_found_hint",
    "patient_duplicates_none": "patient_duplicates_none_hint", "cal_empty": "cal_empty_hint",
    "exchange_no_folder": "exchange_no_folder_hint", "oi_none": "oi_none_hint",
    "cost_due_none": "cost_due_none_hint",
    "home_none": "home_none_hint", "home_nothing_found": "home_nothing_found_hint",
    "home_not_filled": "home_not_filled_hint", "home_patient_none": "home_patient_none_hint",
    "design_nothing": "design_nothing_text", "lost_title": "lost_text", "gone_title": "gone_text",
} | {key.removesuffix("_text"): key for key in CONSOLE if re.fullmatch(r"error_\w+_text", key)}  # fmt: skip
LINES = (  # the same in one line
    "no_events", "history_empty", "history_down", "bed_no_sessions", "bed_sessions_away", "curve_no_session",
    "curve_session_empty", "past_no_samples", "past_no_events", "past_bedside_none", "past_notes_none",
    "users_nobody", "trail_nothing", "table_empty", "screens_no_links", "wall_site_unknown", "bad_id",
    "nothing_of_id", "bad_choice", "bad_day", "bad_order", "note_empty", "no_script", "broker_down",
    "console_down", "no_answer", "archive_none", "archive_away", "tension_unknown", "command_unreachable",
    "tension_unknown_link", "cost_none",
)  # fmt: skip
WAITING = ("loading", "history_loading")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_empty_waiting_or_failed_state_is_written_alike(language):
    """A title without a full stop, sentences with one, waiting with three dots: one hand wrote them."""
    texts = {key: row[language] for key, row in {**CONSOLE, **PANEL}.items()}
    titles, lines = [texts[key] for key in STATES], [texts[key] for key in (*STATES.values(), *LINES)]
    assert [text for text in titles if text[-1] in ".!…"] == []
    assert [text for text in lines if not text.endswith((".", "?"))] == []
    assert [text for text in (*titles, *lines) if not text[0].isupper() and text[0] != "{"] == []
    assert [texts[key] for key in WAITING if not texts[key].endswith(" …")] == []


def test_an_empty_state_of_a_page_is_one_of_those():
    """A new one is written like the others."""
    pages = [path.read_text(encoding="utf-8") for path in TEMPLATES]
    calls = [call for page in pages for call in re.findall(r"parts\.empty\((.*?)\) [%}]", page)]
    said = {key for call in calls for key in re.findall(r"\bt\.(\w+)", call)}
    assert said <= {*STATES, *STATES.values()}
    assert len(said) >= 8


PLANTED_TEMPLATES = {
    "between tags": "<p>{{ t.brand }} Bitte warten</p>",
    "a spoken attribute": '<button aria-label="Close the dialog">{{ icon }}</button>',
    "a title": '<abbr title="newton">N</abbr>',
    "a placeholder with a value beside it": '<input placeholder="Find {{ what }}">',
    "an expression": '<p>{{ "Nothing found" if empty else t.brand }}</p>',
    "an argument of a macro": '{{ forms.button("Speichern", kind="primary") }}',
    "inside a condition": "{% if lost %}<p>Verbindung verloren</p>{% endif %}",
}
PLANTED_SCRIPTS = {
    "a sentence": 'answer.textContent = "Not saved, try again";',
    "one word": "button.textContent = 'Speichern';",
    "part of a template string": "note.textContent = `Noch ${count} Liegen übrig`;",
    "a spoken attribute": 'button.setAttribute("aria-label", "Mute the sound");',
}


@pytest.mark.parametrize("where", PLANTED_TEMPLATES)
def test_a_word_planted_in_a_template_is_found(where):
    """The search itself must be seen to work."""
    assert in_template(PLANTED_TEMPLATES[where])


@pytest.mark.parametrize("where", PLANTED_SCRIPTS)
def test_a_word_planted_in_a_script_is_found(where):
    """The same of scripts."""
    assert in_script(PLANTED_SCRIPTS[where])


def test_code_is_not_taken_for_words():
    """An alarm that is always on is heard by nobody."""
    template = (
        '{% set kind = "button button-quiet" %}<p class="{{ kind }}">{{ value }} N</p><code>make demo</code>'
    )
    script = (
        '// A comment for a reader of the code.\nlist.querySelector("li .alarm a"); x.split(/one two/);'
        'svg.setAttribute("class", "icon alarm-icon"); if (event.key === "Escape") font = "600 12px Inter";'
    )
    assert in_template(template) == []
    assert in_script(script) == []


@pytest.mark.parametrize(
    ("german", "fault"),
    [
        ('msgid "save"\nmsgstr ""\n', "no de translation"),
        ('#, fuzzy\nmsgid "save"\nmsgstr "Speichern"\n', "no de translation"),
        ("", "no de translation"),
        ('msgid "save"\nmsgstr "Speichern"\n\nmsgid "more"\nmsgstr "Mehr"\n', "no en translation"),
    ],
    ids=["empty", "in doubt", "missing", "only in German"],
)
def test_a_service_does_not_start_with_a_text_that_is_missing_in_a_language(tmp_path, german, fault):
    """Found at the start, not by a reader."""
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    for language, text in (("de", german), ("en", 'msgid "save"\nmsgstr "Save"\n')):
        folder = tmp_path / language / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "one.po").write_text(header + text, encoding="utf-8")
    with pytest.raises(UntranslatedText, match=fault):
        load(tmp_path)
    assert set(LANGUAGES) == {"de", "en"}
