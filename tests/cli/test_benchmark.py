import contextlib
import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest

import aa1xr
from aa1xr import cli
from aa1xr.archive.contents import Contents
from aa1xr.benchmark import PROTOCOLS, PUBLISHED, stored_scores
from aa1xr.cluster import require_workers
from tests.analysis.small_datasets import refuse


@pytest.fixture
def quick(monkeypatch):
    """A protocol of one split at 5 ms, and short fields."""
    protocol = dataclasses.replace(PROTOCOLS["rancon2025"], name="quick", dt_ms=5.0)
    monkeypatch.setitem(PROTOCOLS, "quick", protocol)
    monkeypatch.setattr("aa1xr.benchmark.models._LAGS_MS", (40,))
    return ["benchmark", "--protocol", "quick"]


def test_benchmark__of_simulated_cells_beside_the_truth(quick, tmp_path, capsys):
    cells, out = tmp_path / "cells.zip", tmp_path / "results.zarr"
    aa1xr.simulate_archive(cells, n_neurons=2, n_songs=4, n_ripples=1)
    assert cli.main([*quick, str(cells), "--area", "MLd", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "name='quick'" in printed
    assert "| ridge | MLd | conspecific |" in printed
    rows = {row["model"]: float(row["CCnorm %"]) for row in _rows(printed)}
    assert rows["true rate"] > 90
    assert rows["endless trials (noise ceiling)"] == 100
    of_trials = [rows[f"mean of {n} (formula)"] for n in ("1 other trial", "5 other trials")]
    assert 0 < of_trials[0] < of_trials[1] < 100
    assert "published" not in printed
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["ridge-MLd-00-0"]


def test_benchmark__of_some_splits(sample_archive, tmp_path, capsys, monkeypatch):
    """As the jobs of an array; the same command without --split collects."""
    monkeypatch.setitem(
        PROTOCOLS, "quick", dataclasses.replace(PROTOCOLS["cv10"], name="quick", n_splits=3)
    )
    monkeypatch.setattr("aa1xr.benchmark.models._LAGS_MS", (40,))
    command = ["benchmark", "--protocol", "quick", "--sample", "--area", "MLd"]
    kept = [*command, "--out", str(tmp_path / "results")]
    assert cli.main(command) == 0
    whole = _rows(capsys.readouterr().out)
    for splits in (["2"], ["0", "1"]):
        assert cli.main([*kept, "--split", *splits]) == 0
        (row,) = _rows(capsys.readouterr().out)
        assert (row["model"], row["splits"]) == ("ridge", str(len(splits)))
    monkeypatch.setattr(sys.modules["aa1xr.benchmark.run"], "evaluate", None)
    assert cli.main(kept) == 0
    assert [row | {"s a fit": ""} for row in _rows(capsys.readouterr().out)] == [
        row | {"s a fit": ""} for row in whole
    ]


@pytest.fixture
def recorded(monkeypatch):
    """The sample passes for AA1, with as many neurons."""
    contents = Contents("aa1")
    attrs = {"simulation": None, **contents.as_attrs()}
    monkeypatch.setattr(
        "aa1xr.cli.benchmark.Store", lambda source, options: SimpleNamespace(attrs=attrs)
    )
    of = {"source_title": contents.title, "source_sha256": "1"}
    monkeypatch.setattr(sys.modules["aa1xr.benchmark.run"], "_source", lambda ds: of)
    monkeypatch.setattr(
        "aa1xr.cli.benchmark.stored_scores", lambda: stored_scores().assign(neurons=6)
    )


def test_benchmark__of_a_prediction(quick, recorded, sample_archive, tmp_path, capsys):
    ds = aa1xr.open_sample()
    aa1xr.save(ds[["psth"]].rename(psth="prediction"), tmp_path / "mine.zarr")
    assert cli.main([*quick, "--sample", "--prediction", str(tmp_path / "mine.zarr")]) == 0
    printed = capsys.readouterr().out
    assert "| mine.zarr | Field_L | conspecific |" in printed
    # No published score is of this protocol.
    assert "published" not in printed


def test_benchmark__beside_means_of_trials(quick, recorded, sample_archive, capsys, monkeypatch):
    """Those of the recordings are stored."""
    monkeypatch.setitem(
        PROTOCOLS, "quick", dataclasses.replace(PROTOCOLS["quick"], name="rancon2025")
    )
    assert cli.main([*quick, "--sample", "--area", "MLd", "--against", "ridge"]) == 0
    rows = {row["model"]: row for row in _rows(capsys.readouterr().out)}
    stored = stored_scores().query("protocol == 'rancon2025' and area == 'MLd'")
    one = stored[stored.model == "mean of 1 other trial (formula)"]
    row = rows["mean of 1 other trial (formula)"]
    assert float(row["CCnorm %"]) == pytest.approx(100 * one.cc_norm.mean(), abs=0.05)
    assert float(row["CCnorm less ridge"]) < 0
    assert rows["ridge"]["neurons scored"].endswith(" of 6")
    assert "gru" not in rows
    # So are those of other models.
    theirs = "strfPy, direct fit (gaussian spectrogram)"
    assert cli.main([*quick, "--sample", "--area", "Field_L", "--against", theirs]) == 0
    rows = {row["model"]: row for row in _rows(capsys.readouterr().out)}
    assert not any("strfPy" in name for name in rows if name != theirs)
    less = float(rows["ridge"]["CCnorm %"].split()[0]) - float(rows[theirs]["CCnorm %"])
    assert float(rows["ridge"][f"CCnorm less {theirs}"].split()[0]) == pytest.approx(less, abs=0.11)


def test_benchmark__refuses_an_unknown_baseline_before_it_fits(quick, capsys, monkeypatch):
    monkeypatch.setattr("aa1xr.cli.benchmark.run", refuse)
    assert cli.main([*quick, "--sample", "--against", "rigde"]) == 1
    assert "--against='rigde'; expected one of 'ridge', 'true rate', 'endless" in (
        capsys.readouterr().err
    )


def test_benchmark__table_needs_no_data(capsys, monkeypatch):
    monkeypatch.setattr(aa1xr, "open", None)
    monkeypatch.setattr(aa1xr, "open_sample", None)
    assert cli.main(["benchmark", "--table", "--against", "ridge"]) == 0
    assert cli.main(["benchmark", "--table", "--against", "rigde"]) == 1
    rows = _rows(capsys.readouterr().out)
    stored = stored_scores()
    assert len(rows) == len(PUBLISHED) + len(
        stored[["protocol", "model", "spectrogram", "area", "sounds"]].drop_duplicates()
    )
    (row,) = [
        row
        for row in rows
        if (row["protocol"], row["model"], row["area"]) == ("cv10", "ridge-ln", "MLd")
    ]
    of_split = stored.query("protocol == 'cv10' and area == 'MLd'").pivot_table(
        values="cc_norm", index="split", columns="model"
    )
    scores, each = 100 * of_split["ridge-ln"], 100 * (of_split["ridge-ln"] - of_split["ridge"])
    assert row["CCnorm %"] == f"{scores.mean():.1f} ± {scores.std():.1f}"
    assert row["CCnorm less ridge"] == f"{each.mean():+.1f} ± {each.sem():.1f}"
    assert (row["splits"], row["seeds"]) == ("10", "1")
    assert cli.main(["benchmark", "--table", "--protocol", "cv10", "--area", "MLd"]) == 0
    rows = _rows(capsys.readouterr().out)
    assert {(row["protocol"], row["area"]) for row in rows} == {("cv10", "MLd")}
    mixture = "rancon2025-mixture"
    assert cli.main(["benchmark", "--table", "--protocol", mixture, "--area", "MLd"]) == 0
    rows = _rows(capsys.readouterr().out)
    assert {(row["protocol"], row["area"]) for row in rows} == {(mixture, "MLd")}
    published = {row["model"]: row["CCnorm %"] for row in rows if "published" in row["model"]}
    assert published["StateNet Mamba, published"] == "73.4"
    assert len(published) == 3


def test_benchmark__table_has_a_protocol_with_splits_of_a_file(sample_archive, tmp_path, capsys):
    ds = aa1xr.open_sample(dt_ms=5)
    protocol = dataclasses.replace(PROTOCOLS["cv10"], n_splits=1)
    aa1xr.benchmark.write_splits(ds, protocol, tmp_path / "my.json")
    options = ["--protocol", "cv10", "--splits", str(tmp_path / "my.json")]
    out = ["--out", str(tmp_path / "out")]
    assert cli.main(["benchmark", *options, "--sample", "--area", "MLd", *out]) == 0
    capsys.readouterr()
    assert cli.main(["benchmark", "--table", "--protocol", "cv10", *out]) == 0
    rows = _rows(capsys.readouterr().out)
    (own,) = [row for row in rows if row["protocol"] != "cv10"]
    assert (own["protocol"], own["model"]) == ("cv10, my.json", "ridge (out) (other data)")


@pytest.mark.parametrize(
    "option",
    [["cells.zip"], ["--sample"], ["--model", "gru"], ["--seeds", "1"], ["--split", "1"]],
)
def test_benchmark__table_computes_nothing(option, capsys):
    assert cli.main(["benchmark", "--table", *option]) == 1
    assert f"computes nothing; omit {option[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("on_cluster", [False, True])
def test_benchmark__of_an_outsiders_module(
    on_cluster, quick, sample_archive, tmp_path, monkeypatch, capsys
):
    """From its name to the table of stored scores; workers do not have the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (tmp_path / "outside_model.py").write_text(
        "def loudness(known, split, stimuli):\n"
        "    power = stimuli.spectrogram.sum('freq')\n"
        "    return power.expand_dims(neuron=known.neuron.values)\n"
    )
    with contextlib.ExitStack() as stack:
        stack.callback(sys.modules.pop, "outside_model", None)
        options = ["--sample", "--area", "MLd", "--out", "mine"]
        if on_cluster:
            distributed = pytest.importorskip("distributed")
            cluster = stack.enter_context(
                distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
            )
            client = stack.enter_context(distributed.Client(cluster))
            client.run(lambda: __import__("os").chdir("/"))
            options += ["--scheduler", cluster.scheduler_address, "--wait", "60"]
        assert cli.main([*quick, *options, "--model", "outside_model:loudness"]) == 0
    (row,) = [r for r in _rows(capsys.readouterr().out) if r["model"] == "outside_model:loudness"]
    assert float(row["CCnorm %"]) > 0
    assert float(row["s a fit"]) > 0
    assert row["neurons scored"].endswith(" of 6")
    assert cli.main(["benchmark", "--table", "--out", "mine"]) == 0
    rows = _rows(capsys.readouterr().out)
    (again,) = [r for r in rows if r["model"] == "outside_model:loudness (mine) (other data)"]
    assert again | {"model": row["model"]} == row
    assert len(rows) > 20


def _rows(printed):
    """The rows of the table."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed.splitlines()
        if line.startswith("|")
    ]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_benchmark__on_a_cluster(quick, recorded, sample_archive, capsys):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(processes=False, n_workers=1, dashboard_address=":0") as cluster:
        arguments = ["--sample", "--area", "MLd", "--scheduler", cluster.scheduler_address]
        assert cli.main([*quick, *arguments]) == 0
    assert "| ridge | MLd | conspecific |" in capsys.readouterr().out


def test_benchmark__on_a_cluster_without_workers(quick, sample_archive, capsys):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(processes=False, n_workers=0, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        assert cli.main([*quick, "--sample", "--scheduler", address, "--wait", "0.2"]) == 1
    assert f"the dask cluster at {address} has no workers after 0.2 s" in capsys.readouterr().err
    assert cli.main([*quick, "--sample", "--scheduler", "tcp://127.0.0.1:1", "--wait", "0.2"]) == 1
    assert "no dask scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["0.0.1", "cannot import it (ModuleNotFoundError: no aa1xr)"])
def test_require_workers__with_another_aa1xr(there, monkeypatch):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        require_workers(client, seconds=10)
        monkeypatch.setattr(type(client), "run", lambda self, find: {"tcp://worker": there})
        with pytest.raises(ValueError, match=r"tcp://worker .*Install aa1xr .* on the scheduler"):
            require_workers(client, seconds=10)


def test_benchmark__without_distributed_says_so(quick, sample_archive, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.main([*quick, "--sample", "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "the extra cluster of aa1xr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample", "--prediction", "{tmp}/other.zarr", "--seeds", "1"], "--seeds is for a --mo"),
        (["--sample", "--prediction", "{tmp}/other.zarr", "--out", "x"], "--out is for a --model"),
        (["--sample", "--prediction", "{tmp}/other.zarr", "--split", "0"], "--split is for a --mo"),
        (["--sample", "--split", "0", "--against", "ridge"], "omit it, or --split"),
        (["--sample", "--split", "1"], "splits must be at most 0"),
    ],
)
def test_benchmark__refuses(quick, arguments, message, sample_archive, tmp_path, capsys):
    aa1xr.save(aa1xr.open_sample()[["psth"]].isel(neuron=[0]), tmp_path / "other.zarr")
    assert cli.main([*quick, *(text.format(tmp=tmp_path) for text in arguments)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--prediction", "mistyped.zarr"],
        ["--model", "gru"],
        ["--scheduler", "tcp://127.0.0.1:1"],
        ["--out", __file__],
    ],
)
def test_benchmark__refuses_before_it_works(quick, arguments, monkeypatch, capsys, tmp_path):
    def work(*_, **__):
        raise AssertionError("worked")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(aa1xr, "open_sample", work)
    for module in ("torch", "distributed"):
        monkeypatch.setitem(sys.modules, module, None)
    assert cli.main([*quick, "--sample", *arguments]) == 1
    assert "worked" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"n_neurons": 10**9, "n_songs": 1, "n_ripples": 1, "n_trials": 10, "seed": 0},
        {"n_neurons": 2, "n_songs": 1, "n_ripples": 1, "n_trials": 10, "seed": "0"},
        {"path": "elsewhere", "n_neurons": 2, "n_songs": 1, "n_ripples": 1, "n_trials": 1},
    ],
)
@pytest.mark.filterwarnings("ignore::aa1xr.IncompleteArchiveWarning")  # a billion cells
def test_benchmark__of_a_simulation_that_is_none(quick, said, tmp_path, capsys):
    aa1xr.simulate_archive(tmp_path / "cells", n_neurons=2, n_songs=1, n_ripples=1, n_trials=1)
    (tmp_path / "cells" / "simulation.json").write_text(json.dumps(said))
    data = ["--data-dir", str(tmp_path / "data")]
    assert cli.main([*quick, str(tmp_path / "cells"), *data]) == 1
    assert "aa1xr.simulate_archive" in capsys.readouterr().err


def test_benchmark__on_the_real_archive(quick, real_archive, capsys):
    # A floor, well below what is measured: that the command works on the recordings.
    assert cli.main([*quick, str(real_archive)]) == 0
    rows = {(row["model"], row["area"]): row for row in _rows(capsys.readouterr().out)}
    for area in ("Field_L", "MLd"):
        assert float(rows["ridge", area]["CCnorm %"]) > 50
        assert rows["ridge", area]["neurons scored"] == "48 of 49"
