"""Copies of stores, on a disk and on object storage."""

import asyncio
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import aa1xr
from aa1xr import StoreError
from aa1xr.store import location
from aa1xr.store.layout import METADATA
from aa1xr.store.read import Store
from aa1xr.store.storage import open_storage


def files_at(path, options=None):
    """Every file and what is in it."""
    storage = open_storage(str(path), options)
    return storage.read_all(sorted(storage.listing()))


@pytest.fixture
def url(bucket):
    return f"s3://{bucket.bucket}/aa1.zarr"


def test_copy_store__to_a_path(store, tmp_path):
    target = tmp_path / "new" / "copy.zarr"
    aa1xr.copy_store(store, target)
    assert files_at(target) == files_at(store)
    assert [path.name for path in target.parent.iterdir()] == ["copy.zarr"]


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_copy_store__to_a_url(store, tmp_path, protocol):
    target = f"{protocol}://{tmp_path}/copy.zarr"
    aa1xr.copy_store(store, target)
    assert files_at(target) == files_at(store)
    assert aa1xr.open(target).spectrogram.equals(aa1xr.open(store).spectrogram)


def test_copy_store__of_an_archive_to_s3_and_back(
    sample_archive, sample_store, bucket, url, tmp_path
):
    aa1xr.copy_store(sample_archive, url, target_options=bucket.options)
    assert files_at(url, bucket.options) == files_at(sample_store)
    aa1xr.copy_store(url, tmp_path / "back.zarr", source_options=bucket.options)
    assert files_at(tmp_path / "back.zarr") == files_at(sample_store)


def test_copy_store__takes_kept_spectrograms_and_no_leftovers(store, bucket, url):
    aa1xr.open(store).spectrogram.compute()
    half = store / f".{'0' * 32}.aa1xr-partial.spectrogram-x"
    half.mkdir()
    (half / "0").write_bytes(b"half")
    (store / ".spectrogram-x.aa1xr-lock").write_bytes(b"")
    aa1xr.copy_store(store, url, target_options=bucket.options)
    names = files_at(url, bucket.options)
    assert not [name for name in names if name.startswith(".")]
    writes = len([line for line in bucket.requests if line.startswith("PUT")])
    aa1xr.open(url, storage_options=bucket.options).spectrogram.compute()
    assert len([line for line in bucket.requests if line.startswith("PUT")]) == writes


@pytest.mark.parametrize("stop_at", ["spike_time", "row_size", METADATA])
def test_copy_store__interrupted_is_no_store_and_goes_on(store, bucket, url, monkeypatch, stop_at):
    with monkeypatch.context() as patch:
        fs = open_storage(url, bucket.options).fs
        pipe = type(fs)._pipe_file

        async def stop(self, path, *args, **kwargs):
            if stop_at in path.removesuffix(f"/{METADATA}"):
                raise ConnectionError("gone")
            if stop_at == METADATA and path.endswith(f"aa1.zarr/{METADATA}"):
                raise ConnectionError("gone")
            return await pipe(self, path, *args, **kwargs)

        patch.setattr(type(fs), "_pipe_file", stop)
        with pytest.raises(ConnectionError, match="gone"):
            aa1xr.copy_store(store, url, target_options=bucket.options)
    with pytest.raises(aa1xr.DataNotFoundError):
        aa1xr.open(url, storage_options=bucket.options)
    aa1xr.copy_store(store, url, target_options=bucket.options)
    assert files_at(url, bucket.options) == files_at(store)


def test_copy_store__overwrites_nothing(store, bucket, url, tmp_path):
    aa1xr.copy_store(store, url, target_options=bucket.options)
    before = files_at(url, bucket.options)
    with pytest.raises(FileExistsError, match="exists; remove it first"):
        aa1xr.copy_store(store, url, target_options=bucket.options)
    assert files_at(url, bucket.options) == before
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="exists; remove it first"):
        aa1xr.copy_store(store, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_copy_store__refuses_a_place_with_something_else(store, bucket, url):
    fs = fsspec.filesystem("s3", **bucket.options)
    fs.pipe_file(f"{url}/notes.txt", b"mine")
    with pytest.raises(FileExistsError, match=r"1 files of something else, notes\.txt"):
        aa1xr.copy_store(store, url, target_options=bucket.options)
    assert list(files_at(url, bucket.options)) == ["notes.txt"]


def test_copy_store__spreads_no_damage(store, tmp_path):
    chunk = store / "spike_time" / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(StoreError, match="spike_time is damaged"):
        aa1xr.copy_store(store, tmp_path / "copy.zarr")
    assert not (tmp_path / "copy.zarr").exists()


@pytest.mark.parametrize("spoiled", ["spike_time/c/0", f"copy.zarr/{METADATA}"])
def test_copy_store__compares_what_arrived(store, tmp_path, monkeypatch, spoiled):
    pipe_file = MemoryFileSystem.pipe_file

    def spoil(self, path, value, *args, **kwargs):
        return pipe_file(self, path, value[:-1] if spoiled in path else value, *args, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", spoil)
    target = f"memory://{tmp_path}/copy.zarr"
    with pytest.raises(StoreError, match=f"{spoiled}: not what was written there"):
        aa1xr.copy_store(store, target)
    with pytest.raises((StoreError, aa1xr.DataNotFoundError)):
        aa1xr.open(target)


def test_open__from_s3_that_cannot_be_reached():
    # Nothing listens there. An error of the network is no damage.
    options = {
        "key": "x",
        "secret": "y",
        "endpoint_url": "http://127.0.0.1:1",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    with pytest.raises(OSError, match=r"s3://b/aa1\.zarr: Could not connect"):
        aa1xr.open("s3://b/aa1.zarr", storage_options=options)


# What is read from there


def requests(bucket, function):
    bucket.requests.clear()
    result = function()
    return result, len(bucket.requests)


@pytest.mark.parametrize("archive", ["sample_archive", "real_archive"])
def test_open__from_s3_in_few_requests(archive, request, bucket, url, tmp_path):
    archive = request.getfixturevalue(archive)
    aa1xr.copy_store(archive, url, target_options=bucket.options)
    local = aa1xr.open(archive)
    ds, opening = requests(bucket, lambda: aa1xr.open(url, storage_options=bucket.options))
    assert opening <= 8
    rate, computing = requests(bucket, ds.psth.sel(area="MLd").compute)
    assert computing <= 12
    assert rate.identical(local.psth.sel(area="MLd").compute())
    assert ds.spikes.isel(neuron=[0, -1]).identical(local.spikes.isel(neuron=[0, -1]))


def test_open__from_s3_of_what_is_not_there(bucket, url):
    with pytest.raises(aa1xr.DataNotFoundError, match=f"{url}: no store there"):
        aa1xr.open(url, storage_options=bucket.options)


def test_open__from_s3_damaged(store, bucket, url):
    aa1xr.copy_store(store, url, target_options=bucket.options)
    fs = fsspec.filesystem("s3", **bucket.options)
    ds = aa1xr.open(url, storage_options=bucket.options)
    key = f"{url}/spike_time/c/0"
    fs.pipe_file(key, fs.cat_file(key)[:-1])
    with pytest.raises(StoreError, match=f"{url}: spike_time is damaged"):
        ds.psth.compute()
    fs.rm(key)
    with pytest.raises(StoreError, match=f"{url}: a part of spike_time is gone"):
        ds.psth.compute()


def test_save__to_s3_and_load(sample_archive, bucket):
    url = f"s3://{bucket.bucket}/songs.zarr"
    songs = aa1xr.open(sample_archive).sel(type="conspecific")
    aa1xr.save(songs, url, storage_options=bucket.options)
    assert aa1xr.load(url, storage_options=bucket.options).identical(songs)
    with pytest.raises(FileExistsError):
        aa1xr.save(songs, url, storage_options=bucket.options)


def test_spectrogram__of_a_bucket_that_may_only_be_read(store, bucket, url, monkeypatch):
    expected = aa1xr.open(store).spectrogram.compute()
    for path in Path(store).glob("spectrogram-*/**/*"):
        if path.is_file():
            path.unlink()
    aa1xr.copy_store(store, url, target_options=bucket.options)
    ds = aa1xr.open(url, storage_options=bucket.options)
    cat_file = Store.get

    def get(self, key):  # S3 says 403 for what is not there to those who may not list
        if key.startswith("spectrogram"):
            raise PermissionError("Forbidden")
        return cat_file(self, key)

    monkeypatch.setattr(Store, "get", get)
    np.testing.assert_array_equal(ds.spectrogram.values, expected.values)


async def unreachable(*args, **kwargs):
    from botocore.exceptions import EndpointConnectionError

    raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


def test_spectrogram__that_cannot_be_kept(store, bucket, url, monkeypatch):
    aa1xr.copy_store(store, url, target_options=bucket.options)
    ds = aa1xr.open(url, storage_options=bucket.options, n_mels=7)
    fs = open_storage(url, bucket.options).fs
    monkeypatch.setattr(type(fs), "_pipe_file", unreachable)
    there = ds.spectrogram.values
    np.testing.assert_array_equal(there, aa1xr.open(store, n_mels=7).spectrogram.values)


@pytest.mark.parametrize("method", ["_pipe_file", "_cat_file", "_lsdir"])
def test_copy_store__errors_of_the_network_name_the_place(store, bucket, url, monkeypatch, method):
    fs = open_storage(url, bucket.options).fs
    monkeypatch.setattr(type(fs), method, unreachable)
    with pytest.raises(OSError, match=r"aa1xr-tests/aa1\.zarr: Could not connect"):
        aa1xr.copy_store(store, url, target_options=bucket.options)


def test_storage__asks_s3_not_for_long():
    pytest.importorskip("s3fs")
    fs = open_storage("s3://b/aa1.zarr", {"anon": True}).fs
    assert fs.config_kwargs["read_timeout"] == 10
    given = {"anon": True, "config_kwargs": {"read_timeout": 3, "retries": {"max_attempts": 1}}}
    fs = open_storage("s3://b/aa1.zarr", given).fs
    assert fs.config_kwargs["read_timeout"] == 3
    assert fs.config_kwargs["connect_timeout"] == 5
    # botocore changes what it is given, but not what the user gave.
    assert given["config_kwargs"] == {"read_timeout": 3, "retries": {"max_attempts": 1}}


@pytest.mark.parametrize(
    "use",
    [
        lambda storage: storage.listing(),
        lambda storage: storage.read("a"),
        lambda storage: storage.read_all(["a", "b"]),
        lambda storage: storage.write_all({"a": b"", "b": b""}),
    ],
)
def test_storage__waits_for_nothing_for_ever(bucket, url, monkeypatch, use):
    storage = open_storage(url, bucket.options)

    async def never(*args, **kwargs):
        await asyncio.sleep(60)

    monkeypatch.setattr(location, "LONGEST", 0.05)
    monkeypatch.setattr(type(storage.fs), "_call_s3", never)
    monkeypatch.setattr(type(storage.fs), "_find", never)
    with pytest.raises(TimeoutError, match=r"aa1\.zarr: no answer in time"):
        use(storage)


def test_storage__through_a_cache(store, tmp_path):
    options = {"simplecache": {"cache_storage": str(tmp_path)}}
    assert files_at(f"simplecache::file://{store}", options) == files_at(store)
