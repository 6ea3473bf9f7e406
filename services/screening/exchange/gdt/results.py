"""The result of a session as GDT's record 6310, in German, the language of practice systems."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from broker.messages import SessionSummary
from services.screening.exchange.gdt.fields import FIELDS
from services.screening.exchange.gdt.writing import Form, Line, Written, text_lines, write
from services.screening.patients.models import Content

RESULT: Final = "6310"
_REGIONS: Final = {"lumbar": "LWS", "cervical": "HWS"}
_SEXES: Final = {"2.1": {"male": "1", "female": "2"}, "3": {"male": "M", "female": "W", "diverse": "D"}}
_KGF_N: Final = 9.80665
_MINUTE_S: Final = 60.0


def result(
    number: str, content: Content | None, summary: SessionSummary, procedure: str, zone: tzinfo, form: Form
) -> Written:
    """The record. Raises GdtUnwritable."""
    lines: list[Line] = [("3000", number)]
    if content is not None:
        lines += _person(content, form)
    began = summary.started_at.astimezone(zone)
    lines += [("8402", procedure), ("6200", f"{began:%d%m%Y}"), ("6201", f"{began:%H%M%S}")]
    lines += text_lines("6220", _findings(summary))
    lines += text_lines("6227", [f"Spondyl, Sitzung {summary.session}"])
    for test, name, value, unit in _tests(summary):
        lines += [("8410", test), ("8411", name), ("8418", "E"), ("8420", value), ("8421", unit)]
        lines += [("8432", f"{began:%d%m%Y}"), ("8439", f"{began:%H%M%S}")]
    return write(RESULT, lines, form)


def _person(content: Content, form: Form) -> Iterator[Line]:
    yield "3101", content.family_name[: FIELDS["3101"].most]
    yield "3102", content.given_name[: FIELDS["3102"].most]
    yield "3103", f"{content.birth_date:%d%m%Y}"
    sex = _SEXES["2.1" if form.version == "2.1" else "3"].get(content.sex)
    if sex:
        yield "3110", sex


def _findings(summary: SessionSummary) -> Iterator[str]:
    yield f"Spinale Dekompression {_REGIONS[summary.region]} {summary.segment}".strip()
    yield f"Zeit unter Zug: {_decimal(summary.traction_s / _MINUTE_S)} min, {summary.cycles} Zyklen"
    yield f"Höchster Zug: {summary.peak_n:.0f} N ({_decimal(summary.peak_n / _KGF_N)} kp)"
    if summary.hold_mean_n is not None:
        yield f"Mittlerer Haltezug: {summary.hold_mean_n:.0f} N"
    before, after = _pain(summary.pain_before), _pain(summary.pain_after)
    yield f"Schmerz (NRS 0-10): vorher {before}, nachher {after}"
    yield f"Gegenspannung erkannt: {summary.guardings} mal"
    ended = "planmäßig" if summary.reason == "completed" else f"vorzeitig ({summary.reason})"
    yield f"Beendet: {ended}"


def _tests(summary: SessionSummary) -> Iterator[tuple[str, str, str, str]]:
    """Test, its name, value and unit: for systems that draw a course of values."""
    yield "ZUGZEIT", "Zeit unter Zug", f"{summary.traction_s / _MINUTE_S:.1f}", "min"
    yield "ZUGMAX", "Höchster Zug", f"{summary.peak_n:.0f}", "N"
    if summary.hold_mean_n is not None:
        yield "ZUGMITTEL", "Mittlerer Haltezug", f"{summary.hold_mean_n:.0f}", "N"
    if summary.pain_before is not None:
        yield "NRSVOR", "Schmerz vorher", str(summary.pain_before), "NRS"
    if summary.pain_after is not None:
        yield "NRSNACH", "Schmerz nachher", str(summary.pain_after), "NRS"


def _decimal(value: float) -> str:
    return f"{value:.1f}".replace(".", ",")


def _pain(value: int | None) -> str:
    return "nicht erhoben" if value is None else str(value)
