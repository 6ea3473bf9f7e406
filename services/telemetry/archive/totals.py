"""Exact sums over any part of the archive, from the directories alone: not one block is fetched."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.telemetry.archive.models import BITS
from services.telemetry.archive.objects import Directory


@dataclass(slots=True)
class Total:
    """Of one column: how many samples, their sum, least and greatest, in the column's unit."""

    count: int = 0
    sum: float = 0.0
    least: float = float("inf")
    greatest: float = float("-inf")

    @property
    def mean(self) -> float:
        """The mean; nan where there is no sample."""
        return self.sum / self.count if self.count else float("nan")


def totals(directories: Iterable[bytes]) -> dict[str, Total]:
    """By column, over all tension of these directories.

    A sample that lies in two objects counts twice. Sums stay integers until the end, one for each number of
    decimals, so that their order changes nothing.
    """
    sums: dict[tuple[str, int], float] = {}
    found: dict[str, Total] = {}
    for data in directories:
        for block in Directory.load(data).blocks:
            for name, part in block.columns.items():
                total = found.setdefault(name, Total())
                unit = 1 if part.decimals == BITS else 10**part.decimals
                total.count += block.after - block.first
                total.least = min(total.least, part.least / unit)
                total.greatest = max(total.greatest, part.greatest / unit)
                sums[name, unit] = sums.get((name, unit), 0) + part.sum
    for (name, unit), added in sums.items():
        found[name].sum += added / unit
    return found
