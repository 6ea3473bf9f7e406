"""How far a stream is stored without a hole: what `committed` may promise, and nothing more."""

from bisect import bisect_left
from operator import itemgetter

Span = tuple[int, int]  # first, after: the numbers first .. after - 1


class Spans:
    """A set of whole numbers kept as disjoint spans; touching ones become one."""

    def __init__(self, after: int = 0) -> None:
        self._spans: list[Span] = [(0, after)] if after else []

    def add(self, first: int, after: int) -> None:
        """Take in the numbers ``first`` .. ``after - 1``, known before or not."""
        begin = end = bisect_left(self._spans, first, key=itemgetter(1))
        while end < len(self._spans) and self._spans[end][0] <= after:
            first = min(first, self._spans[end][0])
            after = max(after, self._spans[end][1])
            end += 1
        if first < after:
            self._spans[begin:end] = [(first, after)]

    @property
    def next(self) -> int:
        """The first number from 0 that is missing."""
        return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    @property
    def holes(self) -> list[Span]:
        """The spans that are missing below the highest number; the open end is none."""
        edges = [0, *(edge for span in self._spans for edge in span)]
        pairs = zip(edges[::2], edges[1::2], strict=False)
        return [(first, after) for first, after in pairs if first < after]
