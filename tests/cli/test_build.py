import shutil
from pathlib import Path

import pytest

import aa1xr
from aa1xr import cli


def test_build__prints_the_store(sample_archive, sample_store, capsys):
    assert cli.main(["build", str(sample_archive)]) == 0
    assert capsys.readouterr().out.strip() == str(sample_store)


def test_build__rebuilds_what_is_damaged(sample_archive, tmp_path, capsys):
    options = [str(sample_archive), "--data-dir", str(tmp_path)]
    assert cli.main(["build", *options]) == 0
    store = Path(capsys.readouterr().out.strip())
    (store / "area/c/0").write_bytes(b"oops")
    assert cli.main(["build", *options]) == 0
    assert cli.main(["verify", str(store)]) == 1
    assert cli.main(["build", "--rebuild", *options]) == 0
    assert cli.main(["verify", str(store)]) == 0


def test_build__is_the_function(sample_archive, sample_store):
    assert aa1xr.build(sample_archive) == str(sample_store)
    assert aa1xr.build(sample_store) == str(sample_store)


def test_build__warns_of_a_part(sample_archive, tmp_path):
    cells = tmp_path / "cells"
    shutil.unpack_archive(sample_archive, cells)
    shutil.rmtree(cells / "MLd_cells")
    with pytest.warns(aa1xr.IncompleteArchiveWarning, match="6 of 12 cells"):
        aa1xr.build(cells, data_dir=tmp_path / "data")
