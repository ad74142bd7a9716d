"""The sample as a small protocol takes it."""

import dataclasses

import pytest

import aa1xr
from aa1xr.benchmark import PROTOCOLS

NEURONS = ["sim0000_1_B", "sim0000_3_B", "sim0000_1_A", "sim0000_2_A"]


@pytest.fixture(autouse=True)
def few_lags(monkeypatch):
    """The benchmark's ridge with short fields, which take less time."""
    monkeypatch.setattr("aa1xr.benchmark.models._LAGS_MS", (30,))


@pytest.fixture(scope="session")
def protocol():
    """cv10 with two splits."""
    return dataclasses.replace(PROTOCOLS["cv10"], name="cv2", n_splits=2)


@pytest.fixture(scope="session")
def ds(sample_archive, protocol):
    """Two neurons of each area; sim0000_2_A heard no song."""
    return aa1xr.open_sample(dt_ms=protocol.dt_ms).sel(neuron=NEURONS)
