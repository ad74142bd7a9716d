"""The benchmarks run, each in a small version; what they measure decides nothing here."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import aa1xr
from aa1xr.benchmark import PROTOCOLS
from benchmarks import __main__ as command
from benchmarks import (
    archives,
    collect_scores,
    growth,
    installed,
    limits,
    measure,
    operations,
    peer,
    side_aa1xr,
    suite,
)
from benchmarks.measure import ready, side
from benchmarks.report import Row
from benchmarks.stages import Stages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

CLASSES = [kind for kind in vars(suite).values() if hasattr(kind, "setup_cache")]
#: Every method that asv runs, for each combination of parameters that differ in more than size.
CALLS = [
    (kind, name, params)
    for kind in CLASSES
    for name in dir(kind)
    if name.startswith(("time_", "track_", "peakmem_"))
    for params in itertools.product(kind.params[0][-1:], *kind.params[1:])
]


@pytest.fixture(scope="module")
def sources(sample_archive, data_dir, tmp_path_factory) -> dict:
    base = tmp_path_factory.mktemp("growth") / "base.zip"
    aa1xr.simulate_archive(base, n_neurons=2, n_songs=1, n_ripples=1, n_trials=20)
    return {"AA1": archives.prepare(sample_archive, data_dir)} | archives.grow(base, [4, 6])


@pytest.fixture
def in_one_process(monkeypatch):
    """Code and workers run in this process: to start others takes a second each."""

    def run(python, dash_c, code):
        exec(code.replace('sys.modules["distributed"] = None', ""), {})

    monkeypatch.setattr(suite, "process", run)
    monkeypatch.setattr(suite.OnWorkers, "processes", False)


@pytest.mark.usefixtures("in_one_process")
@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")  # sample cells that hardly fire
@pytest.mark.parametrize(("kind", "name", "params"), CALLS)
def test_suite__each_method_runs(kind, name, params, sources):
    if kind is suite.OnWorkers:
        pytest.importorskip("distributed")
    source = "AA1" if params[0] == "AA1" else 6
    with ready(kind, sources, source, *params[1:]) as method:
        result = method(name)()
    assert (result is not None and result > 0) == name.startswith("track_")


def test_lower_bound__counts_what_the_psth_has(sources):
    bench = suite.LowerBound()
    bench.setup(sources, "AA1")
    ds = aa1xr.open(sources["AA1"].store, dt_ms=5)
    expected = ds.psth.values * ds.n_trials.values[:, :, np.newaxis] * 0.005
    there = np.isfinite(expected)
    np.testing.assert_allclose(bench.counted(bench.index)[there], expected[there], rtol=1e-5)


def test_setup_cache__takes_the_archive_that_is_named(sample_archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suite, "SOURCES", ("AA1",))
    monkeypatch.setattr(archives, "simulate", lambda work: work / "simulated.zip")
    monkeypatch.setenv("AA1XR_ARCHIVE", str(sample_archive))
    source = suite.Build().setup_cache()["AA1"]
    assert source.archive == sample_archive
    assert source.data_dir.parent == tmp_path
    assert source.files()


def test_peaks__of_a_process(sources):
    imports, peak = measure.peaks("peakmem_sum", suite.AllSpikes, sources, "AA1")
    assert 20 < imports < peak


class NoWorkers:
    time_compute = track_peak = track_tasks = lambda *_: 3


@pytest.mark.parametrize("table", [operations, limits, growth])
def test_rows__have_a_value_and_a_verdict(table, sources, monkeypatch):
    monkeypatch.setattr(measure, "median_time", lambda function, runs: 0.04)
    monkeypatch.setattr(suite, "OnWorkers", NoWorkers)
    for name, value in (
        ("alternated", lambda *_: measure.Compared(1.0, 2.0, 2.0)),
        ("peaks", lambda *_: (100.0, 200.0)),
        ("LARGE", 6),
    ):
        monkeypatch.setattr(table, name, value, raising=False)
    given = sources["AA1"] if table is not growth else {n: sources[n] for n in (4, 6)}
    rows: list[Row] = list(table.rows(given, 2))
    assert all(row.what and all(row.values) for row in rows)
    assert all(row.met is None or row.target for row in rows)
    with_target = {operations: (19, 19), limits: (3, 1), growth: (24, 12)}[table]
    assert (len(rows), sum(row.met is not None for row in rows)) == with_target
    assert {len(row.values) for row in rows} == {{operations: 1, limits: 3, growth: 2}[table]}


def test_side__of_aa1xr(sources):
    measured = side("side_aa1xr.py", "cold", sources["AA1"].archive, 5)
    assert {"import", "open", "psth", "peak"} <= measured.keys()
    assert measured["process"] > sum(measured[stage] for stage in ("import", "open", "psth"))


@pytest.mark.parametrize(
    ("task", "of", "widths", "expected"),
    [
        ("cold-with-spectrogram", "archive", [5], {"open", "psth", "spectrogram"}),
        ("warm", "store", [5, 2], {"open", "first psth", "open again", "psth", "2 ms"}),
        ("counts-held", "store", [5], {"counts"}),
        ("counts-held-by-dask", "store", [5], {"counts"}),
        ("counts-in-blocks", "store", [5], {"counts"}),
    ],
)
def test_side__has_the_stages_of_each_task(
    task, of, widths, expected, sources, monkeypatch, capsys
):
    monkeypatch.setattr(side_aa1xr, "aa1xr", aa1xr, raising=False)
    stages = Stages()
    side_aa1xr.TASKS[task](stages, getattr(sources["AA1"], of), *widths)
    stages.print()
    assert json.loads(capsys.readouterr().out).keys() == expected | {"peak"}


def test_peer__on_the_sample(sample_archive, sample_store):
    python = os.environ.get("AA1XR_PEER_PYTHON") or (find_spec("deepSTRF") and sys.executable)
    if not python:
        pytest.skip("needs $AA1XR_PEER_PYTHON; benchmarks/peer-env.sh makes one")
    rows = list(peer.rows(sample_archive, str(sample_store), python, runs=1))
    assert all(row.what and all(row.values) for row in rows)
    assert sum(row.met is not None for row in rows) == 8


def test_installed__counts_what_is_required():
    found = installed.required("aa1xr")
    assert {"aa1xr", "xarray", "zarr", "numpy", "packaging"} <= found.keys()
    assert not {"pytest", "ruff", "pip"} & found.keys()
    assert all(installed.size(package) > 0 for package in found.values())


def test_copy_cells__copies_are_neurons_of_their_own(sources):
    ds, base = (
        aa1xr.open(archive, data_dir=sources[6].data_dir, before_ms=2000, after_ms=2000)
        for archive in (sources[6].archive, sources[6].archive.with_name("base.zip"))
    )
    assert ds.attrs["species"] == "none: simulated"
    assert len(set(ds.neuron.values)) == 6
    counts = ds.spikes.sum(["stimulus", "trial", "time"]).values
    of_base = base.spikes.sum(["stimulus", "trial", "time"]).values
    assert len(set(counts)) == 6
    assert abs(counts.sum() / (3 * of_base.sum()) - archives.KEPT) < 0.05


def test_modules__are_imported_by_asv_where_only_the_cluster_extra_is_installed():
    modules = [path.stem for path in Path(suite.__file__).parent.glob("*.py")]
    assert "explorer" in modules
    code = "import sys, importlib\n"
    for missing in ("playwright", "panel", "torch", "matplotlib"):
        code += f"sys.modules[{missing!r}] = None\n"
    code += f"for name in {modules!r}: importlib.import_module(f'benchmarks.{{name}}')"
    root = Path(suite.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_main__writes_the_tables(sample_archive, tmp_path, monkeypatch, capsys):
    out = tmp_path / "RESULTS.md"
    arguments = [str(sample_archive), "--runs", "1", "--only", "limits", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    command.main()
    written = out.read_text()
    assert written == capsys.readouterr().out
    assert "## Against the lower bound" in written
    assert str(tmp_path) not in written
    assert str(sample_archive) not in written


def test_collect_scores__takes_complete_rows_only(tmp_path, monkeypatch, capsys):
    protocol = dataclasses.replace(PROTOCOLS["cv10"], name="cv2", n_splits=2)
    monkeypatch.setitem(PROTOCOLS, "cv2", protocol)
    monkeypatch.setattr(collect_scores, "_NEURONS", 4)
    stored = collect_scores.stored_scores().query("protocol == 'cv10' and split < 2")
    lines = stored.assign(protocol="cv2", neurons=4)
    both = lines.model == "ridge"
    some = (lines.model == "ridge-ln") & (lines.split == 0)
    monkeypatch.setattr(collect_scores, "read_scores", lambda folder: lines[both | some])
    collect_scores.main(["folder", "--file", str(tmp_path / "scores.csv")])
    printed = capsys.readouterr().out
    assert "left out: cv2, ridge-ln, MLd, conspecific: 1 of 2 units" in printed
    written = pd.read_csv(tmp_path / "scores.csv")
    assert written.model.unique().tolist() == ["ridge"]
    np.testing.assert_array_equal(
        written.sort_values(["area", "split"]).cc_norm,
        lines[both].sort_values(["area", "split"]).cc_norm,
    )


@pytest.mark.parametrize(("partial", "kept"), [([], 0), (["--partial"], 9)])
def test_collect_scores__replaces_a_row_or_some_of_its_splits(partial, kept, tmp_path, monkeypatch):
    file = tmp_path / "scores.csv"
    stored = collect_scores.stored_scores().query("protocol == 'cv10' and model == 'ridge'")
    new = stored.query("area == 'MLd'").assign(cc_norm=0.5)
    new = new[new.split == 3] if partial else new
    monkeypatch.setattr(collect_scores, "FILE", file)
    monkeypatch.setattr(collect_scores, "stored_scores", lambda: stored)
    monkeypatch.setattr(collect_scores, "read_scores", lambda folder: new)
    file.touch()
    collect_scores.main(["folder", "--file", str(file), *partial])
    written = pd.read_csv(file).query("area == 'MLd'").sort_values("split")
    assert written.split.tolist() == list(range(10))
    assert (written.cc_norm == 0.5).sum() == 10 - kept
    assert (pd.read_csv(file).area == "Field_L").sum() == 10


def test_collect_scores__another_spectrogram_is_another_row(tmp_path, monkeypatch, capsys):
    stored = collect_scores.stored_scores().query("protocol == 'rancon2025' and model == 'ridge'")
    own = stored.assign(spectrogram="gaussian")
    monkeypatch.setattr(collect_scores, "read_scores", lambda folder: own)
    file = tmp_path / "scores.csv"
    collect_scores.main(["folder", "--file", str(file)])
    assert (
        "not the spectrogram of the protocol (--spectrogram takes them)" in capsys.readouterr().out
    )
    assert not file.exists()
    collect_scores.main(["folder", "--spectrogram", "--name", "theirs", "--file", str(file)])
    assert set(pd.read_csv(file).model) == {"theirs"}
    monkeypatch.setattr(collect_scores, "FILE", file)
    monkeypatch.setattr(collect_scores, "stored_scores", lambda: stored)
    collect_scores.main(["folder", "--spectrogram", "--file", str(file)])
    assert len(pd.read_csv(file)) == 2 * len(stored)  # neither replaces the other
    both = pd.concat([own, stored.assign(model="ridge-ln")])
    monkeypatch.setattr(collect_scores, "read_scores", lambda folder: both)
    with pytest.raises(SystemExit):
        collect_scores.main(["folder", "--name", "theirs", "--file", str(file)])
    assert "--name is of one model; got ridge, ridge-ln" in capsys.readouterr().err
