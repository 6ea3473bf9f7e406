"""What the bed's own page shows beside the tile: how far the session is, and the way from bed to store."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from broker import release
from services.console import present, releases
from services.console.live import Live
from services.console.models import Device, Gateway
from services.console.texts import TEXTS
from services.kit.pages import Language
from services.kit.words import PHASES

Health = Literal["good", "warn", "bad", "unknown"]
Row = dict[str, str]

# The session's stages in their order, and the phases that belong to each.
STAGES: Final = (
    ("slack", ("slack",)),
    ("precondition", ("precondition",)),
    ("cycles", ("ramp", "hold", "release", "rest", "guarded", "rebuild")),
    ("cooldown", ("cooldown",)),
    ("done", ("done",)),
)
CYCLE: Final = ("ramp", "hold", "release", "rest")
YIELDING: Final = ("guarded", "rebuild")
# Where an alarm of the gateway speaks of a part of the way; the alarm itself stands in the alarm list.
ALARM_AT: Final = {
    "missed_deadline": "loop",
    "loop_degraded": "loop",
    "link_lost": "drive",
    "load_cell_lost": "drive",
    "actuator_stuck": "drive",
    "drive_not_ready": "drive",
    "other_master": "drive",
    "network_lost": "link",
    "spool_full": "spool",
    "storage_lag": "spool",
}
LAG_WARN_S: Final = 1.0
UNSTORED_WARN_S: Final = 10.0  # telemetry says every second or two how far it is
UNSTORED_BAD_S: Final = 120.0
GATEWAY_SILENT_S: Final = 3.0  # what it last said of itself is no news of it after this


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one bed; the lock of ``live`` is the caller's."""

    live: Live
    device: Device
    now: float
    language: Language

    def text(self, name: str, **values: object) -> str:
        """A text in the reader's language."""
        return TEXTS[name][self.language].format(**values)


def shown(live: Live, device: Device, now: float, language: Language) -> dict[str, Any]:
    """Progress and chain of a bed."""
    look = Look(live, device, now, language)
    return {"progress": progress(look), "chain": chain(look)}


# --- the session's progress ---
def progress(look: Look) -> dict[str, Any]:
    """Traction time gone and prescribed, the stages, and where in a cycle it is."""
    device = look.device
    fresh = look.live.link(device, look.now) == "live"
    phase = device.current_phase(look.now)
    state = device.state
    known = fresh and state is not None and present.has_session(device, phase)
    total_s = state.traction_s if state else 0.0
    gone_s = max(0.0, total_s - present.remaining_s(device))
    return {
        "gone": present.clock(gone_s) if known else present.BLANK,
        "total": present.clock(total_s) if known else present.BLANK,
        "session": str(state.session) if state and state.session else "",
        "stages": _stages(look, phase, fresh=fresh),
        "cycle": _cycle(look, phase, fresh=fresh),
    }


def _stages(look: Look, phase: str, *, fresh: bool) -> list[Row]:
    at = _stage_of(look.device, phase) if fresh else None
    rows = []
    for index, (name, _) in enumerate(STAGES):
        state = "" if at is None else "done" if index < at else "now" if index == at else "next"
        rows.append({"id": name, "text": look.text(f"stage_{name}"), "state": state})
    return rows


def _stage_of(device: Device, phase: str) -> int | None:
    """Which stage a phase belongs to; a pause within a cycle belongs to the cycles."""
    for index, (_, phases) in enumerate(STAGES):
        if phase in phases:
            return index
    if phase == "paused" and device.state is not None and device.state.cycle > 0:
        return 2
    return None


def _cycle(look: Look, phase: str, *, fresh: bool) -> list[Row]:
    """Ramp, hold, release, rest; where the table yields that stands in the place of the four."""
    if fresh and phase in YIELDING:
        return [{"id": phase, "text": PHASES[phase].name[look.language], "state": "now"}]
    return [
        {
            "id": name,
            "text": PHASES[name].name[look.language],
            "state": "now" if fresh and name == phase else "",
        }
        for name in CYCLE
    ]


# --- the way from the bed to the store ---
def chain(look: Look) -> list[Row]:
    """Gateway, loop, drive, link and spool, each in a sentence; what is not known is said not to be."""
    gateway = look.live.gateways.get((look.device.key.site, look.device.gateway or ""))
    rows = [_gateway(look, gateway), _loop(look, gateway), _drive(look), _link(look), _spool(look)]
    worst = _alarmed(look.device)
    return [{**row, "health": _worse(row["health"], worst.get(row["id"]))} for row in rows]


def _row(look: Look, name: str, health: Health, text: str, **values: object) -> Row:
    return {
        "id": name,
        "label": look.text(f"part_{name}"),
        "health": health,
        "spoken": look.text(f"health_{health}"),
        "text": look.text(text, **values),
    }


def _gateway(look: Look, gateway: Gateway | None) -> Row:
    if gateway is None:
        return _row(look, "gateway", "unknown", "gateway_unknown")
    said = gateway.said
    age_s = look.device.age_s(look.now)
    if gateway.state == "online" and age_s is not None and age_s > GATEWAY_SILENT_S:
        age = present.duration(age_s, look.language)
        return _row(look, "gateway", "warn", "gateway_silent", gateway=said.gateway, age=age)
    version = releases.of(gateway)
    values = {"gateway": said.gateway, "version": version}
    if gateway.state == "online" and releases.is_apart(gateway):
        return _row(look, "gateway", "warn", "gateway_apart", **values, ours=release.OURS)
    words = f"gateway_{gateway.state}" if version or gateway.state != "online" else "gateway_plain"
    healths: dict[str, Health] = {"online": "good", "stopped": "warn", "lost": "bad"}
    return _row(look, "gateway", healths[gateway.state], words, **values)


def _loop(look: Look, gateway: Gateway | None) -> Row:
    if look.live.link(look.device, look.now) != "live":
        return _row(look, "loop", "unknown", "loop_unknown")
    period_ms = look.device.backlog[-1].period_s * 1000 if look.device.backlog else 0.0
    block_ms = gateway.said.block_ms if gateway and gateway.said.block_ms else 0.0
    words = "loop_good" if block_ms else "loop_plain"
    return _row(look, "loop", "good", words, period=f"{period_ms:g}", block=f"{block_ms:g}")


def _drive(look: Look) -> Row:
    if look.live.link(look.device, look.now) != "live":
        return _row(look, "drive", "unknown", "loop_unknown")
    bad = "drive" in _alarmed(look.device)
    return _row(look, "drive", "bad" if bad else "good", "drive_bad" if bad else "drive_good")


def _link(look: Look) -> Row:
    link = look.live.link(look.device, look.now)
    if not look.live.broker_up:
        return _row(look, "link", "bad", "link_no_broker")
    age_s = look.device.age_s(look.now)
    if link == "waiting" or age_s is None:
        return _row(look, "link", "unknown", "link_nothing")
    if link != "live":
        return _row(look, "link", "bad", "link_old", age=present.duration(age_s, look.language))
    lag_s = look.device.lag_s
    health: Health = "warn" if lag_s > LAG_WARN_S else "good"
    return _row(look, "link", health, "link_good", age=_decimal(age_s, look.language))


def _spool(look: Look) -> Row:
    unstored_s = look.device.unstored_s()
    if unstored_s is None:
        return _row(look, "spool", "unknown", "spool_unknown")
    if unstored_s <= UNSTORED_WARN_S:
        return _row(look, "spool", "good", "spool_good", age=_decimal(unstored_s, look.language))
    health: Health = "warn" if unstored_s <= UNSTORED_BAD_S else "bad"
    return _row(look, "spool", health, "spool_behind", age=present.duration(unstored_s, look.language))


def _alarmed(device: Device) -> dict[str, Health]:
    """Which parts an active alarm speaks of."""
    alarms = device.alarms.alarms if device.alarms else []
    found: dict[str, Health] = {}
    for alarm in alarms:
        if part := ALARM_AT.get(alarm.condition):
            health: Health = "warn" if alarm.priority == "low" else "bad"
            found[part] = "bad" if found.get(part) == "bad" else health
    return found


def _worse(first: str, second: str | None) -> str:
    order = ("good", "unknown", "warn", "bad")
    return first if second is None else max(first, second, key=order.index)


def _decimal(seconds: float, language: Language) -> str:
    """Seconds with one decimal, as the language writes it."""
    text = f"{max(0.0, seconds):.1f}"
    return text.replace(".", ",") if language == "de" else text
