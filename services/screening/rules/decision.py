"""Who may be treated: cleared, with conditions, refused or incomplete; why, and what would change it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final, Literal

from services.kit.language import Text
from services.screening.rules.answers import Answers, refused
from services.screening.rules.days import age_years
from services.screening.rules.findings import Aged, Case, Finding, find, german_day
from services.screening.rules.models import WEIGHT
from services.screening.rules.ruleset import Ruleset
from services.screening.rules.weight import Weighed, weigh

Outcome = Literal["cleared", "conditions", "refused", "incomplete"]
Kind = Literal["refuses", "condition", "open"]

OLDEST_YEARS: Final = 130  # nobody on record grew older: a mistyped birth date


@dataclass(frozen=True, slots=True)
class Signature:
    """A clinician weighed a relative contraindication and takes it upon themself."""

    rule: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision: which rule, why it counts here, and what would change that."""

    rule: str
    kind: Kind
    why: Text
    change: Text
    signature: Signature | None = None

    def body(self) -> dict[str, Any]:
        """As programs read it."""
        signed = self.signature
        return {
            "rule": self.rule, "kind": self.kind, "text_de": self.why["de"], "text_en": self.why["en"],
            "change_de": self.change["de"], "change_en": self.change["en"],
            "signed": None if signed is None else {"by": signed.by, "reason": signed.reason},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of one patient, one region, one day; by which version of the rules."""

    outcome: Outcome
    region: str
    on: date
    age_years: int
    reasons: tuple[Reason, ...]
    rules: tuple[Mapping[str, Any], ...]  # those of the reasons, with their sources
    version: str
    rules_sha256: str
    settings: Mapping[str, str]

    @property
    def conditions(self) -> list[str]:
        """The relative contraindications that hold, signed or not."""
        return [reason.rule for reason in self.reasons if reason.kind == "condition"]

    @property
    def unsigned(self) -> list[str]:
        """The conditions that no clinician has signed yet."""
        return [row.rule for row in self.reasons if row.kind == "condition" and row.signature is None]

    @property
    def unanswered(self) -> list[str]:
        """What nobody has answered, or not well enough."""
        return [reason.rule for reason in self.reasons if reason.kind == "open"]

    @property
    def may_be_treated(self) -> bool:
        """Whether a clearance may be given on it."""
        return self.outcome == "cleared" or (self.outcome == "conditions" and not self.unsigned)

    def body(self) -> dict[str, Any]:
        """As programs read it, and as it is kept."""
        return {
            "decision": self.outcome, "may_be_treated": self.may_be_treated, "region": self.region,
            "treatment_date": self.on.isoformat(), "age_years": self.age_years,
            "text_de": TITLES[self.outcome]["de"], "text_en": TITLES[self.outcome]["en"],
            "reasons": [reason.body() for reason in self.reasons], "rules": [dict(row) for row in self.rules],
            "conditions": self.conditions, "unsigned": self.unsigned, "unanswered": self.unanswered,
            "version": self.version, "rules_sha256": self.rules_sha256, "settings": dict(self.settings),
        }  # fmt: skip


TITLES: Final[Mapping[Outcome, Text]] = {
    "cleared": {
        "de": "Keine Gegenanzeige: darf behandelt werden", "en": "No contraindication: may be treated",
    },
    "conditions": {
        "de": "Nur unter Bedingungen, jede von einer Ärztin oder einem Arzt begründet",
        "en": "Only with conditions, each signed by a clinician with a reason",
    },
    "refused": {"de": "Darf nicht behandelt werden", "en": "Must not be treated"},
    "incomplete": {
        "de": "Noch nicht entschieden: es fehlen Angaben", "en": "Not decided yet: something is missing",
    },
}  # fmt: skip


def decide(
    ruleset: Ruleset, case: Case, answers: Answers, signatures: Sequence[Signature] = (),
    given_on: Mapping[str, date] = MappingProxyType({}),
) -> Decision:  # fmt: skip
    """Hold a case against every rule. Raises Invalid for days that cannot be.

    ``given_on``: the day of each answer; one without is taken for the day's own.
    """
    require_possible(case, answers)
    signed = {row.rule: row for row in signatures}
    # A question that is not put to them counts all the same when it was answered.
    asked = [
        rule for rule in ruleset.rules if rule.concerns(case.region, None if rule.id in answers else case.sex)
    ]
    aged = _aged(ruleset, case, given_on)
    found = [find(rule, case, answers, aged) for rule in asked]
    weighed = weigh(case, None if aged is _NEVER else _weight_aged(ruleset, case))
    reasons = [_reason(ruleset, row, signed) for row in found if row.state != "not"]
    reasons += [_of_weight(row) for row in weighed]
    reasons.sort(key=lambda row: _ORDER.index(row.kind))
    shown = {row.rule: row.shown() for row in weighed}
    named = list(dict.fromkeys(row.rule for row in reasons))
    return Decision(
        _outcome(reasons), case.region, case.on, age_years(case.birth_date, case.on), tuple(reasons),
        tuple(shown[name] if name in shown else ruleset.shown(ruleset.of(name)) for name in named),
        ruleset.version.name, ruleset.sha256, ruleset.settings,
    )  # fmt: skip


def _aged(ruleset: Ruleset, case: Case, given_on: Mapping[str, date]) -> Aged:
    """The answers that are too old on the day of treatment, and since when."""
    if not ruleset.ends_aged:
        return _NEVER
    since = {rule: ruleset.aged_from(rule, day) for rule, day in given_on.items()}
    return {rule: day for rule, day in since.items() if day <= case.on}


def _weight_aged(ruleset: Ruleset, case: Case) -> date | None:
    """Since when the weight is too old, if it is."""
    since = None if case.weighed_on is None else ruleset.aged_from(WEIGHT, case.weighed_on)
    return since if since is not None and since <= case.on else None


_NEVER: Final[Aged] = MappingProxyType({})
_ORDER: Final[tuple[Kind, ...]] = ("refuses", "condition", "open")


def _outcome(reasons: Sequence[Reason]) -> Outcome:
    """A refusal stands whatever else is missing; what is missing comes before what is to be weighed."""
    kinds = {reason.kind for reason in reasons}
    if "refuses" in kinds:
        return "refused"
    if "open" in kinds:
        return "incomplete"
    return "conditions" if kinds else "cleared"


def _reason(ruleset: Ruleset, found: Finding, signed: Mapping[str, Signature]) -> Reason:
    rule = found.rule
    if found.state == "open":
        kind: Kind = "open"
    else:
        kind = "refuses" if rule.is_absolute(ruleset.settings) else "condition"
    change: Text = {
        "de": _CHANGES[kind]["de"].format(evidence=rule.evidence_de),
        "en": _CHANGES[kind]["en"].format(evidence=rule.evidence_en),
    }
    why: Text = {
        "de": f"{rule.text_de} ({found.why['de']}).", "en": f"{rule.text_en} ({found.why['en']}).",
    }  # fmt: skip
    return Reason(rule.id, kind, why, change, signed.get(rule.id) if kind == "condition" else None)


_CHANGES: Final[Mapping[Kind, Text]] = {
    "refuses": {
        "de": "Anders nur, wenn es belegt nicht oder nicht mehr zutrifft. Das klärt: {evidence}.",
        "en": "Different only when it is shown not to hold, or not any longer. This settles it: {evidence}.",
    },
    "condition": {
        "de": "Eine Ärztin oder ein Arzt wägt ab und zeichnet mit Begründung. Das klärt: {evidence}.",
        "en": "A clinician weighs it and signs with a reason. This settles it: {evidence}.",
    },
    "open": {
        "de": "Eine Antwort. Wer sie nicht weiß, bringt es mit: {evidence}.",
        "en": "An answer. Who does not know it brings this: {evidence}.",
    },
}


def _of_weight(row: Weighed) -> Reason:
    return Reason(row.rule, "open" if row.is_open else "refuses", row.why, row.change)


def require_possible(case: Case, answers: Answers) -> None:
    """Raise Invalid for a day that cannot be: born after treatment, a fracture in the future."""
    born, on = case.birth_date, case.on
    if born > on:
        raise refused(
            "birth_date", born.isoformat(), f"treatment_date is {on.isoformat()}, before birth",
            f"der Behandlungstag ist der {german_day(on)}, vor der Geburt",
        )  # fmt: skip
    if age_years(born, on) > OLDEST_YEARS:
        raise refused(
            "birth_date", born.isoformat(), f"older than {OLDEST_YEARS} years on {on.isoformat()}",
            f"am {german_day(on)} älter als {OLDEST_YEARS} Jahre",
        )  # fmt: skip
    for rule, answer in answers.items():
        if answer.on is not None and not born <= answer.on <= on:
            raise refused(
                f"answers.{rule}.on", answer.on.isoformat(),
                f"a day from birth, {born.isoformat()}, to treatment, {on.isoformat()}, is needed",
                f"ein Tag von der Geburt am {german_day(born)} bis zur Behandlung am {german_day(on)} "
                "wird gebraucht",
            )  # fmt: skip
