import numpy as np
import pandas as pd
import pytest
import xarray as xr

import aa1xr
from aa1xr import cli

pytestmark = pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")


@pytest.fixture
def run(sample_store):
    def run(command, out, *words):
        return cli.main([command, str(sample_store), "-o", str(out), *map(str, words)])

    return run


@pytest.mark.parametrize("by", ["neuron", "stimulus"])
def test_quality__is_that_of_quality(run, sample_store, tmp_path, capsys, by):
    selected = ["--area", "MLd", "--dt-ms", 10, "--by", by]
    for name in ("q.nc", "q.csv"):
        assert run("quality", tmp_path / name, *selected) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}\n"
    ds = aa1xr.open(sample_store, dt_ms=10, before_ms=2000).aa1.sel(area="MLd")
    expected = aa1xr.quality(ds, by=by).compute()
    with xr.open_dataset(tmp_path / "q.nc") as found:
        xr.testing.assert_equal(found.load(), expected)
        assert found.latency.attrs["units"] == "s"
    table = pd.read_csv(tmp_path / "q.csv")
    keys = table.columns[: expected.snr.ndim].tolist()
    back = xr.Dataset.from_dataframe(table.set_index(keys)[list(expected)])
    for name, array in expected.items():
        np.testing.assert_array_equal(back[name].sel(array.indexes), array)
    assert set(table.area) == {"MLd"}


def test_strf__is_that_of_all_stimuli(run, sample_store, tmp_path):
    selected = ["--area", "MLd", "--lags-ms", 60]
    for name in ("s.nc", "s.csv.gz"):
        assert run("strf", tmp_path / name, *selected) == 0
    ds = aa1xr.open(sample_store).aa1.sel(area="MLd")
    train, validation, test = aa1xr.split(ds)
    parts = {"train": [*train, *test], "validation": validation}
    expected = aa1xr.strf(ds, **parts, lags_ms=60, refit=True).compute()
    with xr.open_dataset(tmp_path / "s.nc") as found:
        xr.testing.assert_allclose(found.strf, expected.strf, rtol=1e-4)
        aa1xr.tuning(found)
    table = pd.read_csv(tmp_path / "s.csv.gz")
    assert len(table) == expected.strf.size
    first = table[table.neuron == expected.neuron.values[1]]
    np.testing.assert_allclose(first.strf, expected.strf[1].values.ravel(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("command", ["quality", "strf"])
def test_output__is_checked_first(run, tmp_path, capsys, command, monkeypatch):
    monkeypatch.setattr(aa1xr, "open", None)
    assert run(command, tmp_path / "a.xlsx") == 1
    assert "--out must end in .csv, .csv.gz, .parquet, .nc; got" in capsys.readouterr().err
    (tmp_path / "a.csv").write_text("mine")
    assert run(command, tmp_path / "a.csv") == 1
    assert "a.csv exists" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert run(command, tmp_path / "a.parquet") == 1
    assert "the extra parquet of aa1xr" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
