"""The next prescription from the last results, by the table of ``rules.toml``: a pure function."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from services.kit.language import LANGUAGES, Text
from services.kit.therapy.prescription import Prescription, check_document
from services.kit.therapy.refusals import Refusal

Prescribed = Mapping[str, Any]
LEAST_STEP_N: Final = 1.0
PEAK: Final = "prescription.peak_n"
_CAPPED: Final[Text] = {
    "de": " Begrenzt auf {peak} N: {why}",
    "en": " Limited to {peak} N: {why}",
}


class When(BaseModel):
    """The conditions of a row; what is not said always holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    aborted: bool | None = None
    pain_known: bool | None = None
    worse_least: int | None = None
    guardings_least: int | None = None
    held_least: int | None = None
    gain_most: int | None = None
    tolerated_least: int | None = None


class Rule(BaseModel):
    """One row."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    when: When
    do: Literal["raise", "hold", "lower"]
    share: float = 1.0
    step_n: dict[str, float] = {}
    signed: bool
    de: str
    en: str
    source: str


class Gate(BaseModel):
    """When improvement is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    first: int
    last: int
    gain: int
    open_de: str
    open_en: str
    unknown_de: str
    unknown_en: str
    source: str


class Table(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rule: list[Rule]
    gate: Gate


@cache
def table() -> Table:
    """The rules as the project has them."""
    text = (files("services.scheduler.progression") / "rules.toml").read_text()
    return Table.model_validate(tomllib.loads(text))


@dataclass(frozen=True, slots=True)
class Result:
    """What one session came to, and the peak that was prescribed for it."""

    number: int
    completed: bool
    prescribed_n: float
    guardings: int
    pain_before: int | None
    pain_after: int | None

    @property
    def worse(self) -> int | None:
        """By how much pain rose in it."""
        if self.pain_before is None or self.pain_after is None:
            return None
        return self.pain_after - self.pain_before

    @property
    def tolerated(self) -> bool:
        """Completed, without guarding, and pain not worse."""
        return self.completed and self.guardings == 0 and self.worse is not None and self.worse <= 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the next session should be, and why; ``prescription`` is none where no rule can say it."""

    rule: str
    reason: Text
    source: str
    needs_signature: bool
    prescription: dict[str, Any] | None
    previous_peak_n: float
    refusals: tuple[Refusal, ...] = ()


def propose(last: Prescribed, results: Sequence[Result], rules: Table | None = None) -> Proposal:
    """The next prescription; ``last`` is the one before, ``results`` every session of the cure in order."""
    rules = rules or table()
    facts = _facts(last, results)
    rule = next(row for row in rules.rule if _fits(row.when, facts))
    step_n = rule.step_n.get(str(last["region"]), 0.0)
    peak_n = float(last["peak_n"])
    wanted_n = {"raise": peak_n + step_n, "hold": peak_n, "lower": peak_n * rule.share}[rule.do]
    document = _document(last, round(wanted_n), facts)
    told: Text = {
        language: getattr(rule, language).format(**{**_words(facts), "step": f"{step_n:g}"})
        for language in LANGUAGES
    }
    refusals = check_document(document)
    if refusals:
        document, refusals, told = _within(last, document, refusals, facts, told)
    return Proposal(
        rule.id, told, rule.source, rule.signed or bool(refusals), None if refusals else document, peak_n,
        tuple(refusals),
    )  # fmt: skip


def _within(
    last: Prescribed, document: dict[str, Any], refusals: list[Refusal], facts: dict[str, Any], told: Text
) -> tuple[dict[str, Any], list[Refusal], Text]:
    """The same with the peak cut to what the dosing table allows, and the reason saying so."""
    caps = [row for row in refusals if row.field == PEAK and row.limit is not None and row.value > row.limit]
    if not caps:
        return document, refusals, told
    tightest = min(caps, key=lambda row: float(row.limit or 0))
    peak_n = math.floor(float(tightest.limit or 0))
    cut = _document(last, peak_n, facts)
    why: Text = {"de": tightest.text_de, "en": tightest.text}
    said: Text = {
        language: told[language] + _CAPPED[language].format(peak=peak_n, why=why[language])
        for language in LANGUAGES
    }
    return cut, check_document(cut), said


def _facts(last: Prescribed, results: Sequence[Result]) -> dict[str, Any]:
    newest = results[-1]
    scored = [one for one in results if one.pain_before is not None]
    before = scored[0].pain_before if scored else None
    gain = before - newest.pain_after if before is not None and newest.pain_after is not None else None
    peak_n = float(last["peak_n"])
    tolerated = 0
    for one in reversed(results):
        if not one.tolerated or abs(one.prescribed_n - peak_n) >= LEAST_STEP_N:
            break
        tolerated += 1
    return {
        "aborted": not newest.completed, "pain_known": newest.worse is not None, "worse": newest.worse,
        "guardings": newest.guardings, "held": len(results), "gain": gain, "tolerated": tolerated,
    }  # fmt: skip


def _fits(when: When, facts: Mapping[str, Any]) -> bool:
    """Whether every condition of the row holds; one about what is not known does not."""
    for name, limit in when:
        if limit is None:
            continue
        fact, _, bound = name.rpartition("_") if name.endswith(("_least", "_most")) else (name, "", "")
        value = facts[fact]
        if value is None:
            return False
        if {"least": value < limit, "most": value > limit, "": value != limit}[bound]:
            return False
    return True


def _words(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "?" if value is None else value for name, value in facts.items()}


def _document(last: Prescribed, peak_n: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The prescription before with another peak: base and first peak keep their share of it.

    By the pull, whatever the one before was prescribed by: the limits are the pull's.
    """
    whole = Prescription.parse({**last, "segment_peak_n": None})
    base_n = min(whole.base_n, math.floor(peak_n / 2))
    share = (whole.first_peak_n - whole.base_n) / max(whole.peak_n - whole.base_n, 1.0)
    return {
        **whole.model_dump(mode="json", exclude_none=True),
        "peak_n": float(peak_n), "base_n": float(base_n),
        "first_peak_n": round(base_n + share * (peak_n - base_n), 1),
        "session_number": facts["held"] + 1, "previous_peak_n": float(last["peak_n"]),
        "tolerated_sessions": facts["tolerated"],
    }  # fmt: skip


def gate(results: Sequence[Result], rules: Table | None = None) -> dict[str, Any] | None:
    """Whether pain is down by where improvement is expected; nothing before that. It is no promise."""
    row = (rules or table()).gate
    held = sum(one.completed for one in results)
    if held < row.first:
        return None
    gain = _facts({"peak_n": 0.0}, results)["gain"]
    kind = "unknown" if gain is None else "open"
    words = {"first": row.first, "last": row.last, "held": held, "gain": gain}
    return {
        "first": row.first, "last": row.last, "held": held, "gain": gain,
        "improved": None if gain is None else gain >= row.gain, "is_due": held >= row.last,
        "text_de": getattr(row, f"{kind}_de").format(**words),
        "text_en": getattr(row, f"{kind}_en").format(**words), "source": row.source,
    }  # fmt: skip
