"""The short forms of what is done to stores: nothing fails, and of each kind something is tried."""

import os

import pytest

from stress import corruption, forged_stores, links_and_pipes

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes, and limits of POSIX")


@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")
@pytest.mark.parametrize(
    ("module", "scale", "n"),
    [
        (corruption, 1 / 160, 5),
        pytest.param(forged_stores, 1 / 250, 4, marks=posix),
        pytest.param(links_and_pipes, 1 / 250, 5, marks=posix),
    ],
)
def test_stores__are_refused_or_right(module, scale, n, tmp_path):
    tallies = list(module.run(tmp_path, scale))
    assert [tally.failures for tally in tallies] == [[]] * n
    assert all(tally.tried > 3 for tally in tallies)
    assert all(tally.refused for tally in tallies if "repairs" not in tally.test)
