"""The solver loaded soon after the start: behind the process's readiness, before the first desk asks."""

import threading
from collections.abc import Callable
from typing import Final

from services.scheduler.planner.place import warm

AFTER_S: Final = 2.0  # loading keeps the interpreter busy: first the process answers
ENDING_S: Final = 2.5


def begin(after_s: float = AFTER_S) -> Callable[[], None]:
    """Load it in the background. Gives the end."""
    ending = threading.Event()

    def run() -> None:
        if not ending.wait(after_s):
            warm()

    thread = threading.Thread(target=run, name="warming", daemon=True)
    thread.start()

    def end() -> None:
        ending.set()
        thread.join(ENDING_S)

    return end
