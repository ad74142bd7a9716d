"""The short form of `stress.faulty_storage`."""

import pytest

from stress import faulty_storage
from stress.faulty_s3_server import FAULTS


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_storage__gives_right_data_or_a_clear_error(tmp_path):
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    tallies = list(faulty_storage.run(tmp_path, 0.02))
    assert len(tallies) == len(FAULTS)
    assert [failure for tally in tallies for failure in tally.failures] == []
    assert all(tally.tried for tally in tallies)
    assert any(tally.refused for tally in tallies)
