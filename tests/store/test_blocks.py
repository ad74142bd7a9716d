import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from aa1xr import ArchiveError
from aa1xr.archive.files import identity, open_files
from aa1xr.archive.read import Archive
from aa1xr.archive.write import write_archive
from aa1xr.store import blocks, locate
from aa1xr.store.blocks import Workers, find_workers, read_blocks
from tests.store.conftest import SOUNDS, cells, contents


@pytest.fixture
def small(monkeypatch):
    """Every archive is worth workers, and every neuron a block."""
    monkeypatch.setattr(blocks, "_WORTH_IT", 0)
    monkeypatch.setattr(blocks, "_NEURONS", 1)
    yield
    blocks.close_files()  # of this process, where threads are the workers


@pytest.fixture
def opened(sample_archive, small):
    with open_files(sample_archive) as files:
        yield Archive(files)


def read(archive, workers=None, key=None):
    return list(read_blocks(archive, key=key or identity(archive.files.path), workers=workers))


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        for name, values in vars(one).items():
            np.testing.assert_array_equal(values, vars(other)[name])
            assert values.dtype == np.int32


@pytest.mark.parametrize("size", [1, 5, 12, 100])
def test_read_blocks__of_any_size_hold_the_same(opened, monkeypatch, size):
    one_by_one = read(opened)
    monkeypatch.setattr(blocks, "_NEURONS", size)
    found = read(opened)
    assert [len(block.n_trials) for block in found] == [size] * (12 // size) + [12 % size] * (
        12 % size > 0
    )
    for name in vars(found[0]):
        joined, expected = (
            np.concatenate([vars(block)[name] for block in parts]) for parts in (found, one_by_one)
        )
        np.testing.assert_array_equal(joined, expected)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_read_blocks__by_workers_come_in_order(opened, number):
    with ThreadPoolExecutor(number) as executor:
        assert_equal(read(opened, Workers(executor, number)), read(opened))


class Lazy(Executor):
    """Does the work when its result is asked for, and counts what is waiting."""

    def __init__(self):
        self.waiting = self.most = 0

    def submit(self, function, /, *args, **kwargs):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        future = Future()

        def result(timeout=None):
            self.waiting -= 1
            return function(*args, **kwargs)

        future.result = result
        return future


def test_read_blocks__only_a_few_are_in_memory(opened):
    executor = Lazy()
    for _ in read_blocks(
        opened, key=identity(opened.files.path), workers=Workers(executor, number=2)
    ):
        assert executor.waiting < 2 * blocks._AHEAD
    assert executor.most == 2 * blocks._AHEAD


def test_read_blocks__that_are_not_wanted_any_more_are_not_begun(opened):
    executor = Lazy()
    futures = []
    submit = executor.submit
    executor.submit = lambda *args: futures.append(submit(*args)) or futures[-1]
    some = read_blocks(opened, key=identity(opened.files.path), workers=Workers(executor, 1))
    next(some)
    some.close()
    assert len(futures) == 3
    assert [future.cancelled() for future in futures] == [False, True, True]


def test_read_blocks__where_workers_see_another_archive_are_read_here(opened, caplog):
    with ThreadPoolExecutor(1) as executor:
        assert_equal(read(opened, Workers(executor, 1), key="another"), read(opened))
    assert "not the archive that is being built" in caplog.text
    assert "this process goes on alone" in caplog.text


def test_read_blocks__of_a_damaged_archive(tmp_path, small, caplog):
    path = write_archive(tmp_path / "cells", SOUNDS, cells())
    (path / "MLd_cells/a1_10_A/flatrip/spike1").write_bytes(b"oops\n")
    error = pytest.raises(ArchiveError, match=r"a1_10_A/flatrip/spike1, line 1: 'oops'")
    with open_files(path) as files, ThreadPoolExecutor(2) as executor, error:
        read(Archive(files), Workers(executor, 2))
    assert not caplog.records


def test_find_workers__only_where_it_is_worth_it():
    for neurons, processes in ((98, 4), (blocks._WORTH_IT - 1, 4), (10**6, 1)):
        with find_workers(neurons, processes=processes) as workers:
            assert workers is None


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended but was not yet waited for (Linux).
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_find_workers__processes_of_which_one_is_killed(opened, caplog):
    expected = read(opened)
    with find_workers(12, processes=2) as workers:
        some = read_blocks(opened, key=identity(opened.files.path), workers=workers)
        found = [next(some), next(some)]
        assert not caplog.records
        pids = list(workers.executor._processes)
        assert 1 <= len(pids) <= 2
        assert os.getpid() not in pids
        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: workers.executor._broken)
        found += some
    assert_equal(found, expected)
    assert "a worker failed (BrokenProcessPool" in caplog.text
    wait_until(lambda: not any(map(alive, pids)))


#: Builds in two processes, as the command line does, stopping where it is told to.
SCRIPT = """
import multiprocessing, sys, time
from pathlib import Path
from aa1xr import cli
from aa1xr.store import blocks, build

def slowly(*args, **kwargs):
    for block in read_blocks(*args, **kwargs):
        yield block
        if sys.argv[3] == "stop":
            pids = [str(child.pid) for child in multiprocessing.active_children()]
            Path(sys.argv[2], "pids").write_text(" ".join(pids))
            time.sleep(60)

if __name__ == "__main__":
    blocks._WORTH_IT, blocks._NEURONS = 0, 1
    read_blocks, build.read_blocks = build.read_blocks, slowly
    sys.exit(cli.main(["build", sys.argv[1], "--data-dir", sys.argv[2], "--processes", "2"]))
"""


@pytest.fixture
def command(tmp_path, sample_archive):
    """Begin a build with two processes."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    folder = tmp_path / "data"
    folder.mkdir()

    def begin(how):
        return folder, subprocess.Popen(
            [sys.executable, "-W", "error", script, sample_archive, folder, how],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    return begin


def test_build__by_two_processes_is_the_same_to_the_byte(command, sample_store):
    folder, process = command("go")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert contents(Path(out.strip())) == {
        name: data
        for name, data in contents(sample_store).items()
        if not name.startswith("spectrogram")
    }
    assert Path(out.strip()).parent == folder


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_build__by_two_processes_that_is_stopped_leaves_nothing(
    command, sample_archive, sample_store, how
):
    folder, process = command("stop")
    wait_until(lambda: (folder / "pids").exists() and (folder / "pids").read_text())
    pids = list(map(int, (folder / "pids").read_text().split()))
    assert len(pids) == 2
    assert all(map(alive, pids))
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        process.kill()
    _, err = process.communicate(timeout=30)
    wait_until(lambda: not any(map(alive, pids)))
    left = [path.name for path in folder.iterdir() if path.suffix != ".lock"]
    if how == signal.SIGINT:
        # Before that, one that was only just starting may say where it was interrupted.
        assert (process.returncode, err[-19:]) == (130, "aa1xr: interrupted\n")
        assert left == ["pids"]
    else:
        assert len(left) == 2  # what no process could remove, and the next one does
    store = locate.ensure_store(sample_archive, data_dir=folder)
    assert not list(folder.glob(".*.partial"))
    assert store.name == sample_store.name
