"""The short form of `stress.soak`; killed workers are in `tests/dataset/test_distributed.py`."""

from itertools import islice

import pytest

from stress import soak


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("soak")


def check(tallies):
    tallies = list(tallies)
    assert tallies
    for tally in tallies:
        assert tally.failures == []
        assert tally.right > 0


def test_growth__is_none(work):
    # The others, which read from S3 or many stores, show nothing in so few rounds.
    check(islice(soak.growth(work, 0.003), 4))


def test_threads__share_a_dataset(work):
    check(soak.threads(work, 0.01))
