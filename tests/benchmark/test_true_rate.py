import numpy as np
import pytest

import aa1xr
from aa1xr.benchmark import PROTOCOLS, true_rate


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    truth = aa1xr.simulate_archive(
        folder / "a.zip", n_neurons=2, n_songs=3, n_ripples=1, n_trials=400
    )
    return truth, folder


@pytest.mark.parametrize("name", ["cv10", "rancon2025"])
def test_true_rate__is_what_many_trials_come_to(simulated, name):
    truth, folder = simulated
    protocol = PROTOCOLS[name]
    ds = aa1xr.open(folder / "a.zip", data_dir=folder)
    rate = true_rate(ds, truth, protocol).isel(split=0)
    fine = aa1xr.open(folder / "a.zip", data_dir=folder, **protocol.options)
    psth = protocol.prepare(fine).psth
    np.testing.assert_array_equal(rate.time, psth.time)
    inside = psth.notnull().values & (psth.time.values > 0.05)
    inside &= psth.time.values < 1.5
    songs = rate.sel(type="conspecific")
    error = (songs.values - psth.values)[inside]
    assert abs(error.mean()) < 0.02 * psth.values[inside].mean()
    assert np.corrcoef(songs.values[inside], psth.values[inside])[0, 1] > 0.95
