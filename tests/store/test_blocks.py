from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest

from aa1xr import ArchiveError
from aa1xr.archive.files import identity, open_files
from aa1xr.archive.read import Archive
from aa1xr.archive.write import write_archive
from aa1xr.store import blocks
from aa1xr.store.blocks import Workers, find_workers, read_blocks
from tests.store.conftest import SOUNDS, cells


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


@pytest.mark.parametrize("size", [5, 12])
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
    for neurons in (98, blocks._WORTH_IT - 1, 10**6):
        with find_workers(neurons) as workers:
            assert workers is None
