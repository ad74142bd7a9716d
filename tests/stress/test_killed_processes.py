import os

import pytest

from stress import killed_processes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def test_killed_processes__leave_the_right_data_and_nothing_else(tmp_path):
    tallies = list(killed_processes.run(tmp_path, scale=1 / 200))
    assert [tally.failures for tally in tallies] == [[]] * 7
    assert all(tally.right == 1 for tally in tallies)
