"""The sample, and a scheduler that refuses to work."""

import contextlib

import dask
import pytest

import aa1xr


@pytest.fixture(scope="session")
def ds(sample_archive):
    """The sample at 5 ms: lazy, read only."""
    return aa1xr.open_sample()


@pytest.fixture
def lazily():
    """A context in which computing anything fails."""

    @contextlib.contextmanager
    def context():
        def no_compute(*args, **kwargs):
            raise AssertionError("something was computed")

        with dask.config.set(scheduler=no_compute):
            yield

    return context
