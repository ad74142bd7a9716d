import shutil
from pathlib import Path

import pytest

from aa1xr import ArchiveError, DataNotFoundError
from aa1xr.archive.known import KnownArchive
from aa1xr.archive.write import write_archive
from aa1xr.store import layout, locate
from aa1xr.store.locate import ARCHIVE, ensure_store, find_data_dir, find_store
from tests.archive.pretend_known import pretend
from tests.store.conftest import SOUNDS, cells, contents


def neurons(store):
    return store.labels.neuron.tolist()


CELLS = ["a1_2_B", "a1_2_A", "a1_10_A"]


@pytest.fixture
def data(tmp_path):
    """An empty data directory."""
    return tmp_path / "data"


@pytest.fixture
def never_built(monkeypatch):
    """A function after which building is an error."""

    def forbid():
        def build_store(*args, **kwargs):
            raise AssertionError("built")

        monkeypatch.setattr(locate, "build_store", build_store)

    return forbid


@pytest.fixture
def known(monkeypatch):
    """Let the cells and sounds of the tests be those of AA1; nothing is known of responses."""
    stimuli = frozenset((sound.type, sound.name) for sound in SOUNDS)

    class Known(KnownArchive):
        def digest(self, cell):
            return None

    everything = {(cell.area, cell.id): ({"conspecific": 0, "flatrip": 0}, "") for cell in cells()}
    pretend(monkeypatch, Known(stimuli, everything))


# The data directory


def test_data_dir__the_argument_then_the_variable_then_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("AA1XR_DATA_DIR", str(tmp_path / "variable"))
    assert find_data_dir(tmp_path / "argument") == tmp_path / "argument"
    assert find_data_dir(str(tmp_path / "argument")) == tmp_path / "argument"
    assert find_data_dir() == tmp_path / "variable"
    monkeypatch.setenv("AA1XR_DATA_DIR", "")
    assert find_data_dir() == tmp_path / "cache" / "aa1xr"
    monkeypatch.delenv("AA1XR_DATA_DIR")
    assert find_data_dir() == tmp_path / "cache" / "aa1xr"
    assert list(tmp_path.iterdir()) == []


def test_data_dir__without_a_home_says_what_to_set(monkeypatch):
    monkeypatch.delenv("AA1XR_DATA_DIR")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("~/.cache") / name)
    with pytest.raises(DataNotFoundError, match=r"no home directory.*data_dir=.*AA1XR_DATA_DIR"):
        find_data_dir()


@pytest.mark.parametrize("value", ["s3://bucket/aa1", "$HOME/aa1"])
def test_data_dir__the_variable_is_named_where_it_is_wrong(monkeypatch, tmp_path, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AA1XR_DATA_DIR", value)
    with pytest.raises(ValueError, match=r"^\$AA1XR_DATA_DIR="):
        find_store(tmp_path / "cells.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_data_dir__that_is_no_folder(kind, tmp_path):
    path = tmp_path / "data"
    path.write_text("x") if kind == "file" else path.symlink_to(tmp_path / "gone")
    with pytest.raises(NotADirectoryError, match="data_dir must be a folder for stores; got"):
        find_data_dir(path)


# Sources


@pytest.mark.parametrize("name", ["cells.zip", "cells"])
@pytest.mark.parametrize("as_source", [str, lambda path: path, lambda path: path.as_uri()])
def test_find_store__of_an_archive(tmp_path, data, name, as_source):
    source = write_archive(tmp_path / name, SOUNDS, cells())
    store = find_store(as_source(source), data_dir=data)
    assert neurons(store) == CELLS
    assert store.url.startswith(str(data))


@pytest.mark.parametrize("as_source", [str, lambda path: path, lambda path: path.as_uri()])
def test_find_store__of_a_store(store, data, never_built, as_source):
    never_built()
    assert neurons(find_store(as_source(store), data_dir=data)) == CELLS
    assert not data.exists()


def test_find_store__storage_options_go_to_the_url(data):
    options = {"anon": True}
    store = find_store("s3://bucket/aa1.zarr", data_dir=data, storage_options=options)
    assert (store.url, store.storage_options) == ("s3://bucket/aa1.zarr", options)


@pytest.mark.parametrize("name", ["nowhere.zip", "nowhere", "nowhere.zarr"])
def test_find_store__nothing_there(tmp_path, data, name):
    with pytest.raises(DataNotFoundError, match=rf"{name}: no such file"):
        find_store(tmp_path / name, data_dir=data)
    assert not data.exists()


@pytest.mark.parametrize("content", [None, b"<html>"], ids=["empty folder", "no zip"])
def test_find_store__what_is_no_archive_leaves_no_trace(tmp_path, data, content):
    source = tmp_path / "source"
    source.mkdir() if content is None else source.write_bytes(content)
    with pytest.raises(ArchiveError, match="source: "):
        find_store(source, data_dir=data)
    assert not data.exists()


# No source


def test_find_store__none_is_the_archive_in_the_data_directory(data):
    write_archive(data / ARCHIVE, SOUNDS, cells())
    assert neurons(find_store(data_dir=data)) == CELLS


def test_find_store__none_is_the_only_store(archive, data, known):
    built = ensure_store(archive, data_dir=data)
    archive.unlink()
    assert find_store(data_dir=data).url == str(built)


def test_find_store__none_prefers_the_archive(archive, data):
    ensure_store(archive, data_dir=data)
    new = write_archive(data / ARCHIVE, SOUNDS, cells(shift=1))
    assert find_store(data_dir=data).url == str(ensure_store(new, data_dir=data))


def test_find_store__none_and_nothing_there_lists_three_ways(data):
    with pytest.raises(DataNotFoundError) as info:
        find_store(data_dir=data)
    message = str(info.value)
    assert str(data) in message
    for way in ("1. download", "2. say where", "3. try", "crcns.org", "aa1xr.open_sample()"):
        assert way in message
    assert not data.exists()


def test_find_store__none_and_several_names_them(archive, tmp_path, data, known):
    other = write_archive(tmp_path / "other.zip", SOUNDS, cells(shift=1))
    built = [ensure_store(path, data_dir=data) for path in (archive, other)]
    with pytest.raises(ValueError, match="several stores") as info:
        find_store(data_dir=data)
    assert all(str(path) in str(info.value) for path in built)


@pytest.mark.parametrize("simulation", [b'{"seed": 0}', b"{}"])
def test_find_store__none_is_never_a_simulation(tmp_path, data, simulation):
    extra = {"simulation.json": simulation}
    source = write_archive(tmp_path / "simulated.zip", SOUNDS, cells(), extra=extra)
    store = find_store(source, data_dir=data)
    assert neurons(store) == CELLS
    assert store.attrs["simulation"] is not None
    with pytest.raises(DataNotFoundError, match="no AA1 data"):
        find_store(data_dir=data)


# Archives in the data directory, as browsers and systems leave them


@pytest.mark.parametrize("name", ["crcns-aa1 (1).zip", "crcns-aa1 2.zip", "CRCNS-AA1.zip"])
def test_find_store__none_is_a_zip_by_another_name(data, name):
    write_archive(data / name.replace(".zip", ""), SOUNDS, cells())
    shutil.make_archive(str(data / "x"), "zip", data / name.replace(".zip", ""))
    shutil.rmtree(data / name.replace(".zip", ""))
    (data / "x.zip").rename(data / name)
    (data / "other.zip").write_bytes(b"?")
    assert neurons(find_store(data_dir=data)) == CELLS


@pytest.mark.parametrize("folder", ["crcns-aa1", "crcns-aa1/crcns-aa1", "."])
def test_find_store__none_is_what_was_extracted(data, folder, never_built):
    # Safari extracts what it downloads; the store is then built beside, or among, the files.
    files = write_archive(data.parent / "cells", SOUNDS, cells())
    (data / folder).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(files, data / folder)
    store = find_store(data_dir=data)
    assert neurons(store) == CELLS
    never_built()
    assert find_store(data_dir=data).url == store.url


def test_find_store__none_of_equal_zips_is_either(data):
    for name in ("crcns-aa1 (1).zip", "crcns-aa1 (2).zip"):
        write_archive(data / name, SOUNDS, cells())
    assert neurons(find_store(data_dir=data)) == CELLS
    (data / name).unlink()
    write_archive(data / name, SOUNDS, cells(shift=1))
    with pytest.raises(ValueError, match=r"(?s)several archives in .*\(1\)\.zip.*\(2\)\.zip"):
        find_store(data_dir=data)


# Parts of AA1, and others' recordings


@pytest.fixture
def part(tmp_path):
    """A zip that lacks the last of the cells."""
    return write_archive(tmp_path / "part.zip", SOUNDS, list(cells())[:-1])


def test_find_store__none_prefers_the_complete_store(archive, part, data, known):
    partial = ensure_store(part, data_dir=data)
    assert find_store(data_dir=data).url == str(partial)  # the only one
    complete = ensure_store(archive, data_dir=data)
    assert find_store(data_dir=data).url == str(complete)


def test_find_store__none_prefers_the_complete_store_to_a_part_by_the_right_name(
    archive, part, data, known, caplog
):
    complete = ensure_store(archive, data_dir=data)
    part.rename(data / ARCHIVE)
    assert find_store(data_dir=data).url == str(complete)
    assert f"{data / ARCHIVE} is not complete" in caplog.text


def test_find_store__none_and_equal_stores_is_either(archive, data, known, tmp_path):
    first = ensure_store(archive, data_dir=data)
    other = write_archive(tmp_path / "cells", SOUNDS, cells())  # as a folder
    second = ensure_store(other, data_dir=data)
    assert first != second
    assert find_store(data_dir=data).url in {str(first), str(second)}


def test_find_store__none_is_never_somebody_elses(archive, data):
    built = ensure_store(archive, data_dir=data)
    assert built.name.startswith("other-")
    with pytest.raises(DataNotFoundError, match="Stores of other recordings are there") as info:
        find_store(data_dir=data)
    assert str(built) in str(info.value)


def test_find_store__none_passes_over_a_damaged_store(archive, part, data, known):
    complete = ensure_store(archive, data_dir=data)
    damaged = ensure_store(part, data_dir=data)
    (damaged / "zarr.json").write_bytes(b"{}")
    assert find_store(data_dir=data).url == str(complete)


# Building once


def test_find_store__rebuild_without_an_archive(archive, data, known):
    ensure_store(archive, data_dir=data)
    archive.unlink()
    with pytest.raises(ValueError, match="rebuild=True, but there is no archive in"):
        find_store(data_dir=data, rebuild=True)


@pytest.mark.parametrize("simulation", [{}, {"simulation.json": b'{"seed": 0}'}])
@pytest.mark.parametrize("name", ["cells.zip", "cells"])
def test_ensure_store__an_unchanged_archive_is_built_once(
    tmp_path, data, never_built, name, simulation
):
    source = write_archive(tmp_path / name, SOUNDS, cells(), extra=simulation)
    built = ensure_store(source, data_dir=data)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    never_built()
    assert ensure_store(source, data_dir=data) == built
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_ensure_store__a_changed_zip_is_another(archive, data):
    first = ensure_store(archive, data_dir=data)
    kept = contents(first)
    archive.unlink()
    write_archive(archive, SOUNDS, cells(shift=1))
    second = ensure_store(archive, data_dir=data)
    assert second != first
    assert contents(first) == kept
    assert (
        find_store(second, data_dir=data).read("spike_time").tolist()
        != find_store(first, data_dir=data).read("spike_time").tolist()
    )


def test_ensure_store__a_store_of_an_older_format_is_left_alone(archive, data, monkeypatch, known):
    old = ensure_store(archive, data_dir=data)
    kept = contents(old)
    for module in ("locate", "build", "read"):
        monkeypatch.setattr(f"aa1xr.store.{module}.FORMAT_VERSION", layout.FORMAT_VERSION + 1)
    new = ensure_store(archive, data_dir=data)
    assert new != old
    assert contents(old) == kept
    assert neurons(find_store(new, data_dir=data)) == CELLS
    # One of each format is not several to choose from.
    assert find_store(data_dir=data).url == str(new)
