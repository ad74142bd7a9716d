import re
import shutil
import subprocess
import sys

import aa1xr
from aa1xr import cli


def test_verify__says_what_was_proved(sample_store, tmp_path, capsys):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store, ignore=shutil.ignore_patterns("spectrogram-*"))
    assert cli.main(["verify", str(store)]) == 0
    assert capsys.readouterr().out == f"{store}: 11 arrays, all right\n"
    aa1xr.open(store).spectrogram.compute()
    assert cli.main(["verify", str(store)]) == 0
    assert "12 arrays" in capsys.readouterr().out


def test_verify__names_what_is_damaged_and_nothing_else(sample_store, tmp_path):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store)
    chunk = store / "spike_time/c/0"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    done = subprocess.run(
        [sys.executable, "-m", "aa1xr", "verify", str(store)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "spike_time is damaged" in done.stderr
    assert "--rebuild" in done.stderr
    # What zarr leaves behind is nothing for a user.
    assert done.stderr.startswith("aa1xr: error: ")
    assert done.stderr.count("\n") == 1


def test_verify__of_chunks_that_were_exchanged(sample_store, tmp_path, capsys):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store)
    first, second = store / "waveform/c/0", store / "waveform/c/1"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    assert cli.main(["verify", str(store)]) == 1
    # Chunks are read concurrently, so either of the two may be found first.
    said = capsys.readouterr().err
    assert re.search("waveform/c/[01] is not the chunk that the metadata list", said)


def test_verify__says_what_is_missing(sample_archive, tmp_path, capsys):
    cells = tmp_path / "cells"
    shutil.unpack_archive(sample_archive, cells)
    shutil.rmtree(cells / "MLd_cells")
    assert cli.main(["verify", str(cells), "--data-dir", str(tmp_path / "data")]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.endswith("11 arrays, all right")
    assert second.startswith("It is part of a simulated archive (6 of 12 cells, 15 of 15 stimuli")
    assert third == "missing: all 6 cells of MLd"
