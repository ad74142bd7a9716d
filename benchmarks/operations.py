"""The package by itself: each operation on AA1, and what it may cost."""

from collections.abc import Iterator

from benchmarks import suite
from benchmarks.archives import Source
from benchmarks.measure import alternated, median_time, peaks, ready, time_of, tracked
from benchmarks.report import Row, at_most, mib, precise, seconds


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
    for what, most in zip(suite.COMPUTED, (0.1, 1, 2, 0.5, 2), strict=True):
        yield at_most(what, most, seconds, *time_of(runs, suite.Compute, *of, what))
    taken, _ = time_of(5 * runs, suite.WithoutDask, *of)
    yield at_most("one response of one cell, no dask", 0.005, seconds, taken, "no dask")

    yield from _one_by_one(of, runs)

    imports, peak = peaks("peakmem_sum", suite.AllSpikes, *of)
    what = "peak memory of a pass over all spikes, 1 ms, above the imports"
    n_tasks = tracked("track_tasks", suite.AllSpikes, *of)
    yield at_most(what, 400 / 1.048576, mib, peak - imports, n_tasks)

    psth = tracked("track_tasks", suite.Compute, *of, next(iter(suite.COMPUTED)))
    with ready(suite.Process, *of) as method:
        for what, name, n_tasks in (
            ("import aa1xr", "time_import", None),
            ("process: import, warm open, PSTH of all neurons", "time_psth_of_all", psth),
        ):
            bare, full, ratio = alternated(method("time_required_imports"), method(name), runs)
            yield Row(
                f"{what} / {suite.IMPORTS}",
                (f"{seconds(full)} / {seconds(bare)} = {ratio:.2f}",),
                n_tasks,
                "≤ 1.3",
                ratio <= 1.3,
            )


def _one_by_one(of, runs: int) -> Iterator[Row]:
    """One response after another: one call; and one neuron after another, against one pass."""
    what = "one response after another, `.sel(neuron=, stimulus=).values`, one call"
    for held, most in (("dask", 0.0025), ("no dask", 0.001)):
        with ready(suite.OneByOne, *of, held) as method:
            calls = method("time_responses").func.__self__.calls
            taken = median_time(method("time_responses"), runs) / calls
        yield at_most(f"{what}, {held}", most, precise, taken, held)
    with ready(suite.OneByOne, *of, "loaded") as one, ready(suite.OneByOne, *of, "by hand") as hand:
        calls = one("time_responses").func.__self__.calls
        bare, full, ratio = alternated(hand("time_responses"), one("time_responses"), runs)
    values = f"{precise(full / calls)} / {precise(bare / calls)} = {ratio:.2f}"
    yield Row(f"{what}, loaded / a DataArray by hand", (values,), "", "≤ 1.2", ratio <= 1.2)
    for held in ("dask", "no dask"):
        with ready(suite.OneByOne, *of, held) as method:
            bare, full, ratio = alternated(method("time_pass"), method("time_neurons"), runs)
        values = f"{seconds(full)} / {seconds(bare)} = {ratio:.2f}"
        what = f"all neurons one after another / one pass, {held}"
        yield Row(what, (values,), held, "≤ 2", ratio <= 2)
