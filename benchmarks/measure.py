"""Time, memory and processes of their own."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


def timed(function: Callable[[], Any], runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def median_time(function: Callable[[], Any], runs: int) -> float:
    """Median of `runs`, after one that warms up."""
    function()
    return statistics.median(timed(function, runs))


class Compared(NamedTuple):
    """Medians of two sides, and of their ratio pair by pair."""

    first: float
    second: float
    ratio: float  #: second / first


def compared(pairs: Iterable[tuple[float, float]]) -> Compared:
    pairs = list(pairs)
    firsts, seconds = zip(*pairs, strict=True)
    ratio = statistics.median(second / first for first, second in pairs)
    return Compared(statistics.median(firsts), statistics.median(seconds), ratio)


def alternated(first: Callable[[], Any], second: Callable[[], Any], runs: int) -> Compared:
    """Two functions run in turn, after one run of each that warms up."""
    first(), second()
    return compared((timed(first, 1)[0], timed(second, 1)[0]) for _ in range(runs))


def process(*command: str | Path) -> str:
    """What a fresh process prints; what it says on standard error passes through."""
    done = subprocess.run(
        [str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def side(script: str, *arguments: object, python: str = sys.executable) -> dict[str, float]:
    """The stages of one of the `side_*.py`, in a fresh process; "process" is all of it."""
    start = time.perf_counter()
    out = process(python, HERE / script, *map(str, arguments))
    return {"process": time.perf_counter() - start} | json.loads(out)


def tasks(lazy: Any) -> str:
    """The number of tasks in the graph of something that dask computes."""
    return f"{len(lazy.__dask_graph__()):,}"
