import numpy as np
import pytest
import xarray as xr

import aa1xr
from tests.analysis.small_datasets import dataset


def test_mean_score__counts_along_what_it_averages():
    values = np.ones((4, 3))
    values[0, 1] = values[2, 1] = values[3, 2] = np.nan
    scores = xr.Dataset(
        {"fve": (("neuron", "stimulus"), values), "fano": ("neuron", [1, 2, 3, np.nan])}
    )
    got = aa1xr.mean_score(scores)
    assert got.n_left_out.sel(measure="fve").values.tolist() == [0, 2, 1]
    assert got.n.sel(measure="fve").values.tolist() == [4, 2, 3]
    assert got.n.sel(measure="fano").values.tolist() == [3, 3, 3]
    assert got.fano.item() == 2
    other = aa1xr.mean_score(scores[["fve"]], dim="stimulus")
    assert other.n_left_out.sel(measure="fve").values.tolist() == [1, 0, 1, 1]
    one = aa1xr.mean_score(scores[["fano"]])
    assert (int(one.n[0]), int(one.n_left_out[0])) == (3, 1)


def test_mean_score__warns_that_neurons_without_a_response_bias_it():
    """Poisson noise of a constant rate: about half have a positive signal power by chance."""
    rng = np.random.default_rng(0)
    ds = dataset(rng.poisson(0.1, (40, 2, 10, 200)).astype(float), [200, 200])
    with pytest.warns(aa1xr.UndefinedWarning, match="signal power is not positive"):
        measures = aa1xr.quality(ds)[
            ["ccmax_closed", "signal_power", "noise_power", "rate_driven"]
        ].compute()
    with pytest.warns(
        aa1xr.BiasWarning, match=r"of ccmax_closed leaves out \d+ neurons \('b"
    ) as caught:
        means = aa1xr.mean_score(measures)
    assert len(caught) == 1
    assert 8 < int(means.n_left_out.sel(measure="ccmax_closed")) < 32
    assert float(means.ccmax_closed) > 0.1  # biased; the ratio of means is not
    assert abs(float(means.signal_power / means.noise_power)) < 0.001


def test_mean_score__neurons_without_data_are_counted_without_a_word():
    nan = np.nan
    scores = xr.Dataset({"cc_raw": ("neuron", [0.5, nan]), "cc_norm": ("neuron", [0.7, nan])})
    got = aa1xr.mean_score(scores)
    assert got.n_left_out.values.tolist() == [1, 1]
    assert got.cc_norm.item() == 0.7
    scores["cc_raw"][1] = 0.1
    with pytest.warns(aa1xr.BiasWarning, match=r"mean of cc_norm leaves out 1 neuron \('1'\)"):
        aa1xr.mean_score(scores)
