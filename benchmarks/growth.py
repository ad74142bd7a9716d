"""How cost grows: simulated archives of more and more neurons, on one worker and on two."""

from collections.abc import Callable, Iterator

from aa1xr.store.read import Store
from benchmarks import suite
from benchmarks.archives import KEPT, Source
from benchmarks.measure import alternated, peaks, ready, time_of
from benchmarks.report import Row, mib, seconds, times

#: The size that has targets, about 70 million spikes.
LARGE = 10_000

NOTES = f"""\
- Archives are simulated: 100 cells with as many sounds and trials as AA1 by
  `aa1xr.simulate_archive`, and every neuron is a copy of one of them under an id of its own, which
  keeps each spike with a probability of {KEPT}. So no two are equal.
- On workers: `dask.distributed.LocalCluster` of single-threaded processes, one cluster of one and
  one of two, used in turn. `psth.mean("time")` is reduced on the workers, and `psth.persist()`
  stays there. The result of `psth.compute()` is gathered by the client through the scheduler,
  each of them one process whatever the number of workers.
- Memory is VmHWM of the process (of the worker with most), imports included."""


def rows(sources: dict[int, Source], runs: int) -> Iterator[Row]:
    """Of each number of neurons in `sources`, which are sorted."""
    yield from _build(sources)
    yield _timed("open at 5 ms", sources, 3 * runs, 0.3, suite.Open, "store", 5)
    for what in suite.SELECTED:
        one = "one neuron" in what
        runs_, most = (3 * runs, 0.05) if one else (runs, None)
        yield _timed(what, sources, runs_, most, suite.Select, what)
    for what in suite.ON_WORKERS:
        yield from _on_workers(what, sources, runs)


def _build(sources) -> Iterator[Row]:
    spikes = [int(Store(source.store).first_spike[-1]) for source in sources.values()]
    yield Row("spikes", tuple(f"{n / 1e6:.2f} million" for n in spikes))
    sizes = [source.archive.stat().st_size for source in sources.values()]
    yield Row("archive", tuple(f"{size / 1e6:,.0f} MB" for size in sizes))
    stores = [f"{s.size() / 1e6:,.0f} MB in {len(s.files()):,} files" for s in sources.values()]
    yield Row("store", tuple(stores))

    taken = [time_of(1, suite.Build, sources, n)[0] for n in sources]
    yield Row("build, one run", tuple(map(seconds, taken)))
    # Linear in spikes, and flat in memory.
    each = [1e6 * time / n for time, n in zip(taken, spikes, strict=True)]
    peak = [peaks("peakmem_build", suite.Build, sources, n)[1] for n in sources]
    for what, values, show in (
        ("build, of a million spikes", each, seconds),
        ("build, peak memory", peak, mib),
    ):
        target = ("the last ≤ 1.5 times the first", values[-1] <= 1.5 * values[0])
        yield Row(what, tuple(map(show, values)), "", *target)


def _timed(what, sources, runs, most, benchmark, *params) -> Row:
    measured = [time_of(runs, benchmark, sources, n, *params) for n in sources]
    taken, n_tasks = zip(*measured, strict=True)
    values = tuple(map(seconds, taken))
    if most is None:
        return Row(what, values, _joined(n_tasks))
    met = _at_large(sources, taken, lambda time: time <= most)
    return Row(what, values, _joined(n_tasks), f"{LARGE:,} neurons: ≤ {seconds(most)}", met)


def _on_workers(what, sources, runs) -> Iterator[Row]:
    taken, peak, n_tasks = [], [], []
    for n in sources:
        of = (suite.OnWorkers, sources, n, what)
        with ready(*of, 1) as one, ready(*of, 2) as two:
            taken.append(alternated(one("time_compute"), two("time_compute"), runs))
            peak.append(max(method("track_peak")() for method in (one, two)))
            n_tasks.append(one("track_tasks")())
    tasks = _joined(n_tasks)
    yield Row(f"`{what}`, 1 worker", tuple(seconds(each.first) for each in taken), tasks)
    yield Row(f"`{what}`, 2 workers", tuple(seconds(each.second) for each in taken), tasks)
    for which, values, show, bound, met in (
        ("1 worker / 2 workers", [1 / t.ratio for t in taken], times, "≥ 1.6", lambda r: r >= 1.6),
        ("peak memory of a worker", peak, mib, "< 1.5 GB", lambda mib: mib * 2**20 < 1.5e9),
    ):
        shown = tuple(map(show, values))
        target = (f"{LARGE:,} neurons: {bound}", _at_large(sources, values, met))
        yield Row(f"`{what}`, {which}", shown, tasks, *target)


def _joined(n_tasks) -> str:
    return " / ".join(f"{n:,}" for n in (n_tasks if len(set(n_tasks)) > 1 else n_tasks[:1]))


def _at_large(sources, values, met: Callable[[float], bool]) -> bool | None:
    """Whether the size that has targets meets one; None where it was not measured."""
    return dict(zip(sources, map(met, values), strict=True)).get(LARGE)
