import asyncio
import os
import pickle
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr

import aa1xr
from aa1xr import DataNotFoundError, StoreError
from aa1xr.atomic import discard
from aa1xr.store import location
from aa1xr.store.connection import VERSION, _shared
from aa1xr.store.layout import ARRAYS, FORMAT_VERSION, METADATA
from aa1xr.store.location import as_os_error, read_object
from aa1xr.store.read import Store
from tests.store.conftest import ADDED, VALUES, add, contents, flipped, resealed


def read_all(store: Store) -> dict[str, list]:
    """All that a store holds."""
    labels = store.labels
    values = {name: store.read(name).tolist() for name in ARRAYS}
    return values | {"n_trials of labels": labels.n_trials, "rate": labels.sample_rate}


# Damage

DAMAGES = {
    "a bit of the first byte": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "a bit of the last byte": lambda data: data[:-1] + bytes([data[-1] ^ 0x80]),
    "a bit in the middle": lambda data: flipped(data, 4 * len(data)),
    "a bit of the checksum": lambda data: flipped(data, max(0, 8 * len(data) - 20)),
    "without its last byte": lambda data: data[:-1],
    "its first half": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "zeroed": lambda data: bytes(len(data)),
    "too long": lambda data: data + b"\0",
    "gone": None,
}


@pytest.mark.parametrize(("first", "damage"), list(enumerate(DAMAGES.values())), ids=DAMAGES.keys())
def test_store__damage_to_any_file_is_never_read_as_data(store, right_small, first, damage):
    files = sorted(path for path in store.rglob("*") if path.is_file())
    assert len(files) > 2 * len(ARRAYS)
    for path in files[first % 3 :: 3]:  # `stress.corruption` damages all
        data = path.read_bytes()
        try:
            path.unlink() if damage is None else path.write_bytes(damage(data))
            reader = Store(str(store))
            if path.name == METADATA and path.parent != store:
                # Of no account: what it says is in the root's, under the seal.
                assert read_all(reader) == right_small, path
                continue
            missing_root = damage is None and path.name == METADATA
            with pytest.raises(DataNotFoundError if missing_root else StoreError) as info:
                read_all(reader)
            assert str(store) in str(info.value)
            if path.name != METADATA:
                assert path.relative_to(store).parts[0] in str(info.value)
                assert "aa1xr.open(archive, rebuild=True)" in str(info.value)
        finally:
            path.write_bytes(data)
    assert read_all(Store(str(store))) == right_small


@pytest.mark.parametrize(
    ("found", "advice"),
    [
        (FORMAT_VERSION - 1, "rebuild=True"),
        (FORMAT_VERSION + 1, "update aa1xr$"),
        *((odd, "rebuild=True") for odd in (float(FORMAT_VERSION), True, "3", [3], None, {})),
    ],
)
def test_store__a_sealed_root_of_another_format_is_refused(store, found, advice):
    resealed(store, lambda document: document["attributes"].update(format_version=found))
    said = rf"format {re.escape(repr(found))}; .* reads format {FORMAT_VERSION}.*{advice}"
    with pytest.raises(StoreError, match=said):
        _ = Store(str(store)).labels


@pytest.mark.parametrize("content", [b"{}", b'{"zarr_format": 3, "node_type": "group"}'])
def test_store__a_foreign_one_is_refused(tmp_path, content):
    (tmp_path / METADATA).write_bytes(content)
    with pytest.raises(StoreError, match="not a store of aa1xr"):
        _ = Store(str(tmp_path)).attrs


@pytest.mark.parametrize("place", ["nowhere.zarr", "a-file/x.zarr"])
def test_store__nothing_there(tmp_path, place):
    (tmp_path / "a-file").write_bytes(b"")
    with pytest.raises(DataNotFoundError, match="no store there"):
        _ = Store(str(tmp_path / place)).labels


def test_store__reads_nothing_before_it_is_asked(tmp_path):
    assert repr(Store("nowhere.zarr")) == "Store('nowhere.zarr')"


def test_store__a_disk_that_fails_is_no_damage(store, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(13, "not yours")

    reader = Store(str(store))
    assert reader.attrs
    monkeypatch.setattr("aa1xr.store.location.read_object", fail)
    with pytest.raises(PermissionError):
        reader.read("neuron")


def test_store__reads_its_metadata_once(memory, right_small, monkeypatch):
    files, root = memory
    get = Store.get

    def replace(self, key):
        found = get(self, key)
        files.pipe_file(f"{root}/{key}", b"{}")  # as what is read again may be something else
        return found

    monkeypatch.setattr(Store, "get", replace)
    assert read_all(Store(f"memory:/{root}")) == right_small


def test_read__makes_up_no_chunk_that_is_not_given(store, monkeypatch):
    def forget(root, name, most=None):
        # As storage may that lists the file nevertheless.
        if name == "waveform/c/0":
            raise FileNotFoundError
        return read_object(root, name, most)

    monkeypatch.setattr("aa1xr.store.location.read_object", forget)
    with pytest.raises(StoreError, match=f"{store}: a part of waveform is gone"):
        Store(str(store)).read("waveform")


# Parts


def test_read__a_selection(store):
    reader = Store(str(store))
    whole = reader.read("row_size")
    np.testing.assert_array_equal(reader.read("row_size", 1), whole[1])
    np.testing.assert_array_equal(reader.read("row_size", (slice(0, 2), 1)), whole[:2, 1])
    assert reader.read("spike_time", slice(2, 2)).size == 0


def test_first_spike__bounds_each_neuron(store):
    reader = Store(str(store))
    sizes = reader.read("row_size").sum((1, 2)).tolist()
    assert reader.first_spike.tolist() == [0, sizes[0], sizes[0] + sizes[1], sum(sizes)]


# Elsewhere


def test_store__pickles_as_its_url(store, right_small):
    reader = Store(str(store))
    read_all(reader)  # nothing that was read may go along
    assert len(pickle.dumps(reader)) < 200 + len(str(store))
    assert read_all(pickle.loads(pickle.dumps(reader))) == right_small


def test_store__pickles_its_storage_options():
    options = {"anon": True}
    again = pickle.loads(pickle.dumps(Store("s3://x/aa1.zarr", options)))
    assert (again.url, again.storage_options) == ("s3://x/aa1.zarr", options)


@pytest.fixture
def memory(store):
    """The small store in fsspec's memory."""
    files = fsspec.filesystem("memory")
    root = "/aa1xr-tests/aa1.zarr"
    for path in store.rglob("*"):
        if path.is_file():
            files.pipe_file(f"{root}/{path.relative_to(store).as_posix()}", path.read_bytes())
    yield files, root
    files.rm("/aa1xr-tests", recursive=True)


@pytest.fixture
def right_small(store):
    """What the small store holds."""
    return read_all(Store(str(store)))


class ForeignError(Exception):
    """An error of a library."""


class FussyError(PermissionError):
    """One of the system's by descent, which cannot be made of a message."""

    def __init__(self, one, two):
        super().__init__("Forbidden")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ForeignError("busy"), OSError),
        (OSError(16, "reduce your rate"), OSError),
        (PermissionError("Forbidden"), PermissionError),
        (FussyError(1, 2), PermissionError),
        (FileNotFoundError("gone"), FileNotFoundError),
        (TimeoutError("s3://b/aa1.zarr: late"), TimeoutError),
    ],
)
def test_as_os_error__names_the_url_and_keeps_the_kind(error, kind):
    with pytest.raises(kind, match=r"^s3://b/aa1\.zarr: ") as info, as_os_error("s3://b/aa1.zarr"):
        raise error
    assert info.type is kind


class Emptied(dict):
    """As if another thread emptied it as soon as one has looked."""

    def __contains__(self, key):
        found = super().__contains__(key)
        self.clear()
        return found

    def get(self, key):
        found = super().get(key)
        self.clear()
        return found


def test_shared__emptied_by_another_thread(monkeypatch):
    kept = Emptied()
    monkeypatch.setattr("aa1xr.store.connection._SHARED", kept)
    store = _shared(Store, "x", {}, "seal", VERSION)
    assert _shared(Store, "x", {}, "seal", VERSION) is store
    assert not kept


# What is added


def test_add__is_kept(store):
    before = contents(store)
    add(store)
    np.testing.assert_array_equal(Store(str(store)).read_added(ADDED), VALUES)
    after = contents(store)
    assert sorted(after.keys() - before.keys()) == [
        f"{ADDED}/c/0/0/0",
        f"{ADDED}/zarr.json",
    ]
    assert {name: after[name] for name in before} == before
    assert after[f"{ADDED}/zarr.json"]["attributes"]["n_mels"] == 2


def test_read_added__nan_is_refused(store):
    add(store, np.full_like(VALUES, np.nan))
    with pytest.raises(StoreError, match=f"{ADDED} must be finite; got NaN"):
        Store(str(store)).read_added(ADDED)


def test_read_added__chunks_that_were_exchanged(store, monkeypatch):
    monkeypatch.setattr("aa1xr.store.layout.ADDED_CHUNK", 1)
    add(store)
    first, second = (store / ADDED / "c" / n / "0" / "0" for n in "01")
    first.rename(store / "x")
    second.rename(first)
    (store / "x").rename(second)
    for use in (lambda: Store(str(store)).read_added(ADDED), Store(str(store)).check):
        with pytest.raises(
            StoreError, match=rf"{ADDED}/c/\d/0/0 is not the chunk .* computed again"
        ):
            use()


def test_add__too_large(store, monkeypatch):
    monkeypatch.setattr("aa1xr.store.validate.LARGEST_ADDED", 7)
    with pytest.raises(OSError, match="8 bytes a stimulus; at most 7 are kept"):
        add(store)


def test_add__again(store):
    add(store)
    add(store)
    np.testing.assert_array_equal(Store(str(store)).read_added(ADDED), VALUES)


def test_add__in_the_place_of_what_is_left_of_one(store):
    add(store)
    (store / ADDED / METADATA).unlink()
    (store / ADDED / "c" / "0" / "0" / "0").write_text("damaged")
    add(store)
    np.testing.assert_array_equal(Store(str(store)).read_added(ADDED), VALUES)


@pytest.mark.parametrize("again", [False, True])
def test_read_added__while_a_rebuild_takes_it_away(store, monkeypatch, again):
    add(store)
    checked = Store._checked
    read = []

    def take_away_first(self, *args):
        read.append(args)
        if len(read) > 1:
            return checked(self, *args)
        discard(store / ADDED, folder=True)
        try:
            return checked(self, *args)
        finally:
            if again:
                add(store)

    monkeypatch.setattr(Store, "_checked", take_away_first)
    found = Store(str(store)).read_added(ADDED)
    if again:
        np.testing.assert_array_equal(found, VALUES)
    else:
        assert found is None
    assert read


def test_add__is_not_there_until_it_is_whole(store, monkeypatch):
    write_bytes = Path.write_bytes

    def fail_at_metadata(self, data):
        if METADATA in self.name:
            write_bytes(self, data[:5])
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail_at_metadata)
        with pytest.raises(OSError, match="No space left"):
            add(store)
    assert Store(str(store)).read_added(ADDED) is None
    assert not [path for path in store.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["c/0/0/0", METADATA])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_read_added__damage_is_refused(store, name, damage):
    add(store)
    path = store / ADDED / name
    data = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage(data))
    if damage is None and name == METADATA:
        assert Store(str(store)).read_added(ADDED) is None
        return
    with pytest.raises(StoreError, match=rf"{ADDED}.* (damaged|gone)"):
        Store(str(store)).read_added(ADDED)


@pytest.fixture
def read_only(store):
    """The small store where nothing can be written."""
    if os.geteuid():
        for folder in (store, *store.rglob("*")):
            folder.chmod(0o555)
        yield store
        for folder in (store, *store.rglob("*")):
            folder.chmod(0o755)
        return
    # Permissions do not stop root.
    mount = ["mount", "--bind", "-o", "ro", str(store), str(store)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"root, and cannot mount read-only: {error}")
    yield store
    subprocess.run(["umount", str(store)], check=True)


def test_add__to_a_read_only_store(read_only):
    before = contents(read_only)
    with pytest.raises(OSError, match=r"Read-only|Permission"):
        add(read_only)
    assert Store(str(read_only)).read_added(ADDED) is None
    assert contents(read_only) == before


def test_zarr_store__does_not_wait_for_ever(monkeypatch):
    from zarr.storage import FsspecStore

    async def never(self, *args, **kwargs):
        await asyncio.sleep(60)

    monkeypatch.setattr(location, "LONGEST", 0.05)
    monkeypatch.setattr(FsspecStore, "get", never)
    with pytest.raises(TimeoutError, match=r"aa1\.zarr/neuron/zarr\.json: no answer in time"):
        zarr.open_array(
            location.zarr_store("memory://aa1.zarr", None, read_only=True), path="neuron"
        )


def test_zarr_store__errors_of_storage_name_the_place(monkeypatch):
    from zarr.storage import FsspecStore

    async def forbid(*_):
        raise PermissionError("Forbidden")

    for name in ("get", "set", "exists", "is_empty"):
        monkeypatch.setattr(FsspecStore, name, forbid)
    with pytest.raises(PermissionError, match="aa1-forbidden"):
        aa1xr.save(xr.Dataset({"x": 1}), "memory://aa1-forbidden.zarr")


# Chunks that are kept


@pytest.fixture
def long_store(tmp_path, monkeypatch):
    """A store with many chunks of spikes, which are short."""
    monkeypatch.setitem(ARRAYS, "spike_time", replace(ARRAYS["spike_time"], chunks=(60,)))
    sizes = {"n_neurons": 4, "n_songs": 1, "n_ripples": 1, "n_trials": 5}
    aa1xr.simulate_archive(tmp_path / "long.zip", **sizes)
    return Path(aa1xr.build(tmp_path / "long.zip", data_dir=tmp_path))


@pytest.fixture
def read_from_disk(monkeypatch):
    """The chunks that were read, as (array, number of values)."""
    found = []
    checked = Store._checked

    def spy(self, array, selection, *args):
        values = checked(self, array, selection, *args)
        found.append((array.path, values.size))
        return values

    monkeypatch.setattr(Store, "_checked", spy)
    return found


def test_rows__one_response_after_the_other_reads_each_chunk_once(long_store, read_from_disk):
    ds = aa1xr.open(long_store, chunks=None)
    n_spikes = Store(str(long_store)).sizes["spike"]
    for neuron in ds.neuron.values:
        for stimulus in ds.stimulus.values:
            assert ds.spikes.sel(neuron=neuron, stimulus=stimulus).values.ndim == 2
    of_spikes = [size for path, size in read_from_disk if path == "spike_time"]
    assert sum(of_spikes) == n_spikes
    assert len(of_spikes) <= -(-n_spikes // 60)


@pytest.mark.parametrize("most", [1, 2000, 2**24])
def test_rows__are_those_of_the_array(long_store, monkeypatch, most):
    monkeypatch.setattr("aa1xr.store.kept.Kept.most", most)
    reader = Store(str(long_store))
    whole = reader.read("spike_time")
    rng = np.random.default_rng(0)
    for start, stop in rng.integers(0, whole.size + 1, (40, 2)).tolist():
        np.testing.assert_array_equal(
            reader.read("spike_time", slice(start, stop)), whole[start:stop]
        )
        assert sum(a.nbytes for a in reader.kept._arrays.values()) <= most
    for part in (slice(None), slice(-5, None), slice(None, None, 2)):
        np.testing.assert_array_equal(reader.read("spike_time", part), whole[part])


def test_rows__a_long_part_is_not_kept(long_store):
    reader = Store(str(long_store))
    whole = reader.read("spike_time", slice(None))
    np.testing.assert_array_equal(whole, reader.read("spike_time"))
    assert not reader.kept._arrays
    assert reader.rows("row_size", 2, 4).shape[0] == 2
    assert {name for name, _ in reader.kept._arrays} == {"row_size", "n_trials"}


def test_rows__pickle_empty(long_store):
    reader = Store(str(long_store))
    reader.read("spike_time", slice(0, 9))
    assert reader.kept._arrays
    assert not pickle.loads(pickle.dumps(reader)).kept._arrays


@pytest.mark.parametrize("place", ["path", "url"])
def test_rows__another_store_in_its_place(long_store, tmp_path, monkeypatch, place):
    monkeypatch.setattr("aa1xr.store.read._LOOK_AGAIN", 0)
    url = {"path": str(tmp_path / "x.zarr"), "url": "memory://kept/x.zarr"}[place]
    aa1xr.simulate_archive(tmp_path / "other.zip", n_neurons=4, n_songs=1, n_ripples=1, seed=9)
    aa1xr.copy_store(long_store, url)
    ds = aa1xr.open(url, chunks=None)
    right = ds.psth[3, 1].values
    lazy = aa1xr.open(url).psth[3, 1]
    files, root = fsspec.url_to_fs(url)
    np.testing.assert_array_equal(lazy.values, right)
    files.rm(root, recursive=True)
    aa1xr.copy_store(tmp_path / "other.zip", url, data_dir=tmp_path)
    for variable in (ds.psth[3, 1], ds.spikes[3, 1], lazy):
        with pytest.raises(StoreError, match=r"another store than .* Open it again"):
            variable.compute()
    # And again of what it was at first.
    files.rm(root, recursive=True)
    aa1xr.copy_store(long_store, url)
    np.testing.assert_array_equal(ds.psth[3, 1].values, right)
    np.testing.assert_array_equal(lazy.values, right)
    files.rm(root, recursive=True)


def test_check__reads_the_files_and_not_what_is_kept(long_store):
    reader = Store(str(long_store))
    reader.read("spike_time", slice(0, 9))
    reader.rows("row_size", 0, 1)
    for path in ("spike_time/c/0", "row_size/c/0/0/0", "n_trials/c/0/0"):
        data = (long_store / path).read_bytes()
        (long_store / path).write_bytes(flipped(data, 4 * len(data)))
        with pytest.raises(StoreError, match=path.partition("/")[0]):
            reader.check()
        (long_store / path).write_bytes(data)
    reader.check()


def test_rows__threads(long_store):
    reader = Store(str(long_store))
    whole = reader.read("spike_time")

    def part(seed):
        rng = np.random.default_rng(seed)
        for start in rng.integers(0, whole.size, 50).tolist():
            found = reader.read("spike_time", slice(start, start + 100))
            np.testing.assert_array_equal(found, whole[start : start + 100])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(part, range(4)))
