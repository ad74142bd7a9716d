import sys

import pandas as pd
import pytest
import xarray as xr
from scipy.io import loadmat

import aa1xr
from aa1xr import cli


@pytest.fixture
def export(sample_store, tmp_path):
    def run(*arguments, out):
        return cli.main(["export", str(sample_store), "-o", str(tmp_path / out), *arguments])

    return run


@pytest.mark.parametrize("name", ["spikes.csv", "spikes.csv.gz"])
def test_export__csv_is_the_table(export, tmp_path, capsys, sample_store, name):
    assert export("--to", "csv", "--area", "MLd", "--type", "flatrip", out=name) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / name)
    expected = aa1xr.to_pandas(aa1xr.open(sample_store).sel(area="MLd", type="flatrip"))
    read = pd.read_csv(tmp_path / name)
    assert read.astype(str).equals(expected.astype(str))


def test_export__several_of_a_label(export, tmp_path):
    assert export("--to", "csv", "--area", "MLd", "--area", "Field_L", out="all.csv") == 0
    assert set(pd.read_csv(tmp_path / "all.csv").area) == {"MLd", "Field_L"}


def test_export__nwb_is_a_file_for_each_site(export, tmp_path, capsys):
    pytest.importorskip("pynwb")
    assert export("--to", "nwb", "--type", "flatrip", out="files") == 0
    names = [f"sim0000_{n}.nwb" for n in range(1, 6)] + ["sim0001_1.nwb"]
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == names
    assert [line.rpartition("/")[2] for line in capsys.readouterr().out.split()] == names


def test_export__wav_is_a_file_for_each_stimulus(export, tmp_path, capsys):
    assert export("--to", "wav", "--type", "flatrip", out="sounds") == 0
    names = [f"flatrip-{n:02d}.wav" for n in range(5)]
    assert sorted(path.name for path in (tmp_path / "sounds").iterdir()) == names
    assert [line.rpartition("/")[2] for line in capsys.readouterr().out.split()] == names
    assert export("--to", "wav", "--area", "MLd", out="again") == 1
    assert "--area must not be given with --to wav" in capsys.readouterr().err
    assert export("--to", "wav", out="sounds") == 1
    assert "flatrip-00.wav exists" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "sounds").iterdir()) == names


def test_export__mat_and_netcdf_are_the_selection(export, tmp_path, sample_store):
    selected = [
        "--neuron",
        "sim0000_2_A",
        "--neuron",
        "sim0000_3_B",
        "--stimulus",
        "conspecific-01",
    ]
    assert export("--to", "mat", *selected, out="a.mat") == 0
    found = loadmat(tmp_path / "a.mat")
    assert [name[0] for name in found["neuron"][:, 0]] == ["sim0000_2_A", "sim0000_3_B"]
    bins = ["--dt-ms", "20", "--before-ms", "100"]
    assert export("--to", "netcdf", *selected, *bins, out="new/a.nc") == 0
    ds = aa1xr.open(sample_store, dt_ms=20, before_ms=100)
    expected = ds.sel(neuron=["sim0000_2_A", "sim0000_3_B"], stimulus=["conspecific-01"])
    with xr.open_dataset(tmp_path / "new" / "a.nc") as found:
        xr.testing.assert_equal(found.load(), expected.compute())
        assert found.attrs["doi"] == ds.attrs["doi"]
        assert found.spikes.isel(neuron=0).isnull().all()  # never presented


def test_export__parquet_is_the_table(export, tmp_path, sample_store):
    pytest.importorskip("pyarrow")
    assert export("--to", "parquet", "--animal", "sim0001", out="a.parquet") == 0
    expected = aa1xr.to_pandas(aa1xr.open(sample_store).aa1.sel(animal_id="sim0001"))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), expected)


def test_export__bins_are_those_of_netcdf(export, capsys):
    assert export("--to", "mat", "--before-ms", "100", out="a.mat") == 1
    assert "--before-ms must be given with --to netcdf" in capsys.readouterr().err
    assert export("--to", "wav", "--neuron", "sim0000_2_A", out="wav") == 1
    assert "--neuron must not be given with --to wav" in capsys.readouterr().err


def test_export__overwrites_and_leaves_nothing_after_an_error(
    export, tmp_path, capsys, monkeypatch
):
    (tmp_path / "a.csv").write_text("mine")
    assert export("--to", "csv", out="a.csv") == 1
    assert "a.csv exists" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pynwb", None)
    assert export("--to", "nwb", out="files") == 1
    assert "the extra nwb of aa1xr" in capsys.readouterr().err
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("form", "out"), [("csv", "a.parquet"), ("netcdf", "a.mat"), ("mat", "a.NC"), ("mat", "a.csv")]
)
def test_export__refuses_the_ending_of_another_format(export, tmp_path, capsys, form, out):
    assert export("--to", form, out=out) == 1
    assert f"{out} would be a file of {form} that ends in" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
