"""The sample."""

import pytest

import aa1xr


@pytest.fixture(scope="session")
def ds(sample_archive):
    """The sample at 5 ms: lazy, read only."""
    return aa1xr.open_sample()
