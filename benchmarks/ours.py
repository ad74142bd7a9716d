"""The package by itself: each operation on the archive, and what it may cost."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aa1xr
from aa1xr.store.locate import find_store
from benchmarks.measure import alternated, median_time, process, side, tasks
from benchmarks.report import Row, at_most, mib, seconds

IMPORTS = "import xarray, zarr, dask.array"

#: As in a plain install: where distributed is, dask imports it at the first computation.
PSTH_OF_ALL = """
import sys
sys.modules["distributed"] = None
import aa1xr
aa1xr.open({store!r}, dt_ms=5).psth.compute()
"""


def python(code: str) -> str:
    return process(sys.executable, "-c", code)


def rows(archive: Path, store: str, data_dir: str, runs: int) -> Iterator[Row]:
    """`store` is that of `archive` in `data_dir`."""

    def build():
        with tempfile.TemporaryDirectory() as folder:
            find_store(archive, data_dir=Path(folder))

    taken = median_time(build, runs)
    yield at_most("cold build, zip to store (no spectrogram)", taken, 1.5, seconds)

    for name, source in (("zip", archive), ("store", store)):
        taken = median_time(lambda source=source: aa1xr.open(source, data_dir=data_dir), 5 * runs)
        yield at_most(f"warm open at 5 ms, of the {name}", taken, 0.06, seconds)
    for dt_ms in (5, 1):
        n_tasks = len(aa1xr.open(store, dt_ms=dt_ms).__dask_graph__())
        what = f"tasks in the graph of everything at {dt_ms} ms"
        yield Row(what, (f"{n_tasks:,}",), f"{n_tasks:,}", "≤ 1,000", n_tasks <= 1000)

    ds = aa1xr.open(store, dt_ms=5)
    for what, lazy, limit in (
        ("PSTH of all cells, 5 ms", ds.psth, 0.1),
        ("spikes of all cells, 5 ms", ds.spikes, 1),
        ("quality of all cells, 5 ms, all half splits", aa1xr.quality(ds), 2),
        ("scores of a prediction for all cells, 5 ms", aa1xr.score(ds, ds.psth), 0.5),
    ):
        yield at_most(what, median_time(lazy.compute, runs), limit, seconds, tasks(lazy))

    plain = aa1xr.open(store, dt_ms=5, chunks=None)
    cell, sound = ds.neuron.values[0], ds.stimulus.values[3]
    taken = median_time(lambda: plain.spikes.sel(neuron=cell, stimulus=sound).compute(), 5 * runs)
    yield at_most("one response of one cell, no dask", taken, 0.005, seconds, "no dask")

    stages = side("side_aa1xr.py", "counts-in-blocks", store, 1)
    spikes = aa1xr.open(store, dt_ms=1).spikes.sum()
    above = stages["peak"] - stages["peak of imports"]
    what = "peak memory of a pass over all spikes, 1 ms, above the imports"
    yield at_most(what, above, 400 / 1.048576, mib, tasks(spikes))

    for what, code, n_tasks in (
        ("import aa1xr", "import aa1xr", ""),
        (
            "process: import, warm open, PSTH of all cells",
            PSTH_OF_ALL.format(store=store),
            tasks(ds.psth),
        ),
    ):
        bare, full, ratio = alternated(
            lambda: python(IMPORTS), lambda code=code: python(code), runs
        )
        yield Row(
            f"{what} / {IMPORTS}",
            (f"{seconds(full)} / {seconds(bare)} = {ratio:.2f}",),
            n_tasks,
            "≤ 1.3",
            ratio <= 1.3,
        )
