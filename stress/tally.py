"""The results of one stress test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Tally:
    """The tries of one stress test, by how they ended."""

    test: str
    right: int = 0  #: with the right data
    refused: int = 0  #: with the package's own error, which says where and what to do
    failures: list[str] = field(default_factory=list)  #: anything else, and how to get there again
    figures: str = ""  #: what else was measured
    seconds: float = 0

    @property
    def tried(self) -> int:
        return self.right + self.refused + len(self.failures)

    def line(self) -> str:
        counts = (self.tried, self.right, self.refused, len(self.failures))
        cells = (self.test, *(f"{n:,}" for n in counts), self.figures, f"{self.seconds:.0f} s")
        return f"| {' | '.join(cells)} |"


_COLUMNS = ("test", "tried", "right data", "refused", "failed", "figures", "took")
HEAD = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|"


@contextmanager
def tally(test: str) -> Iterator[Tally]:
    """A tally that is timed."""
    counted = Tally(test)
    start = time.monotonic()
    yield counted
    counted.seconds = time.monotonic() - start


def times(n: int, scale: float) -> int:
    """How often, at a scale: 1 is full length."""
    return max(1, round(n * scale))
