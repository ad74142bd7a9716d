"""The sample at 5 ms."""

import pytest

import aa1xr


@pytest.fixture
def ds(sample_archive):
    """The sample at 5 ms."""
    return aa1xr.open_sample()
