import os

import pytest

from stress import forged_stores

pytestmark = pytest.mark.skipif(os.name == "nt", reason="its limits are of POSIX")


@pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")
def test_forged_stores__is_refused_or_read_as_what_it_says(tmp_path):
    tallies = list(forged_stores.run(tmp_path, scale=1 / 250))
    assert [tally.failures for tally in tallies] == [[]] * 4
    assert all(tally.refused > 1 for tally in tallies)
