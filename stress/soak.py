"""Soak: thousands of rounds in one process, threads that share a Dataset, killed workers

Memory counts as flat where, after a tenth of the rounds, the process grows by less than KIB a
round, and Python's own blocks (`sys.getallocatedblocks`) by less than BLOCKS; over what caches and
the heap may take once. Open files may not be more at the end, and threads only by those of a pool.
"""

import gc
import os
import pickle
import random
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import dask.utils
import fsspec
import numpy as np
import xarray as xr

import aa1xr
from aa1xr.store.locate import ensure_store
from stress.processes import killing
from stress.tally import Tally, tally, times
from tests import s3_server

KIB, SLACK_KIB = 2, 16384  #: 2,000 rounds may so take 20 MiB in all
#: A Dataset that is not let go of is thousands.
BLOCKS, SLACK_BLOCKS = 2, 5000
#: Threads of asyncio's pool, which are started as they are first needed at once.
POOL = min(32, (os.cpu_count() or 1) + 4)

#: Of workers in one pass; more than a task may see (`distributed.scheduler.allowed-failures`).
DEATHS = 5

DT_MS = (1, 2.5, 5, 10, 20)


def run(work: Path, scale: float) -> Iterator[Tally]:
    yield from growth(work, scale)
    yield from threads(work, scale)
    yield from killed(work, scale)


def sample_store(work: Path) -> Path:
    """A store of the sample."""
    archive = work / "cells.zip"
    if not archive.exists():
        aa1xr.simulate_archive(archive, n_neurons=8, n_songs=3, n_ripples=2, n_trials=6)
    return ensure_store(archive, data_dir=work)


# Rounds


def growth(work: Path, scale: float) -> Iterator[Tally]:
    """The same again and again, in this process."""
    store = sample_store(work)
    truth = Truth(store)
    yield rounds("open, select, compute, close", truth.opened, times(2000, scale))
    yield rounds("the same with dask", truth.opened_with_dask, times(2000, scale))
    yield rounds("events of a selection", truth.events, times(1000, scale))
    yield rounds("save, load, remove", Saved(store, work / "saved.zarr"), times(500, scale))
    yield rounds("pickle, unpickle, compute", Pickled(store, work), times(1000, scale))
    with s3_server.serve(bucket="endurance") as server:
        fsspec.filesystem("s3", **server.options).mkdir(server.bucket)
        url = f"s3://{server.bucket}/aa1.zarr"
        aa1xr.copy_store(store, url, target_options=server.options)
        remote = Truth(url, server.options)

        def round_(rng: random.Random) -> bool:
            server.requests.clear()
            return remote.opened(rng)

        yield rounds("open, select, compute, close on S3", round_, times(500, scale))


class Truth:
    """What the spikes of a store sum to, from its events, and rounds that come to it."""

    def __init__(self, url: Path | str, options: dict | None = None) -> None:
        self.url, self.options = url, options
        events = aa1xr.events(url, storage_options=options)
        self.labels = events.coords.to_dataset()
        pairs = events.row_size.sizes["neuron"], events.row_size.sizes["stimulus"]
        pair = np.repeat(np.arange(np.prod(pairs)), events.row_size.sum("trial").values.ravel())
        inside = self._inside(events.spike_time.values, pair % pairs[1])
        #: Spikes from onset to the end of the window, by the width of its bins.
        self.sums = {
            dt: np.bincount(pair[inside[dt]], minlength=np.prod(pairs)).reshape(pairs)
            for dt in DT_MS
        }
        self.n_spikes = events.row_size.sum("trial").values

    def _inside(self, microseconds: np.ndarray, stimulus: np.ndarray) -> dict[float, np.ndarray]:
        n_samples = self.labels.n_samples.values
        inside = {}
        for dt in DT_MS:
            hop = int(32 * dt)
            end = -(-n_samples // hop) * hop  # the bin with the last sample is the last
            at = microseconds * 32 // 1000
            inside[dt] = (microseconds >= 0) & (at < end[stimulus])
        return inside

    def opened(self, rng: random.Random) -> bool:
        return self._opened(rng, None)

    def opened_with_dask(self, rng: random.Random) -> bool:
        return self._opened(rng, {"neuron": rng.choice((1, 3, 8))})

    def _opened(self, rng: random.Random, chunks: dict | None) -> bool:
        dt = rng.choice(DT_MS)
        ds = aa1xr.open(self.url, dt_ms=dt, chunks=chunks, storage_options=self.options)
        area = rng.choice(("MLd", "Field_L"))
        part = ds.sel(area=area, type="flatrip")
        here = np.ix_((ds.area == area).values, (ds.type == "flatrip").values)
        right = int(part.spikes.sum().compute()) == self.sums[dt][here].sum()
        rate = part.psth.mean("neuron").compute()
        sound = part.spectrogram.isel(stimulus=0).compute()
        ds.close()
        return right and bool(np.isfinite(rate).any()) and bool((sound > 0).any())

    def events(self, rng: random.Random) -> bool:
        ds = aa1xr.open(self.url, dt_ms=rng.choice(DT_MS), storage_options=self.options)
        neurons = sorted(rng.sample(range(ds.sizes["neuron"]), 3))
        spikes = aa1xr.events(ds.isel(neuron=neurons), storage_options=self.options)
        ds.close()
        return spikes.sizes["spike"] == self.n_spikes[neurons].sum()


class Saved:
    """Rounds of saving and loading at one place."""

    def __init__(self, store: Path, path: Path) -> None:
        self.ds, self.path = aa1xr.open(store, dt_ms=20), path
        self.sums = self.ds.spikes.sum(("stimulus", "trial", "time")).values

    def __call__(self, rng: random.Random) -> bool:
        neurons = sorted(rng.sample(range(self.sums.size), 2))
        part = self.ds[["spikes", "psth"]].isel(neuron=neurons)
        aa1xr.save(part, self.path)
        with aa1xr.load(self.path, chunks=rng.choice((None, {}))) as again:
            right = int(again.spikes.sum()) == self.sums[neurons].sum()
        shutil.rmtree(self.path)
        return right


class Pickled:
    """Rounds of pickling, as the tasks of a cluster are; more stores than a process keeps."""

    def __init__(self, store: Path, work: Path) -> None:
        self.paths = [work / "pickled" / f"{n}.zarr" for n in range(20)]
        for path in self.paths:
            shutil.copytree(store, path)
        self.sums = {dt: float(self._open(0, dt).spikes.sum()) for dt in DT_MS}

    def _open(self, n: int, dt: float) -> xr.Dataset:
        return aa1xr.open(self.paths[n], dt_ms=dt, chunks=None)

    def __call__(self, rng: random.Random) -> bool:
        dt = rng.choice(DT_MS)
        with self._open(rng.randrange(len(self.paths)), dt) as ds:
            again = pickle.loads(pickle.dumps(ds.chunk(neuron=4)))
        return float(again.spikes.sum().compute()) == self.sums[dt]


def rounds(name: str, round_: Callable[[random.Random], bool], n: int) -> Tally:
    """Do `round_` n times, each with its own random numbers, and say what has grown."""
    n = max(5, n)
    with tally(f"{name}, {n:,} rounds") as counted:
        warm = max(3, n // 10)
        for number in range(warm):
            _try(counted, round_, number)
        first = measure()
        for number in range(warm, n):
            _try(counted, round_, number)
        last = measure()
    since = n - warm
    rss, blocks, files, alive = (after - before for before, after in zip(first, last, strict=True))
    counted.figures = (
        f"RSS {first[0] / 1024:.1f} MiB after {warm}, {last[0] / 1024:.1f} after {n}: "
        f"{rss / since:+.2f} KiB a round; {blocks / since:+.2f} blocks a round; "
        f"{files:+d} open files, {alive:+d} threads"
    )
    if rss > SLACK_KIB + KIB * since or blocks > SLACK_BLOCKS + BLOCKS * since:
        counted.failures.append(f"memory grew: {counted.figures}")
    if files > 0 or alive > POOL:
        counted.failures.append(f"more is open: {counted.figures}")
    return counted


def measure() -> tuple[int, int, int, int]:
    """KiB in memory, Python's blocks, open files, threads; of this process."""
    # dask keeps the names of the last 100,000 tasks, which is neither growth for good nor ours.
    for kept in (dask.utils.key_split, dask.utils._cumsum, dask.utils._max):
        kept.cache_clear()
    gc.collect()
    status = Path("/proc/self/status").read_text()
    rss = int(status.partition("VmRSS:")[2].split()[0])
    return (
        rss,
        sys.getallocatedblocks(),
        len([*Path("/proc/self/fd").iterdir()]),
        threading.active_count(),
    )


def _try(counted: Tally, attempt: Callable[[random.Random], bool], seed: int) -> None:
    try:
        right = attempt(random.Random(seed))
    except Exception as error:  # noqa: BLE001 - any is a failure
        counted.failures.append(f"seed {seed}: {error!r}")
        return
    if right:
        counted.right += 1
    else:
        counted.failures.append(f"seed {seed}: wrong data")


# Threads


def threads(work: Path, scale: float) -> Iterator[Tally]:
    """Sixteen threads that share one Dataset, opened anew now and then so that all come first."""
    store = sample_store(work)
    whole = aa1xr.open(store, dt_ms=5).load()

    def each(n: int) -> int:
        """How often in each thread, which is less in the short form."""
        return times(n, min(1, 10 * scale))

    for name, chunks in (("without dask", None), ("with dask", {"neuron": 2})):
        with tally(f"16 threads share a Dataset {name}") as counted:
            for epoch in range(times(60, scale)):
                ds = aa1xr.open(store, dt_ms=5, chunks=chunks)
                _at_once(counted, lambda rng, ds=ds: selected(ds, whole, rng), epoch, each=each(20))
        yield counted
    with tally("16 threads unpickle Datasets of more stores than are kept") as counted:
        pickled = Pickled(store, work / "threads")
        for epoch in range(times(20, scale)):
            _at_once(counted, pickled, epoch, each=each(10))
    yield counted
    with tally("16 threads ask first for a spectrogram") as counted:
        for epoch in range(times(60, scale)):
            fresh = work / f"spectrogram-{epoch}.zarr"
            shutil.copytree(store, fresh, ignore=shutil.ignore_patterns("spectrogram-*"))
            ds = aa1xr.open(fresh, chunks=None)
            _at_once(counted, lambda rng, ds=ds: heard(ds, whole, rng), epoch, each=1)
            if left := [path.name for path in fresh.rglob("*partial*")]:
                counted.failures.append(f"epoch {epoch}: left behind {left}")
            shutil.rmtree(fresh)
    yield counted


def _at_once(
    counted: Tally, attempt: Callable[[random.Random], bool], epoch: int, *, each: int
) -> None:
    start = threading.Barrier(16)

    def one(thread: int) -> None:
        start.wait()
        for number in range(each):
            _try(counted, attempt, (epoch * 16 + thread) * each + number)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))


def selected(ds: xr.Dataset, whole: xr.Dataset, rng: random.Random) -> bool:
    """Whether a random selection of a random variable is what it is in memory."""
    name = rng.choice(("spikes", "psth", "spectrogram", "n_trials"))
    key = {dim: _indices(rng, ds.sizes[dim]) for dim in ds[name].dims}
    there = ds[name].isel(key).values
    return np.array_equal(there, whole[name].isel(key).values, equal_nan=True)


def _indices(rng: random.Random, size: int) -> object:
    some = rng.choices(range(size), k=rng.randint(1, size))
    first = rng.randrange(size)
    return rng.choice((first, slice(first, None), some, sorted(set(some)), slice(None)))


def heard(ds: xr.Dataset, whole: xr.Dataset, rng: random.Random) -> bool:
    """Whether the spectrogram of one sound is what it is in memory."""
    n = rng.randrange(ds.sizes["stimulus"])
    return np.array_equal(
        ds.spectrogram.isel(stimulus=n).values, whole.spectrogram.isel(stimulus=n).values
    )


# Killed workers


def killed(work: Path, scale: float) -> Iterator[Tally]:
    """A pass over everything on a cluster whose workers are killed one after another."""
    archive = work / "many.zip"
    aa1xr.simulate_archive(archive, n_neurons=16, n_songs=2, n_ripples=2, n_trials=8)
    ds = aa1xr.open(archive, dt_ms=2.5, before_ms=500, chunks={"neuron": 1}, data_dir=work)
    jobs = {"PSTHs": ds.psth, "quality": aa1xr.quality(ds)}
    expected = {name: lazy.compute(scheduler="synchronous") for name, lazy in jobs.items()}
    with (
        tally("a cluster whose workers are killed") as counted,
        dask.config.set(
            {
                # A worker that was busy with a task when it died is no proof against the task.
                "distributed.scheduler.allowed-failures": 1000,
                # Else a worker that is not there some seconds after the last one died, since that
                # one's successor has died too, is never replaced.
                "distributed.deploy.lost-worker-timeout": "1 hour",
            }
        ),
        _cluster() as client,
    ):
        number = deaths = 0
        while deaths < times(30, scale):
            for name, lazy in jobs.items():
                with _killer(client, random.Random(number)) as dead:
                    there = lazy.compute()
                deaths += len(dead)
                number += 1
                if there.identical(expected[name]):
                    counted.right += 1
                else:
                    counted.failures.append(f"{name}, seed {number - 1}: wrong data")
        counted.figures = f"{deaths} workers killed"
    yield counted


@contextmanager
def _cluster() -> Iterator[object]:
    """Two workers, each a process of its own, and a nanny for each who replaces it."""
    import distributed

    with (
        distributed.LocalCluster(
            processes=True,
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _killer(client: object, rng: random.Random) -> AbstractContextManager[list[int]]:
    """Kill workers one after another, each when it has been busy a while; a few, while it lasts.

    A worker imports for a second or more before it does anything, on a busy machine for many; of a
    cluster whose workers all die sooner, again and again, nothing can be had.
    """
    scheduler, nannies = client.cluster.scheduler, client.cluster.workers

    def busy() -> set[int]:
        of = {str(ws.address) for ws in list(scheduler.workers.values()) if ws.processing}
        pids = {nanny.pid for nanny in nannies.values() if nanny.worker_address in of}
        return pids - {None} if len(of) == len(nannies) else set()

    return killing(busy, lambda pid: os.kill(pid, signal.SIGKILL), rng, most=DEATHS, first_s=0.5)
