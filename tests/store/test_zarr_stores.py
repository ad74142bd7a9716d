"""Zarr stores that the user made: zarr's own, obstore's, and those of Icechunk sessions."""

import pytest
import xarray as xr
from fsspec.registry import _registry
from zarr.storage import LocalStore, MemoryStore

import aa1xr


class Plain:
    """A store that is there when it is written."""

    def __init__(self, store):
        self.store = store

    def finish(self):
        return self.store


def memory(folder):
    return Plain(MemoryStore())


def local(folder):
    return Plain(LocalStore(folder))


def obstore_memory(folder):
    stores = pytest.importorskip("obstore.store")
    from zarr.storage import ObjectStore

    return Plain(ObjectStore(stores.MemoryStore()))


def obstore_local(folder):
    stores = pytest.importorskip("obstore.store")
    from zarr.storage import ObjectStore

    folder.mkdir()
    return Plain(ObjectStore(stores.LocalStore(folder)))


class Icechunk:
    """A session that is committed, and read in another one."""

    def __init__(self, folder):
        icechunk = pytest.importorskip("icechunk")
        self.repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder)))
        self.session = self.repository.writable_session("main")
        self.store = self.session.store

    def finish(self):
        self.session.commit("written")
        return self.repository.readonly_session("main").store


KINDS = [memory, local, obstore_memory, obstore_local, Icechunk]


@pytest.fixture(params=KINDS)
def made(request, tmp_path):
    return request.param(tmp_path / "a store")


@pytest.fixture
def ds(sample_archive):
    return aa1xr.open_sample(dt_ms=20)


def test_zarr_store__copy_open_and_back(made, ds, sample_store, tmp_path):
    aa1xr.copy_store(sample_store, made.store)
    store = made.finish()
    there, right = aa1xr.open(store, dt_ms=20), ds.compute()
    xr.testing.assert_identical(there.compute(), right)
    lazy = aa1xr.open(store, dt_ms=20, chunks=None)
    xr.testing.assert_identical(lazy.load(), right)
    picked = there.where(there.area == "MLd", drop=True)
    xr.testing.assert_identical(aa1xr.events(picked), aa1xr.events(ds.sel(area="MLd")))
    assert aa1xr.to_pandas(there).equals(aa1xr.to_pandas(ds))
    xr.testing.assert_identical(aa1xr.events(store), aa1xr.events(ds))
    aa1xr.copy_store(store, tmp_path / "back.zarr")
    xr.testing.assert_identical(aa1xr.open(tmp_path / "back.zarr", dt_ms=20).compute(), right)
    with pytest.raises((FileExistsError, OSError), match="exists; remove it first"):
        aa1xr.copy_store(sample_store, store)


def test_zarr_store__save_and_load(made, ds):
    part = ds[["psth", "n_trials"]].sel(area="MLd")
    with pytest.raises(aa1xr.DataNotFoundError):
        aa1xr.load(made.store)
    aa1xr.save(part, made.store)
    store = made.finish()
    xr.testing.assert_identical(aa1xr.load(store).compute(), part.compute())
    xr.testing.assert_identical(aa1xr.load(store, chunks=None).load(), part.compute())
    with pytest.raises((FileExistsError, PermissionError), match=r"exists; remove it|read-only"):
        aa1xr.save(part, store)


def test_zarr_store__nothing_is_added_to_it(sample_store, ds):
    store = MemoryStore()
    aa1xr.copy_store(sample_store, store)
    before = {name for name in store._store_dict if name.startswith("spectrogram")}
    there = aa1xr.open(store, dt_ms=20, n_mels=9)
    xr.testing.assert_equal(
        there.spectrogram, aa1xr.open(sample_store, dt_ms=20, n_mels=9).spectrogram
    )
    assert {name for name in store._store_dict if name.startswith("spectrogram")} == before


def test_open__obstore_as_fsspecs_s3(sample_store, bucket, ds):
    obstore = pytest.importorskip("obstore.fsspec")
    before = dict(_registry)
    obstore.register("s3")
    try:
        config = {"endpoint": bucket.url, "region": "us-east-1"}
        options = {
            "config": config | {"access_key_id": "someone", "secret_access_key": "something"},
            "client_options": {"allow_http": True},
        }
        url = f"s3://{bucket.bucket}/obstore.zarr"
        aa1xr.copy_store(sample_store, url, target_options=options)
        there = aa1xr.open(url, dt_ms=20, storage_options=options)
        xr.testing.assert_identical(there.compute(), ds.compute())
        aa1xr.save(ds[["psth"]], f"s3://{bucket.bucket}/saved.zarr", storage_options=options)
        back = aa1xr.load(f"s3://{bucket.bucket}/saved.zarr", storage_options=options)
        xr.testing.assert_identical(back.compute(), ds[["psth"]].compute())
    finally:
        _registry.clear()
        _registry.update(before)
