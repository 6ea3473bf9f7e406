"""What both the bedside panel and the console say, in German and English: phases, reasons, priorities, links.

One table each. A test holds them complete against the contract's phases and priorities.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from services.kit import catalogues
from services.kit.pages import Language, Table, Text

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


PHASES: dict[str, PhaseWords] = {
    "idle": PhaseWords(
        {"de": "Frei", "en": "Free"},
        {"de": "Keine Sitzung an dieser Liege.", "en": "No session on this bed."},
        "still",
    ),
    "ready": PhaseWords(
        {"de": "Bereit", "en": "Ready"},
        {
            "de": "Patient bestätigt. Wartet auf den Start an der Liege.",
            "en": "Patient confirmed. Waiting for the start at the bed.",
        },
        "calm",
    ),
    "slack": PhaseWords(
        {"de": "Straffen", "en": "Take up slack"},
        {"de": "Der Gurt wird gestrafft.", "en": "The harness is being drawn tight."},
        "calm",
    ),
    "precondition": PhaseWords(
        {"de": "Eingewöhnen", "en": "Precondition"},
        {
            "de": "Sanfte erste Züge, damit sich die Muskeln gewöhnen.",
            "en": "Gentle first pulls, so that the muscles get used to it.",
        },
        "calm",
    ),
    "ramp": PhaseWords(
        {"de": "Aufbau", "en": "Ramp"},
        {"de": "Der Zug steigt sanft auf {peak} N.", "en": "Tension rises gently to {peak} N."},
        "pull",
    ),
    "hold": PhaseWords(
        {"de": "Halten", "en": "Hold"},
        {"de": "Der Zug wird bei {target} N gehalten.", "en": "Tension is held at {target} N."},
        "pull",
    ),
    "release": PhaseWords(
        {"de": "Nachlassen", "en": "Release"},
        {"de": "Der Zug sinkt sanft auf den Grundzug.", "en": "Tension falls gently to the base tension."},
        "calm",
    ),
    "rest": PhaseWords(
        {"de": "Ruhe", "en": "Rest"},
        {"de": "Der Grundzug von {target} N bleibt.", "en": "The base tension of {target} N is kept."},
        "calm",
    ),
    "guarded": PhaseWords(
        {"de": "Gegenspannung", "en": "Guarding"},
        {
            "de": "Die Muskeln spannen dagegen: Der Tisch gibt nach.",
            "en": "The muscles pull against it: the table yields.",
        },
        "yield",
    ),
    "rebuild": PhaseWords(
        {"de": "Wiederaufbau", "en": "Rebuild"},
        {
            "de": "Die Muskeln sind wieder ruhig: Der Zug wird langsam neu aufgebaut.",
            "en": "The muscles are calm again: tension is slowly rebuilt.",
        },
        "yield",
    ),
    "cooldown": PhaseWords(
        {"de": "Ausklang", "en": "Cool-down"},
        {"de": "Zum Schluss wird der Zug langsam gelöst.", "en": "Tension is let out slowly at the end."},
        "calm",
    ),
    "done": PhaseWords(
        {"de": "Fertig", "en": "Done"},
        {
            "de": "Die Sitzung ist zu Ende. An der Liege abschließen.",
            "en": "The session is over. Close it at the bed.",
        },
        "calm",
    ),
    "paused": PhaseWords(
        {"de": "Angehalten", "en": "Paused"},
        {
            "de": "Angehalten: {reason}. Weiter geht es nur an der Liege.",
            "en": "Paused: {reason}. Only the bedside can resume.",
        },
        "halt",
    ),
    "stopped": PhaseWords(
        {"de": "Gestoppt", "en": "Stopped"},
        {"de": "Gestoppt: {reason}. Der Zug wird gelöst.", "en": "Stopped: {reason}. Tension is let out."},
        "halt",
    ),
    "fault": PhaseWords(
        {"de": "Störung", "en": "Fault"},
        {
            "de": "Störung: Die Liege hat gestoppt und löst den Zug.",
            "en": "Fault: the bed has stopped and lets the tension out.",
        },
        "halt",
    ),
}

REASONS: Table = {
    "none": {"de": "kein Grund angegeben", "en": "no reason given"},
    "completed": {"de": "vollständig", "en": "completed"},
    "operator_stop": {"de": "Stopp an der Liege", "en": "stop at the bed"},
    "remote_stop": {"de": "Stopp aus der Ferne", "en": "stop from remote"},
    "patient_switch": {"de": "Patiententaster gedrückt", "en": "patient switch pressed"},
    "repeated_guarding": {"de": "wiederholte Gegenspannung", "en": "repeated guarding"},
    "fault": {"de": "Störung", "en": "fault"},
    "operator_pause": {"de": "Pause an der Liege", "en": "pause at the bed"},
    "remote_pause": {"de": "Pause aus der Ferne", "en": "pause from remote"},
    "mains_lost": {"de": "Netzstrom ausgefallen", "en": "mains lost"},
    "abandoned": {"de": "nicht abgeschlossen", "en": "never closed"},
}

PRIORITIES: Table = {
    "high": {"de": "hoch", "en": "high"},
    "medium": {"de": "mittel", "en": "medium"},
    "low": {"de": "niedrig", "en": "low"},
}
PRIORITY_SYMBOLS: dict[str, str] = {"high": "***", "medium": "**", "low": "*"}  # IEC 60601-1-8's rendering

COMMON: Final[Table] = catalogues.load(Path(__file__).parent / "locale")


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
