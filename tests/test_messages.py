import logging
import subprocess
import sys
import threading
import warnings

import dask
import numpy as np
import pytest

import aa1xr
from aa1xr import messages
from tests.analysis.small_datasets import as_prediction, dataset


@pytest.fixture
def silent():
    """Three blocks of two neurons, one of which never fires."""
    counts = np.random.default_rng(0).poisson(0.5, (6, 2, 4, 30)).astype(float)
    counts[3] = 0
    ds = dataset(counts, [30, 30]).chunk(neuron=2)
    return ds, as_prediction(ds, ds.spikes.mean("trial").fillna(0).data + 1.0)


def caught(filters, function):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter(filters)
        function()
    return found


def test_warn__once_for_each_line_of_the_user_from_threads(silent):
    def twice():
        for _ in range(2):
            aa1xr.score(*silent).cc_raw.compute(scheduler="threads")

    def other():
        aa1xr.score(*silent).cc_raw.compute(scheduler="threads")
        aa1xr.score(*silent).cc_raw.compute(scheduler="threads")

    (one,) = caught("default", twice)
    assert one.filename == __file__
    assert one.category is aa1xr.UndefinedWarning
    assert "1 neuron ('b3_1_A')" in str(one.message)
    assert len({each.lineno for each in caught("default", other)}) == 2


def test_warn__is_an_error_of_its_own_kind_where_the_user_asks_for_it(silent):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(aa1xr.UndefinedWarning, match=r"aa1xr\.score: .*PSTH is constant"):
            aa1xr.score(*silent).cc_raw.compute()
        warnings.simplefilter("ignore", aa1xr.AA1Warning)
        assert aa1xr.score(*silent).cc_raw.isnull().sum() == 1


def test_warn__again_in_a_new_cell_of_a_notebook(silent, monkeypatch):
    """IPython takes the registry of __main__ away before it runs a cell."""
    cell = compile("aa1xr.score(*silent).cc_raw.compute()", "<cell>", "exec")
    main = sys.modules["__main__"]
    names = {"aa1xr": aa1xr, "silent": silent, "__name__": "__main__"}
    for _ in range(2):
        monkeypatch.delattr(main, "__warningregistry__", raising=False)
        assert len(caught("default", lambda: exec(cell, names))) == 1
        assert not caught("default", lambda: exec(cell, names))


def test_warn__nothing_before_anything_is_computed(silent):
    assert not caught("always", lambda: aa1xr.score(*silent))


def test_warn__reaches_the_client_of_a_cluster(silent):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, dashboard_address=None) as client:
        seen = threading.Event()

        def run():
            aa1xr.score(*silent).cc_raw.compute()
            client.subscribe_topic("done", lambda event: seen.set())
            for _ in range(120):  # the first may overtake the subscription
                client.log_event("done", "")  # events come in order
                if seen.wait(1):
                    return
            raise AssertionError

        found = caught("always", run)
    from_client = [each for each in found if each.filename.endswith("client.py")]
    assert len(from_client) == 1
    assert from_client[0].category is aa1xr.UndefinedWarning
    assert "b3_1_A" in str(from_client[0].message)


def test_call_site__is_outside_the_package(silent):
    ds, prediction = silent
    (found,) = caught("always", ds.aa1.score(prediction).cc_raw.compute)
    assert found.filename == __file__
    assert messages.call_site().filename == __file__


def test_count_names__names_ten_and_counts_the_others():
    assert messages.count_names(["a"]) == "1 neuron ('a')"
    assert messages.count_names(range(12), "stimulus").endswith("'9', and 2 more)")


def test_import__configures_no_logger():
    """Who configures logging is the program, not a library."""
    code = (
        "import logging, aa1xr; "
        "assert not logging.getLogger().handlers; assert not logging.getLogger('aa1xr').handlers; "
        "ds = aa1xr.open_sample(dt_ms=20); aa1xr.quality(ds).compute(); "
        "assert not logging.getLogger().handlers; assert not logging.getLogger('aa1xr').handlers"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "UndefinedWarning: aa1xr.quality" in done.stderr


def test_cli__prefixes_its_own_messages_alone(monkeypatch, capsys):
    from aa1xr import cli
    from aa1xr.cli import cite

    def run(args):
        logging.getLogger("other").warning("hush")
        logging.getLogger("aa1xr").warning("a message")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("theirs", UserWarning, stacklevel=1)
            messages.warn("ours", aa1xr.UndefinedWarning)

    monkeypatch.setattr(cite, "_run", run)
    with pytest.warns(UserWarning, match="theirs"):
        assert cli.main(["cite"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "aa1xr: a message" in lines
    assert "aa1xr: warning: ours" in lines
    assert not [
        line for line in lines if line.startswith("aa1xr") and ("hush" in line or "theirs" in line)
    ]
    assert not logging.getLogger("aa1xr").handlers


def test_warn__from_dask_synchronously(silent):
    with dask.config.set(scheduler="synchronous"):
        assert len(caught("default", aa1xr.score(*silent).cc_raw.compute)) == 1


#: What is silent in memory.
_OF_MISSING = """
def main():
    ds = aa1xr.open_sample(chunks={"neuron": 3})
    counts = ds.spikes.sum("time", min_count=1)
    lazy = {
        "std": ds.psth.std("time"),
        "fano": counts.var("trial", ddof=1) / counts.mean("trial"),
        "inverse": 1 / ds.psth,
        "fraction": ds.psth / ds.psth.max("time"),
        "median": ds.psth.median("time"),
        "groups": ds.psth.groupby("type").var(),
        "z": aa1xr.normalize(ds.psth.where(ds.neuron != ds.neuron[0]), method="zscore")[0],
    }
    dask.compute(lazy)
"""


def test_expect_missing__in_threads(sample_archive):
    names = {"aa1xr": aa1xr, "dask": dask}
    exec(_OF_MISSING, names)
    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        names["main"]()
        last = warnings.filters[-2:]
    assert [str(each.message) for each in found if each.category is RuntimeWarning] == []
    assert last == messages._OF_MISSING


def test_expect_missing__on_workers(sample_archive, tmp_path):
    pytest.importorskip("distributed")
    program = f"""
import aa1xr, dask
from dask.distributed import Client, LocalCluster
{_OF_MISSING}
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster):
            main()
    print("done")
"""
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr
    assert "RuntimeWarning" not in done.stderr


def test_expect_missing__filters_of_the_user_come_first():
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("error", RuntimeWarning)
        for _ in range(2):
            messages.expect_missing()
        assert [each[0] for each in warnings.filters] == ["error", "ignore", "ignore"]
