"""Recorded signals: reading a file of numbers, EMG to force, and cutting a force into its bursts."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.controller.kernel.compiled import scalar
from services.kit.errors import SpondylError
from services.kit.files import read_text

Signal = NDArray[np.float64]

MAX_BYTES = 32_000_000  # an hour of a signal at 1000 Hz; more is a mistake
COLUMNS_MAX = 2  # time and value
_SEPARATORS = re.compile(r"\s*[,;\t]\s*|\s+")
_HEADER = re.compile(r"[A-Za-z]{2}")
TWITCH_S = 0.05  # time constant of the twitch, rise to peak: 50-90 ms in trunk extensors
ENTER, LEAVE = 0.25, 0.10  # hysteresis of a burst, of the signal's peak and of the burst's own
TRACE = 0.01  # of a burst's peak: its very first sign
MERGE_S = 0.15  # a dip shorter than this belongs to the burst
SHORTEST_S = 0.05


@dataclass(frozen=True, slots=True)
class Burst:
    """One contraction in a signal: samples [first, last), the first above 10 % of its own peak."""

    first: int
    last: int
    peak: float


def read_signal(path: Path) -> Signal:
    """Numbers of a text file: one a line, or time and value.

    Lines that start with # are comments, and a header line may come first. Raises SpondylError naming file
    and line for whatever is not a finite number.
    """
    rows, places = _rows(path)
    if len(rows) < 2:  # noqa: PLR2004  (a signal has at least two samples)
        raise SpondylError(f"{path}: {len(rows)} numbers found, a signal has at least 2, one a line")
    table = _table(path, rows, places)
    broken = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if broken.size:
        raise SpondylError(f"{path}:{places[int(broken[0])]}: not a finite number")
    if table.shape[1] == COLUMNS_MAX and not (np.diff(table[:, 0]) > 0.0).all():
        raise SpondylError(
            f"{path}: two columns, and the first is no time that grows; give one number a line"
        )
    return np.ascontiguousarray(table[:, -1])


def _table(path: Path, rows: list[list[float]], places: list[int]) -> Signal:
    width = len(rows[0])
    for row, place in zip(rows, places, strict=True):
        if len(row) != width or width > COLUMNS_MAX:
            raise SpondylError(
                f"{path}:{place}: {len(row)} columns; give one number a line, or time and value"
            )
    return np.array(rows, dtype=np.float64)


def _rows(path: Path) -> tuple[list[list[float]], list[int]]:
    """The numbers of each line, and the line they stand in."""
    rows: list[list[float]] = []
    places: list[int] = []
    headed = False
    for place, line in enumerate(read_text(path, f"signal file {path}", MAX_BYTES).splitlines(), start=1):
        cells = line.strip()
        if not cells or cells.startswith("#"):
            continue
        try:
            rows.append([float(cell) for cell in _cells(cells)])
            places.append(place)
        except ValueError:
            if rows or headed or not _HEADER.search(cells):
                raise SpondylError(f"{path}:{place}: {cells[:40]!r} is not a number") from None
            headed = True
    return rows, places


def _cells(line: str) -> list[str]:
    """A line's columns; where semicolons or tabs part them, a comma is a decimal one."""
    line = line.rstrip(";,\t ")
    if ";" in line or "\t" in line:
        line = line.replace(",", ".")
    return _SEPARATORS.split(line)


@scalar
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
        level = LEAVE * top
        before = np.flatnonzero(force[:first] <= level)
        after = np.flatnonzero(force[last:] <= level)
        earliest = found[-1].last if found else 0
        begin = max(earliest, int(before[-1]) + 1 if before.size else 0)
        end = last + int(after[0]) if after.size else force.size
        begin += int(np.argmax(force[begin:end] > level))
        if end - begin >= SHORTEST_S * rate_hz:
            found.append(Burst(begin, end, top))
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
