"""How cost grows: simulated archives of more and more neurons, on one worker and on two."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import aa1xr
from aa1xr.archive.files import open_files
from aa1xr.archive.read import SIMULATION, Archive, Cell, Recording
from aa1xr.archive.write import write_archive
from aa1xr.store.locate import find_store
from aa1xr.store.read import Store
from benchmarks.measure import Compared, compared, median_time, side, tasks, timed
from benchmarks.report import Row, mib, seconds, times
from benchmarks.stages import peak_mib

#: The size that has targets, about 70 million spikes.
LARGE = 10_000
#: A copy keeps this part of the spikes: 240 a response, as in AA1, of 340 simulated.
KEPT = 0.7

NOTES = f"""\
- Archives are simulated: 100 cells with as many sounds and trials as AA1 by
  `aa1xr.simulate_archive`, and every neuron is a copy of one of them under an id of its own, which
  keeps each spike with a probability of {KEPT}. So no two are equal.
- On workers: `dask.distributed.LocalCluster` of single-threaded processes, one cluster of one and
  one of two, used in turn. `psth.mean("time")` is reduced on the workers, and `psth.persist()`
  stays there. The result of `psth.compute()` is gathered by the client through the scheduler,
  each of them one process whatever the number of workers.
- Memory is VmHWM of the process (of the worker with most), imports included."""


@dataclass(frozen=True)
class Sizes:
    """Of the cells that are simulated, before they are copied."""

    n_neurons: int = 100
    n_songs: int = 20
    n_ripples: int = 10
    n_trials: int = 10


def make_archive(work: Path, n_neurons: int, sizes: Sizes) -> Path:
    """Simulate cells, and write copies of them; what `work` has already is taken as it is."""
    base = work / f"simulated-{sizes.n_neurons}.zip"
    if not base.exists():
        aa1xr.simulate_archive(
            base,
            n_neurons=sizes.n_neurons,
            n_songs=sizes.n_songs,
            n_ripples=sizes.n_ripples,
            n_trials=sizes.n_trials,
        )
    path = work / f"copies-{n_neurons}.zip"
    if not path.exists():
        with open_files(base) as files:
            archive = Archive(files)
            cells = list(archive.cells())
            copies = (_copy(cells[n % len(cells)], n // len(cells), n) for n in range(n_neurons))
            said = {"n_neurons": n_neurons, "copies_of": sizes.n_neurons}
            extra = {SIMULATION: json.dumps(said).encode()}
            write_archive(path, archive.sounds(), copies, extra=extra)
    return path


def _copy(cell: Cell, number: int, seed: int) -> Cell:
    rng = np.random.default_rng(seed)
    thinned = [_thin(recording, rng) for recording in cell.recordings]
    return Cell(f"copy{number:03d}{cell.id}", cell.area, thinned)


def _thin(recording: Recording, rng: np.random.Generator) -> Recording:
    kept = rng.random(recording.times.size) < KEPT
    trial = np.repeat(np.arange(recording.counts.size), recording.counts)
    counts = np.bincount(trial[kept], minlength=recording.counts.size).astype(np.int32)
    return Recording(
        recording.number, recording.type, recording.sound, recording.times[kept], counts
    )


def rows(work: Path, scale: list[int], runs: int, sizes: Sizes | None = None) -> Iterator[Row]:
    archives = [make_archive(work, n, sizes or Sizes()) for n in scale]
    built = [side("side_aa1xr.py", "build", archive, work / "stores") for archive in archives]
    stores = [find_store(archive, data_dir=work / "stores").url for archive in archives]
    yield from _build(scale, archives, built, stores)
    yield from _local(scale, stores, runs)
    yield from _cluster(scale, stores, runs)


def _build(scale, archives, built, stores) -> Iterator[Row]:
    spikes = [int(Store(store).first_spike[-1]) for store in stores]
    yield Row("spikes", tuple(f"{n / 1e6:.2f} million" for n in spikes))
    yield Row("archive", tuple(f"{path.stat().st_size / 1e6:,.0f} MB" for path in archives))
    yield Row("store", tuple(_size_on_disk(store) for store in stores))

    taken = [stages["build"] for stages in built]
    yield Row("build, one run", tuple(map(seconds, taken)))
    # Linear in spikes, and flat in memory.
    each = [1e6 * time / n for time, n in zip(taken, spikes, strict=True)]
    peaks = [stages["peak"] for stages in built]
    for what, values, show in (
        ("build, of a million spikes", each, seconds),
        ("build, peak memory", peaks, mib),
    ):
        target = ("the last ≤ 1.5 times the first", values[-1] <= 1.5 * values[0])
        yield Row(what, tuple(map(show, values)), "", *target)


def _size_on_disk(store: str) -> str:
    sizes = [path.stat().st_size for path in Path(store).rglob("*") if path.is_file()]
    return f"{sum(sizes) / 1e6:,.0f} MB in {len(sizes):,} files"


def _local(scale, stores, runs) -> Iterator[Row]:
    datasets = [aa1xr.open(store) for store in stores]

    opened = [median_time(lambda store=store: aa1xr.open(store), 3 * runs) for store in stores]
    yield _within("open at 5 ms", scale, opened, _tasks(datasets), 0.3)

    for what, lazy, limit, n in (
        ("one response of one neuron", lambda ds: _one(ds).spikes.isel(stimulus=0), 0.05, 3 * runs),
        ("all responses of one neuron", lambda ds: _one(ds).spikes, 0.05, 3 * runs),
        ("PSTH of one neuron", lambda ds: _one(ds).psth, 0.05, 3 * runs),
        ("mean PSTH of one area", lambda ds: ds.psth.sel(area="MLd").mean("neuron"), None, runs),
        ("PSTH of all, in this process", lambda ds: ds.psth, None, runs),
    ):
        taken = [_selected_and_computed(lazy, ds, n) for ds in datasets]
        yield _within(what, scale, taken, _tasks(map(lazy, datasets)), limit)


def _one(ds):
    return ds.sel(neuron=ds.neuron.values[ds.sizes["neuron"] // 2])


def _selected_and_computed(lazy, ds, runs) -> float:
    """Selecting is part of it: a user does not have the selection ready."""
    return median_time(lambda: lazy(ds).compute(), runs)


def _cluster(scale, stores, runs) -> Iterator[Row]:
    datasets = [aa1xr.open(store) for store in stores]
    for what, lazy, compute in (
        ('`psth.mean("time")`', lambda ds: ds.psth.mean("time"), _gather),
        ("`psth.persist()`", lambda ds: ds.psth, _persist),
        ("`psth.compute()`", lambda ds: ds.psth, _gather),
    ):
        lazies = [lazy(ds) for ds in datasets]
        n_tasks = _tasks(lazies)
        with _cluster_of(1) as one, _cluster_of(2) as two:
            # From small to large, so that the peak after each is its own.
            measured = [on_workers(one, two, compute, array, runs) for array in lazies]
        yield Row(f"{what}, 1 worker", tuple(seconds(m.taken.first) for m in measured), n_tasks)
        yield Row(f"{what}, 2 workers", tuple(seconds(m.taken.second) for m in measured), n_tasks)
        faster = [1 / m.taken.ratio for m in measured]
        yield Row(
            f"{what}, 1 worker / 2 workers",
            tuple(map(times, faster)),
            n_tasks,
            f"{LARGE:,} neurons: ≥ 1.6",
            _at_large(scale, faster, lambda ratio: ratio >= 1.6),
        )
        peaks = [m.peak for m in measured]
        yield Row(
            f"{what}, peak memory of a worker",
            tuple(map(mib, peaks)),
            n_tasks,
            f"{LARGE:,} neurons: < 1.5 GB",
            _at_large(scale, peaks, lambda peak: peak * 2**20 < 1.5e9),
        )


def _gather(lazy: Any) -> None:
    lazy.compute()


def _persist(lazy: Any) -> None:
    from dask.distributed import wait

    wait(lazy.persist())


@dataclass(frozen=True)
class OnWorkers:
    taken: Compared  #: on one worker, on two
    peak: float  #: MiB, of the worker with most


def on_workers(one, two, compute: Callable[[Any], None], lazy: Any, runs: int) -> OnWorkers:
    """Compute on a cluster of one worker and on one of two, in turn."""

    def once(client) -> float:
        with client.as_current():
            return timed(lambda: compute(lazy), 1)[0]

    once(one), once(two)  # imports on the workers
    taken = compared((once(one), once(two)) for _ in range(runs))
    peaks = [peak for client in (one, two) for peak in client.run(peak_mib).values()]
    return OnWorkers(taken, max(peaks))


@contextlib.contextmanager
def _cluster_of(n_workers: int) -> Iterator[Any]:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # else a worker spills before it has taken what it takes
            dashboard_address=":0",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _tasks(lazies) -> str:
    counted = [tasks(lazy) for lazy in lazies]
    return counted[0] if len(set(counted)) == 1 else " / ".join(counted)


def _within(what, scale, taken, n_tasks, limit) -> Row:
    values = tuple(map(seconds, taken))
    if limit is None:
        return Row(what, values, n_tasks)
    met = _at_large(scale, taken, lambda time: time <= limit)
    return Row(what, values, n_tasks, f"{LARGE:,} neurons: ≤ {seconds(limit)}", met)


def _at_large(scale, values, met: Callable[[float], bool]) -> bool | None:
    """Whether the size that has targets meets one; None where it was not measured."""
    return met(values[scale.index(LARGE)]) if LARGE in scale else None
