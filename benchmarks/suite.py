"""What is timed, as asv benchmarks: `asv run`, or for the tables `python -m benchmarks`."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

import aa1xr
from aa1xr.store.locate import find_store
from aa1xr.store.read import Store
from benchmarks import archives
from benchmarks.measure import process, tasks
from benchmarks.stages import peak_mib

#: What asv measures on: the recordings, and simulated archives of so many neurons.
SOURCES = ("AA1", *map(int, os.environ.get("AA1XR_SCALE", "100 1000").split()))


def _middle(ds):
    return ds.sel(neuron=ds.neuron.values[ds.sizes["neuron"] // 2])


def _strfs(ds):
    fits = [
        aa1xr.strf(ds, train=fold.train, validation=fold.validation)
        for fold in aa1xr.split(ds, n_folds=10)
    ]
    return xr.concat(fits, "fold", data_vars="all", coords="minimal", compat="override")


def _persist(lazy):
    from dask.distributed import wait

    wait(lazy.persist())


COMPUTED = {
    "PSTH of all neurons, 5 ms": lambda ds: ds.psth,
    "spikes of all neurons, 5 ms": lambda ds: ds.spikes,
    "quality of all neurons, 5 ms, all split halves": aa1xr.quality,
    "scores of a prediction for all neurons, 5 ms": lambda ds: aa1xr.score(ds, ds.psth),
    "STRFs of all neurons, ten folds, 5 ms": lambda ds: _strfs(ds.sel(type="conspecific")),
}

SELECTED = {
    "one response of one neuron": lambda ds: _middle(ds).spikes.isel(stimulus=0),
    "all responses of one neuron": lambda ds: _middle(ds).spikes,
    "PSTH of one neuron": lambda ds: _middle(ds).psth,
    "mean PSTH of one area": lambda ds: ds.psth.sel(area="MLd").mean("neuron"),
    "PSTH of all, in this process": lambda ds: ds.psth,
}

ON_WORKERS = {
    'psth.mean("time")': (lambda ds: ds.psth.mean("time"), lambda lazy: lazy.compute()),
    "psth.persist()": (lambda ds: ds.psth, _persist),
    "psth.compute()": (lambda ds: ds.psth, lambda lazy: lazy.compute()),
}

IMPORTS = "import xarray, zarr, dask.array"

#: As in a plain install: where distributed is, dask imports it at the first computation.
PSTH_OF_ALL = """
import sys
sys.modules["distributed"] = None
import aa1xr
aa1xr.open({store!r}, dt_ms=5).psth.compute()
"""


class Benchmark:
    params = (("AA1",),)
    param_names = ("source",)
    timeout = 1200  # seconds
    unit = "tasks"  # of what is tracked

    def setup_cache(self):
        work = Path.cwd()  # asv's, and temporary
        base = archives.simulate(work)
        aa1 = archives.prepare(archives.find_archive() or base, work / "aa1")
        return {"AA1": aa1} | archives.grow(base, SOURCES[1:])

    setup_cache.timeout = 1200


class Build(Benchmark):
    params = (SOURCES,)
    number = repeat = rounds = 1
    warmup_time = 0

    def time_build(self, sources, source):
        with tempfile.TemporaryDirectory() as folder:
            find_store(sources[source].archive, data_dir=Path(folder))

    def peakmem_build(self, sources, source):
        self.time_build(sources, source)

    def track_size_of_store(self, sources, source):
        return sources[source].size()

    track_size_of_store.unit = "bytes"


class Open(Benchmark):
    params = (SOURCES, ("archive", "store"), (5, 1))
    param_names = ("source", "from", "dt_ms")

    def open(self, sources, source, kind, dt_ms):
        found = sources[source]
        return aa1xr.open(getattr(found, kind), dt_ms=dt_ms, data_dir=found.data_dir)

    def time_open(self, *params):
        self.open(*params)

    def track_tasks(self, *params):
        return tasks(self.open(*params))


class Compute(Benchmark):
    params = (("AA1",), tuple(COMPUTED))
    param_names = ("source", "result")

    def setup(self, sources, source, result):
        self.lazy = COMPUTED[result](aa1xr.open(sources[source].store, dt_ms=5))

    def time_compute(self, *params):
        self.lazy.compute()

    def track_tasks(self, *params):
        return tasks(self.lazy)


class Select(Benchmark):
    """Selecting is part of it: a user does not have the selection ready."""

    params = (SOURCES, tuple(SELECTED))
    param_names = ("source", "result")

    def setup(self, sources, source, result):
        self.ds = aa1xr.open(sources[source].store)

    def time_select_and_compute(self, sources, source, result):
        SELECTED[result](self.ds).compute()

    def track_tasks(self, sources, source, result):
        return tasks(SELECTED[result](self.ds))


class WithoutDask(Benchmark):
    def setup(self, sources, source):
        self.ds = aa1xr.open(sources[source].store, dt_ms=5, chunks=None)

    def time_one_response(self, *params):
        neuron, stimulus = self.ds.neuron.values[0], self.ds.stimulus.values[3]
        self.ds.spikes.sel(neuron=neuron, stimulus=stimulus).compute()


class OneByOne(Benchmark):
    """As in a notebook: one response after another, or one neuron after another."""

    params = (("AA1",), ("dask", "no dask", "loaded", "by hand"))
    param_names = ("source", "held")

    def setup(self, sources, source, held):
        chunks = {} if held == "dask" else None
        self.spikes = aa1xr.open(sources[source].store, dt_ms=5, chunks=chunks).spikes
        if held in {"loaded", "by hand"}:
            self.spikes.load()
        if held == "by hand":  # with the same labels, but without anything of aa1xr
            labels = {name: (c.dims, c.values.copy()) for name, c in self.spikes.coords.items()}
            self.spikes = xr.DataArray(self.spikes.values.copy(), labels, self.spikes.dims)
        self.neurons = self.spikes.neuron.values[::7]
        self.calls = self.neurons.size * self.spikes.sizes["stimulus"]

    def time_responses(self, *params):
        for neuron in self.neurons:
            for stimulus in self.spikes.stimulus.values:
                _ = self.spikes.sel(neuron=neuron, stimulus=stimulus).values

    def time_neurons(self, *params):
        for neuron in self.spikes.neuron.values:
            _ = self.spikes.sel(neuron=neuron).values

    def time_pass(self, *params):
        self.spikes.compute()


class AllSpikes(Benchmark):
    def setup(self, sources, source):
        self.sum = aa1xr.open(sources[source].store, dt_ms=1).spikes.sum()

    def peakmem_sum(self, *params):
        self.sum.compute()

    def track_tasks(self, *params):
        return tasks(self.sum)


class Process(Benchmark):
    """Whole processes, the start of Python included."""

    number = 1

    def time_required_imports(self, *params):
        process(sys.executable, "-c", IMPORTS)

    def time_import(self, *params):
        process(sys.executable, "-c", "import aa1xr")

    def time_psth_of_all(self, sources, source):
        process(sys.executable, "-c", PSTH_OF_ALL.format(store=sources[source].store))


class LowerBound(Benchmark):
    """The PSTH of all neurons, and what no code could beat: a bare count, and a bare read."""

    def setup(self, sources, source):
        self.files = sources[source].files()
        self.psth = aa1xr.open(sources[source].store, dt_ms=5).psth
        events = Store(sources[source].store)
        self.microseconds = events.read("spike_time")
        row_size = events.read("row_size").sum(2).ravel()
        self.pair = np.repeat(np.arange(row_size.size), row_size)
        self.index = self.indexed()

    def indexed(self):
        n_bins = self.psth.shape[2]
        position = self.microseconds // 5000
        inside = (position >= 0) & (position < n_bins)
        return self.pair[inside] * n_bins + position[inside]

    def counted(self, index):
        return np.bincount(index, minlength=self.psth.size).reshape(self.psth.shape)

    def time_psth(self, *params):
        self.psth.compute()

    def time_bincount(self, *params):
        self.counted(self.indexed())

    def time_bincount_alone(self, *params):
        self.counted(self.index)

    def time_read(self, *params):
        for path in self.files:
            path.read_bytes()

    def track_tasks(self, *params):
        return tasks(self.psth)


class OnWorkers(Benchmark):
    params = (SOURCES[1:], tuple(ON_WORKERS), (1, 2))
    param_names = ("source", "result", "workers")
    number = rounds = 1
    repeat = 3  # each starts a cluster
    warmup_time = 0
    processes = True

    def setup(self, sources, source, result, workers):
        from dask.distributed import Client, LocalCluster

        lazy, self.compute = ON_WORKERS[result]
        self.lazy = lazy(aa1xr.open(sources[source].store))
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=self.processes,
            memory_limit=0,  # else a worker spills before it has taken what it takes
            dashboard_address=":0",
        )
        self.opened = contextlib.ExitStack()
        self.opened.enter_context(cluster)
        self.client = self.opened.enter_context(Client(cluster, set_as_default=False))
        self.time_compute()  # imports on the workers

    def teardown(self, *params):
        self.opened.close()

    def time_compute(self, *params):
        with self.client.as_current():
            self.compute(self.lazy)

    def track_peak(self, *params):
        """Of the worker with most, in all that it has done."""
        return max(self.client.run(peak_mib).values())

    track_peak.unit = "MiB"

    def track_tasks(self, *params):
        return tasks(self.lazy)
