"""What may stand beside what, how often, how long: each rule broken, just kept, and at its edges."""

import datetime as dt
import json
import re
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.errors import Invalid
from services.billing.goae import catalogue, charges, rulebook, rules, sheet, tariffs
from services.billing.goae.ledger import Ledger, months_after
from services.billing.goae.lines import Line

DAY = dt.date(2026, 11, 2)
GOAE = catalogue.at(DAY)
PROVISIONS = (
    (Path(__file__).parent / "data/goae-provisions.txt").read_text(encoding="utf-8").replace("\n", " ")
)
NOT_RULES = {"analogue", "on-demand", "amount", "number", "reduction"}
RULES = {rule.row.id: rule for rule in rulebook.of(GOAE)}


def line(number, days=0, **more):
    told = {"date": DAY + dt.timedelta(days), "number": number, "factor": "1"} | more
    return Line(**told)


def said(lines, rule, history=()):
    """The verdicts of one rule on these lines."""
    return [one.verdict for one in rules.check(lines, history) if one.rule == rule]


BROKEN = [
    ("b-once-beside", [line("1"), line("516"), line("1", 2), line("516", 2)]),
    ("b-once-beside", [line("5"), line("652"), line("5", 30), line("652", 30)]),  # 2 December
    ("b-talks", [line("1"), line("849")]),
    ("b-examinations", [line("7"), line("1400")]),
    ("2-alone", [line("2"), line("516")]),
    ("3-alone", [line("3"), line("516")]),
    ("3-alone", [line("3"), line("5"), line("75")]),
    ("3-duration", [line("3", duration_min=9)]),
    ("4-once", [line("4"), line("4", 20)]),
    ("4-once", [line("4", count=2)]),
    ("4-beside", [line("4"), line("801")]),
    ("5-beside", [line("5"), line("7")]),
    ("6-beside", [line("6"), line("8")]),
    ("7-beside", [line("7"), line("6")]),
    ("8-beside", [line("8"), line("800")]),
    ("15-year", [line("15"), line("15", 30)]),
    ("15-beside", [line("15"), line("4", 20)]),
    ("30-year", [line("30"), line("30", 365)]),
    ("30-beside", [line("30"), line("34")]),
    ("31-half-year", [line("31", count=3), line("31", 181)]),  # 2 May
    ("33-year", [line("33", count=3), line("33", 365)]),
    ("34-duration", [line("34", duration_min=19)]),
    ("34-half-year", [line("34"), line("34", 60), line("34", 181)]),  # 2 May
    ("34-half-year", [line("34", count=3)]),
    ("34-beside", [line("34"), line("1")]),
    ("c-ultrasound-once", [line("410"), line("410")]),
    ("c-ultrasound-beside", [line("410"), line("417")]),
    ("420-thrice", [line("420", count=4)]),
    ("514-heat", [line("514"), line("538")]),
    ("514-heat", [line("514"), line("516")]),
    ("516-extension", [line("516", body_part="LWS"), line("515", body_part="lws")]),
    ("538-light", [line("538"), line("560")]),
    ("551-higher", [line("551", body_part="LWS"), line("538", body_part="LWS")]),
    ("551-higher", [line("551", body_part="LWS"), line("538", body_part="Lendenwirbelsa\u0308ule")]),
    ("4-once", [line("4", illness="LWS-Syndrom"), line("4", 9, illness="lws syndrom")]),
    ("650-ecg", [line("652"), line("651")]),
    ("650-ecg", [line("652", time="09:00"), line("651", time="09:00")]),
    ("650-ecg", [line("652", time="09:00"), line("651")]),
    ("800-beside", [line("800"), line("830")]),
    ("801-beside", [line("801"), line("717")]),
    ("603-note-1", [line("603"), line("608")]),  # read from the catalogue's own note
    ("846-duration", [line("846", duration_min=19)]),
]
KEPT = [
    ("b-once-beside", [line("1"), line("516"), line("1", 2)]),  # alone on the second day
    ("b-once-beside", [line("1"), line("516"), line("1", 31), line("516", 31)]),  # the next treatment case
    ("b-once-beside", [line("1", illness="a"), line("516"), line("1", 2, illness="b"), line("516", 2)]),
    ("b-once-beside", [line("1"), line("5"), line("516"), line("652")]),
    ("3-alone", [line("3"), line("7"), line("1", 1)]),
    ("3-alone", [line("3")]),
    ("3-alone", [line("3", time="09:00"), line("516", time="12:00")]),
    ("3-duration", [line("3", duration_min=10)]),
    ("4-once", [line("4"), line("4", 32)]),
    ("5-beside", [line("5"), line("7", 1)]),
    ("15-year", [line("15"), line("15", 60)]),  # January
    ("34-half-year", [line("34"), line("34", 60), line("34", 182)]),
    ("34-duration", [line("34", duration_min=20)]),
    ("514-heat", [line("514", body_part="LWS"), line("538", body_part="Knie")]),
    ("551-higher", [line("551", body_part="LWS"), line("538", body_part="Knie")]),
    ("538-light", [line("538"), line("538", 1)]),
    ("650-ecg", [line("652"), line("652", 1)]),
    ("420-thrice", [line("420", count=3)]),
]
REASON = [
    ("b-again-same-day", [line("1"), line("1")]),
    ("b-again-same-day", [line("1", time="09:00", count=2)]),
    ("b-again-same-day", [line("3", time="09:00"), line("3", time="15:00")]),
    ("3-again", [line("3"), line("3", 20)]),
    ("3-again", [line("3"), line("3", 20, justification="s. o.")]),
    ("538-session", [line("538"), line("538")]),
    ("516-extension", [line("516"), line("515")]),
    ("551-higher", [line("551"), line("538", body_part="LWS")]),
]


@pytest.mark.parametrize(("rule", "lines"), BROKEN)
def test_what_the_law_forbids_is_forbidden(rule, lines):
    """Each with the paragraph and the law's own sentence, in both languages."""
    found = [one for one in rules.check(lines) if one.rule == rule]
    assert [one.verdict for one in found] == ["forbidden"]
    assert found[0].sentence == RULES[rule].row.sentence
    assert found[0].text["de"] != found[0].text["en"]
    assert found[0].lines


@pytest.mark.parametrize(("rule", "lines"), KEPT)
def test_what_the_law_allows_is_fine_and_says_so(rule, lines):
    """A rule that cries wolf is switched off by whoever has to bill."""
    assert "forbidden" not in said(lines, rule)
    assert "justification" not in said(lines, rule)
    assert said(lines, rule)


@pytest.mark.parametrize(("rule", "lines"), REASON)
def test_what_needs_a_reason_is_asked_for_one(rule, lines):
    """Without it the insurer cuts the line."""
    assert said(lines, rule) == ["justification"]


def test_a_reason_that_is_given_satisfies():
    """Only as many as the reasons cover."""
    again = line("3", 20, justification="neue Beschwerden")
    assert said([line("3"), again], "3-again") == ["fine"]
    assert said([line("3"), line("3", 10), again], "3-again") == ["justification"]
    twice = [line("3", time="09:00"), line("3", time="15:00", justification="akut")]
    assert said(twice, "b-again-same-day") == ["fine"]
    assert said([line("1", time="09:00"), line("1", time="15:00")], "b-again-same-day") == ["fine"]


def test_two_contacts_of_one_day_are_told_apart_by_their_times():
    """Not beside each other: but the times must stand on the paper."""
    assert said([line("652", time="09:00"), line("651", time="15:00")], "650-ecg") == ["note"]


def test_every_contact_that_has_too_much_is_named():
    """Whoever mends the first of two would be refused again for the second."""
    twice = [line("538", time=time, count=2) for time in ("09:00", "15:00")]
    assert said([*twice, line("538", time="18:00")], "538-session") == ["justification", "justification"]


def test_what_was_charged_before_counts_and_is_not_judged_again():
    """A treatment case does not begin anew with an invoice."""
    before = [line("1"), line("516"), line("4")]
    assert said([line("1", 2), line("516", 2)], "b-once-beside", before) == ["forbidden"]
    found = next(one for one in rules.check([line("4", 2)], before) if one.rule == "4-once")
    assert (found.verdict, found.lines, found.earlier) == ("forbidden", (0,), (2,))
    assert "forbidden" not in {one.verdict for one in rules.check([line("70", 2)], [line("5"), line("7")])}


def test_only_the_higher_is_the_one_with_more_points():
    """551 has 48 points: above infrared's 40, below 536's 51."""
    for other, kept in (("538", "551"), ("536", "536")):
        lines = [line("551", body_part="LWS"), line(other, body_part="LWS")]
        found = next(one for one in rules.check(lines) if one.rule == "551-higher")
        assert f"only number {kept}" in found.text["en"]


def test_a_whole_cure_with_its_first_consultation_breaks_no_rule():
    """What this clinic charges every day must be what the law allows."""
    private = tariffs.named("private", GOAE)
    lines = [line("1", factor="2.3", illness="lumbar"), line("5", factor="2.3", illness="lumbar")]
    for day in range(0, 60, 3):
        facts = charges.SessionFacts(
            date=DAY + dt.timedelta(day), region="lumbar", completed=True, traction_s=1500, heat_s=600,
            illness="lumbar",
        )  # fmt: skip
        lines += charges.of_session(facts, private).lines
    assert {one.verdict for one in rules.check(lines)} == {"fine"}


@pytest.mark.parametrize(
    ("number", "more", "rule", "verdict"),
    [
        ("516", {"factor": "1.8"}, "factor", "fine"),
        ("516", {"factor": "1.9"}, "factor", "justification"),
        ("516", {"factor": "1.9", "justification": "sehr schwer"}, "factor", "fine"),
        ("516", {"factor": "1.9", "justification": "-"}, "factor", "justification"),
        ("516", {"factor": "2.6", "justification": "sehr schwer"}, "factor", "forbidden"),
        ("516", {"factor": "2.6", "agreed": True}, "factor", "forbidden"),
        ("516", {"factor": "1.8", "agreed": True}, "factor", "forbidden"),
        ("652", {"factor": "5", "agreed": True}, "factor", "fine"),
        ("516", {"analogue": "Dekompression"}, "analogue", "fine"),
        ("516", {"analogue": "-"}, "analogue", "forbidden"),
        ("516", {"analogue": "entsprechend GOÄ 516"}, "analogue", "forbidden"),
        ("516", {"on_demand": True}, "on-demand", "note"),
        ("516", {"amount": "3.78"}, "amount", "forbidden"),
        ("516", {"amount": "7.58", "count": 2}, "amount", None),
        ("9999", {}, "number", "forbidden"),
        ("A516", {}, "number", "forbidden"),
        ("516a", {}, "number", "forbidden"),
        ("250a", {}, "number", None),
        ("K2", {}, "number", "note"),
        ("k 1", {}, "number", "note"),
        ("a", {}, "number", "note"),
        ("a516", {}, "number", "forbidden"),
        ("75", {}, "75-detailed", "note"),
        ("3", {}, "3-duration", "note"),
    ],
)
def test_every_line_is_looked_at_by_itself(number, more, rule, verdict):
    """Factor, reason, analogy, amount: § 5, § 6, § 12."""
    assert said([line(number, **more)], rule) == ([verdict] if verdict else [])


def test_a_line_before_the_catalogue_is_refused():
    """Neither its price nor its rules are known."""
    with pytest.raises(Invalid, match="the first holds from 2002-01-01"):
        rules.check([line("1", date=dt.date(2001, 12, 31))])
    assert rules.check([]) == []


numbers = st.sampled_from([*"12345678", "34", "75", "516", "538", "551", "650", "652", "800", "A", "9999"])
drawn = st.lists(
    st.builds(
        line, numbers, st.integers(0, 70),
        time=st.sampled_from([None, None, "09:00", "15:00"]), count=st.integers(1, 3),
        body_part=st.sampled_from([None, "LWS", "HWS"]), illness=st.sampled_from([None, "a", "b"]),
        justification=st.sampled_from([None, "weil"]), duration_min=st.sampled_from([None, 5, 30]),
    ),
    max_size=12,
)  # fmt: skip


def content(findings, lines):
    """Findings with their lines in place of the lines' places: what is left when the order changes."""
    return sorted(
        (one.rule, one.verdict, one.text["de"], sorted(lines[place].model_dump_json() for place in one.lines))
        for one in findings
    )


@given(drawn, st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_matter(lines, random):
    """A paper's lines are sorted by whoever wrote it; the law knows no order."""
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert content(rules.check(lines), lines) == content(rules.check(shuffled), shuffled)


@given(drawn)
def test_every_finding_can_be_read_and_names_lines_that_exist(lines):
    """No hole in a sentence, no place beyond the invoice."""
    for one in rules.check(lines):
        assert all(0 <= place < len(lines) for place in one.lines)
        assert "{" not in one.text["de"] + one.text["en"]
        json.dumps(one.body())


@pytest.mark.parametrize(
    ("numbers", "times"),
    [
        (["516", "538", "652", "1", "5"], False),
        (["34"], False),
        (list(GOAE.items), False),
        (["1", "651"], True),
    ],
)
def test_ten_thousand_lines_are_checked_at_once(numbers, times):
    """No rule looks at every pair: a year of a clinic is one question."""
    lines = [
        line(numbers[place % len(numbers)], place % 300, time=dt.time(place % 24) if times else None)
        for place in range(10_000)
    ]
    began = time.process_time()
    assert rules.check(lines)
    assert time.process_time() - began < 20


def test_a_month_ends_on_the_day_of_its_number():
    """§§ 187, 188 BGB: the day itself does not count; a month without that day ends on its last."""
    assert months_after(dt.date(2026, 11, 2), 1) == dt.date(2026, 12, 2)
    assert months_after(dt.date(2026, 1, 31), 1) == dt.date(2026, 2, 28)
    assert months_after(dt.date(2024, 1, 31), 1) == dt.date(2024, 2, 29)
    assert months_after(dt.date(2026, 8, 31), 6) == dt.date(2027, 2, 28)
    assert months_after(dt.date(9999, 12, 31), 6) == dt.date.max


def test_every_row_is_a_rule_of_its_own_with_the_words_of_the_law():
    """A sentence that was retold is no evidence: it stands, word for word, where its paragraph says."""
    assert len(RULES) == len(rulebook.of(GOAE))
    for rule in RULES.values():
        named = re.match(r"GOÄ Nr\. ([0-9]+[a-z]?)", rule.row.paragraph)
        item = GOAE.item(named[1] if named else "538")
        general = rule.row.paragraph.startswith("§") or "Allgemeine Bestimmungen" in rule.row.paragraph
        texts = [PROVISIONS] if general else [item.name, *item.notes]
        assert any(rule.row.sentence in text for text in texts), rule.row.id


def test_what_is_quoted_beside_the_rules_is_the_law_s_own_too():
    """Outlays, reduction, analogy, demand, amount: an insurer reads the same words."""
    told = tomllib.loads((catalogue.DATA / "outlays.toml").read_text(encoding="utf-8"))
    quoted = [row["sentence"] for row in (*told["never"], told["receipt"], told["physical"])]
    lines = [
        line("516", analogue="Dekompression", on_demand=True, amount="1"),
        line("9999"),
    ]
    invoice = sheet.Sheet(lines=lines, treatment="inpatient")
    quoted += [one.sentence for one in sheet.check(invoice).findings if one.rule in NOT_RULES]
    assert len(set(quoted)) == len(told["never"]) + 2 + len(NOT_RULES)
    assert not [part for sentence in quoted for part in sentence.split("…") if part.strip() not in PROVISIONS]


def test_a_rule_that_begins_some_day_says_nothing_of_services_before_it():
    """A decree may change one sentence: a row then ends, and another begins."""
    ends = dt.date(2026, 11, 3)
    rule = RULES["5-beside"]
    until = rulebook.Rule(rule.row.model_copy(update={"until": ends}), rule.numbers, rule.others)
    lines = [line("5"), line("7"), line("5", 1), line("7", 1)]
    found = list(rules._of_rule(until, Ledger(GOAE, lines, ())))
    assert [(one.verdict, one.lines) for one in found] == [("forbidden", (0, 1))]


def test_what_stands_against_a_number_is_known_before_it_is_charged():
    """The picker shows it while somebody types; the invoice prints the minimum duration."""
    names = {rule.row.id for rule in rulebook.about(GOAE, "0538")}
    assert {"514-heat", "538-light", "551-higher", "538-session", "b-once-beside"} <= names
    assert rulebook.about(GOAE, "9999") == []
    shown = json.dumps([rule.body() for rule in rulebook.about(GOAE, "1")])
    assert '"other_sections": ["C"' in shown
    found = {number: rulebook.minutes(GOAE, number) for number in ("3", "34", "846", "516", "9999")}
    assert found == {"3": 10, "34": 20, "846": 20, "516": None, "9999": None}


def test_german_sentences_have_the_comma_of_german():
    """A clinic's page in German must not show 1.8 to its patients."""
    found = {one.rule: one.text for one in rules.check([line("516", factor="1.9", amount="7.19")])}
    assert "Faktor 1,9 über 1,8" in found["factor"]["de"]
    assert "7,19 EUR stehen da" in found["amount"]["de"]
    assert "5.82873" in found["amount"]["en"]


def test_a_note_with_a_condition_is_left_to_people():
    """Only plain sentences become rules: 435's and 437's name sections and exceptions."""
    assert len([one for one in RULES if "-note-" in one]) > 80
    assert not {"437-note-1", "435-note-1", "60-note-3"} & RULES.keys()
