"""The kernel's twin in C: header generated from the kernel's names, compiled with gcc, called by ctypes."""

import ctypes
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel import (
    coughs,
    deciding,
    entering,
    guarding,
    layout,
    phases,
    state,
    step,
    tuning,
)
from services.kit.errors import SpondylError

SOURCES = Path(__file__).parent
FAST = ("-O3", "-march=native")  # what the issue compares with
Array = NDArray[np.float64] | NDArray[np.int32]


def _defines(module: ModuleType) -> dict[str, str]:
    """Every whole or real number that a module names in capitals."""
    return {
        name: repr(value)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | float) and not isinstance(value, bool)
    }


def _marks(name: str, values: NDArray[np.float64]) -> str:
    return f"static const double {name}[] = {{{', '.join(repr(float(value)) for value in values)}}};"


def header() -> str:
    """kernel_rows.h: rows, bits and constants as the kernel has them, and the phase table."""
    names: dict[str, str] = {"READING_ROWS": str(len(layout.READINGS))}
    for module in (tuning, phases, coughs, entering, deciding, guarding, step, state, layout):
        names |= _defines(module)
    table = ", ".join("{" + ", ".join(str(int(cell)) for cell in line) + "}" for line in phases.TRANSITIONS)
    triggers = len(phases.TRIGGERS)
    return "\n".join([
        *(f"#define {name} {value}" for name, value in names.items()),
        f"static const int8_t TRANSITIONS[][{triggers}] = {{{table}}};",
        *(_marks(name, getattr(phases, name)) for name in
          ("IS_WATCHING", "IS_COUNTING", "IS_ARMED", "IS_ATTENDED", "IS_UNDERWAY", "IS_HEATED", "FOLLOWS",
           "BEARS")),
        "",
    ])  # fmt: skip


class Twin:
    """The compiled twin: `step` as kernel.step.step, and `run` over recorded readings."""

    def __init__(self, directory: Path, flags: tuple[str, ...] = FAST) -> None:
        (directory / "kernel_rows.h").write_text(header(), encoding="utf-8")
        library = directory / f"twin{abs(hash(flags)):x}.so"
        command = ["gcc", *flags, "-std=gnu11", "-shared", "-fPIC", "-I", str(directory), "-I", str(SOURCES),
                   str(SOURCES / "kernel_twin.c"), "-o", str(library), "-lm"]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise SpondylError("gcc is not installed: `apt install gcc` (see spondyl doctor)") from None
        except subprocess.CalledProcessError as failed:
            raise SpondylError(f"gcc could not compile the kernel's twin: {failed.stderr[-400:]}") from None
        self._library = ctypes.CDLL(str(library))
        self._library.kernel_step.restype = self._library.kernel_run.restype = None

    def step(self, *arrays: Array) -> None:
        """One tick; arrays as kernel.step.step takes them."""
        self._library.kernel_step(ctypes.c_long(arrays[0].shape[1]), *map(_pointer, arrays))

    def run(self, ticks: int, *arrays: Array) -> None:
        """Ticks over readings int32[ticks, READINGS, beds] and actions int32[ticks, beds], else as `step`."""
        self._library.kernel_run(
            ctypes.c_long(ticks), ctypes.c_long(arrays[0].shape[1]), *map(_pointer, arrays)
        )


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
