"""How far a stream is stored without a hole: what `committed` may promise, and nothing more."""

from bisect import bisect_left
from operator import itemgetter

Span = tuple[int, int]  # first, after: the numbers first .. after - 1


class Spans:
    """A set of whole numbers kept as disjoint spans; touching ones become one."""

    __slots__ = ("_spans",)

    def __init__(self, after: int = 0) -> None:
        self._spans: list[Span] = [(0, after)] if after else []

    def add(self, first: int, after: int) -> None:
        """Take in the numbers ``first`` .. ``after - 1``, known before or not."""
        spans = self._spans
        if spans and spans[-1][1] == first < after:  # nearly always: the next one
            spans[-1] = spans[-1][0], after
            return
        begin = end = bisect_left(spans, first, key=itemgetter(1))
        while end < len(spans) and spans[end][0] <= after:
            first = min(first, spans[end][0])
            after = max(after, spans[end][1])
            end += 1
        if first < after:
            spans[begin:end] = [(first, after)]

    @property
    def next(self) -> int:
        """The first number from 0 that is missing."""
        return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    @property
    def whole(self) -> bool:
        """Whether nothing is missing below the highest number."""
        return not self._spans or (len(self._spans) == 1 and self._spans[0][0] == 0)

    @property
    def holes(self) -> list[Span]:
        """The spans that are missing below the highest number; the open end is none."""
        edges = [0, *(edge for span in self._spans for edge in span)]
        pairs = zip(edges[::2], edges[1::2], strict=False)
        return [(first, after) for first, after in pairs if first < after]
