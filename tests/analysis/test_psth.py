import numpy as np

import aa1xr


def test_psth__of_all_trials_is_the_variable(ds):
    got = aa1xr.psth(ds)
    np.testing.assert_array_equal(got, ds.psth)
    assert got.attrs["units"] == "count/s"
    assert got.dtype == ds.psth.dtype


def test_psth__of_selected_trials_by_loops(ds):
    some = ds.isel(trial=[1, 4, 12], neuron=[0, 6])
    spikes, got = some.spikes.values, aa1xr.psth(some).values
    for n, s, t in np.ndindex(got.shape):
        counts = [c for c in spikes[n, s, :, t] if not np.isnan(c)]
        expected = sum(counts) / len(counts) / 0.005 if counts else np.nan
        np.testing.assert_allclose(got[n, s, t], expected, rtol=1e-6)


def test_psth__of_one_trial(ds):
    np.testing.assert_allclose(aa1xr.psth(ds.isel(trial=2)), ds.spikes.isel(trial=2) / 0.005)
