"""`spondyl bed check ADDRESS`: whether a drive is what the loop takes it for, each point tried by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.controller.beds.addresses import DriveAddress
from services.controller.commissioning.line import STOP, Line, Look, Stopped
from services.controller.kernel import layout
from services.controller.kernel import modbus_map as reg
from services.kit.errors import SpondylError

MOST_N = 40.0  # nothing here pulls more
PULL_N = 12.0  # tension that is tried with
SPARE_N = 4.0  # above it: the next reading has noise, and the drive still settles
REST_N = 10.0  # more at rest: the harness is not slack
SPEED_MM_S, STROKE_S = 5.0, 0.5
PULL_S = 8.0
TRAVEL_ERROR = 0.2  # of the travel that was commanded
STILL_MM = 0.3  # less is no travel: drive lag and the encoder's grid
WATCHDOG_MS = (reg.WATCHDOG_MS * 0.9, reg.WATCHDOG_MS * 1.3)
RELEASE_S = 5.0
SWITCH_S = 20.0
EXCHANGES = 300
ECHOES = 20
PLAUSIBLE = (("tilt", 10, -45.0, 45.0), ("heat", 10, 5.0, 60.0))  # counts a unit, least, most


@dataclass(frozen=True, slots=True)
class Found:
    """One point: whether it holds, what was found and wanted, what to do where it does not."""

    name: str
    ok: bool
    found: str
    wanted: str
    todo: str
    tried: bool = True

    def as_json(self) -> dict[str, Any]:
        """One entry of `checks`."""
        return {"name": self.name, "ok": self.ok, "found": self.found, "wanted": self.wanted,
                "todo": "" if self.ok else self.todo}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Point:
    """A row of the table below; ``vital``: what follows is not tried without it."""

    name: str
    wanted: str
    todo: str
    look: Callable[["Checking"], tuple[bool, str]]
    vital: bool = False


class Checking:
    """One drive under test, and what was measured on the way."""

    def __init__(self, line: Line, link_ms: float) -> None:
        self.line, self.link_ms = line, link_ms
        self.first = line.look()
        self.link_us: dict[str, float] = {}

    def pull(self) -> Look:
        """Pull slowly until there is tension, or the time is over."""
        look = self.line.exchange()
        for look in self.line.move(SPEED_MM_S, PULL_S, MOST_N):
            if look.force_n >= PULL_N + SPARE_N:
                break
        return self.line.exchange() if look.force_n >= PULL_N else look


def _signature(now: Checking) -> tuple[bool, str]:
    found = now.first.values["signature"]
    words = (found & 0xFFFF) << 16 | found >> 16
    swapped = ": its words are swapped" if words == reg.SIGNATURE else ": a device of another map"
    return found == reg.SIGNATURE, f"0x{found:08X}" + ("" if found == reg.SIGNATURE else swapped)


def _units(now: Checking) -> tuple[bool, str]:
    fixed = [one for one in reg.READS if one.fixed is not None and one.name != "signature"]
    wrong = [f"{one.name} {now.first.values[one.name]}, not {one.fixed}" for one in fixed
             if now.first.values[one.name] != one.fixed]  # fmt: skip
    return not wrong, "; ".join(wrong) or "all as in the map"


def _reads(now: Checking) -> tuple[bool, str]:
    look, found = now.first, []
    for name, counts, least, most in PLAUSIBLE:
        value = look.values[name] / counts
        found += [] if least <= value <= most else [f"{name} {value:g}"]
    found += [] if abs(look.force_n) <= REST_N else [f"force {look.force_n:g} N at rest"]
    found += [] if look.values["status"] & layout.STATUS_FORCE_VALID else ["load cell not valid"]
    found += [] if look.values["serial"] else ["no serial number"]
    return not found, "; ".join(found) or f"{look.force_n:g} N, {look.position_mm:g} mm"


def _heartbeat(now: Checking) -> tuple[bool, str]:
    wrong = 0
    for _ in range(ECHOES):
        wrong += now.line.exchange().values["heartbeat_echo"] != now.line.beat
    return wrong == 0, f"{wrong} of {ECHOES} echoes wrong"


def _direction(now: Checking) -> tuple[bool, str]:
    wanted = SPEED_MM_S * STROKE_S
    travels: list[float] = []
    for sign in (-1.0, 1.0):
        began = now.line.exchange().position_mm
        for velocity, seconds in ((sign * SPEED_MM_S, STROKE_S), (0.0, 0.2)):
            for look in now.line.move(velocity, seconds, MOST_N):
                ended = look.position_mm
        travels.append(sign * (ended - began))
    right = all(abs(travel - wanted) <= TRAVEL_ERROR * wanted for travel in travels)
    return right, f"{0.0 - travels[0]:+.2f} mm and {travels[1]:+.2f} mm"


def _sign(now: Checking) -> tuple[bool, str]:
    look = now.pull()
    return look.force_n >= PULL_N, f"{look.force_n:.1f} N at {look.position_mm:.1f} mm"


def _stopping(stop: tuple[int, int], wanted: int) -> Callable[[Checking], tuple[bool, str]]:
    def look(now: Checking) -> tuple[bool, str]:
        for settled in now.line.move(0.0, 0.2, MOST_N):
            began = settled.position_mm
        for last in now.line.move(SPEED_MM_S, STROKE_S, MOST_N, stop=stop):
            state, travel = last.values["stop_state"], last.position_mm - began
        held = state == wanted and travel <= STILL_MM
        named = reg.STOP_STATES[state] if state < len(reg.STOP_STATES) else state
        return held, f"{named}, {travel:+.2f} mm while told to pull"

    return look


def _watchdog(now: Checking) -> tuple[bool, str]:
    if now.line.exchange().force_n < PULL_N / 2:
        now.pull()
    last = now.line.exchange()
    look, expired_ms = last, 0.0
    while look.at_s < last.at_s + RELEASE_S and (not expired_ms or look.force_n > PULL_N / 4):
        look = now.line.look()
        if not expired_ms and look.values["watchdog_state"] == reg.WATCHDOG_EXPIRED:
            expired_ms = 1000 * (look.at_s - last.at_s)
    low, high = WATCHDOG_MS
    released_s = look.at_s - last.at_s
    right = low <= expired_ms <= high and look.force_n <= PULL_N / 4
    return right, f"after {expired_ms:.0f} ms, {look.force_n:.1f} N left after {released_s:.1f} s"


def _switch(now: Checking) -> tuple[bool, str]:
    end = now.line.clock.now() + SWITCH_S
    seen: set[tuple[int, int]] = set()
    pressed = (reg.RELEASED_A ^ 0xFFFF, reg.RELEASED_B ^ 0xFFFF)
    while now.line.clock.now() < end:
        values = now.line.exchange(outputs=layout.OUTPUT_POWER | layout.OUTPUT_SWITCH_TEST).values
        contacts = (values["switch_a"], values["switch_b"])
        if pressed in seen and contacts == (reg.RELEASED_A, reg.RELEASED_B):
            return True, "pressed and released, both contacts"
        seen.add(contacts)
        now.line.clock.rest(0.02)
    return False, "contacts " + ", ".join(f"{a:04X}/{b:04X}" for a, b in sorted(seen)) + " only"


def _link(now: Checking) -> tuple[bool, str]:
    took = sorted(now.line.exchange().took_s for _ in range(EXCHANGES))
    now.link_us = {name: round(1e6 * took[min(len(took) - 1, int(len(took) * share))], 1)
                   for name, share in (("p50", 0.50), ("p99", 0.99), ("max", 1.0))}  # fmt: skip
    ms = {name: value / 1000 for name, value in now.link_us.items()}
    found = f"p50 {ms['p50']:.2f}, p99 {ms['p99']:.2f}, max {ms['max']:.2f} ms"
    return ms["p99"] <= now.link_ms, f"{found}; at most {now.link_ms:g} (--link-ms)"


POINTS: Sequence[Point] = (
    Point("signature", f"0x{reg.SIGNATURE:08X}",
          "set the drive to high word first; check the address", _signature, vital=True),
    Point("units", "version and scales of docs/modbus.md",
          "give the drive this map's scales", _units, vital=True),
    Point("reads", "plausible values, load cell valid, slack harness",
          "check sensors, loosen the harness", _reads, vital=True),
    Point("heartbeat", "the echo of each heartbeat",
          "the drive must answer what this exchange wrote", _heartbeat, vital=True),
    Point("direction", f"-{SPEED_MM_S * STROKE_S:g} and +{SPEED_MM_S * STROKE_S:g} mm, within 20 %",
          "turn the drive's direction, check mm/s and mm", _direction, vital=True),
    Point("sign", f"pulling raises the force to {PULL_N:g} N",
          "hook the harness to a doll or a post; turn the cell", _sign, vital=True),
    Point("stop channel A", "disagree: no pulling",
          "wire channel A", _stopping((reg.STOP_A, reg.RUN_B), reg.STOP_DISAGREE)),
    Point("stop channel B", "disagree: no pulling",
          "wire channel B", _stopping((reg.RUN_A, reg.STOP_B), reg.STOP_DISAGREE)),
    Point("stop", "stop: no pulling", "wire both channels", _stopping(STOP, reg.STOP_STOP)),
    Point("watchdog", f"expires after {reg.WATCHDOG_MS} ms and lets the tension out",
          "switch the drive's watchdog on; do not use this bed", _watchdog),
    Point("switch", f"pressed and released within {SWITCH_S:g} s of its lamp",
          "check plug and both contacts", _switch),
    Point("link", "p99 within the limit", "a cable of its own, no Wi-Fi; see SPONDYL_BED_WAIT_MS", _link),
)  # fmt: skip


def check(address: DriveAddress, link_ms: float, said: Callable[[Found], None]) -> dict[str, Any]:
    """Try every point, telling each as it is found; the tension is let out in any case."""
    found: list[Found] = []
    with Line(address) as line:
        line.require_free()
        now = Checking(line, link_ms)
        for point in POINTS:
            found.append(_try(point, now, [one for one in found if not one.ok]))
            said(found[-1])
        if any(one.ok and one.name == "heartbeat" for one in found):
            line.back()
    return {
        "address": str(address), "serial": now.first.values["serial"], "ok": all(one.ok for one in found),
        "checks": [one.as_json() for one in found], "link_us": now.link_us, "link_limit_ms": link_ms,
    }  # fmt: skip


def _try(point: Point, now: Checking, failed: list[Found]) -> Found:
    vital = {one.name for one in POINTS if one.vital}
    missing = [one.name for one in failed if one.name in vital]
    if missing:
        ok, found, todo = False, f"not tried: {missing[0]} fails", f"mend {missing[0]} first"
        return Found(point.name, ok, found, point.wanted, todo, tried=False)
    todo = point.todo
    try:
        ok, found = point.look(now)
    except Stopped as stopped:
        ok, found, todo = False, stopped.message, stopped.todo or todo
    except SpondylError as error:
        ok, found = False, error.message
    return Found(point.name, ok, found, point.wanted, todo)
