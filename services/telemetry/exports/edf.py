"""EDF+ (Kemp & Olivan 2003, https://www.edfplus.info/specs/edfplus.html): exact 16-bit counts.

A session with a gap is EDF+D: every data record tells its own onset, and the samples that are missing are in
none. Records are as long as divides every run evenly, at most a second, so that nothing is padded. A column
whose range does not fit 16 bits at its resolution becomes two signals, whole units and the fraction above
them; their sum is the value. Patient, sex, birth date and name are ``X``: anonymous, as the format writes it.
Times are UTC. Phases, guardings and gaps are annotations, the phase's number is a signal too. The format has
no value for what nobody measured: the numbers stand there as they came, and an annotation says what was "not
measured" and for how long.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt

from services.kit.moments import instant_of
from services.telemetry.archive.models import BIT, PHASE, PHASES, UNMEASURED, Counts, Run
from services.telemetry.errors import NotExportable
from services.telemetry.exports.models import COLUMNS, UNITS, Recorded

LABELS: Final = {
    "tension_n": "Tension", "target_n": "Target", "position_mm": "Position",
    "residual_n": "Residual", PHASE: "Phase",
}  # fmt: skip
FRACTION: Final = " decimal"
_LOWEST: Final = -(2**15)
_LEVELS: Final = 2**16
_RECORD_S: Final = 1.0
_RECORD_SAMPLES: Final = 1000  # 61440 bytes is the most a record should have
_MONTHS: Final = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal: counts of each run from ``lowest`` whole units up, ``scale`` counts a unit."""

    label: str
    unit: str
    scale: int
    lowest: int  # physical minimum, whole units
    highest: int
    counts: Sequence[Counts]

    @property
    def digital_max(self) -> int:
        """What the highest physical value is in the file."""
        return _LOWEST + (self.highest - self.lowest) * self.scale

    def digital(self, run: int) -> npt.NDArray[np.int16]:
        """A run's samples as they stand in the file."""
        return (self.counts[run] - self.lowest * self.scale + _LOWEST).astype("<i2")


def edf(recorded: Recorded) -> Iterator[bytes]:
    """The file, head first. Raises NotExportable."""
    signals = [signal for name in COLUMNS for signal in _signals(name, recorded)]
    samples = _record_samples(recorded)
    onsets = [first for run in recorded.runs for first in range(run.first, run.after, samples)]
    notes = _notes(recorded, onsets)
    width = max(len(note) for note in notes)
    width += width % 2
    yield _head(recorded, signals, samples, len(onsets), width)
    record = 0
    for number, run in enumerate(recorded.runs):
        count = run.count // samples
        columns = [signal.digital(number).reshape(count, samples).view(np.uint8) for signal in signals]
        lines = notes[record : record + count]
        text = np.frombuffer(b"".join(line.ljust(width, b"\0") for line in lines), np.uint8)
        yield np.concatenate([*columns, text.reshape(count, width)], axis=1).tobytes()
        record += count


def _signals(name: str, recorded: Recorded) -> list[Signal]:
    """One signal, or two where 16 bits do not hold the column's range."""
    decimals, counts = recorded.counts(name)
    scale = 10**decimals
    whole = [column // scale for column in counts]
    lowest, highest = min(int(part.min()) for part in whole), max(int(part.max()) for part in whole) + 1
    label, unit = LABELS[name], UNITS[name]
    if (highest - lowest) * scale < _LEVELS:
        return [Signal(label, unit, scale, lowest, highest, counts)]
    rest = [column - part * scale for column, part in zip(counts, whole, strict=True)]
    return [
        Signal(label, unit, 1, lowest, highest, whole),
        Signal(label + FRACTION, unit, scale, 0, 1, rest),
    ]


def _record_samples(recorded: Recorded) -> int:
    """The most samples, at most a second's, that divide every run."""
    common = gcd(*(run.count for run in recorded.runs))
    most = max(1, min(_RECORD_SAMPLES, round(_RECORD_S * 1000 / recorded.period_ms)))
    return max(size for size in range(1, most + 1) if common % size == 0)


def _head(recorded: Recorded, signals: Sequence[Signal], samples: int, records: int, width: int) -> bytes:
    start = instant_of(recorded.runs[0].started_at_us(recorded.first))
    date = f"{start.day:02}-{_MONTHS[start.month - 1]}-{start.year}"
    code = recorded.session.hex if recorded.session else "X"
    kind = "EDF+D" if recorded.gaps else "EDF+C"
    rows = len(signals) + 1
    main = (
        ("0", 8), ("X X X X", 80), (f"Startdate {date} {code} X Spondyl", 80), (f"{start:%d.%m.%y}", 8),
        (f"{start:%H.%M.%S}", 8), (str(256 * (rows + 1)), 8), (kind, 44), (str(records), 8),
        (_number(samples * recorded.period_ms / 1000), 8), (str(rows), 4),
    )  # fmt: skip
    notes = ("EDF Annotations", "", "", "-1", "1", str(_LOWEST), str(_LOWEST + _LEVELS - 1), "", width // 2)
    table = [
        (one.label, "", one.unit, one.lowest, one.highest, _LOWEST, one.digital_max, "", samples)
        for one in signals
    ]
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8)
    columns = zip(*table, notes, strict=True)
    cells = [(str(cell), size) for column, size in zip(columns, widths, strict=True) for cell in column]
    return b"".join(_field(text, size) for text, size in (*main, *cells, *[("", 32)] * rows))


def _field(text: str, size: int) -> bytes:
    if len(text) > size:
        raise NotExportable(f"{text!r} does not fit the {size} characters of a field of EDF+")
    return text.ljust(size).encode("ascii")


def _number(value: float) -> str:
    """A number in the 8 characters of a field."""
    return f"{value:.6f}"[:8].rstrip("0").rstrip(".")


def _notes(recorded: Recorded, onsets: Sequence[int]) -> list[bytes]:
    """Of every data record: its own onset, and its share of the annotations."""
    start = instant_of(recorded.runs[0].started_at_us(recorded.first))
    ahead_us = start.microsecond

    def seconds(seq: int) -> str:
        since_us = ahead_us + (seq - recorded.first) * recorded.period_ms * 1000
        return f"{since_us / 1e6:+.6f}".rstrip("0").rstrip(".")

    notes = [f"{seconds(onset)}\x14\x14\0".encode() for onset in onsets]
    told = annotations(recorded)
    for number, (first, after, text) in enumerate(told):
        length = (after - first) * recorded.period_ms / 1000
        duration = f"\x15{length:.6f}".rstrip("0").rstrip(".") if after > first else ""
        place = number * len(onsets) // len(told)
        notes[place] += f"{seconds(first)}{duration}\x14{text}\x14\0".encode()
    return notes


def annotations(recorded: Recorded) -> list[tuple[int, int, str]]:
    """(first seq, seq behind it, text), in order: phases, gaps and events of the session."""
    found: list[tuple[int, int, str]] = []
    for run in recorded.runs:
        found += [(begin, end, PHASES[code]) for begin, end, code in _stretches(run, PHASE)]
        if UNMEASURED in run.columns:
            found += [
                (begin, end, _not_measured(bits)) for begin, end, bits in _stretches(run, UNMEASURED) if bits
            ]
    found += [(first, after, f"{after - first} samples missing") for first, after in recorded.gaps]
    for event in recorded.events:
        if event["type"] != "phase.changed" and recorded.first <= event["seq"] <= recorded.after:
            found.append((event["seq"], event["seq"], event["type"]))  # (no duration)
    return sorted(found)


def _stretches(run: Run, name: str) -> Iterator[tuple[int, int, int]]:
    """(first seq, seq behind it, count) wherever a column stays the same."""
    counts = run.columns[name]
    edges = [0, *(np.flatnonzero(np.diff(counts)) + 1).tolist(), run.count]
    for begin, end in pairwise(edges):
        yield run.first + begin, run.first + end, int(counts[begin])


def _not_measured(bits: int) -> str:
    return "not measured: " + ", ".join(LABELS[name] for name, bit in BIT.items() if bits & bit)
