"""With a dask Client open, what is lazy is computed by its workers, and is the same."""

import os
import shutil
import signal
import threading
import time
import warnings
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

import aa1xr

distributed = pytest.importorskip("distributed")


def fit(ds):
    train, validation, _ = aa1xr.split(ds, test=5, validation=2)
    return aa1xr.strf(ds, train=train, validation=validation, lags_ms=5)


#: All that is lazy. What is made of these by xarray's own methods is dask's affair.
LAZY = {
    "spikes": lambda ds: ds.spikes,
    "psth": lambda ds: ds.psth,
    "spectrogram": lambda ds: ds.spectrogram,
    "everything": lambda ds: ds,
    "a selection": lambda ds: ds.sel(area="MLd", type="flatrip").mean("neuron"),
    "psth of trials": lambda ds: aa1xr.psth(ds.isel(trial=slice(0, None, 2))),
    "resample": lambda ds: aa1xr.resample(ds, dt_ms=20),
    "smooth": lambda ds: aa1xr.smooth(ds.psth),
    "standardize": lambda ds: aa1xr.standardize(ds.psth, over=("stimulus", "time"))[0],
    "normalize": lambda ds: aa1xr.normalize(ds.psth, stats_from=ds.psth)[0],
    "quality": aa1xr.quality,
    "quality of pairs": lambda ds: aa1xr.quality(ds, by="stimulus"),
    "score": lambda ds: aa1xr.score(ds, ds.psth),
    "coherence": lambda ds: aa1xr.coherence(ds, ds.psth),
    "strf": fit,
    "tuning": lambda ds: aa1xr.tuning(fit(ds)),
    "predict": lambda ds: aa1xr.predict(ds, fit(ds)),
}


def graph(lazy):
    """What the scheduler of a cluster would be sent: number of tasks, and bytes."""
    sent = []

    def scheduler(expression, keys, **kwargs):
        sent.append(expression)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        lazy.compute(scheduler=scheduler)
    (expression,) = sent
    header, frames = distributed.protocol.serialize(expression)
    size = sum(memoryview(part).nbytes for part in [*distributed.protocol.dumps(header), *frames])
    return len(expression.__dask_graph__()), size


@pytest.fixture(scope="module")
def client(sample_archive):
    """Two workers, each a process of its own, in which a warning is an error too."""
    with (
        # Else a killed worker whose successor takes longer to start has none.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}),
        distributed.LocalCluster(
            processes=True, n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(warnings.simplefilter, "error")
        client.run(warnings.simplefilter, "ignore", aa1xr.UndefinedWarning)
        yield client


def n_tasks(client):
    """How many tasks the scheduler has had so far."""
    return client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.n_tasks)


@pytest.fixture(scope="module")
def ds(sample_archive):
    """The sample at 1 ms, in three blocks."""
    return aa1xr.open_sample(dt_ms=1, before_ms=100, chunks={"neuron": 5})


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
@pytest.mark.parametrize("name", LAZY)
def test_compute__on_workers_gives_the_same(client, ds, name):
    lazy = LAZY[name](ds)
    before = n_tasks(client)
    there = lazy.compute()
    assert n_tasks(client) > before
    xr.testing.assert_identical(there, lazy.compute(scheduler="synchronous"))


@pytest.mark.parametrize("name", LAZY)
def test_graph__is_small(ds, name):
    tasks, size = graph(LAZY[name](ds))
    assert 0 < tasks < 500
    assert 0 < size < (200_000 if name == "predict" else 100_000)  # with that of its fit


@pytest.mark.parametrize("name", LAZY)
def test_graph__may_have_a_function_of_ones_own(ds, name):
    """Then dask pickles all of it with cloudpickle, which sends some functions as code."""
    lazy = LAZY[name](ds)
    own = lambda block: block  # noqa: E731
    wrapped = xr.map_blocks(own, lazy, template=lazy)
    assert graph(wrapped)[1] < 200_000


@pytest.mark.parametrize("name", LAZY)
def test_graph__of_the_real_data_at_1_ms_is_small(real_archive, name):
    tasks, size = graph(LAZY[name](aa1xr.open(real_archive, dt_ms=1, before_ms=100)))
    assert 0 < tasks < 1000
    assert 0 < size < 1_000_000


def test_open__reads_labels_in_this_process(client, sample_store, tmp_path):
    before = n_tasks(client)
    ds = aa1xr.open(sample_store)
    assert ds.sel(area="MLd", type="flatrip").sizes["neuron"] == 6
    assert n_tasks(client) == before
    aa1xr.save(ds[["n_trials"]], tmp_path / "saved.zarr")
    before = n_tasks(client)
    assert aa1xr.load(tmp_path / "saved.zarr").sel(area="MLd").sizes["neuron"] == 6
    assert n_tasks(client) == before


def test_save__on_workers_gives_the_same(client, ds, tmp_path):
    part = ds[["psth", "n_trials"]].sel(area="MLd")
    aa1xr.save(part, tmp_path / "saved.zarr")
    with dask.config.set(scheduler="synchronous"):
        xr.testing.assert_identical(aa1xr.load(tmp_path / "saved.zarr").compute(), part.compute())


@pytest.mark.parametrize("place", ["memory://of-each-process/saved.zarr", "saved.zarr"])
def test_save__on_workers_that_write_elsewhere(client, ds, place, tmp_path, monkeypatch):
    if "://" not in place:
        place = tmp_path / place
        # As on machines that have no disk in common.
        client.run(_write_elsewhere, str(tmp_path))
    try:
        with pytest.raises(OSError, match=r"1 of the 1 chunks of \w+ did not arrive.*share"):
            aa1xr.save(ds[["psth", "n_trials"]].sel(area="MLd"), place)
        with pytest.raises((aa1xr.DataNotFoundError, aa1xr.StoreError)):
            aa1xr.load(place)
    finally:
        client.run(_write_here)
    assert not list(tmp_path.glob("*.zarr"))


def _write_elsewhere(folder):
    from zarr.storage import LocalStore

    async def set_(self, key, value):
        pass

    LocalStore._real, LocalStore.set = LocalStore.set, set_


def _write_here():
    from zarr.storage import LocalStore

    if hasattr(LocalStore, "_real"):
        LocalStore.set = LocalStore._real
        del LocalStore._real


def test_save__a_relative_path_of_workers_elsewhere(client, ds, tmp_path, monkeypatch):
    home = Path.cwd()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    client.run(os.chdir, tmp_path)
    try:
        aa1xr.save(ds[["n_trials"]], "saved.zarr")
        assert aa1xr.load("saved.zarr").n_trials.equals(ds.n_trials)
    finally:
        client.run(os.chdir, home)
    assert [path.name for path in tmp_path.rglob("*.zarr")] == ["saved.zarr"]


def test_compute__on_workers_with_another_aa1xr(client, ds, tmp_path):
    aa1xr.save(ds[["n_trials"]], tmp_path / "saved.zarr")
    saved = aa1xr.load(tmp_path / "saved.zarr")

    def pretend(version):
        from aa1xr.store import connection

        connection.VERSION = version

    client.run(pretend, "0.0.1")
    try:
        for lazy in (ds.psth, ds.spectrogram, saved.n_trials):
            with pytest.raises(
                RuntimeError, match=r"opened by aa1xr .* has aa1xr 0\.0\.1.*Install"
            ):
                lazy.compute()
    finally:
        client.run(pretend, aa1xr.__version__)
    assert saved.n_trials.equals(ds.n_trials)


def test_open__a_relative_path_is_found_by_workers_elsewhere(
    client, sample_store, tmp_path, monkeypatch
):
    monkeypatch.chdir(sample_store.parent)
    ds = aa1xr.open(sample_store.name)
    home = Path.cwd()
    client.run(os.chdir, tmp_path)
    try:
        assert np.isfinite(ds.psth.mean().compute())
    finally:
        client.run(os.chdir, home)


def test_compute__a_store_that_workers_cannot_see_is_named(client, sample_store, tmp_path):
    shutil.copytree(sample_store, tmp_path / "gone.zarr")
    ds = aa1xr.open(tmp_path / "gone.zarr")
    shutil.rmtree(tmp_path / "gone.zarr")
    for name in ("spikes", "psth", "n_trials", "spectrogram"):
        with pytest.raises(aa1xr.DataNotFoundError, match=r"gone\.zarr.* each worker"):
            ds[name].compute()


def test_compute__on_workers_that_read_object_storage(client, ds, sample_store, bucket):
    url = f"s3://{bucket.bucket}/aa1.zarr"
    aa1xr.copy_store(sample_store, url, target_options=bucket.options)
    remote = aa1xr.open(
        url, storage_options=bucket.options, dt_ms=1, before_ms=100, chunks={"neuron": 5}
    )
    bucket.requests.clear()
    there = remote.psth.compute()
    # Root and first spikes once for a worker, though there are three blocks.
    roots = [line for line in bucket.requests if line.endswith("aa1.zarr/zarr.json")]
    assert 2 <= len(roots) <= 4
    xr.testing.assert_identical(there, ds.psth.compute(scheduler="synchronous"))


def test_spectrogram__made_by_several_workers_at_once(client, sample_store, tmp_path):
    here, there = (tmp_path / name for name in ("here.zarr", "there.zarr"))
    for copy in (here, there):
        shutil.copytree(sample_store, copy, ignore=shutil.ignore_patterns("spectrogram-*"))
    made = aa1xr.open(there, chunks={"stimulus": 1}).spectrogram.compute()
    (kept,) = there.glob("spectrogram-*")
    assert not [path for path in there.rglob("*") if path.name.startswith(".")]
    # To the bit, though BLAS has all cores here and one in each worker.
    xr.testing.assert_identical(made, aa1xr.open(here, chunks=None).spectrogram.compute())
    assert (here / kept.name / "c/0/0/0").read_bytes() == (kept / "c/0/0/0").read_bytes()


def test_workers__have_memory_to_spare(client):
    # After all that is above. They complain in their logs, not by warnings.
    logs = [text for log in client.get_worker_logs().values() for _, text in log]
    assert any("Starting" in text for text in logs)
    assert not [text for text in logs if "Unmanaged memory" in text or "memory limit" in text]


def held_up(block, folder):
    """Give back the block; but the first worker to come waits for its end."""
    try:
        file = (folder / "worker").open("x")
    except FileExistsError:
        return block
    with file:
        file.write(str(os.getpid()))
    time.sleep(60)
    raise AssertionError("was not killed")


def test_compute__a_killed_worker_loses_nothing(client, ds, tmp_path):
    expected = ds.spikes.compute(scheduler="synchronous")
    killed = []

    def kill():
        while not killed:
            time.sleep(0.01)
            path = tmp_path / "worker"
            if path.exists() and (pid := path.read_text()):
                os.kill(int(pid), signal.SIGKILL)
                killed.append(int(pid))

    thread = threading.Thread(target=kill)
    thread.start()
    lazy = ds.spikes.copy(data=ds.spikes.data.map_blocks(held_up, tmp_path, meta=ds.spikes.data))
    there = lazy.compute()
    thread.join()
    xr.testing.assert_identical(there, expected)
    # Its nanny has put another in its place.
    client.wait_for_workers(2, timeout=300)
    assert killed[0] not in client.run(os.getpid).values()
