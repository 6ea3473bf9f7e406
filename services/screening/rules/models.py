"""A rule, a version of all of them, and the settings of what sources dispute."""

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.kit.language import Text

Region = Literal["lumbar", "cervical"]
Sex = Literal["female", "male", "diverse", "unspecified"]
Origin = Literal["clinic-page", "literature"]
Test = Literal["answer", "age", "bone-loss", "some-bone-loss", "since"]
Asked = Literal["patient", "clinician"]
Section = Literal["you", "spine", "surgery", "illness", "neck", "findings"]
Settings = Mapping[str, str]  # of a disputed point: its id to the value in force

REGIONS: Final[tuple[Region, ...]] = ("lumbar", "cervical")
WEIGHT: Final = "body-weight"  # a validity's, beside those of rules
OTHERS: Final = "*"
REVIEWED: Final[Text] = {"de": "Vorgabe der Klinikseite", "en": "the clinic page's own"}
PROPOSED: Final[Text] = {"de": "Vorschlag zur klinischen Prüfung", "en": "proposal for clinical review"}


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Version(_Row):
    """From which day of treatment on a state of the rules holds."""

    name: str
    valid_from: date
    what_de: str
    what_en: str


class Setting(_Row):
    """A point that sources dispute; the first value is the default, the strictest."""

    id: str
    values: tuple[str, ...] = Field(min_length=2)
    de: str
    en: str


class Source(_Row):
    """Where a rule comes from."""

    de: str
    en: str


class Validity(_Row):
    """How long an answer holds that does not refuse; no paper says it."""

    of: str  # the rule that asks; body-weight: of the file; *: every other question
    since: str
    until: str | None = None
    days: int = Field(ge=1, le=366)
    origin: Literal["proposal"]
    de: str
    en: str


class Rule(_Row):
    """One contraindication: what it says, to whom, how it is found out, and what settles it."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)
    since: str
    until: str | None = None
    absolute: bool
    origin: Origin
    source: str
    setting: str | None = None
    only_at: str | None = None  # in force only while the setting has this value
    region: Literal["any", "lumbar", "cervical"]
    sex: tuple[Sex, ...] = ()  # asked of these only; empty: of everybody
    section: Section | None = None  # None: nobody is asked, it follows from what is known
    asked: Asked | None = None
    test: Test
    limit: int | None = None
    of: str | None = None
    text_de: str
    text_en: str
    question_de: str = ""
    question_en: str = ""
    evidence_de: str
    evidence_en: str

    @property
    def is_question(self) -> bool:
        """Whether somebody is asked."""
        return self.section is not None

    def concerns(self, region: str, sex: str | None = None) -> bool:
        """Whether it is about this region, and about somebody of this sex (None: not known)."""
        return self.region in ("any", region) and (not self.sex or sex is None or sex in self.sex)

    def is_absolute(self, settings: Settings) -> bool:
        """Whether it refuses by itself: a disputed one may be set to be a clinician's to weigh."""
        if self.setting is None or self.only_at is not None:
            return self.absolute
        return self.absolute and settings[self.setting] == "absolute"
