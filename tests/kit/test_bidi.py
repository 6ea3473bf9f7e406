"""What people wrote does not turn round what stands beside it: in every template, in sentences, in pages."""

import re
from pathlib import Path

import pytest

from services.kit.bidi import in_sentence, isolated

SERVICES = Path(__file__).parents[2] / "services"
TEMPLATES = sorted(SERVICES.glob("**/templates/**/*.html"))
# What a template calls the words of people: an author, a person, a note, a row of the trail.
PEOPLES = (
    r"\bperson or\b", r"\bperson\b(?=\s*[|}])", r"\bprincipal\.name\b", r"\bnote\.(text|name)\b",
    r"\bline\.(who|by)\b", r"\bbeside\.operator\b", r"\(row\.(name|record|address) or",
)  # fmt: skip
EXPRESSION = re.compile(r'(?<!value=")\{\{(.*?)\}\}', re.DOTALL)  # a field's value stays as it is


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(SERVICES)))
def test_no_template_shows_people_s_words_without_their_own_direction(path):
    """One note with U+202E made its author read as somebody else."""
    shown = [found for found in EXPRESSION.findall(path.read_text()) if re.search("|".join(PEOPLES), found)]
    bare = [found for found in shown if not re.search(r"\|\s*(isolated|in_sentence)\b", found)]
    assert bare == []


def test_the_rule_finds_what_it_is_about():
    """A pattern that fits nothing would pass for ever."""
    text = "".join(path.read_text() for path in TEMPLATES)
    assert [pattern for pattern in PEOPLES if not re.search(pattern, text)] == []


@pytest.mark.parametrize("character", [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))])
def test_a_character_that_only_turns_others_round_is_seen_and_does_nothing(character):
    """A pop would end the element's own isolation and reach what stands behind it."""
    assert isolated(f"warm{character}<b>") == "<bdi>warm\ufffd&lt;b&gt;</bdi>"
    assert in_sentence(f"ada{character}") == "ada\ufffd"


def test_a_name_is_isolated_in_a_sentence_only_where_it_could_turn_it():
    """A sentence that is copied should hold nothing that cannot be seen."""
    assert in_sentence("Jörg Weiß") == "Jörg Weiß"
    assert in_sentence("דנה") == "\u2068דנה\u2069"
