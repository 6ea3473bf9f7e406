"""The languages of every page, and what a text in them is."""

from collections.abc import Mapping
from typing import Literal

Language = Literal["de", "en"]
Text = Mapping[Language, str]
Table = Mapping[str, Text]

LANGUAGES: tuple[Language, ...] = ("de", "en")
DEFAULT_LANGUAGE: Language = "en"
