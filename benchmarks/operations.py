"""The package by itself: each operation on AA1, and what it may cost."""

from collections.abc import Iterator

from benchmarks import suite
from benchmarks.archives import Source
from benchmarks.measure import alternated, peaks, ready, time_of, tracked
from benchmarks.report import Row, at_most, mib, seconds


def rows(aa1: Source, runs: int) -> Iterator[Row]:
    of = ({"AA1": aa1}, "AA1")
    what = "cold build, zip to store (no spectrogram)"
    yield at_most(what, 1.5, seconds, *time_of(runs, suite.Build, *of))
    for name, kind in (("zip", "archive"), ("store", "store")):
        taken, _ = time_of(5 * runs, suite.Open, *of, kind, 5)
        yield at_most(f"warm open at 5 ms, of the {name}", 0.06, seconds, taken)
    for dt_ms in (5, 1):
        n_tasks = tracked("track_tasks", suite.Open, *of, "store", dt_ms)
        what = f"tasks in the graph of everything at {dt_ms} ms"
        yield at_most(what, 1000, "{:,}".format, n_tasks, n_tasks)
    for what, most in zip(suite.COMPUTED, (0.1, 1, 2, 0.5), strict=True):
        yield at_most(what, most, seconds, *time_of(runs, suite.Compute, *of, what))
    taken, _ = time_of(5 * runs, suite.WithoutDask, *of)
    yield at_most("one response of one cell, no dask", 0.005, seconds, taken, "no dask")

    imports, peak = peaks("peakmem_sum", suite.AllSpikes, *of)
    what = "peak memory of a pass over all spikes, 1 ms, above the imports"
    n_tasks = tracked("track_tasks", suite.AllSpikes, *of)
    yield at_most(what, 400 / 1.048576, mib, peak - imports, n_tasks)

    psth = tracked("track_tasks", suite.Compute, *of, next(iter(suite.COMPUTED)))
    with ready(suite.Process, *of) as method:
        for what, name, n_tasks in (
            ("import aa1xr", "time_import", None),
            ("process: import, warm open, PSTH of all cells", "time_psth_of_all", psth),
        ):
            bare, full, ratio = alternated(method("time_required_imports"), method(name), runs)
            yield Row(
                f"{what} / {suite.IMPORTS}",
                (f"{seconds(full)} / {seconds(bare)} = {ratio:.2f}",),
                n_tasks,
                "≤ 1.3",
                ratio <= 1.3,
            )
