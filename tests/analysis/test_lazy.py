"""Every function of a lazy Dataset is lazy, keeps the labels, and does not depend on the chunks."""

import dask
import numpy as np
import pytest
import xarray as xr

import aa1xr
from tests.analysis.small_datasets import refuse

#: Of the part of the sample below, some measures are undefined.
pytestmark = pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")

LISTS = {"train": ["conspecific-00", "flatrip-00"], "validation": ["flatrip-01"]}


def fit(ds):
    return aa1xr.strf(ds, **LISTS, lags_ms=40, alphas=[1])


#: Each gives a Dataset or DataArray.
FUNCTIONS = {
    "psth": aa1xr.psth,
    "psth of some trials": lambda ds: aa1xr.psth(ds.isel(trial=slice(5))),
    "presented": aa1xr.presented,
    "spike_counts": aa1xr.spike_counts,
    "resample": lambda ds: aa1xr.resample(ds, dt_ms=20),
    "smooth": lambda ds: aa1xr.smooth(ds.psth),
    "normalize": lambda ds: aa1xr.normalize(ds.psth)[0],
    "normalize, zscore": lambda ds: aa1xr.normalize(ds.psth, method="zscore")[0],
    "undo": lambda ds: aa1xr.normalize(ds.psth)[1].undo(ds.psth),
    "quality": aa1xr.quality,
    "quality by stimulus": lambda ds: aa1xr.quality(ds, by="stimulus"),
    "score": lambda ds: aa1xr.score(ds, ds.psth),
    "coherence": lambda ds: aa1xr.coherence(ds, ds.psth),
    "dprime": lambda ds: aa1xr.dprime(ds.sel(type="flatrip"), ds.sel(type="conspecific")),
    "strf": fit,
    "tuning": lambda ds: aa1xr.tuning(fit(ds)),
    "modulation_spectrum": lambda ds: aa1xr.modulation_spectrum(fit(ds)),
    "predict": lambda ds: aa1xr.predict(ds, fit(ds)),
    "fit_nonlinearity": lambda ds: aa1xr.fit_nonlinearity(ds.psth, ds.psth).rate,
}


def part(ds):
    return ds.isel(neuron=[0, 2, 6, 8], stimulus=[0, 3, 10, 11])


def arrays(result):
    return list(result.values()) if isinstance(result, xr.Dataset) else [result]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function__is_lazy_and_the_same_for_all_chunks(ds, name):
    function, small = FUNCTIONS[name], part(ds)
    chunked = part(aa1xr.open_sample(chunks={"neuron": 5, "stimulus": 4, "time": 100}))
    with dask.config.set(scheduler=refuse):
        got, other, whole = (function(each) for each in (small, chunked, ds))
        assert aa1xr.sel(whole, area="MLd", animal_id="sim0000").sizes["neuron"] == 5
        if "stimulus" in whole.dims:
            assert whole.sel(type="flatrip").sizes["stimulus"] == 5
        assert all(array.chunks is not None for array in arrays(got))
    # The number of tasks goes with the chunks: of NumPy's size, none is for a neuron or a bin.
    assert len(whole.__dask_graph__()) < 400
    assert len(other.__dask_graph__()) < 100 * len(chunked.psth.__dask_graph__())
    bare = function(part(aa1xr.open_sample(chunks=None)))
    expected = arrays(got.compute())
    for again in (other, bare, function(small.transpose("time", "freq", ...))):
        for one, right in zip(arrays(again), arrays(got), strict=True):
            assert (one.dtype, one.attrs, one.name) == (right.dtype, right.attrs, right.name)
        # Computed together, since they share what is read and counted.
        for one, right in zip(arrays(again.compute()), expected, strict=True):
            xr.testing.assert_allclose(one.transpose(*right.dims), right)


def test_results__have_the_attributes_that_say_what_they_are(ds):
    smooth = aa1xr.smooth(ds.psth)
    assert smooth.attrs == ds.psth.attrs | {"smoothed": "hann, 21 ms"}
    assert (smooth.name, smooth.dtype, smooth.dims) == ("psth", np.float32, ds.psth.dims)
    assert smooth.time.identical(ds.time)
    _, scaling = aa1xr.normalize(ds.psth)
    assert scaling.scale.attrs["units"] == "count/s"
    assert scaling.scale.sel(area="MLd").sizes["neuron"] == 6
    assert aa1xr.spike_counts(ds).attrs["units"] == "count"
    assert aa1xr.quality(ds).snr.attrs["units"] == "1"
