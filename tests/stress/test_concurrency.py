import os

import pytest

from stress import concurrency

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def test_concurrency__has_the_right_data_or_says_why_not(tmp_path):
    tallies = list(concurrency.run(tmp_path, scale=0.01))
    assert [tally.failures for tally in tallies] == [[]] * len(concurrency.CASES)
    assert all(tally.right for tally in tallies)
