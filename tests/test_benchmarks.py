"""The benchmarks run, each in a small version; what they measure decides nothing here."""

import os
import sys
from importlib.util import find_spec

import pytest

import aa1xr
from benchmarks import __main__ as command
from benchmarks import growth, installed, limits, ours, peer
from benchmarks.measure import side
from benchmarks.report import Row


def whole(rows) -> list[Row]:
    """All rows, each with something measured."""
    rows = list(rows)
    assert all(row.what and all(row.values) for row in rows)
    assert all(row.met is None or row.target for row in rows)
    return rows


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")  # sample cells that hardly fire
def test_ours__on_the_sample(sample_archive, sample_store, data_dir):
    rows = whole(ours.rows(sample_archive, str(sample_store), str(data_dir), runs=1))
    assert len(rows) == 13
    assert all(row.met is not None for row in rows)


def test_limits__on_the_sample(sample_store):
    # The bare count is held against ours on the way.
    assert len(whole(limits.rows(str(sample_store), runs=1))) == 3


@pytest.mark.parametrize(
    ("task", "of", "widths", "stages"),
    [
        ("cold-with-spectrogram", "archive", [5], {"open", "psth", "spectrogram"}),
        ("warm", "store", [5, 2], {"open", "open again", "psth", "2 ms"}),
    ],
)
def test_side__of_aa1xr(task, of, widths, stages, sample_archive, sample_store):
    source = {"archive": sample_archive, "store": sample_store}[of]
    measured = side("side_aa1xr.py", task, source, *widths)
    assert stages | {"import", "peak", "process"} <= measured.keys()
    assert measured["process"] > sum(measured[stage] for stage in stages)


def test_peer__on_the_sample(sample_archive, sample_store):
    python = os.environ.get("AA1XR_PEER_PYTHON") or (find_spec("deepSTRF") and sys.executable)
    if not python:
        pytest.skip("needs $AA1XR_PEER_PYTHON; benchmarks/peer-env.sh makes one")
    rows = whole(peer.rows(sample_archive, str(sample_store), python, runs=1))
    assert sum(row.met is not None for row in rows) == 8


def test_installed__counts_what_is_required():
    found = installed.required("aa1xr")
    assert {"aa1xr", "xarray", "zarr", "numpy", "packaging"} <= found.keys()
    assert not {"pytest", "ruff", "pip"} & found.keys()
    assert all(installed.size(package) > 0 for package in found.values())


def test_growth__of_four_and_eight_neurons(tmp_path):
    pytest.importorskip("distributed")
    sizes = growth.Sizes(n_neurons=4, n_songs=1, n_ripples=1, n_trials=2)
    rows = whole(growth.rows(tmp_path, [4, 8], runs=1, sizes=sizes))
    assert {len(row.values) for row in rows} == {2}


def test_make_archive__copies_are_neurons_of_their_own(tmp_path):
    sizes = growth.Sizes(n_neurons=2, n_songs=1, n_ripples=1, n_trials=20)
    path = growth.make_archive(tmp_path, 6, sizes)
    ds = aa1xr.open(path, data_dir=tmp_path, before_ms=2000, after_ms=2000)
    base = aa1xr.open(
        tmp_path / "simulated-2.zip", data_dir=tmp_path, before_ms=2000, after_ms=2000
    )
    assert ds.attrs["species"] == "none: simulated"
    assert len(set(ds.neuron.values)) == 6
    counts = ds.spikes.sum(["stimulus", "trial", "time"]).values
    of_base = base.spikes.sum(["stimulus", "trial", "time"]).values
    assert len(set(counts)) == 6
    assert abs(counts.sum() / (3 * of_base.sum()) - growth.KEPT) < 0.05


def test_main__writes_the_tables(sample_archive, tmp_path, monkeypatch, capsys):
    out = tmp_path / "RESULTS.md"
    arguments = [str(sample_archive), "--runs", "1", "--only", "limits", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    command.main()
    written = out.read_text()
    assert written == capsys.readouterr().out
    assert "## Against the limit" in written
    assert str(tmp_path) not in written
    assert str(sample_archive) not in written
