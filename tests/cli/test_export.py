import sys

import pandas as pd
import pytest

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


def test_export__overwrites_and_leaves_nothing_after_an_error(
    export, tmp_path, capsys, monkeypatch
):
    (tmp_path / "a.csv").write_text("mine")
    assert export("--to", "csv", out="a.csv") == 1
    assert "a.csv exists" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pynwb", None)
    assert export("--to", "nwb", out="files") == 1
    assert "pip install 'aa1xr[nwb]'" in capsys.readouterr().err
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
