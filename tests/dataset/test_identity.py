"""dask names what it computes after the data: other data at the same place have other names."""

import pickle
import shutil

import fsspec
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize

import aa1xr
from aa1xr import DataNotFoundError, StoreError
from aa1xr.dataset.events import store_of

SOURCES = {"first": 0, "second": 1}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two stores of the same cells and sounds, with other spikes."""
    folder = tmp_path_factory.mktemp("two")
    for name, seed in SOURCES.items():
        archive = folder / f"{name}.zip"
        aa1xr.simulate_archive(archive, n_neurons=2, n_songs=0, n_ripples=1, n_trials=2, seed=seed)
        aa1xr.copy_store(archive, folder / f"{name}.zarr", data_dir=folder / "data")
    return folder


def keys(ds):
    """What dask calls each variable, made by aa1xr or by xarray."""
    chunked = ds.chunk()
    return {name: (ds[name].chunks and ds[name].data.name, chunked[name].data.name)
            for name in ds.data_vars}  # fmt: skip


@pytest.mark.parametrize("chunks", [{}, None])
@pytest.mark.parametrize("place", ["{}/aa1.zarr", "memory://identity/aa1.zarr"])
def test_open__another_store_at_the_same_place(stores, tmp_path, place, chunks):
    place = place.format(tmp_path)
    found = {}
    for name in [*SOURCES, "first"]:
        shutil.rmtree(tmp_path / "aa1.zarr", ignore_errors=True)
        if fsspec.filesystem("memory").exists("/identity"):
            fsspec.filesystem("memory").rm("/identity", recursive=True)
        aa1xr.copy_store(stores / f"{name}.zarr", place)
        ds = aa1xr.open(place, chunks=chunks)
        again = aa1xr.open(place, chunks=chunks)
        assert keys(ds) == keys(again)  # the same data are computed once
        assert tokenize(store_of(ds)) == tokenize(store_of(again))
        now = keys(ds), tokenize(store_of(ds)), tokenize(aa1xr.events(ds))
        if name in found:
            assert now == found[name]
        found[name] = now
    for one, other in zip(found["first"][0].items(), found["second"][0].items(), strict=True):
        assert not set(one[1]) & set(other[1]) - {None}, one
    assert found["first"][1] != found["second"][1]
    assert found["first"][2] != found["second"][2]


@pytest.fixture(params=["path", "url"])
def place(request, tmp_path):
    """Where something is saved."""
    yield tmp_path / "x.zarr" if request.param == "path" else "memory://identity/x.zarr"
    remove("memory://identity")


def only_here(write, place):
    """Of what xarray wrote, the times of its files tell; elsewhere there is nothing to tell by."""
    if write is written_by_xarray and "://" in str(place):
        pytest.skip("what xarray wrote, and not on this machine")


def remove(place):
    files, path = fsspec.url_to_fs(str(place))
    if files.exists(path):
        files.rm(path, recursive=True)


def replace(ds, place):
    remove(place)
    aa1xr.save(ds, place)


def written_by_xarray(ds, place):
    ds.to_zarr(place, mode="w", consolidated=False)


def in_place(ds, place):
    """Written into what is there, whose metadata stay as they are."""
    files, path = fsspec.url_to_fs(str(place))
    if not files.exists(path):
        aa1xr.save(ds, place)
    else:
        ds.drop_vars("neuron").to_zarr(place, region={"neuron": slice(0, 3)})


@pytest.mark.parametrize("write", [replace, written_by_xarray, in_place])
@pytest.mark.parametrize("chunks", [{}, None])
def test_load__other_values_at_the_same_place(place, write, chunks):
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0))}, {"neuron": [1, 2, 3]})
    found = []
    for factor in (1, 2):
        write(ds * factor, place)
        loaded = aa1xr.load(place, chunks=chunks)
        found.append(keys(loaded)["x"])
        assert keys(aa1xr.load(place, chunks=chunks))["x"] == found[-1]
        xr.testing.assert_equal(loaded.compute(), (ds * factor).compute())
    assert not set(found[0]) & set(found[1]) - {None}


def test_load__replaced_under_a_client(tmp_path):
    distributed = pytest.importorskip("distributed")
    path = tmp_path / "x.zarr"
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0))})
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0"):
        aa1xr.save(ds, path)
        old = aa1xr.load(path).x.persist()
        distributed.wait(old)
        shutil.rmtree(path)
        aa1xr.save(ds * 2, path)
        np.testing.assert_array_equal(aa1xr.load(path).x.persist(), [0, 2, 4])
        np.testing.assert_array_equal(old, [0, 1, 2])


@pytest.mark.parametrize("write", [replace, written_by_xarray])
@pytest.mark.parametrize("chunks", [{}, None])
def test_load__another_in_its_place_while_it_is_open(place, write, chunks):
    only_here(write, place)
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0)), "y": ("neuron", np.arange(3.0))})
    write(ds, place)
    loaded = aa1xr.load(place, chunks=chunks)
    loaded.x.compute()
    write(ds + 1, place)
    for name in ("x", "y"):
        with pytest.raises(StoreError, match=f"{name} was written again since it was opened"):
            loaded[name].compute()


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently")
def test_load__what_xarray_writes_beside_it_while_it_is_open(place):
    ds = xr.Dataset({"x": ("neuron", np.arange(4.0))})
    aa1xr.save(ds, place)
    loaded = aa1xr.load(place, chunks={"neuron": 2})
    (loaded.x * 2).rename("y").to_dataset().to_zarr(place, mode="a")
    np.testing.assert_array_equal(aa1xr.load(place).y, 2 * ds.x)
    np.testing.assert_array_equal(loaded.x, ds.x)


def test_load__written_again_as_it_was(tmp_path):
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0))})
    for _ in range(3):
        ds.to_zarr(tmp_path / "x.zarr", mode="w", consolidated=False)
        loaded = aa1xr.load(tmp_path / "x.zarr")
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(loaded)).x, ds.x)


@pytest.mark.parametrize("options", [{"mode": "a"}, {"region": {"neuron": slice(0, 3)}}])
@pytest.mark.parametrize("pickled", [False, True])
def test_load__overwritten_while_it_is_open(tmp_path, options, pickled):
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0))})
    aa1xr.save(ds, path := tmp_path / "x.zarr")
    loaded = aa1xr.load(path)
    (ds + 1).to_zarr(path, consolidated=False, **options)
    if pickled:
        loaded = pickle.loads(pickle.dumps(loaded))
    with pytest.raises(StoreError, match="was written again since it was opened"):
        loaded.compute()


def test_load__what_xarray_writes_beside_it_before_it_is_unpickled(tmp_path):
    ds = xr.Dataset({"x": ("neuron", np.arange(3.0))})
    aa1xr.save(ds, path := tmp_path / "x.zarr")
    pickled = pickle.dumps(aa1xr.load(path))
    ds.rename(x="y").to_zarr(path, mode="a", consolidated=False)
    np.testing.assert_array_equal(pickle.loads(pickled).x, ds.x)


@pytest.mark.parametrize("write", [replace, written_by_xarray])
def test_load__removed_while_it_is_open(place, write):
    only_here(write, place)
    write(xr.Dataset({"x": ("neuron", np.arange(3.0))}), place)
    loaded = aa1xr.load(place)
    remove(place)
    with pytest.raises(DataNotFoundError, match="not there any more"):
        loaded.compute()
