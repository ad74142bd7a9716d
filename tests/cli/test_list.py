import io

import numpy as np
import pandas as pd
import pytest

import aa1xr
from aa1xr import cli


@pytest.fixture
def list_(sample_store):
    return lambda table, *words: cli.main(["list", table, *map(str, words), str(sample_store)])


@pytest.mark.parametrize("table", ["neurons", "stimuli", "trials"])
def test_list__csv_is_the_table(list_, sample_store, tmp_path, capsys, table):
    expected = getattr(aa1xr, table)(aa1xr.open(sample_store).sel(area="MLd", type="flatrip"))
    expected = expected.reset_index() if expected.index.name else expected
    selected = ["--area", "MLd", "--type", "flatrip"]
    assert list_(table, *selected, "--csv", tmp_path / "new" / "table.csv") == 0
    assert capsys.readouterr().out == ""
    written = pd.read_csv(tmp_path / "new" / "table.csv")
    assert written.astype(str).equals(expected.astype(str))
    assert list_(table, *selected, "--csv", "-") == 0
    assert pd.read_csv(io.StringIO(capsys.readouterr().out)).equals(written)
    assert list_(table, *selected) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == expected.columns.tolist()
    assert len(lines) == len(expected) + 1
    assert lines[1].split() == expected.iloc[0].astype(str).tolist()


def test_list__quality(list_, sample_store, tmp_path):
    assert (
        list_("neurons", "--quality", "--neuron", "sim0000_3_A", "--csv", tmp_path / "a.csv") == 0
    )
    ds = aa1xr.open(sample_store, before_ms=2000).sel(neuron=["sim0000_3_A"])
    read = pd.read_csv(tmp_path / "a.csv", index_col="neuron")
    pd.testing.assert_frame_equal(read, aa1xr.neurons(ds, quality=True))
    assert np.isfinite(read.latency.item())


def test_list__selects(list_, capsys):
    animal = ["--animal", "sim0001", "--csv", "-"]
    assert list_("neurons", *animal, "--stimulus", "flatrip-01", "--stimulus", "flatrip-03") == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.animal_id.unique().tolist() == ["sim0001"]
    assert table.n_stimuli.unique().tolist() == [2]
    assert list_("stimuli", *["--neuron", "sim0000_1_A"] * 2, "--csv", "-") == 0
    assert pd.read_csv(io.StringIO(capsys.readouterr().out)).n_neurons.max() == 1
    assert list_("neurons", "--animal", "sim001") == 1
    assert "no animal_id is 'sim001'; did you mean" in capsys.readouterr().err


def test_list__overwrites_only_if_told(list_, tmp_path, capsys):
    (file := tmp_path / "a.csv").write_text("mine")
    assert list_("stimuli", "--csv", file) == 1
    assert "a.csv exists" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert list_("stimuli", "--csv", file, "--overwrite") == 0
    assert len(pd.read_csv(file)) == 15


def test_list__writes_csv_only(list_, tmp_path, capsys):
    assert list_("stimuli", "--csv", tmp_path / "a.parquet") == 1
    assert "a.parquet would be a file of csv that ends in .parquet" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
