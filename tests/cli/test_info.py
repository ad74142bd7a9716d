import json
import shutil

import pytest

import aa1xr
from aa1xr import cli
from aa1xr.summary import summarize


@pytest.mark.parametrize("source", ["sample_archive", "sample_store"])
def test_info__counts(source, request, capsys):
    assert cli.main(["info", str(request.getfixturevalue(source))]) == 0
    out = capsys.readouterr().out
    assert "12 (6 Field_L, 6 MLd)" in out
    assert "15 (10 conspecific of 1.755 to 2.167 s, 5 flatrip of 2 s)" in out
    assert "1775 in 170 of 180 pairs" in out
    assert str(request.getfixturevalue("sample_store")) in out


def test_info__as_json(sample_archive, sample_store, capsys):
    assert cli.main(["info", "--json", str(sample_archive)]) == 0
    summary = json.loads(capsys.readouterr().out)
    ds = aa1xr.open_sample(before_ms=2000, after_ms=4000)
    assert summary["source"].pop("store") == str(sample_store)
    assert summary["source"].pop("n_spikes") == int(ds.spikes.sum(dtype="f8"))
    assert summary == summarize(aa1xr.open_sample())


@pytest.mark.filterwarnings("default::aa1xr.IncompleteArchiveWarning")
def test_info__says_what_is_missing(sample_archive, tmp_path, capsys):
    cells = tmp_path / "cells"
    shutil.unpack_archive(sample_archive, cells)
    shutil.rmtree(cells / "MLd_cells")
    command = ["info", str(cells), "--data-dir", str(tmp_path / "data")]
    assert cli.main(command) == 0
    out, err = capsys.readouterr()
    assert "aa1xr: warning: " in err
    assert "all 6 cells of MLd" in err
    assert "part of a simulated archive (6 of 12 cells, 15 of 15 stimuli" in out
    assert "missing        all 6 cells of MLd" in out
    assert cli.main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"]["missing"] == "all 6 cells of MLd"
