import io
import itertools
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import aa1xr
from aa1xr import ArchiveError, StoreError
from aa1xr.archive.files import open_files
from aa1xr.archive.read import Archive, Cell
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.store import build, layout, locate
from aa1xr.store.read import Store
from stress.archives import reference_reader
from stress.archives.plain_dataset import as_dataset, as_plain
from tests.small_archives import recording
from tests.store.conftest import RIPPLE, SOUNDS, cells, contents


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_same(store: Path, archive: Path) -> None:
    """What is opened is what an independent reading of the archive finds."""
    with zipfile.ZipFile(archive) as file:
        files = {name: file.read(name) for name in file.namelist()}
    right = as_dataset(*reference_reader.archive(files))
    found = as_plain(aa1xr.open(store, chunks=None), spectrogram=False)
    wrong = [name for name in right if found[name] != right[name]]
    assert not wrong  # pytest would take minutes to show how large ones differ
    Store(str(store)).check()


@pytest.mark.parametrize("source", ["archive", "sample_archive"])
def test_build_store__holds_what_the_archive_holds(source, request, data_dir):
    archive = request.getfixturevalue(source)
    assert_same(locate.ensure_store(archive, data_dir=data_dir), archive)


@pytest.mark.parametrize("chunk", [3, 5, 1000])
def test_build_store__spikes_that_fill_chunks_are_all_written(tmp_path, monkeypatch, chunk):
    # Spikes are written when 16 chunks of them have come: at 48, 80 or only at the end.
    spec = layout.Array(("spike",), "int32", (chunk,), -(2**31))
    monkeypatch.setitem(layout.ARRAYS, "spike_time", spec)
    sizes = [0, 47, 1, 0, 3, 100, 48, 5]
    many = [
        Cell(f"a1_{k}_A", "MLd", [recording(1, RIPPLE, [range(1000 * k, 1000 * k + size), []])])
        for k, size in enumerate(sizes)
    ]
    archive = write_archive(tmp_path / "cells.zip", SOUNDS, many)
    store = locate.ensure_store(archive, data_dir=tmp_path)
    assert_same(store, archive)
    assert len(list((store / "spike_time" / "c").iterdir())) == -(-sum(sizes) // chunk)


def test_build_store__without_a_spike(tmp_path):
    silent = list(cells())
    for cell in silent:
        cell.recordings[:] = [
            type(r)(r.number, r.type, r.sound, r.times[:0], np.zeros_like(r.counts))
            for r in cell.recordings
        ]
    archive = write_archive(tmp_path / "silent.zip", SOUNDS, silent)
    assert_same(locate.ensure_store(archive, data_dir=tmp_path), archive)


@pytest.mark.parametrize("samples", [[-(2**15)] * 9, [-(2**15), 0, 1]])
def test_build_store__a_clipped_sound_is_not_taken_for_a_lost_chunk(tmp_path, samples):
    # Its lowest value is what zarr gives for chunks that are not there.
    sound = make_sound("flatrip", np.array(samples, np.int16), 32000)
    cell = Cell("a1_1", "MLd", [recording(1, sound, [[1]])])
    archive = write_archive(tmp_path / "clipped.zip", [sound], [cell])
    assert_same(locate.ensure_store(archive, data_dir=tmp_path), archive)


def test_build_store__no_more_places_than_fit_in_memory(archive, tmp_path, monkeypatch):
    # A few files could ask for all neurons x stimuli x trials there are.
    monkeypatch.setattr(build, "MOST_PRESENTATIONS", 3 * 3 * 4)
    assert locate.ensure_store(archive, data_dir=tmp_path / "enough")
    monkeypatch.setattr(build, "MOST_PRESENTATIONS", 3 * 3 * 4 - 1)
    with pytest.raises(ArchiveError, match=r"3 cells, 3 sounds and up to 4 .* at most 35$"):
        locate.ensure_store(archive, data_dir=tmp_path / "too many")


def test_build_store__says_where_it_came_from(archive, store):
    attrs = Store(str(store)).attrs
    assert attrs["source"] == "cells.zip"
    assert attrs["source_sha256"] == locate.identity(archive)
    assert attrs["sample_rate"] == 32000
    assert attrs["simulation"] is None


def test_build_store__equal_archives_give_equal_stores(archive, store, tmp_path):
    again = locate.ensure_store(archive, data_dir=tmp_path / "again")
    assert contents(again) == contents(store)


def test_build_store__a_damaged_archive_leaves_nothing(tmp_path):
    path = write_archive(tmp_path / "cells", SOUNDS, cells())
    # Found only after all else has been written.
    (path / "MLd_cells/a1_10_A/flatrip/spike1").write_bytes(b"oops\n")
    with pytest.raises(ArchiveError, match="oops"):
        locate.ensure_store(path, data_dir=tmp_path / "stores")
    assert names(tmp_path / "stores") == []


def test_build_store__an_archive_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    path = write_archive(tmp_path / "cells", SOUNDS, cells())
    read_blocks = build.read_blocks

    def still_extracting(*args, **kwargs):
        write_archive(
            tmp_path / "more", SOUNDS, [Cell("b1_1_A", "MLd", next(iter(cells())).recordings)]
        )
        (tmp_path / "more/MLd_cells/b1_1_A").rename(path / "MLd_cells/b1_1_A")
        return read_blocks(*args, **kwargs)

    monkeypatch.setattr(build, "read_blocks", still_extracting)
    with pytest.raises(ArchiveError, match="cells: changed while it was read; wait"):
        locate.ensure_store(path, data_dir=tmp_path / "stores")
    assert names(tmp_path / "stores") == []
    monkeypatch.undo()
    store = locate.ensure_store(path, data_dir=tmp_path / "stores")
    assert "b1_1_A" in Store(str(store)).read("neuron")


def test_build_store__in_the_place_of_a_damaged_one(archive, store):
    right = contents(store)
    for name, damage in (("spike_time/c/0", b"oops"), ("zarr.json", b"{}"), ("area/c/0", None)):
        path = store / name
        path.unlink() if damage is None else path.write_bytes(damage)
    (store / "stray" / "c").mkdir(parents=True)
    (store / "stray" / "c" / "0").write_bytes(b"what is this")
    damaged = contents(store)
    assert locate.ensure_store(archive, data_dir=store.parent) == store
    assert contents(store) == damaged
    with pytest.raises(StoreError, match="holds 'stray', which is not part of a store"):
        locate.ensure_store(archive, data_dir=store.parent, rebuild=True)
    assert contents(store) == damaged
    (store / "stray").rename(store / f"spectrogram-{16 * '0'}")
    assert locate.ensure_store(archive, data_dir=store.parent, rebuild=True) == store
    assert contents(store) == right
    assert names(store.parent) == [store.name]
    assert not (store / f"spectrogram-{16 * '0'}").exists()


# With other processes


def run_children(mode, archive, root):
    root.mkdir()
    command = [sys.executable, "-m", "tests.store.forked_builds", mode, archive, root]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], check=False, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


@needs_fork
def test_build_store__killed_at_any_instant_leaves_none_or_all(archive, store, tmp_path):
    whole = contents(store)
    run_children("killed", archive, tmp_path / "killed")
    partial = complete = 0
    for folder in (tmp_path / "killed").glob("killed-*"):
        left = names(folder)
        partial += any("aa1xr-partial" in name for name in left)
        if store.name in left:
            complete += 1
            assert contents(folder / store.name) == whole
        # The next process to come along.
        assert contents(locate.ensure_store(archive, data_dir=folder)) == whole
        if store.name not in left:
            assert names(folder) == [store.name]
    assert partial > 5


@needs_fork
def test_build_store__a_disk_that_fills_up_at_any_instant_leaves_nothing(archive, store, tmp_path):
    run_children("full", archive, tmp_path / "full")
    folders = list((tmp_path / "full").glob("full-at-*"))
    assert len(folders) > 8
    assert [name for folder in folders for name in names(folder)] == []


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "seconds", "shown"),
    [(Terminal, 1, True), (Terminal, 0, False), (io.StringIO, 1, False)],
    ids=["terminal", "quick", "no terminal"],
)
def test_build_store__shows_progress_on_a_terminal(
    archive, tmp_path, monkeypatch, stream, seconds, shown
):
    # As if each look at the clock were so much later.
    monkeypatch.setattr("tqdm.std.time", itertools.count(0, seconds).__next__)
    monkeypatch.setattr(sys, "stderr", stream())
    with open_files(archive) as files:
        build.build_store(Archive(files), tmp_path / "x.zarr", key=locate.identity(archive))
    written = sys.stderr.getvalue()
    assert ("building the store of cells.zip" in written) == shown
