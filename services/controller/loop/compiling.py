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
NUMBAS_OWN: Final = 57  # functions of numba that are compiled with the kernel's, as counted once
LAST_SHARE: Final = 0.1  # of the time, for the outermost function that holds all others: measured
TELL_EVERY_S: Final = 0.5


@contextmanager
def progress_told(compiled: Path) -> Iterator[None]:
    """Say in ``compiled`` how far it is, from the first function that is compiled to the end of the block."""
    counter = _Counter(compiled, len(own_functions()) + NUMBAS_OWN)
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
    """Counts functions as they are done, of ``expected``."""

    def __init__(self, compiled: Path, expected: int) -> None:
        self._compiled = compiled
        self._expected = expected
        self._done = 0
        self._next = 0.0
        self.has_told = False

    def on_start(self, event: Any) -> None:  # noqa: ARG002  (numba's signature)
        """A function is compiled, and what it calls first."""
        self._tell()

    def on_end(self, event: Any) -> None:  # noqa: ARG002  (likewise)
        """A function is done."""
        self._done += 1
        self._tell()

    def _tell(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + TELL_EVERY_S
        self.has_told = True
        share = min(1.0, self._done / self._expected)
        preparing.tell(self._compiled, round(100.0 * (1.0 - LAST_SHARE) * share))
