import gzip
import json
import os
import shutil
import tracemalloc

import google_crc32c
import numpy as np
import pytest
import xarray as xr
import zarr
from numcodecs import Blosc, Zstd

import aa1xr
from aa1xr import StoreError
from aa1xr.store.chunks import CHECKSUM, CHECKSUMS, content_size
from aa1xr.store.layout import ARRAYS, CONSOLIDATED, METADATA, create_array, seal
from aa1xr.store.read import Store
from aa1xr.store.storage import open_storage
from aa1xr.store.validate import metadata_of
from stress.forged_stores import list_checksums
from tests.links_and_pipes import LINKS
from tests.store.conftest import resealed

# Every change below is sealed again, so that no checksum finds it.


def with_checksum(chunk):
    return chunk + google_crc32c.value(chunk).to_bytes(4, "little")


def arrays(document):
    return document[CONSOLIDATED]["metadata"]


def test_metadata_of__is_what_is_written():
    shape = {"neuron": 300, "stimulus": 4, "trial": 5, "spike": 0, "sample": 10**6}
    for name, spec in ARRAYS.items():
        files = {}
        group = zarr.create_group(zarr.storage.MemoryStore(files))
        sizes = tuple(shape[dim] for dim in spec.dims)
        create_array(group.store, spec, sizes, name=name)
        written = json.loads(files[f"{name}/{METADATA}"].to_bytes())
        assert written | metadata_of(spec, sizes) == written


METADATA_CHANGES = {
    "more neurons than any archive": (lambda d: arrays(d)["neuron"].update(shape=[5 * 10**7]),
     "must have 0 to 100000 along neuron; got 50000000"),
    "a shape of 51 GiB": (lambda d: arrays(d)["area"].update(shape=[10**10]), "area: must have"),
    "a shape of text": (lambda d: arrays(d)["area"].update(shape=["3"]), "area: must have 0 to"),
    "shapes that differ": (lambda d: arrays(d)["n_spikes"].update(shape=[4]), "along neuron; got"),
    "another rank": (lambda d: arrays(d)["n_trials"].update(shape=[3]), "its shape must be along"),
    "another type": (lambda d: arrays(d)["n_trials"].update(data_type="int64"), "data_type must"),
    "a chunk of 745 GiB": (
        lambda d: arrays(d)["spike_time"]["chunk_grid"]["configuration"].update(
            chunk_shape=[2 * 10**11]
        ),
        "spike_time: its chunk_grid must be",
    ),
    "another codec": (lambda d: arrays(d)["waveform"]["codecs"].pop(), "its codecs must be"),
    "a codec that is none": (
     lambda d: arrays(d)["area"]["codecs"].__setitem__(0, {"name": "aa1xr.cli:main"}),
     "area: its codecs must be"),
    "an array of Zarr format 2": (
     lambda d: arrays(d)["area"].update(zarr_format=2, filters=[{"id": "vlen-utf8"}]),
     "area: its metadata must be those of an array"),
    "another fill value": (lambda d: arrays(d)["row_size"].update(fill_value=0), "fill_value must"),
    "an array less": (lambda d: arrays(d).pop("name"), "must have the metadata of the arrays"),
    "an array more": (lambda d: arrays(d).update(x=arrays(d)["name"]),
     "must have the metadata of the arrays"),
    "no group": (lambda d: d.update(node_type="array"), "must be a group of Zarr format 3"),
    "a rate of text": (lambda d: d["attributes"].update(sample_rate="9"), "'sample_rate' must"),
    "a rate of zero": (lambda d: d["attributes"].update(sample_rate=0), "'sample_rate' must"),
    "no digests": (lambda d: d["attributes"].pop("sha256"), "'sha256' must"),
    "a source of escapes": (lambda d: d["attributes"].update(source=["\x1b"]), "'source' must"),
    "no contents": (lambda d: d["attributes"].pop("contents"), "do not say what it holds"),
    "contents of numbers": (lambda d: d["attributes"]["contents"].update(missing=3),
     "do not say what it holds"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"), METADATA_CHANGES.values(), ids=METADATA_CHANGES.keys()
)
def test_open__metadata_must_be_of_the_layout(store, change, message):
    with pytest.raises(StoreError, match=message) as caught:
        aa1xr.open(resealed(store, change))
    assert str(store) in str(caught.value)
    assert "aa1xr.open(archive" in str(caught.value)


def test_open__json_nested_too_deep(store):
    (store / METADATA).write_text('{"attributes": ' + "[" * 10**5 + "]" * 10**5 + "}")
    with pytest.raises(StoreError, match="not a store of aa1xr"):
        aa1xr.open(store)


def rewritten(store, name, values):
    """The store with other values in an array, whose checksums are right."""
    array = zarr.open_array(store / name, mode="r+")
    array[...] = values
    list_checksums(store, name, store)
    return store


VALUE_CHANGES = [
    ("neuron", lambda a: np.array(["x" * 300, *a[1:]]), "is not a neuron id|is damaged"),
    ("neuron", lambda a: np.array([a[1], *a[1:]]), "each neuron must be there once"),
    ("area", lambda a: np.array(["../x", *a[1:]]), "area must be of"),
    ("type", lambda a: np.array(["", *a[1:]]), "type must be of"),
    ("name", lambda a: np.array(["\x1b[2J.wav", *a[1:]]), r"name must be an MD5 .*\\x1b"),
    ("n_samples", lambda a: a * 10**6, "n_samples must be 1 to"),
    ("n_samples", lambda a: -a, "n_samples must be 1 to"),
    ("n_samples", lambda a: a + 1, "n_samples must add up to"),
    ("n_spikes", lambda a: a + 1, "n_spikes must add up to"),
    ("n_spikes", lambda a: a - 10**6, "n_spikes must be 0 to"),
    ("n_trials", lambda a: a + 100, "n_trials must be 0 to"),
    ("n_trials", lambda a: a * 0, "row_size must be 0 where there was no trial"),
    ("row_size", lambda a: a - 5, "row_size must be at least 0"),
    ("row_size", lambda a: a * 2, "row_size must add up to n_spikes"),
]


@pytest.mark.parametrize(("name", "change", "message"), VALUE_CHANGES)
def test_open__values_must_be_of_the_layout(store, name, change, message):
    rewritten(store, name, change(Store(str(store)).read(name)))
    with pytest.raises(StoreError, match=message):
        aa1xr.open(store).psth.compute()


@pytest.fixture(scope="module")
def saved_once(built, tmp_path_factory):
    """The Dataset of the store, saved."""
    folder = tmp_path_factory.mktemp("saved")
    # Of a copy, to which the spectrogram is added.
    aa1xr.save(aa1xr.open(shutil.copytree(built[1], folder / built[1].name)), folder / "saved.zarr")
    return folder / "saved.zarr"


@pytest.fixture
def saved(saved_once, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(saved_once, tmp_path / "saved.zarr")


@pytest.fixture
def cached(store):
    """A store with a spectrogram, and the path of that."""
    aa1xr.open(store).spectrogram.compute()
    (path,) = store.glob("spectrogram-*")
    return store, path


ADDED_CHANGES = {
    "another shape": lambda d: d["shape"].__setitem__(2, d["shape"][2] + 1),
    "other bands": lambda d: d["attributes"].update(n_mels=31),
    # Right in itself, and not what its name says.
    "another sample rate": lambda d: d["attributes"].update(sample_rate=16000),
    "another codec": lambda d: d.update(codecs=[{"name": "bytes"}]),
    "another type": lambda d: d.update(data_type="float64"),
    "format 2": lambda d: d.update(zarr_format=2, filters=[{"id": "pickle"}]),
}


@pytest.mark.parametrize("change", ADDED_CHANGES.values(), ids=ADDED_CHANGES.keys())
def test_spectrogram__cached_must_be_of_the_layout(cached, change, caplog):
    store, path = cached
    right = aa1xr.open(store).spectrogram.values
    document = json.loads((path / METADATA).read_bytes())
    change(document)
    (path / METADATA).write_bytes(seal(json.dumps(document).encode()))
    np.testing.assert_array_equal(aa1xr.open(store).spectrogram.values, right)
    assert "computed again" in caplog.text
    if document["attributes"]["sample_rate"] == 32000:
        with pytest.raises(StoreError, match=path.name):
            Store(str(store)).check()


# What is no file


NO_FILES = (*LINKS, "pipe", "socket")
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")


@needs_pipes
@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", [METADATA, "neuron/c/0", "spike_time/c/0", "row_size/c/0/0/0"])
def test_store__files_alone_are_read(store, tmp_path, home, name, kind):
    path = store / name
    home.put(kind, path)
    assert name not in open_storage(str(store)).listing()
    for use in (
        lambda: aa1xr.open(store).psth.compute(),  # noqa: PLW0108 - open fails, too
        lambda: Store(str(store)).check(),
        lambda: aa1xr.copy_store(store, tmp_path / "copy.zarr"),
    ):
        with pytest.raises(StoreError, match=f"{path}: every part of a store must be a file"):
            use()


def test_store__a_folder_that_is_a_link_is_not_entered(store, tmp_path):
    (store / "spike_time").rename(tmp_path / "spike_time")
    (store / "spike_time").symlink_to(tmp_path / "spike_time")
    with pytest.raises(StoreError, match="spike_time: every part of a store must be a file"):
        aa1xr.open(store).psth.compute()


def test_store__may_be_a_link_itself(store, tmp_path):
    (tmp_path / "link.zarr").symlink_to(store)
    assert aa1xr.open(tmp_path / "link.zarr").psth.compute().equals(aa1xr.open(store).psth)


@needs_pipes
@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("name", [METADATA, "neuron/c/0", "psth/c/0/0/0"])
def test_load__files_alone_are_read(saved, home, name, kind):
    path = saved / name
    home.put(kind, path)
    with pytest.raises(StoreError, match=f"{path}: every part of a store must be a file"):
        aa1xr.load(saved).compute()


SAVED_CHANGES = {
    "a coordinate of 745 GiB": (lambda d: arrays(d)["area"].update(shape=[10**10]),
     "must have at most|conflicting sizes"),
    "an array of format 2": (
        lambda d: arrays(d)["psth"].update(
            zarr_format=2, chunks=[1, 1, 1], dtype="<f4", compressor=None, order="C", filters=None
        ),
        "psth is of Zarr format 2; expected 3",
    ),
    "a codec that is none": (
     lambda d: arrays(d)["psth"]["codecs"].__setitem__(0, {"name": "aa1xr.cli:main"}),
     r"damaged \(.*aa1xr.cli:main"),
    "no type": (lambda d: arrays(d)["psth"].pop("data_type"), r"zarr\.json is damaged"),
    "a chunk of 745 GiB": (
        lambda d: arrays(d)["psth"]["chunk_grid"]["configuration"].update(
            chunk_shape=[10**6, 10**6, 1]
        ),
        "psth must have at most .* bytes in a chunk",
    ),
    "a million chunks": (lambda d: arrays(d)["psth"].update(shape=[3, 3, 10**9]),
     "psth must have at most .* chunks"),
    "another codec": (
        lambda d: arrays(d)["psth"]["codecs"].__setitem__(
            1, {"name": "gzip", "configuration": {"level": 1}}
        ),
        "psth must be compressed as aa1xr.save does",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), SAVED_CHANGES.values(), ids=SAVED_CHANGES.keys())
def test_load__asks_for_no_more_than_there_is(saved, change, message):
    document = json.loads((saved / METADATA).read_bytes())
    change(document)
    if message.endswith("chunks"):
        arrays(document)["psth"]["chunk_grid"]["configuration"]["chunk_shape"] = [1, 1, 1]
    (saved / METADATA).write_bytes(seal(json.dumps(document).encode(), part=CONSOLIDATED))
    with pytest.raises(StoreError, match=message):
        aa1xr.load(saved)


def test_load__coordinates_of_all_together(store, saved, monkeypatch):
    most = max(coord.nbytes for coord in aa1xr.open(store).coords.values())
    monkeypatch.setattr("aa1xr.dataset.persist._LARGEST_COORDINATES", most)
    with pytest.raises(StoreError, match=f"its coordinates must have at most {most} bytes"):
        aa1xr.load(saved)


def test_load__what_is_no_text(saved):
    array = zarr.open_array(saved / "rig", mode="r+")
    raw = np.full(3 * array.dtype.itemsize // 4, 2**30, "<u4").tobytes()
    (saved / "rig/c/0").write_bytes(with_checksum(Zstd().encode(raw)))
    with pytest.raises(StoreError, match="rig must be text; it is not"):
        aa1xr.load(saved)


# What chunks unpack to


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_000, 70_000, 2**20])
def test_content_size__of_frames(size):
    assert content_size(Zstd().encode(bytes(size))[:18]) == size


@pytest.mark.parametrize("header", [b"", b"\x28\xb5\x2f\xfd", b"PK\3\4" + bytes(14), bytes(18)])
def test_content_size__of_what_is_no_frame(header):
    assert content_size(header) is None


def test_store__a_chunk_that_unpacks_to_too_much(store):
    (store / "n_spikes/c/0").write_bytes(with_checksum(Zstd().encode(bytes(2**28))))
    with pytest.raises(StoreError, match=r"n_spikes is damaged .* at most 28 bytes; got 268435456"):
        aa1xr.open(store).psth.compute()


# What is larger than it may be, or says so. A process that read it would take gigabytes.


def test_store__metadata_are_not_read_if_too_large(store):
    with (store / METADATA).open("r+b") as file:
        file.truncate(2**23 + 1)
    with pytest.raises(StoreError, match=rf"{METADATA}: must have at most {2**23} bytes; got"):
        aa1xr.open(store)


def test_load__metadata_are_not_read_if_too_large(saved):
    (saved / METADATA).write_bytes(bytes(2**23 + 1))
    with pytest.raises(StoreError, match=rf"{METADATA}: must have at most {2**23} bytes; got"):
        aa1xr.load(saved)


@pytest.mark.parametrize("name", ["neuron/c/0", "spike_time/c/0"])
def test_store__chunks_are_not_read_if_too_large(store, name):
    with (store / name).open("r+b") as file:
        file.truncate(2**29)
    tracemalloc.start()
    with pytest.raises(StoreError, match=f"{name} must unpack to at most"):
        aa1xr.open(store).psth.compute()
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_store__the_number_of_strings_is_checked_before_they_are_made(store):
    data = Zstd().encode((2**28).to_bytes(4, "little") + bytes(20))
    (store / "neuron/c/0").write_bytes(with_checksum(data))
    listed = (store / "neuron/c/0").read_bytes()[-CHECKSUM:].hex()
    resealed(store, lambda d: d["attributes"][CHECKSUMS].update(neuron=listed))
    with pytest.raises(StoreError, match=r"neuron .* must have 3 strings; got 268435456"):
        aa1xr.open(store)


@pytest.mark.parametrize("encoding", [{}, {"compressors": ()}])
def test_load__the_number_of_strings_is_checked_before_they_are_made(tmp_path, encoding):
    path = tmp_path / "x.zarr"
    ds = xr.Dataset({"x": ("neuron", np.array(["a", "b"], object))})
    ds.to_zarr(path, encoding={"x": encoding}, consolidated=False)
    data = (2**28).to_bytes(4, "little") + bytes(20)
    (path / "x/c/0").write_bytes(data if encoding else Zstd().encode(data))
    with pytest.raises(StoreError, match="must have 2 strings; got 268435456"):
        aa1xr.load(path).x.compute()


# What came in the place of something else


def test_open__another_store_in_its_place(store, tmp_path, sample_store):
    ds = aa1xr.open(store)
    shutil.rmtree(store)
    shutil.copytree(sample_store, store)
    with pytest.raises(StoreError, match=r"another store than .* Open it again"):
        ds.psth.compute()


def test_open__a_chunk_of_another_store_in_its_place(store, sample_store):
    ds = aa1xr.open(store)
    shutil.copy(sample_store / "spike_time/c/0", store / "spike_time/c/0")
    with pytest.raises(StoreError, match="spike_time/c/0 is not the chunk that the metadata list"):
        ds.psth.compute()


def test_verify__metadata_of_an_array(store):
    path = store / "area" / METADATA
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"shape": [2]}))
    for use in (Store(str(store)).check, lambda: aa1xr.copy_store(store, store.parent / "copy")):
        with pytest.raises(StoreError, match=f"area/{METADATA} is not what the {METADATA} of"):
            use()


def test_store__a_folder_in_the_place_of_a_file(store):
    (store / METADATA).unlink()
    (store / METADATA).mkdir()
    with pytest.raises(StoreError, match=f"{METADATA} must be a file; got a folder"):
        aa1xr.open(store)


def test_n_trials__alone_are_checked(store):
    rewritten(store, "n_trials", Store(str(store)).read("n_trials") - 100)
    with pytest.raises(StoreError, match="n_trials must be 0 to"):
        aa1xr.open(store).n_trials.compute()


BOMB = bytes(2**26)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (zarr.codecs.GzipCodec(), gzip.compress(BOMB)),
        (zarr.codecs.BloscCodec(typesize=1), Blosc().encode(BOMB)),
        (zarr.codecs.ZstdCodec(), Zstd().encode(BOMB)),
        (None, BOMB),
    ],
)
def test_load__a_chunk_of_any_codec_that_unpacks_to_too_much(tmp_path, codec, data):
    path = tmp_path / "x.zarr"
    ds = xr.Dataset({"x": ("neuron", np.arange(8.0))})
    encoding = {"x": {"compressors": [codec] if codec else None}}
    ds.to_zarr(path, encoding=encoding, consolidated=False)
    np.testing.assert_array_equal(aa1xr.load(path).x, ds.x)
    (path / "x/c/0").write_bytes(data)
    with pytest.raises(StoreError, match="x/c/0 must unpack to at most 64 bytes; got"):
        aa1xr.load(path).x.compute()


def test_load__shards_are_for_xarray(tmp_path):
    ds = xr.Dataset({"x": ("neuron", np.arange(8.0))})
    encoding = {"x": {"chunks": (2,), "shards": (4,)}}
    ds.to_zarr(tmp_path / "x.zarr", encoding=encoding, consolidated=False)
    with pytest.raises(StoreError, match=r"not be in shards; .* xarray\.open_zarr opens others"):
        aa1xr.load(tmp_path / "x.zarr")


def test_load__one_long_string_makes_none_of_the_others_long(tmp_path):
    texts = np.array(["x" * 10**4] + ["y"] * 10**4, np.dtypes.StringDType())
    ds = xr.Dataset(coords={"label": ("neuron", texts)})
    ds.to_zarr(tmp_path / "x.zarr", consolidated=False)
    with pytest.raises(StoreError, match="its coordinates must have at most"):
        aa1xr.load(tmp_path / "x.zarr")
