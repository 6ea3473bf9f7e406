"""What the scripts of past sessions say themselves."""

from typing import Final

from services.console.texts import TEXTS
from services.kit.language import Language

SCRIPT_WORDS: Final = (
    "ceiling", "peak", "target", "tension", "counter", "past_least", "past_since_start", "past_part_failed",
    "past_unmeasured",
)  # fmt: skip


def script_words(language: Language) -> dict[str, str]:
    """In one language."""
    return {name: TEXTS[name][language] for name in SCRIPT_WORDS}
