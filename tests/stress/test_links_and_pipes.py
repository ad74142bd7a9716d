import os

import pytest

from stress import links_and_pipes

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")


def test_links__lead_nowhere(tmp_path):
    tallies = list(links_and_pipes.run(tmp_path, scale=1 / 200))
    assert [tally.failures for tally in tallies] == [[]] * len(tallies)
    assert all(tally.right and tally.refused for tally in tallies)
