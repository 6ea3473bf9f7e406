"""Which alarm is in the way of the next patient, in words: what it is, why, and what to do at the bed.

Asked before a confirmation and before a START. Whoever follows the alarms of the beds (the panel) answers;
the kernel refuses by its own conditions beside it and has the last word.
"""

import time
from collections.abc import Callable
from typing import Final

from broker.messages import ActiveAlarm
from services.controller.alarms.table import BY_CONDITION, UNTIL_SEEN
from services.controller.errors import SessionRefused
from services.controller.loop.shared import GatewayMemory
from services.controller.words import Words

BARRED: Final = frozenset({"confirm", "start"})
KNOWN_WITHIN_S: Final = 2.5  # a panel has read a new loop's ring long before
POLL_S: Final = 0.01

_UNSEEN: Final = Words(
    "{action} is refused: nobody has acknowledged this alarm yet: {alarm}. Somebody may still lie there, or "
    "be hurt: look after them, acknowledge the alarm at this bed, then {action} again (docs/safety)",
    "{action} ist gesperrt: diesen Alarm hat noch niemand quittiert: {alarm}. Vielleicht liegt dort noch "
    "jemand oder ist verletzt: nachsehen, den Alarm an dieser Liege quittieren, dann noch einmal {action} "
    "(docs/safety)",
)
_ON: Final = Words(
    "{action} is refused while this alarm is on: {alarm}. Do what it says; when its cause is gone, {action} "
    "again (docs/safety)",
    "{action} ist gesperrt, solange dieser Alarm ansteht: {alarm}. Tun, was er sagt; wenn seine Ursache weg "
    "ist, noch einmal {action} (docs/safety)",
)
_UNKNOWN: Final = Words(
    "{action} is refused: the control loop has just started, and the alarms of {device} are not known here "
    "yet; {action} again in a few seconds",
    "{action} ist gesperrt: die Regelung ist eben erst gestartet, und die Alarme von {device} sind hier noch "
    "nicht bekannt; in einigen Sekunden noch einmal {action}",
)


# Tells the alarm that bars a device in this boot, None for none; LookupError: not known yet.
Asked = Callable[[GatewayMemory, str], ActiveAlarm | None]


class Bar:
    """What is between a bed with an alarm and its next patient; safe from any thread.

    ``asked`` is given by whoever follows the alarms of these beds, as soon as they are followed.
    """

    def __init__(self) -> None:
        self.asked: Asked | None = None

    def require(self, action: str, memory: GatewayMemory, bed: int) -> None:
        """Raise SessionRefused when an alarm of this bed is in the way of ``action``."""
        if self.asked is None or action not in BARRED:
            return
        alarm = _known(self.asked, action, memory, memory.devices[bed])
        if alarm is not None:
            words = _UNSEEN if BY_CONDITION[alarm.condition].bars == UNTIL_SEEN else _ON
            en, de = (alarm.text[way].lstrip("* ") for way in ("en", "de"))
            raise SessionRefused(
                words.en.format(action=action, alarm=en), words.de.format(action=action, alarm=de)
            )


def _known(asked: Asked, action: str, memory: GatewayMemory, device: str) -> ActiveAlarm | None:
    """The answer, waited for; raises SessionRefused when there is none in time."""
    deadline = time.monotonic() + KNOWN_WITHIN_S
    while True:
        try:
            return asked(memory, device)
        except LookupError:
            if time.monotonic() >= deadline:
                words = _UNKNOWN.format(action=action, device=device)
                raise SessionRefused(words.en, words.de) from None
        time.sleep(POLL_S)
