"""The loop's code compiled, and told how far: by the functions that are done."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from numba.core import event
from numba.core.registry import CPUDispatcher

from services.controller.loop import preparing

KERNEL: Final = "services.controller.kernel."
MOST_PERCENT: Final = 99  # until the block is over: what follows the last function takes a moment
TELL_EVERY_S: Final = 0.5


@contextmanager
def progress_told(compiled: Path) -> Iterator[None]:
    """Say in ``compiled`` how far it is, from the first function that is compiled to the end of the block."""
    counter = _Counter(compiled, own_functions())
    event.register("numba:compile", counter)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        event.unregister("numba:compile", counter)  # type: ignore[no-untyped-call]
        if counter.has_told:
            preparing.told(compiled)


def own_functions() -> set[CPUDispatcher]:
    """The kernel's functions, as far as they are imported and are compiled by themselves."""
    modules = [module for name, module in sys.modules.items() if name.startswith(KERNEL)]
    found = {it for module in modules for it in vars(module).values() if isinstance(it, CPUDispatcher)}
    return {it for it in found if it.targetoptions.get("inline") != "always"}


class _Counter(event.Listener):
    """Tells which share of the kernel's own functions is done; the outermost, which holds them all, is last.

    The share is within 11 percent of the time's (measured, two cores); numba's own functions are not counted:
    how many there are changes with whatever calls them.
    """

    def __init__(self, compiled: Path, own: set[CPUDispatcher]) -> None:
        self._compiled = compiled
        self._expected = max(1, len(own))
        self._left = set(own)
        self._next = 0.0
        self.has_told = False

    def on_start(self, event: Any) -> None:  # noqa: ARG002  (numba's signature)
        """A function is compiled, and what it calls first."""
        self._tell()

    def on_end(self, event: Any) -> None:
        """A function is done."""
        self._left.discard(event.data["dispatcher"])
        self._tell()

    def _tell(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TELL_EVERY_S
        self.has_told = True
        share = 1.0 - len(self._left) / self._expected
        preparing.tell(self._compiled, min(MOST_PERCENT, round(100.0 * share)))
