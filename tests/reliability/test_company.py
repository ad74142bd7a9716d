import os

import pytest

from tests.reliability import company

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def test_company__has_the_right_data_or_says_why_not(tmp_path):
    tallies = list(company.run(tmp_path, scale=0.01))
    assert [tally.failures for tally in tallies] == [[]] * len(company.ATTACKS)
    assert all(tally.right for tally in tallies)
