"""What the monitor in front of the patient says: plain words, no name, no alarm, and never an old number."""

from typing import Any, Final

import orjson

from services.console import present
from services.console.live import Live
from services.console.models import IN_SESSION, Device
from services.console.texts import TEXTS
from services.kit.pages import Language

NEWTON_KG: Final = 9.80665
MUSCLE_SPAN_N: Final = 60.0  # a counter-tension that fills its gauge
FEW_N: Final = 12.0  # below it muscles are at ease
SOME_N: Final = 30.0
LEAST_SPAN_N: Final = 50.0
ENDING_S: Final = 45.0  # so little is left that what comes next is the end
MINUTE_S: Final = 60.0

# How a phase feels on the screen; nothing else is said by colour.
MOODS: Final = {
    "ramp": "pull", "hold": "pull", "rebuild": "yield", "guarded": "yield",
    "slack": "calm", "precondition": "calm", "release": "calm", "rest": "calm", "cooldown": "calm",
    "idle": "still", "ready": "still", "done": "still",
    "paused": "still", "stopped": "still", "fault": "still",
}  # fmt: skip
CYCLING: Final = frozenset(("precondition", "ramp", "hold", "release", "rest", "guarded", "rebuild"))
WITH_PULL: Final = frozenset(MOODS) - {"idle", "ready", "done"}


def shown(live: Live, device: Device, now: float, language: Language) -> dict[str, Any]:
    """Everything that the patient's screen shows now; the lock of ``live`` is the caller's."""
    link = live.link(device, now)
    phase = device.current_phase(now)
    if link != "live":
        away = phase in IN_SESSION
        return _blank(_words("away" if away else "idle", language) | {"mood": "still", "away": away})
    words = _words(phase, language) | {"mood": MOODS[phase], "away": False}
    if phase in CYCLING and present.remaining_s(device) <= ENDING_S:
        words["next"] = TEXTS["patient_next_end"][language]
    if phase not in WITH_PULL or device.tension_n is None:
        return _blank(words) | _time(device, phase, language)
    return words | _values(device, phase, language) | _time(device, phase, language)


def past(live: Live, device: Device, now: float) -> dict[str, Any] | None:
    """The curves of the last half minute, a point a block: `at` (seconds since boot) and three shares.

    They begin behind what nobody measured: a gentle curve has no gaps.
    None where the screen shows no curve; the lock of ``live`` is the caller's.
    """
    phase = device.current_phase(now)
    if live.link(device, now) != "live" or phase not in WITH_PULL:
        return None
    span_n = _span_n(device)
    rows = _measured([orjson.loads(block.payload) for block in device.backlog])
    return {
        "boot": str(device.boot),
        "points": [
            [
                round((row["seq"] + len(row["tension"]) - 1) * row["period_ms"] / 1000, 3),
                _share(row["tension"][-1], span_n),
                _share(row["target"][-1], span_n),
                _share(row["counter"][-1], MUSCLE_SPAN_N),
            ]
            for row in rows
        ],
    }


def nothing(language: Language) -> dict[str, Any]:
    """The screen of a bed that has not been heard of yet."""
    return _blank(_words("idle", language) | {"mood": "still", "away": False})


def _words(name: str, language: Language) -> dict[str, str]:
    texts = {part: TEXTS[f"patient_{name}_{part}"][language] for part in ("title", "hint", "next")}
    return {part: text.removeprefix("-") for part, text in texts.items()}


def _measured(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest of these blocks, as far back as all of them end with a tension and a counter-tension."""
    ends = (None in (row["tension"][-1], row["counter"][-1]) for row in reversed(rows))
    count = next((index for index, lost in enumerate(ends) if lost), len(rows))
    return rows[len(rows) - count :]


def _blank(words: dict[str, Any]) -> dict[str, Any]:
    """Words alone: no gauge, no curve, no time."""
    return words | {"known": False, "left": "", "progress": None}


def _values(device: Device, phase: str, language: Language) -> dict[str, Any]:
    """The two gauges: newtons, a share of the gauge, and a word."""
    tension_n, counter_n = max(0.0, device.tension_n or 0.0), max(0.0, device.counter_n)
    span_n = _span_n(device)
    kilograms = f"{tension_n / NEWTON_KG:.0f}"
    return {
        "known": True,
        "boot": str(device.boot),
        "seq": device.seq,
        "period_s": device.backlog[-1].period_s if device.backlog else 0.0,
        "pull": present.newtons(tension_n),
        "pull_share": _share(tension_n, span_n),
        "target_share": _share(device.target_n, span_n),
        "pull_word": TEXTS["patient_kilograms"][language].format(kilograms=kilograms),
        "muscle": present.newtons(counter_n),
        "muscle_share": _share(counter_n, MUSCLE_SPAN_N),
        "muscle_word": TEXTS[_muscle(phase, counter_n)][language],
    }


def _span_n(device: Device) -> float:
    """What fills the pull's gauge: this session's own limit, the same from its first pull to its last."""
    return max(LEAST_SPAN_N, device.state.ceiling_n if device.state else 0.0)


def _muscle(phase: str, counter_n: float) -> str:
    if phase == "guarded":
        return "patient_muscle_yield"
    return next(
        name
        for limit_n, name in (
            (FEW_N, "patient_muscle_loose"),
            (SOME_N, "patient_muscle_some"),
            (float("inf"), "patient_muscle_tense"),
        )
        if counter_n < limit_n
    )


def _share(value_n: float, span_n: float) -> float:
    return round(min(1.0, max(0.0, value_n / span_n)), 3)


def _time(device: Device, phase: str, language: Language) -> dict[str, Any]:
    """How long it still takes, in whole minutes; nothing where no end is near or known."""
    state = device.state
    if state is None or phase not in IN_SESSION | {"ready"}:
        return {"left": "", "progress": None}
    if phase == "cooldown":
        return {"left": TEXTS["patient_left_end"][language], "progress": 1.0}
    left_s = present.remaining_s(device)
    progress = present.progress(device)
    if left_s < MINUTE_S:
        return {"left": TEXTS["patient_left_less"][language], "progress": progress}
    minutes = round(left_s / MINUTE_S)
    name = "patient_left_one" if minutes == 1 else "patient_left"
    return {"left": TEXTS[name][language].format(minutes=minutes), "progress": progress}
