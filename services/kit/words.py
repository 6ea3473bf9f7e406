"""What both the bedside panel and the console say, in German and English: phases, reasons, priorities, links.

The words stand in ``locale/*/words.po``. A test holds them complete against the contract's phases and
priorities.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from services.kit import catalogues
from services.kit.language import Language, Table, Text

Tone = Literal["still", "calm", "pull", "yield", "halt"]


@dataclass(frozen=True, slots=True)
class PhaseWords:
    """How a phase is shown: its name, what it means at the bed, its tone (colour) and symbol (icons.svg).

    ``meaning`` may use {target}, {peak}, {tension} (whole newtons) and {reason}.
    """

    name: Text
    meaning: Text
    tone: Tone

    def say(self, language: Language, **values: str) -> str:
        """The meaning with its values."""
        return self.meaning[language].format(**values)


_ALL: Final[Table] = catalogues.load(Path(__file__).parent / "locale")
_TONES: Final[dict[str, Tone]] = {
    "idle": "still",
    "ready": "calm",
    "slack": "calm",
    "precondition": "calm",
    "ramp": "pull",
    "hold": "pull",
    "release": "calm",
    "rest": "calm",
    "guarded": "yield",
    "rebuild": "yield",
    "cooldown": "calm",
    "done": "calm",
    "paused": "halt",
    "stopped": "halt",
    "fault": "halt",
}


def _named(prefix: str) -> dict[str, Text]:
    return {name.removeprefix(prefix): text for name, text in _ALL.items() if name.startswith(prefix)}


PHASES: Final[dict[str, PhaseWords]] = {
    name: PhaseWords(_ALL[f"phase_{name}"], _ALL[f"phase_{name}_means"], tone)
    for name, tone in _TONES.items()
}
REASONS: Final[Table] = _named("reason_")
PRIORITIES: Final[Table] = {name: _ALL[f"priority_{name}"] for name in ("high", "medium", "low")}
PRIORITY_SYMBOLS: dict[str, str] = {"high": "***", "medium": "**", "low": "*"}  # IEC 60601-1-8's rendering
COMMON: Final[Table] = {  # what pages call by its name; the words above have tables of their own
    name: text for name, text in _ALL.items() if not name.startswith(("phase_", "reason_", "priority_"))
}


def reason(code: str | None, language: Language) -> str:
    """Why a session stopped or paused; an unknown code is shown as it came."""
    text = REASONS.get(code or "none")
    return text[language] if text else str(code).replace("_", " ")


def for_script(language: Language) -> dict[str, dict[str, Any]]:
    """The tables as a page's scripts read them, in one language."""
    return {
        "phases": {
            name: {"name": words.name[language], "meaning": words.meaning[language], "tone": words.tone}
            for name, words in PHASES.items()
        },
        "reasons": {code: text[language] for code, text in REASONS.items()},
    }
