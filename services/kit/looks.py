"""Which looks stand in the audit trail already: fetching more of a record is the same look, not another."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.kit.auth.principal import Principal

ONE_LOOK_S: Final = 15 * 60.0  # whoever goes on looking for longer is put down once more
MOST: Final = 10_000  # looks that are remembered; one that is forgotten is put down once more
Look = tuple[str, str, str]


class Looks:
    """The looks of the last quarter of an hour at this process; safe for any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: OrderedDict[Look, float] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, who: Principal, action: str, record: str) -> bool:
        """Whether this one's look at this record has just been put down."""
        began = self._began.get((who.account, action, record))
        return began is not None and self._clock() - began < ONE_LOOK_S

    def put_down(self, who: Principal, action: str, record: str) -> None:
        """It stands in the trail."""
        with self._lock:
            self._began[who.account, action, record] = self._clock()
            self._began.move_to_end((who.account, action, record))
            while len(self._began) > MOST:
                self._began.popitem(last=False)
