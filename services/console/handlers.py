"""From message to function: what the console does with each stream but the samples (`reader.py`)."""

from collections.abc import Callable
from typing import cast

from broker import contract
from broker.bus import Delivery
from broker.messages import AlarmState, ClinicEvent, DeviceState, Event, GatewayStatus, Reply
from services.console.live import Live
from services.console.models import Key
from services.console.remote import Remote

PAIN_AT_HOME = ("pain.reported", "pain.answered")
Handler = Callable[[Live, Remote, Delivery], None]


def _key(delivery: Delivery) -> Key:
    return Key(delivery.site, delivery.device or "")


def _status(live: Live, _remote: Remote, it: Delivery) -> None:
    live.status(it.site, cast("GatewayStatus", it.message))


def _state(live: Live, _remote: Remote, it: Delivery) -> None:
    live.state(_key(it), cast("DeviceState", it.message))


def _alarm(live: Live, _remote: Remote, it: Delivery) -> None:
    live.alarm(_key(it), cast("AlarmState", it.message))


def _event(live: Live, _remote: Remote, it: Delivery) -> None:
    live.event(_key(it), cast("Event", it.message))


def _reply(_live: Live, remote: Remote, it: Delivery) -> None:
    remote.answered(cast("Reply", it.message))


def _site(live: Live, _remote: Remote, it: Delivery) -> None:
    event = cast("ClinicEvent", it.message)
    if event.type == "site.settings":
        live.zones.told(it.site, str(event.data.get("zone") or ""))


def _programme(live: Live, _remote: Remote, it: Delivery) -> None:
    if cast("ClinicEvent", it.message).type in PAIN_AT_HOME:
        live.pain_at_home(it.site)


HANDLERS: dict[str, Handler] = {
    contract.STATUS.name: _status,
    contract.STATE.name: _state,
    contract.ALARM.name: _alarm,
    contract.EVENT.name: _event,
    contract.REPLY.name: _reply,
    "site": _site,
    "programme": _programme,
}
SUBSCRIPTIONS = tuple(contract.STREAMS[name] for name in HANDLERS)


def handle(live: Live, remote: Remote, delivery: Delivery) -> None:
    """Put one delivery where the pages find it."""
    HANDLERS[delivery.stream.name](live, remote, delivery)
