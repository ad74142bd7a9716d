"""Time, memory and processes of their own."""

import json
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.stages import clock

HERE = Path(__file__).parent

#: A `peakmem_` method in a process of its own, as in a plain install, which has no distributed.
_PEAKS = """
import pickle, sys
sys.modules["distributed"] = None
import dask.array, aa1xr
from benchmarks.measure import ready
from benchmarks.stages import peak_mib
benchmark, name, cache, params = pickle.load(sys.stdin.buffer)
imports = peak_mib()
with ready(benchmark, cache, *params) as method:
    method(name)()
print(imports, peak_mib())
"""


@contextmanager
def ready(
    benchmark: type, cache: Any, *params: Any
) -> Iterator[Callable[[str], Callable[[], Any]]]:
    """The methods of a benchmark by their names, set up and torn down as asv does."""
    it = benchmark()

    def method(name: str) -> Callable[[], Any]:
        return partial(getattr(it, name, lambda *_: None), cache, *params)

    method("setup")()
    try:
        yield method
    finally:
        method("teardown")()


def peaks(name: str, benchmark: type, cache: Any, *params: Any) -> tuple[float, float]:
    """Peak memory (MiB) of a process after its imports, and after a method of a benchmark."""
    given = pickle.dumps((benchmark, name, cache, params))
    command = [sys.executable, "-c", _PEAKS]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=HERE.parent, input=given)
    imports, peak = map(float, done.stdout.split())
    return imports, peak


def tracked(name: str, benchmark: type, cache: Any, *params: Any) -> Any:
    with ready(benchmark, cache, *params) as method:
        return method(name)()


def time_of(runs: int, benchmark: type, cache: Any, *params: Any) -> tuple[float, int | None]:
    """The median time of the one `time_` method of a benchmark, and the tasks that it tracks."""
    (name,) = (name for name in dir(benchmark) if name.startswith("time_"))
    with ready(benchmark, cache, *params) as method:
        return median_time(method(name), runs), method("track_tasks")()


def timed(function: Callable[[], Any], runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        start = clock()
        function()
        times.append(clock() - start)
    return times


def median_time(function: Callable[[], Any], runs: int) -> float:
    """Median of `runs`, after one that warms up unless there is but one."""
    if runs > 1:
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


def tasks(lazy: Any) -> int:
    """The number of tasks in the graph of something that dask computes."""
    return len(lazy.__dask_graph__())
