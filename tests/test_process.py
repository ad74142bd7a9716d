"""The user's process is the user's: what aa1xr computes changes nothing in it."""

import ast
import logging
import os
import sys
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.cluster import own_threads

PACKAGE = Path(aa1xr.__file__).parent

#: Changes of the whole process. The command line is a process of its own.
CHANGES = {
    "catch_warnings", "filterwarnings", "simplefilter", "resetwarnings", "setLevel", "basicConfig",
    "addHandler", "putenv", "chdir", "umask", "set_options", "seterr", "setlocale",
}  # fmt: skip


def test_package__changes_nothing_of_the_process():
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            change = isinstance(node, ast.Attribute) and node.attr in CHANGES
            # One filter, after all of the user's: what dask says of cells without data.
            if change and (path.name, node.attr) != ("messages.py", "filterwarnings"):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.attr}")
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
            if any("os.environ" in ast.unparse(target) for target in targets):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} os.environ")
            # dask's configuration is changed in one place, which takes it back.
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "dask.config.set"
                and path.name != "cluster.py"
            ):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} dask.config.set")
    assert not found


def state():
    """What other code in the process goes by."""
    loggers = {
        name: (logger.level, logger.disabled, logger.propagate, list(logger.handlers))
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    return {
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "root logger": (logging.root.level, list(logging.root.handlers)),
        "loggers": loggers,
        "environment": dict(os.environ),
        "directory": Path.cwd(),
        "dask": dict(dask.config.config),
        "xarray": {name: xr.get_options()[name] for name in xr.get_options()},
        "numpy": np.geterr(),
    }


def unchanged(before, after):
    """Whether nothing is another, new loggers apart."""
    after["loggers"] = {name: after["loggers"][name] for name in before["loggers"]}
    return before == after


WORK = {
    "spikes": lambda ds: ds.spikes.isel(neuron=[0, 3]),
    "psth": lambda ds: ds.psth,
    "spectrogram": lambda ds: ds.spectrogram,
    "resample": lambda ds: aa1xr.resample(ds, dt_ms=40),
    "smooth": lambda ds: aa1xr.smooth(ds.psth),
    "quality": aa1xr.quality,
    "score": lambda ds: aa1xr.score(ds, ds.psth),
    "events": aa1xr.events,
    "table": aa1xr.to_pandas,
    "open": lambda ds: aa1xr.open(ds.encoding["source"], dt_ms=10, n_mels=20).spectrogram,
}


@pytest.mark.filterwarnings("ignore::aa1xr.errors.AA1Warning")
@pytest.mark.parametrize("chunks", [{}, None])
def test_process__is_as_before_when_all_is_computed_in_threads(
    sample_archive, tmp_path, monkeypatch, chunks
):
    ds = aa1xr.open_sample(dt_ms=20, before_ms=200, chunks=chunks)
    ours = []
    enter = warnings.catch_warnings.__enter__

    def watched(self):
        # xarray and dask use it, too; of these a test here can say nothing.
        caller = traceback.extract_stack(sys._getframe(1), limit=1)[0]
        if Path(caller.filename).is_relative_to(PACKAGE):
            ours.append(f"{caller.filename}:{caller.lineno}")
        return enter(self)

    def work(name, number):
        if name == "save":
            aa1xr.save(ds[["n_trials"]], tmp_path / f"{number}.zarr")
            aa1xr.load(tmp_path / f"{number}.zarr").compute()
        elif name == "copy":
            aa1xr.copy_store(ds.encoding["source"], tmp_path / f"copy-{number}.zarr")
        else:
            result = WORK[name](ds)
            if hasattr(result, "compute"):
                result.compute()

    for name in WORK:
        work(name, 0)  # imports are done once, and not by several threads
    before = state()
    for name in WORK:
        work(name, 0)
    assert unchanged(before, state())
    monkeypatch.setattr(warnings.catch_warnings, "__enter__", watched)
    before = state()
    with ThreadPoolExecutor(8) as pool:
        names = [*WORK, "save", "copy"] * 2
        for future in [pool.submit(work, name, 1 + n) for n, name in enumerate(names)]:
            future.result()
    assert not ours
    after = state()
    # Left behind by xarray's and dask's own use of catch_warnings in threads.
    after["filters"], before["filters"] = [], []
    after["showwarning"] = before["showwarning"]
    assert unchanged(before, after)


def test_own_threads__of_several_threads_at_once():
    before = dict(dask.config.config)

    def use(n):
        with own_threads():
            assert dask.config.get("scheduler") == "threads"
            return n

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(200))) == sum(range(200))
    assert dask.config.config == before
    with pytest.raises(ZeroDivisionError), own_threads():
        _ = 1 / 0
    assert dask.config.config == before
