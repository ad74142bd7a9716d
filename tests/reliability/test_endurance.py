"""The short form of endurance.py."""

import pytest

from tests.reliability import endurance


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("endurance")


def check(tallies):
    tallies = list(tallies)
    assert tallies
    for tally in tallies:
        assert tally.failures == []
        assert tally.right > 0


def test_growth__is_none(work):
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    check(endurance.growth(work, 0.01))


def test_threads__share_a_dataset(work):
    check(endurance.threads(work, 0.01))


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_killed__workers_change_nothing(work):
    pytest.importorskip("distributed")
    check(endurance.killed(work, 0.05))
