"""How a programme goes from one state to the next: a table, and nothing beside it."""

from collections.abc import Mapping
from typing import Final, Literal

from services.homecare.errors import Conflict, said
from services.kit.language import Text

State = Literal["supervised", "running", "paused", "completed", "ended"]
Turn = Literal["set", "started", "paused", "resumed", "completed", "ended"]

OPEN: Final[tuple[State, ...]] = ("supervised", "running", "paused")  # something of it may still change
# From a state by a turn to the next. Two: the first where nothing was open at home yet, else the second.
TABLE: Final[Mapping[tuple[State, Turn], tuple[State, ...]]] = {
    ("supervised", "set"): ("supervised",),
    ("supervised", "started"): ("running",),
    ("supervised", "paused"): ("paused",),
    ("supervised", "completed"): ("completed",),
    ("supervised", "ended"): ("ended",),
    ("running", "set"): ("running",),
    ("running", "paused"): ("paused",),
    ("running", "completed"): ("completed",),
    ("running", "ended"): ("ended",),
    ("paused", "set"): ("paused",),
    ("paused", "resumed"): ("supervised", "running"),
    ("paused", "completed"): ("completed",),
    ("paused", "ended"): ("ended",),
}
STATES: Final[Mapping[State, Text]] = {
    "supervised": {"de": "unter Aufsicht", "en": "under supervision"},
    "running": {"de": "läuft zu Hause", "en": "running at home"},
    "paused": {"de": "angehalten", "en": "paused"},
    "completed": {"de": "abgeschlossen", "en": "completed"},
    "ended": {"de": "beendet", "en": "ended"},
}
TURNS: Final[Mapping[Turn, Text]] = {
    "set": {"de": "geändert", "en": "changed"},
    "started": {"de": "begonnen", "en": "started"},
    "paused": {"de": "angehalten", "en": "paused"},
    "resumed": {"de": "fortgesetzt", "en": "resumed"},
    "completed": {"de": "abgeschlossen", "en": "completed"},
    "ended": {"de": "beendet", "en": "ended"},
}


def after(state: State, turn: Turn, *, was_started: bool) -> State:
    """The state that follows. Raises Conflict, naming from which states this is possible."""
    following = TABLE.get((state, turn))
    if following is None:
        raise _impossible(state, turn)
    return following[-1] if was_started else following[0]


def _impossible(state: State, turn: Turn) -> Conflict:
    possible = [one for one, other in TABLE if other == turn]
    german, english = (", ".join(STATES[one][language] for one in possible) for language in ("de", "en"))
    return said(
        Conflict,
        {"de": f"Das Programm ist „{STATES[state]['de']}“ und kann nicht {TURNS[turn]['de']} werden. "
               f"Das geht nur aus: {german} (docs/homecare.md)",
         "en": f"the programme is '{STATES[state]['en']}' and cannot be {TURNS[turn]['en']}. "
               f"That is possible only from: {english} (docs/homecare.md)"},
        state=state,
    )  # fmt: skip
