"""Every function that takes a path takes any name, as a path and as its file:// URL."""

import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import aa1xr
from aa1xr import cli
from aa1xr.benchmark.results_folder import open_folder
from aa1xr.store.location import resolve_path
from tests.odd_names import NAMES

#: For what is slow.
SOME = ["a b", "ü#%20", "[1]*", "日本語", "-x", "~"]
#: What libraries mistake most; each test has these, and its quarter of all.
WORST = ["a#b", "a%20b", "a::b", "*"]


def quarter(n):
    if os.environ.get("AA1XR_HYPOTHESIS") == "deep":
        return NAMES
    return [*WORST, *(name for name in NAMES[n::4] if name not in WORST)]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A small archive as a zip."""
    path = tmp_path_factory.mktemp("names") / "cells.zip"
    aa1xr.simulate_archive(path, n_neurons=2, n_songs=1, n_ripples=1, n_trials=2)
    return path


@pytest.fixture(scope="module")
def data(cells, tmp_path_factory):
    """A data directory that has its store."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def right(cells, data):
    """What is in it."""
    return aa1xr.open(cells, data_dir=data, dt_ms=20).load()


@pytest.mark.parametrize("name", quarter(0))
def test_names__open_save_load_copy(cells, data, right, tmp_path, name):
    # The name is that of the store itself, and of a folder above it.
    folder = tmp_path / name
    folder.mkdir()
    copy, saved = folder / name, folder / "saved" / name
    aa1xr.copy_store(cells, copy, data_dir=data)
    there = aa1xr.open(copy.as_uri(), dt_ms=20)
    xr.testing.assert_identical(there.compute(), right)
    aa1xr.copy_store(copy.as_uri(), (folder / "back.zarr").as_uri())
    aa1xr.save(there[["psth"]], saved.as_uri())
    xr.testing.assert_identical(aa1xr.load(str(saved)).compute(), right[["psth"]])
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, "back.zarr", "saved"])
    assert [path.name for path in saved.parent.iterdir()] == [name]
    assert open_folder(resolve_path("out", (folder / "out" / name).as_uri()), {}).is_dir()


@pytest.mark.parametrize("name", quarter(1))
def test_names__nwb_and_tables(cells, data, tmp_path, name):
    pytest.importorskip("pynwb")
    one = aa1xr.open(cells, data_dir=data).isel(neuron=[0])
    (path,) = aa1xr.to_nwb(one, (tmp_path / name / name).as_uri())
    assert path == tmp_path / name / name / "sim0000_1.nwb"
    assert path.is_file()
    options = ["--to", "csv", "--data-dir", str(data), str(cells)]
    for out in (
        tmp_path / name / (name + ".csv" if len(name.encode()) < 250 else "a.csv"),
        (tmp_path / name / "b.csv").as_uri(),
    ):
        assert cli.main(["export", *options, "--out", str(out)]) == 0
    assert (tmp_path / name / "b.csv").read_text().startswith("neuron,area")


@pytest.mark.parametrize("name", quarter(2))
def test_names__build(cells, right, tmp_path, name):
    data = tmp_path / name
    data.mkdir()  # one with a "$" in its name must be there: it might be a variable
    archive = tmp_path / "archives" / name / (f"{name}.zip" if len(name) < 100 else "a.zip")
    archive.parent.mkdir(parents=True)
    archive.write_bytes(cells.read_bytes())
    for source in (archive, archive.as_uri()):
        assert aa1xr.open(source, data_dir=data, dt_ms=20).equals(right)
    assert [path.suffix for path in data.iterdir()] == [".zarr"]


@pytest.mark.parametrize("name", quarter(3))
def test_names__command_line(cells, data, tmp_path, name, capsys):
    folder = tmp_path / name
    folder.mkdir()
    assert cli.main(["copy", str(cells), f"{folder}/{name}", "--data-dir", str(data)]) == 0
    # A damaged cache is found in any folder.
    aa1xr.open(folder / name, dt_ms=20).spectrogram.compute()
    assert cli.main(["verify", f"{folder}/{name}"]) == 0
    assert "12 arrays, all right" in capsys.readouterr().out
    (chunk, *_) = (folder / name).glob("spectrogram-*/c/*/*/*")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert cli.main(["verify", (folder / name).as_uri()]) == 1
    assert "It is a cache: remove this folder" in capsys.readouterr().err
    table = folder / "t" / name
    assert cli.main(["export", "--to", "csv", "--out", table.as_uri(), f"{folder}/{name}"]) == 0
    assert "area" in pd.read_csv(table).columns  # pandas packs what is called .zip


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
@pytest.mark.parametrize("name", SOME)
def test_names__pictures_and_archives(cells, data, tmp_path, name, capsys):
    folder = tmp_path / name
    folder.mkdir()
    there = ["--data-dir", str(data)]
    neuron, stimulus = "sim0000_1_A", "flatrip-00"
    for out in (folder / "a.png", (folder / "b.png").as_uri()):
        command = ["plot", "raster", str(cells), "--neuron", neuron, "--stimulus", stimulus]
        assert cli.main([*command, "--out", str(out), *there]) == 0, capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]
    ds = aa1xr.open(cells, data_dir=data)
    for file in (folder / "d.mat", (folder / f"{name}.mat").as_uri()):
        assert aa1xr.to_mat(ds, file).parent == folder
    for out in (folder / "e.nc", (folder / f"{name}.nc").as_uri()):
        assert cli.main(["quality", str(cells), "-o", str(out), *there]) == 0
        capsys.readouterr()
    with xr.open_dataset(folder / f"{name}.nc") as found:
        assert found.sizes["neuron"] == 2
    aa1xr.simulate_archive((folder / "c.zip").as_uri(), n_neurons=1, n_songs=0, n_ripples=1)
    assert (folder / "c.zip").is_file()
    assert np.isfinite(aa1xr.open(folder / "c.zip", data_dir=tmp_path).n_trials).all()
