"""From what is known of a bed to what a page shows: the only place that puts values into words.

The browser only puts these strings where they belong, so that a page reads the same before and after its
scripts run, and every sentence can be tested without a browser.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from broker.messages import Event
from services.console import alarms
from services.console.live import Live
from services.console.models import IN_SESSION, Device, Link
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.pages import Language
from services.kit.words import PHASES, PRIORITY_SYMBOLS, reason

BLANK = "--"
CALM_S = 15.0  # a tile keeps its place this long after its alarm went, so that the wall does not jump
UNKNOWN = {"load_cell": "tension_unknown", "link": "tension_unknown_link"}
NOISE_N = 5.0  # a slack load cell reads a little below zero; more than this below it is shown as it is
EVENTS_SHOWN = 30
ENDED = ("done", "stopped", "fault")  # what was reached stays until the session is closed
STILL = ("paused", "ready", *ENDED)  # no traction time runs
ALARMS = ("alarm.raised", "alarm.cleared")
UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))


@dataclass(slots=True)
class Order:
    """The wall's order: worst alarm first, then site and name. Up at once, down after some calm."""

    held: dict[str, tuple[int, float]]

    def arrange(self, severities: dict[str, int], now: float) -> list[str]:
        """The keys in their order; ``severities`` is the present one of each key, ``now`` seconds."""
        for key, severity in severities.items():
            before, until = self.held.get(key, (0, 0.0))
            if severity >= before or now >= until:
                self.held[key] = (severity, now + CALM_S if severity else 0.0)
        return sorted(severities, key=lambda key: (-self.held[key][0], key))


def duration(seconds: float, language: Language) -> str:
    """An age as a person says it: 4 s, 3 min, 2 h."""
    unit, size = next((row for row in UNITS if seconds >= row[1]), UNITS[-1])
    return TEXTS[unit][language].format(count=int(seconds // size))


def clock(seconds: float) -> str:
    """Minutes and seconds: 27:05."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def newtons(value: float | None) -> str:
    """Whole newtons; `--` when unknown; never a minus zero."""
    return BLANK if value is None else f"{round(value) + 0}"


def tension(value: float | None) -> str:
    """Measured tension in whole newtons; the load cell's noise around zero is zero."""
    return newtons(0.0 if value is not None and -NOISE_N < value < 0 else value)


def tile(live: Live, device: Device, now: float, language: Language) -> dict[str, Any]:
    """Everything that a tile shows, as strings."""
    link = live.link(device, now)
    fresh = link == "live"
    phase = device.current_phase(now)
    words = PHASES[phase]
    state = device.state
    rows = alarms.rows(live, device, now, language)
    session = alarms.in_session(device, now)
    reached = has_session(device, phase)
    known = fresh and device.lost is None  # a zero in large type would be a lie
    return {
        "key": str(device.key),
        "device": device.key.device,
        "site": device.key.site,
        "link": link,
        "link_text": link_text(link, device, now, language),
        "fresh": fresh,
        "phase": phase,
        "phase_name": words.name[language],
        "tone": words.tone if fresh else "still",
        "words": plain_words(link, device, phase, language),
        "yields": fresh and phase == "guarded",
        "tension": tension(device.tension_n) if known else BLANK,
        "target": newtons(device.target_n) if fresh else BLANK,
        "counter": newtons(device.counter_n) if known else BLANK,
        "peak": newtons(state.peak_n) if state else BLANK,
        "peak_n": state.peak_n if state else 0.0,
        "ceiling": newtons(state.ceiling_n) if state else BLANK,
        "ceiling_n": state.ceiling_n if state else 0.0,
        "in_session": session,
        "remaining": remaining(device, session=session, fresh=fresh),
        "elapsed": elapsed(device) if session and fresh else BLANK,
        "progress": progress(device) if reached else 0.0,
        "cycle": str(state.cycle) if state and state.cycle and reached else BLANK,
        "guardings": str(state.guardings) if state and reached else BLANK,
        "region": TEXTS[f"region_{state.region}"][language] if state and state.region and session else "",
        "priority": rows[0]["priority"] if rows else None,
        "quiet": alarms.quiet(rows),
        "alarms": rows,
    }


def link_text(link: Link, device: Device, now: float, language: Language) -> str:
    """How the bed is reached, with the age of what is shown."""
    age_s = device.age_s(now)
    age = BLANK if age_s is None else duration(age_s, language)
    return TEXTS[f"link_{link}"][language].format(age=age)


def plain_words(link: Link, device: Device, phase: str, language: Language) -> str:
    """What goes on at the bed, in a sentence; what is not known is said not to be known."""
    if link == "stopped":
        return TEXTS["stopped_words"][language]
    if link == "waiting":
        return TEXTS["waiting_words"][language]
    if link != "live":
        return TEXTS["unknown_words"][language].format(phase=PHASES[phase].name[language])
    state = device.state
    said = PHASES[phase].say(
        language,
        target=newtons(device.target_n),
        tension=tension(device.tension_n),
        peak=newtons(state.peak_n if state else None),
        reason=reason(state.reason if state else None, language),
    )
    return f"{TEXTS[UNKNOWN[device.lost]][language]} {said}" if device.lost else said


def has_session(device: Device, phase: str) -> bool:
    """Whether there is a session to tell of: one that runs, or has ended and is not closed yet."""
    state = device.state
    return phase in IN_SESSION or (phase in ENDED and state is not None and state.session is not None)


def remaining(device: Device, *, session: bool, fresh: bool) -> str:
    """Traction time still to come; blank outside a session and when it is not known."""
    return clock(remaining_s(device)) if session and fresh and device.state else BLANK


def elapsed(device: Device) -> str:
    """Traction time of this session so far."""
    return clock(device.state.traction_s - remaining_s(device)) if device.state else BLANK


def remaining_s(device: Device) -> float:
    """The last published remaining time, counted on by the samples since (state comes on change only)."""
    state = device.state
    if state is None:
        return 0.0
    if state.phase in STILL or state.boot != device.boot or not device.backlog:
        return state.remaining_s
    since_s = max(0, device.seq - state.seq) * device.backlog[-1].period_s
    return max(0.0, state.remaining_s - since_s)


def progress(device: Device) -> float:
    """Share of the prescribed traction time that is over, 0 to 1."""
    state = device.state
    if state is None or state.traction_s <= 0:
        return 0.0
    return round(min(1.0, max(0.0, 1 - remaining_s(device) / state.traction_s)), 4)


def event_row(event: Event, language: Language, zone: tzinfo | None = None) -> dict[str, Any]:
    """One line of a bed's events, and where on the trace it stands; ``zone``: of its site's clock."""
    priority = alarm_priority(event.type, event.data)
    return {
        "id": str(event.id),
        "at": event.at.timestamp(),
        "boot": str(event.boot),
        "seq": event.seq,
        "time": formats.local(event.at, zone).strftime("%H:%M:%S"),
        "type": event.type,
        "text": TEXTS[f"event_{event.type}"][language],
        "detail": _event_detail(event, language, zone),
        "priority": priority,
        "symbol": PRIORITY_SYMBOLS.get(priority or "", ""),
    }


def alarm_priority(kind: str, data: Mapping[str, Any]) -> str | None:
    """Of an event that an alarm came on; one that went is of none any more."""
    given = data.get("priority")
    return next((known for known in PRIORITY_SYMBOLS if kind == "alarm.raised" and known == given), None)


def _alarm(event: Event, language: Language, zone: tzinfo | None) -> str:
    """Symbol and text as the gateway said them, with value and limit; of one that went, since when."""
    data = event.data
    words = _said(event, language) or str(data.get("condition") or "")
    if event.type == "alarm.raised":
        return words
    try:
        since = datetime.fromisoformat(str(data.get("raised_at")))
        raised = formats.local(since, zone).strftime("%H:%M:%S")
    except (ValueError, OverflowError):  # a newer gateway's, or of no clock
        return words
    return TEXTS["event_alarm_since"][language].format(text=words, since=raised)


def _said(event: Event, language: Language) -> str:
    """The text that came with an event, in the reader's language where it has that."""
    said = event.data.get("text")
    found = said if isinstance(said, dict) else {}
    return str(found.get(language) or found.get("en") or "")


def _event_detail(event: Event, language: Language, zone: tzinfo | None) -> str:
    if event.type == "phase.changed":
        phase = str(event.data.get("to") or event.data.get("phase") or "")
        return PHASES[phase].name[language] if phase in PHASES else phase
    if event.type in ALARMS:
        return _alarm(event, language, zone)
    if event.summary is not None:
        summary = event.summary
        return f"{reason(summary.reason, language)}, {clock(summary.traction_s)}, {newtons(summary.peak_n)} N"
    if "reason" in event.data:
        return reason(str(event.data["reason"]), language)
    if "action" in event.data:
        return _action(event, language)
    return _said(event, language) or str(event.data.get("detail") or "")


def _action(event: Event, language: Language) -> str:
    """What a person asked of the bed, and whether it was refused; a newer gateway's word as it is."""
    name = str(event.data["action"])
    known = TEXTS.get(f"did_{name}")
    words = known[language] if known else name.replace("_", " ")
    refused = event.data.get("accepted") is False
    return TEXTS["did_refused"][language].format(action=words) if refused else words


def events(device: Device, language: Language, zone: tzinfo | None = None) -> list[dict[str, Any]]:
    """The newest events first; ``zone``: of the site's clock."""
    return [event_row(event, language, zone) for event in list(device.events)[-EVENTS_SHOWN:][::-1]]


def page_words(page: int, pages: int, found: int, language: Language) -> str:
    """Which part of the list is shown."""
    name = "wall_page_of" if pages > 1 else "wall_one_page"
    return TEXTS[name][language].format(page=page, pages=pages, found=found)
