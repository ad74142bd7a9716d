"""Against what no code could beat: a bare `bincount`, and a bare read of the bytes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import aa1xr
from aa1xr.store.read import Store
from benchmarks.measure import alternated, tasks
from benchmarks.report import Row, seconds, times

DT_US = 5000


def rows(store: str, runs: int) -> Iterator[Row]:
    ds = aa1xr.open(store, dt_ms=DT_US // 1000)
    n_tasks = tasks(ds.psth)
    shape = ds.psth.shape

    events = Store(store)
    microseconds = events.read("spike_time")
    row_size = events.read("row_size").sum(2).ravel()
    pair = np.repeat(np.arange(row_size.size), row_size)

    def index():
        position = microseconds // DT_US
        inside = (position >= 0) & (position < shape[2])
        return pair[inside] * shape[2] + position[inside]

    def count(flat):
        return np.bincount(flat, minlength=np.prod(shape)).reshape(shape)

    indexed = index()
    _check(ds, count(indexed))

    def row(what, bare, *limit):
        ideal, real, ratio = alternated(bare, ds.psth.compute, runs)
        target = (f"≤ {limit[0]} times", ratio <= limit[0]) if limit else ()
        return Row(what, (seconds(real), seconds(ideal), times(ratio)), n_tasks, *target)

    yield row(
        "PSTH of all cells at 5 ms / bincount of event times in memory", lambda: count(index()), 5
    )
    yield row(
        "PSTH of all cells at 5 ms / bincount alone, every event's place known",
        lambda: count(indexed),
    )
    files = [path for path in Path(store).rglob("*") if path.is_file()]
    yield row(
        f"PSTH of all cells at 5 ms / read of the store's {len(files)} files, "
        f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB",
        lambda: [path.read_bytes() for path in files],
    )


def _check(ds, counts):
    """The bare way counts what ours does."""
    seconds_heard = ds.n_trials.values[:, :, np.newaxis] * DT_US / 1e6
    there = np.isfinite(ds.psth.values)
    expected = ds.psth.values * seconds_heard
    np.testing.assert_allclose(counts[there], expected[there], rtol=1e-5)
