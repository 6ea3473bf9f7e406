"""Recorded signals: reading a file of numbers, EMG to force, and cutting a force into its bursts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.kit.errors import SpondylError

Signal = NDArray[np.float64]

MAX_BYTES = 64_000_000  # hours of a signal at 1000 Hz; more is a mistake
TWITCH_S = 0.05  # time constant of the twitch, rise to peak: 50-90 ms in trunk extensors
ENTER, LEAVE = 0.25, 0.10  # hysteresis of a burst, of the signal's peak and of the burst's own
MERGE_S = 0.15  # a dip shorter than this belongs to the burst
SHORTEST_S = 0.05


@dataclass(frozen=True, slots=True)
class Burst:
    """One contraction in a signal: samples [first, last), the first above 10 % of its own peak."""

    first: int
    last: int
    peak: float


def read_signal(path: Path) -> Signal:
    """Numbers of a text file, one a line (the last column where there are several).

    Lines that start with # are comments, and one header line is passed over.
    Raises SpondylError naming file and line for whatever is not a finite number.
    """
    values: list[float] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        cell = line.strip()
        if not cell or cell.startswith("#"):
            continue
        field = cell.replace(";", ",").replace("\t", ",").rstrip(",").rsplit(",", 1)[-1].strip()
        try:
            values.append(float(field))
        except ValueError:
            if values or _headed(field, number) is False:
                raise SpondylError(f"{path}:{number}: {field[:40]!r} is not a number") from None
    signal = np.array(values, dtype=np.float64)
    if signal.size < 2:  # noqa: PLR2004  (a signal has at least two samples)
        raise SpondylError(f"{path}: {signal.size} numbers found, a signal has at least 2, one a line")
    if not np.isfinite(signal).all():
        raise SpondylError(f"{path}: sample {int(np.flatnonzero(~np.isfinite(signal))[0])} is not finite")
    return signal


def _headed(field: str, number: int) -> bool:
    return number <= 3 and any(letter.isalpha() for letter in field)  # noqa: PLR2004  (below a comment or two)


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpondylError(f"{path}: {size} bytes, the limit for a signal file is {MAX_BYTES}")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SpondylError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpondylError(f"{path}: not text in UTF-8 (byte {error.start})") from error


@njit(cache=True)
def twitch(signal: Signal, step_s: float, constant_s: float) -> Signal:
    """Second-order critically damped low pass, a muscle's twitch: 1 / (1 + s constant_s)^2, causal."""
    gain = 1.0 - np.exp(-step_s / constant_s)
    out = np.empty_like(signal)
    inner = outer = 0.0
    for index in range(signal.size):
        inner += gain * (signal[index] - inner)
        outer += gain * (inner - outer)
        out[index] = outer
    return out


def force_of_emg(emg: Signal, rate_hz: float) -> Signal:
    """Force (any unit) of the muscle behind a surface EMG: rectified, through a twitch, rest taken off."""
    rectified = np.abs(emg - np.median(emg))
    force: Signal = twitch(rectified, 1.0 / rate_hz, TWITCH_S)
    settled = force[min(force.size - 1, int(5.0 * TWITCH_S * rate_hz)) :]
    above_rest: Signal = np.maximum(force - np.quantile(settled, 0.25), 0.0)
    return above_rest


def bursts(force: Signal, rate_hz: float, enter: float = ENTER) -> list[Burst]:
    """Contractions of a force: each exceeds ``enter`` of the signal's peak, from 10 % of its own on."""
    peak = float(force.max(initial=0.0))
    if peak <= 0.0:
        return []
    found: list[Burst] = []
    for first, last in _runs(force > LEAVE * peak, int(MERGE_S * rate_hz)):
        top = float(force[first:last].max())
        if top < enter * peak:
            continue
        inside = np.flatnonzero(force[first:last] > LEAVE * top)
        if inside[-1] - inside[0] >= SHORTEST_S * rate_hz:
            found.append(Burst(first + int(inside[0]), first + int(inside[-1]) + 1, top))
    return found


def _runs(mask: NDArray[np.bool_], merge: int) -> list[tuple[int, int]]:
    """Stretches where a mask is true, those closer together than ``merge`` samples made one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and first - runs[-1][1] < merge:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs
