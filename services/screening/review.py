"""What a clinician must review before use: every value here that no paper and no order of the clinic says.

docs/screening.md shows it; ``python -m deploy.reference`` writes it there and a test holds the two together.
"""

from collections.abc import Iterator
from typing import Final

from services.screening.clearance.words import gates
from services.screening.outcomes.adverse import grades, kinds
from services.screening.outcomes.instruments import instruments
from services.screening.rules import ruleset
from services.screening.settings import ScreeningSettings

Row = tuple[str, str, str]  # what, its value, where it stands
RULES: Final = "[rules](../services/screening/rules/rules.toml)"
INSTRUMENTS: Final = "[instruments](../services/screening/outcomes/instruments.toml)"
ADVERSE: Final = "[adverse](../services/screening/outcomes/adverse.toml)"
GATES: Final = "[gates](../services/screening/clearance/gates.toml)"
PROPOSAL: Final = "proposal"


def table() -> str:
    """One row a value."""
    rows = [*_rules(), *_validities(), *_instruments(), *_adverse(), *_gates(), *_settings()]
    lines = [f"| {what} | {value} | {where} |" for what, value, where in rows]
    return "\n".join(["| what | value here | where |", "|---|---|---|", *lines])


def _newest() -> ruleset.Ruleset:
    file = ruleset.load()
    return file.at(file.versions[-1], file.chosen({}))


def _rules() -> Iterator[Row]:
    for rule in _newest().rules:
        if rule.origin == "literature":
            kind = "absolute" if rule.absolute else "relative"
            at = f", at {rule.limit}" if rule.limit is not None else ""
            yield f"contraindication `{rule.id}`: {rule.text_en}", f"{kind}{at}", RULES


def _validities() -> Iterator[Row]:
    for row in _newest().validities.values():
        name = "every other answer" if row.of == "*" else f"`{row.of}`"
        yield f"how long {name} holds: {row.en}", f"{row.days} days", RULES
    yield "how long before that somebody is told to ask", f"{ruleset.load().ask_ahead_days} days", RULES


def _instruments() -> Iterator[Row]:
    for row in instruments().values():
        if row.wording_origin == PROPOSAL:
            yield f"{row.name}: our own wording, the original is licensed", "not validated", INSTRUMENTS
        if row.missing_origin == PROPOSAL:
            yield f"{row.name}: sections that may be left out", f"{row.most_missing}", INSTRUMENTS
        if row.matters_origin == PROPOSAL:
            yield (
                f"{row.name}: change that matters ({row.matters_source})",
                _matters(row.matters_points),
                INSTRUMENTS,
            )


def _matters(points: float | None) -> str:
    return "share of the first score" if points is None else f"{points:g} percentage points"


def _adverse() -> Iterator[Row]:
    yield "grades of adverse events: CTCAE, shortened by us", f"1 to {max(grades())}", ADVERSE
    for kind in kinds().values():
        if kind.origin == PROPOSAL:
            value = f"lumbar {kind.lumbar}, cervical {kind.cervical}"
            yield f"least grade that suspends, `{kind.id}`: {kind.en}", value, ADVERSE


def _gates() -> Iterator[Row]:
    for gate in gates().values():
        if gate.origin == PROPOSAL:
            kind = "suspends" if gate.suspends else "asks"
            yield f"review: {gate.en}", f"after session {gate.after}, {kind}", GATES


def _settings() -> Iterator[Row]:
    for name in ("suspend_guardings", "report_least_group"):
        found = ScreeningSettings.model_fields[name]
        yield str(found.description).rstrip("."), str(found.default), f"`SPONDYL_{name.upper()}`"
