import os

import pytest

from tests.reliability import crashes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def test_crashes__leave_the_right_data_and_nothing_else(tmp_path):
    tallies = list(crashes.run(tmp_path, scale=2 / 200))
    assert [tally.failures for tally in tallies] == [[]] * 7
    assert all(tally.right == 2 for tally in tallies)
