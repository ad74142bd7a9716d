"""The sample, and the spikes of a Dataset in plain loops."""

import numpy as np
import pytest

import aa1xr


@pytest.fixture(scope="session")
def ds(sample_archive):
    """The sample at 5 ms: lazy, read only."""
    return aa1xr.open_sample()


@pytest.fixture(scope="session")
def trains(ds):
    """{(neuron, stimulus, trial): microseconds}, of what was presented."""
    events = aa1xr.events(ds)
    ends = events.row_size.values.cumsum().reshape(events.row_size.shape)
    return {
        (str(events.neuron.values[n]), str(events.stimulus.values[s]), r): (
            events.spike_time.values[
                ends[n, s, r] - events.row_size.values[n, s, r] : ends[n, s, r]
            ]
        )
        for n, s, r in np.argwhere(aa1xr.presented(events).values).tolist()
    }
