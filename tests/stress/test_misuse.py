import inspect
import re

import pytest

import aa1xr
from aa1xr.cli import _COMMANDS
from stress import misuse
from stress.misuse.case import refused, works


@pytest.fixture(scope="module")
def table():
    return misuse.table()


# What is undefined for a neuron is said by a warning, which is no end of a call.
@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")
def test_misuse__is_refused_or_right(tmp_path):
    tallies = list(misuse.run(tmp_path, 0.01))
    assert [failure for tally in tallies for failure in tally.failures] == []
    assert sum(tally.tried for tally in tallies) > 500


def test_table__has_every_public_name(table):
    rows = [row for part in table.values() for row in part]
    errors = {
        error.__name__
        for row in rows
        for kind in (row.error if isinstance(row.error, tuple) else (row.error,))
        for error in kind.__mro__
    }
    names = {row.name for row in rows} | errors
    public = {
        *(name for name in aa1xr.__all__ if name != "plot" and not name.endswith("Warning")),
        *(f"plot.{name}" for name in aa1xr.plot.__all__),
        *(f"aa1xr {command}" for command in _COMMANDS),
        *(
            f"benchmark.{name}"
            for name in aa1xr.benchmark.__all__
            if inspect.isfunction(getattr(aa1xr.benchmark, name))
        ),
        "open_dataset",
    }
    assert public - names == set()


def test_table__says_nothing_twice(table):
    told = [(row.name, row.mistake) for part in table.values() for row in part]
    assert sorted({row for row in told if told.count(row) > 1}) == []


@pytest.mark.parametrize(
    ("row", "failure"),
    [
        (refused("f", "", lambda t: 1, "x"), "accepted in silence"),
        (refused("f", "", lambda t: aa1xr.quality(None), "by="), "expected .*ValueError"),
        (refused("f", "", lambda t: aa1xr.quality(None), "by=", TypeError), "to read 'by='"),
        (refused("f", "", lambda t: {}["a"], "a", KeyError), "let it through to a library"),
        (works("f", "", lambda t: 1, lambda t, got: got == 2), "not right"),
        (works("f", "", lambda t: 1 / 0, lambda t, got: True), "expected a result, got ZeroDiv"),
    ],
)
def test_attempt__says_what_is_wrong(row, failure):
    assert re.search(failure, misuse.attempt(row, None))
