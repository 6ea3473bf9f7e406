"""The rules of a day: out of the file, by versions, with the settings of disputed points."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from services.kit.errors import SpondylError
from services.screening.errors import Invalid
from services.screening.rules.models import (
    OTHERS,
    PROPOSED,
    REVIEWED,
    WEIGHT,
    Rule,
    Setting,
    Settings,
    Source,
    Validity,
    Version,
)

FILE: Final = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The rules of one version, in the file's order, under some settings."""

    version: Version
    sha256: str  # of this version's rules
    rules: tuple[Rule, ...]
    sources: Mapping[str, Source]
    settings: Settings
    validities: Mapping[str, Validity]  # by what they are of

    def of(self, rule: str) -> Rule:
        """The rule of this id. Raises KeyError."""
        return next((row for row in self.rules if row.id == rule), None) or _raise(rule)

    def knows(self, rule: str) -> bool:
        """Whether a rule of this id is in force."""
        return any(row.id == rule for row in self.rules)

    @property
    def ends_aged(self) -> bool:
        """Whether an answer that is too old is open again, and not only listed."""
        return self.settings["aged_answers"] == "open"

    def aged_from(self, of: str, given_on: date) -> date:
        """The first day on which what was said that day, of a rule or of the weight, is too old."""
        return given_on + timedelta(days=self.validity(of).days)

    def validity(self, of: str) -> Validity:
        """How long an answer to this rule, or the weight, holds."""
        return self.validities.get(of) or self.validities[OTHERS]

    def questions(self, region: str, sex: str | None = None) -> tuple[Rule, ...]:
        """What is asked of somebody of this sex (None: not known) before treatment of this region."""
        return tuple(row for row in self.rules if row.is_question and row.concerns(region, sex))

    def shown(self, rule: Rule) -> dict[str, Any]:
        """A rule as programs read it."""
        source = self.sources[rule.source]
        review = REVIEWED if rule.origin == "clinic-page" else PROPOSED
        return {
            "id": rule.id, "absolute": rule.is_absolute(self.settings), "region": rule.region,
            "origin": rule.origin, "source": source.en, "source_de": source.de,
            "text_de": rule.text_de, "text_en": rule.text_en,
            "evidence_de": rule.evidence_de, "evidence_en": rule.evidence_en,
            "review": review["en"], "review_de": review["de"], "setting": rule.setting,
            "asked": rule.asked, "question_de": rule.question_de or None,
            "question_en": rule.question_en or None, "since": rule.since,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RuleFile:
    """Everything that the file says, checked."""

    versions: tuple[Version, ...]
    settings: tuple[Setting, ...]
    sources: Mapping[str, Source]
    rules: tuple[Rule, ...]
    validities: tuple[Validity, ...]
    ask_ahead_days: int

    def on(self, day: date, settings: Settings | None = None) -> Ruleset:
        """The rules of a day. Raises Invalid before the first version, or for a setting that is none."""
        found = [version for version in self.versions if version.valid_from <= day]
        if not found:
            first = self.versions[0].valid_from.isoformat()
            raise Invalid(
                f"treatment_date is {day.isoformat()}: the first version of the rules holds from {first}",
                {
                    "de": f"Behandlungstag {day.isoformat()}: Die erste Fassung der Regeln gilt ab {first}.",
                    "en": f"Day of treatment {day.isoformat()}: the first version of the rules holds from "
                    f"{first}.",
                },
            )
        return self.at(found[-1], self.chosen(settings or {}))

    def chosen(self, given: Mapping[str, object]) -> dict[str, str]:
        """Every setting with its value: the default, or the one given. Raises Invalid."""
        known = {row.id: row for row in self.settings}
        for name, value in given.items():
            allowed = known[name].values if name in known else ()
            if str(value) not in allowed or isinstance(value, bool):
                rule = " or ".join(allowed) if allowed else f"known are {', '.join(known)}"
                oder = " oder ".join(allowed) if allowed else f"bekannt sind {', '.join(known)}"
                raise Invalid(
                    f"settings.{name[:40]} is {str(value)[:40]!r}: {rule}",
                    {
                        "de": f"Einstellung {name[:40]} ist {str(value)[:40]!r}: {oder}.",
                        "en": f"Setting {name[:40]} is {str(value)[:40]!r}: {rule}.",
                    },
                )
        return {row.id: str(given.get(row.id, row.values[0])) for row in self.settings}

    def at(self, version: Version, settings: Settings) -> Ruleset:
        """The rules of a version, under every setting."""
        order = [row.name for row in self.versions]
        place = order.index(version.name)

        def holds(row: Rule | Validity) -> bool:
            ended = row.until is not None and order.index(row.until) <= place
            return order.index(row.since) <= place and not ended

        rules = tuple(rule for rule in self.rules if holds(rule))
        validities = tuple(row for row in self.validities if holds(row))
        # without when they begin and end: a later version leaves the checksum of this one as it was
        every: Sequence[Rule | Validity] = (*rules, *validities)
        rows = [row.model_dump(exclude={"since", "until"}) for row in every]
        told = json.dumps(rows, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(told.encode()).hexdigest()
        in_force = tuple(
            rule for rule in rules if rule.only_at is None or settings[str(rule.setting)] == rule.only_at
        )
        named = {row.of: row for row in validities}
        return Ruleset(version, digest, in_force, self.sources, settings, named)


@cache
def load() -> RuleFile:
    """The rules that come with the software."""
    return parse(FILE.read_text(encoding="utf-8"))


def parse(text: str) -> RuleFile:
    """The file's text, checked. Raises SpondylError."""
    told = tomllib.loads(text)
    file = RuleFile(
        tuple(Version.model_validate(row) for row in told["version"]),
        tuple(Setting.model_validate(row) for row in told["setting"]),
        {name: Source.model_validate(row) for name, row in told["source"].items()},
        tuple(Rule.model_validate(row) for row in told["rule"]),
        tuple(Validity.model_validate(row) for row in told["validity"]),
        int(told["ask_ahead_days"]),
    )
    _check(file)
    return file


def _check(file: RuleFile) -> None:
    """Versions in order of their days, every name known, no rule twice in a version."""
    names = [row.name for row in file.versions]
    days = [row.valid_from for row in file.versions]
    if not names or days != sorted(set(days)):
        raise SpondylError("the versions of the rules must follow each other by valid_from, one a day")
    settings = {row.id for row in file.settings}
    for rule in file.rules:
        unknown = [
            name
            for name, known in (
                (rule.since, names), (rule.until or rule.since, names),
                (rule.source, file.sources), (rule.setting, {None, *settings}),
                (rule.of, {None, *(row.id for row in file.rules)}),
            )
            if name not in known
        ]  # fmt: skip
        if unknown:
            raise SpondylError(f"the rule {rule.id} names {unknown[0]!r}, which the file does not have")
    _check_validities(file, names)
    for version in file.versions:
        found = file.at(version, file.chosen({}))
        ids = [rule.id for rule in found.rules]
        if len(ids) != len(set(ids)):
            raise SpondylError(f"version {version.name} of the rules has a rule twice")
        if OTHERS not in found.validities:
            raise SpondylError(f"version {version.name} of the rules has no validity of {OTHERS!r}")


def _check_validities(file: RuleFile, names: Sequence[str]) -> None:
    known = {WEIGHT, OTHERS, *(rule.id for rule in file.rules if rule.is_question)}
    for row in file.validities:
        if row.of not in known or row.since not in names or (row.until or row.since) not in names:
            raise SpondylError(f"the validity of {row.of!r} names what the file does not have")


def _raise(rule: str) -> Rule:
    raise KeyError(rule)
