import os

import pytest

from stress import concurrency, killed_processes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def test_concurrency__has_the_right_data_or_says_why_not(tmp_path):
    tallies = list(concurrency.run(tmp_path, scale=0.01))
    assert [tally.failures for tally in tallies] == [[]] * len(concurrency.CASES)
    assert all(tally.right for tally in tallies)


def test_killed_processes__leave_the_right_data_and_nothing_else(tmp_path):
    tallies = list(killed_processes.run(tmp_path, scale=1 / 200))
    assert [tally.failures for tally in tallies] == [[]] * 7
    assert all(tally.right == 1 for tally in tallies)
