"""The alarms of beds and of the console itself, as every page shows them; what is acknowledged stays shown.

Priority and text are the gateway's; the console adds two conditions of its own, `connection_lost` and
`broker_lost`, and never judges a gateway's alarm anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from broker.fields import Priority
from services.console import occurrences
from services.console.live import Live
from services.console.models import IN_SESSION, Device, Key, Link
from services.console.occurrences import Acknowledged, Occurrence
from services.console.texts import TEXTS
from services.kit import formats
from services.kit.bidi import in_sentence
from services.kit.catalogues import counted
from services.kit.moments import instant_of
from services.kit.pages import Language
from services.kit.words import PRIORITIES, PRIORITY_SYMBOLS

SEVERITY: Final[dict[Priority | None, int]] = {"high": 3, "medium": 2, "low": 1, None: 0}
# The console's own conditions: a bed in session that cannot be seen, or all of them. At the bed the therapy
# goes on safely, so they are not high; nobody watches, so they are more than the gateway's `network_lost`.
CONNECTION_PRIORITY: Final[Priority] = "medium"
CONNECTION_ALARM_S: Final = 3.0
NOT_SEEN: Final[tuple[Link, ...]] = ("stale", "lost", "stopped", "waiting")
SHOWN: Final = 20  # rows of the header; the page /alarms has all
_SYMBOLS: Final = "* "


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm that is on: which occurrence, how grave, since when (microseconds since the epoch)."""

    occurrence: Occurrence
    priority: Priority
    since_us: int
    latched: bool
    text: Mapping[Language, str]
    seen_us: int | None = None  # when somebody at the bed acknowledged it
    is_over: bool = False  # its cause went, and nobody at the bed has seen it

    def row(self, acknowledged: Acknowledged | None, language: Language) -> dict[str, Any]:
        """As pages show it, with who acknowledged it and when."""
        place = self.occurrence
        return {
            "condition": place.condition,
            "occurrence": place.id,
            "site": place.site,
            "device": place.device,
            "key": f"{place.site}/{place.device}" if place.device else "",
            "priority": self.priority,
            "symbol": PRIORITY_SYMBOLS[self.priority],
            "spoken": PRIORITIES[self.priority][language],
            "text": self._text(language),
            "since_us": self.since_us,
            "since": formats.clock_seconds(instant_of(self.since_us), language),
            "latched": self.latched,
            "acknowledged": acknowledged is not None or self.seen_us is not None,
            "acknowledged_text": self._seen_text(language) or _acknowledged_text(acknowledged, language),
        }

    def _text(self, language: Language) -> str:
        text = self.text[language]
        return TEXTS["alarm_is_over"][language].format(text=text) if self.is_over else text

    def _seen_text(self, language: Language) -> str:
        """Who stands at the bed counts first: a console silences itself alone."""
        if self.seen_us is None:
            return ""
        at = formats.clock(instant_of(self.seen_us), language)
        return TEXTS["alarm_acknowledged_there"][language].format(at=at)


def in_session(device: Device, now: float) -> bool:
    """Whether the bed was last seen treating someone."""
    return device.current_phase(now) in IN_SESSION


def raised(live: Live, device: Device, now: float) -> Iterator[Raised]:
    """What is on at a bed; the lock of ``live`` is the caller's.

    While the broker is away, one alarm of the console stands for all beds' `connection_lost`.
    """
    if device.alarms:
        for alarm in device.alarms.alarms:
            english = alarm.text.get("en", alarm.condition).lstrip(_SYMBOLS)
            german = alarm.text.get("de", english).lstrip(_SYMBOLS)
            name = occurrences.of_gateway(device.alarms.boot, alarm.since, alarm.priority, alarm.occurrence)
            yield Raised(
                Occurrence(device.key.site, device.key.device, alarm.condition, name),
                alarm.priority,
                int(alarm.since.timestamp() * 1e6),
                alarm.latched,
                {"de": german, "en": english},
                int(alarm.acknowledged_at.timestamp() * 1e6) if alarm.acknowledged_at else None,
                alarm.state == "gone_unacknowledged",
            )
    if live.broker_up and in_session(device, now) and _unseen(live, device, now):
        yield _connection_lost(live, device)


def rows(live: Live, device: Device, now: float, language: Language) -> list[dict[str, Any]]:
    """A bed's alarms as shown, worst first; the lock of ``live`` is the caller's."""
    found = [one.row(live.acknowledged.of(one.occurrence), language) for one in raised(live, device, now)]
    return sorted(found, key=lambda row: (-SEVERITY[row["priority"]], row["acknowledged"], -row["since_us"]))


def severity(live: Live, device: Device, now: float) -> int:
    """How bad the worst of its alarms is, without putting any of them into words."""
    active = device.alarms.alarms if device.alarms else []
    worst = max((SEVERITY[alarm.priority] for alarm in active), default=0)
    if live.broker_up and in_session(device, now) and _unseen(live, device, now):
        return max(worst, SEVERITY[CONNECTION_PRIORITY])
    return worst


def quiet(found: list[dict[str, Any]]) -> bool:
    """Whether the worst of these rows are all acknowledged: the bed's border then stands still."""
    worst = found[0]["priority"] if found else None
    return all(row["acknowledged"] for row in found if row["priority"] == worst)


def broker_lost(live: Live, session: int) -> Raised:
    """The one alarm that stands for all beds while the broker is away; ``session`` beds treat somebody."""
    since_us = live.wall_us(live.broker_since)
    text = {language: text.format(session=session) for language, text in TEXTS["broker_alarm"].items()}
    occurrence = Occurrence("", "", occurrences.BROKER_LOST, occurrences.of_broker(since_us))
    return Raised(occurrence, CONNECTION_PRIORITY, since_us, latched=False, text=text)


def everything(live: Live, beds: list[dict[str, Any]], language: Language) -> list[dict[str, Any]]:
    """Every alarm of these beds: those that signal first, of those the worst, of those the newest."""
    found = [row for bed in beds for row in bed["alarms"]]
    if not live.broker_up:
        one = broker_lost(live, sum(bed["in_session"] for bed in beds))
        found.append(one.row(live.acknowledged.of(one.occurrence), language))
    return sorted(found, key=lambda row: (row["acknowledged"], -SEVERITY[row["priority"]], -row["since_us"]))


def header(live: Live, beds: list[dict[str, Any]], now: float, language: Language) -> dict[str, Any]:
    """The alarm header that every page keeps, and the state of the whole.

    ``beds`` has `in_session`, `link` and `alarms` of every bed that the reader may see.
    """
    found = everything(live, beds, language)
    session = sum(bed["in_session"] for bed in beds)
    lost = sum(bed["link"] in NOT_SEEN for bed in beds)
    age = formats.duration(max(0.0, now - live.broker_since), language)
    return {
        "alarms": found[:SHOWN],
        "count": len(found),
        "more_text": TEXTS["alarm_all"][language].format(count=len(found)) if len(found) > SHOWN else "",
        "worst": max((row["priority"] for row in found), key=SEVERITY.__getitem__, default=None),
        "signal": found[0]["priority"] if found and not found[0]["acknowledged"] else None,
        "beds": counted(TEXTS, "beds_line", len(beds), language, session=session, lost=lost),
        "broker_up": live.broker_up,
        "broker_text": "" if live.broker_up else TEXTS["broker_down"][language].format(age=age),
    }


def find(live: Live, wanted: Occurrence) -> Raised | None:
    """The alarm of this occurrence, if it is on now."""
    with live.lock:
        now = live.clock()
        if wanted.condition == occurrences.BROKER_LOST and not live.broker_up:
            session = sum(in_session(device, now) for device in live.devices.values())
            one = broker_lost(live, session)
            return one if one.occurrence == wanted else None
        device = live.devices.get(Key(wanted.site, wanted.device))
        found = raised(live, device, now) if device else ()
        return next((one for one in found if one.occurrence == wanted), None)


def _connection_lost(live: Live, device: Device) -> Raised:
    since_us = live.wall_us(device.arrived) if device.arrived is not None else live.began_us
    name = occurrences.of_connection(device.boot, device.seq)
    occurrence = Occurrence(device.key.site, device.key.device, occurrences.CONNECTION_LOST, name)
    return Raised(occurrence, CONNECTION_PRIORITY, since_us, latched=False, text=TEXTS["session_lost"])


def _unseen(live: Live, device: Device, now: float) -> bool:
    link = live.link(device, now)
    age_s = device.age_s(now)
    return link in ("lost", "stopped") or (link == "stale" and (age_s or 0.0) > CONNECTION_ALARM_S)


def _acknowledged_text(acknowledged: Acknowledged | None, language: Language) -> str:
    if acknowledged is None:
        return ""
    at = formats.clock(instant_of(acknowledged.at_us), language)
    return TEXTS["alarm_acknowledged"][language].format(name=in_sentence(acknowledged.name), at=at)
