"""What the law wants of every line by itself: a known number, a factor that may be, a reason, the word
"entsprechend", the amount that the factor gives.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from services.billing.goae import catalogue as catalogues
from services.billing.goae import pricing
from services.billing.goae.catalogue import Catalogue
from services.billing.goae.figures import german
from services.billing.goae.findings import Finding
from services.billing.goae.lines import Line
from services.billing.goae.numbers import tidy
from services.billing.goae.pricing import Kind, Price, Verdict
from services.kit.language import Text

_SENTENCES: Final = {
    "analogue": "Wird eine Leistung nach § 6 Abs. 2 berechnet, ist die entsprechend bewertete Leistung für "
    "den Zahlungspflichtigen verständlich zu beschreiben und mit dem Hinweis "
    '"entsprechend" sowie der Nummer und der Bezeichnung der als gleichwertig erachteten Leistung zu '
    "versehen.",
    "on-demand": "Leistungen, die auf Verlangen erbracht worden sind (§ 1 Abs. 2 Satz 2), sind als solche zu "
    "bezeichnen.",
    "amount": "Bei der Bemessung von Gebühren sind sich ergebende Bruchteile eines Pfennigs unter 0,5 "
    "abzurunden und Bruchteile von 0,5 und mehr aufzurunden.",
    "number": "Die Rechnung muß insbesondere enthalten: … 2. bei Gebühren die Nummer und die Bezeichnung der "
    "einzelnen berechneten Leistung …",
}
_MARKED: Final = re.compile(r"(?:A([0-9]+)|([0-9]+)[aA])")  # how some write an analogue service
_Told = tuple[str, Verdict, str, str, str]  # rule, verdict, paragraph, German, English


def of_lines(lines: Sequence[Line], kind: Kind) -> list[Finding]:
    """What is to be said of lines by themselves; alike lines share a finding. Raises Invalid for a day."""
    found: dict[_Told, list[int]] = defaultdict(list)
    schedule: Catalogue | None = None
    for index, line in enumerate(lines):
        if schedule is None or not schedule.holds(line.date):
            schedule = catalogues.at(line.date)
        for told in _of_line(line, schedule, kind):
            found[told].append(index)
    return [
        Finding(
            rule, verdict, paragraph, _SENTENCES.get(rule, ""), {"de": german, "en": english},
            tuple(dict.fromkeys(tidy(lines[index].number) for index in places)), tuple(places),
        )
        for (rule, verdict, paragraph, german, english), places in found.items()
    ]  # fmt: skip


def _of_line(line: Line, schedule: Catalogue, kind: Kind) -> Iterable[_Told]:
    verdict: Verdict
    if not schedule.has(line.number):
        yield _unknown(line, schedule)
        return
    price = pricing.of_line(schedule, line, kind)
    yield _factor(line, price)
    if line.analogue is not None:
        verdict, text = ("fine", _analogue) if line.is_described else ("forbidden", _undescribed)
        yield _told("analogue", verdict, "§ 6 Abs. 2, § 12 Abs. 4 GOÄ", text(price.number))
    if line.on_demand:
        yield _told("on-demand", "note", "§ 1 Abs. 2, § 12 Abs. 3 Satz 5 GOÄ", _on_demand(price.number))
    if line.amount is not None and line.amount != price.amount:
        yield _told("amount", "forbidden", "§ 5 Abs. 1 GOÄ", _wrong(line, price))


def _told(rule: str, verdict: Verdict, paragraph: str, text: Text) -> _Told:
    return rule, verdict, paragraph, text["de"], text["en"]


def _factor(line: Line, price: Price) -> _Told:
    verdict = price.verdict
    text = {
        "de": f"Nr. {price.number}: {price.text['de']}",
        "en": f"number {price.number}: {price.text['en']}",
    }
    if verdict == "justification" and line.is_reasoned:
        verdict = "fine"
        text = {"de": f"{text['de']} Begründet.", "en": f"{text['en']}; it is given"}
    return _told("factor", verdict, price.paragraph, {"de": text["de"], "en": text["en"]})


def _unknown(line: Line, schedule: Catalogue) -> _Told:
    """A number that the catalogue is known to lack cannot be judged; one that nobody knows forbids."""
    gap = schedule.gap(line.number)
    number = tidy(line.number)
    marked = _MARKED.fullmatch(number)
    if marked and schedule.has(marked[1] or marked[2]):
        return _told("number", "forbidden", "§ 12 Abs. 4 GOÄ", _marked(number, marked[1] or marked[2]))
    if gap is None:
        text: Text = {
            "de": f"Nr. {number} steht nicht im Verzeichnis {schedule.name}.",
            "en": f"number {number} is not in the catalogue {schedule.name}",
        }
        return _told("number", "forbidden", "§ 12 Abs. 2 Nr. 2 GOÄ", text)
    text = {
        "de": f"Nr. {number} ist nicht erfasst und bleibt ungeprüft: {gap['de']}.",
        "en": f"number {number} is not covered and stays unchecked: {gap['en']}",
    }
    return _told("number", "note", "§ 12 Abs. 2 Nr. 2 GOÄ", text)


def _marked(number: str, meant: str) -> Text:
    return {
        "de": f"Nr. {number}: Ein Buchstabe kennzeichnet keine analoge Leistung; nötig sind Nummer {meant}, "
        f"eine verständliche Beschreibung und „entsprechend“.",
        "en": f"number {number}: a letter does not mark an analogue service; number {meant}, a description "
        f"in plain words and “entsprechend” are needed",
    }


def _analogue(number: str) -> Text:
    return {
        "de": f"Nr. {number} entsprechend: verständlich beschrieben, mit „entsprechend“, Nummer und "
        f"Bezeichnung der gleichwertigen Leistung.",
        "en": f"number {number} by analogy: described in plain words, with the word “entsprechend”, number "
        f"and name of the equivalent service",
    }


def _undescribed(number: str) -> Text:
    return {
        "de": f"Nr. {number} entsprechend: Was wirklich erbracht wurde, ist nicht beschrieben.",
        "en": f"number {number} by analogy: what was really given is not described",
    }


def _on_demand(number: str) -> Text:
    return {
        "de": f"Nr. {number} auf Verlangen: die Rechnung sagt es.",
        "en": f"number {number} on demand: the invoice says so",
    }


def _wrong(line: Line, price: Price) -> Text:
    times = f" x {price.count}" if price.count > 1 else ""
    return {
        "de": f"Nr. {price.number}: {german(line.amount)} EUR stehen da; {price.points} Punkte x "
        f"{german(price.point_value_ct)} ct x {german(price.factor)}{times} sind {german(price.amount)} EUR.",
        "en": f"number {price.number}: {line.amount} EUR are printed; {price.points} points x "
        f"{price.point_value_ct} ct x {price.factor}{times} are {price.amount} EUR",
    }
