import itertools

import dask
import numpy as np
import pytest
import xarray as xr

import aa1xr
from tests.analysis.linear_neurons import linear_neurons
from tests.analysis.small_datasets import refuse


def linear(values):
    """A prediction [neuron, stimulus, time] of these values."""
    values = np.asarray(values, float)
    ds, _ = linear_neurons(n_neurons=len(values), n_bins=(values.shape[2] - 3,) * values.shape[1])
    return xr.zeros_like(ds.psth) + values


def test_fit_nonlinearity__means_of_equal_levels():
    drive = linear([[[3, 1, 2, 0, 5, 4, 7, 6, 8]]])
    response = linear([[[30, 10, 20, np.nan, 50, 40, 70, 60, 80]]])
    curve = aa1xr.fit_nonlinearity(drive, response, n_levels=4, during="all")
    assert curve.drive.values.tolist() == [[1.5, 3.5, 5.5, 7.5]]
    assert curve.rate.values.tolist() == [[15, 35, 55, 75]]
    assert aa1xr.sel(curve.drive, area="MLd").sizes["neuron"] == 1


def test_apply__is_flat_below_straight_between_and_goes_on_above():
    drive = linear([[[0, 0, 1, 1, 2, 2]]])
    curve = aa1xr.fit_nonlinearity(drive, linear([[[4, 4, 5, 5, 9, 9]]]), n_levels=3, during="all")
    asked = linear([[[-3, 0, 0.5, 1.5, 2, 4]]])
    assert curve.apply(asked).values.tolist() == [[[4, 4, 4.5, 7, 9, 17]]]
    falling = aa1xr.fit_nonlinearity(
        drive, linear([[[4, 4, 9, 9, 5, 5]]]), n_levels=3, during="all"
    )
    assert falling.apply(asked).values[0, 0, -1] == 5


def test_fit_nonlinearity__finds_a_known_one():
    rng = np.random.default_rng(0)
    drive = linear(rng.standard_normal((3, 4, 1000)))
    response = np.exp(drive) + 0.3 * rng.standard_normal(drive.shape)
    drive, response = (array.reset_coords(drop=True) for array in (drive, response))
    with dask.config.set(scheduler=refuse):
        curve = aa1xr.fit_nonlinearity(
            drive.chunk(neuron=1, time=100), response.chunk(neuron=2), during="all"
        )
        rate = curve.apply(drive.chunk(neuron=2))
    inside = abs(drive) < 1
    assert float(abs(rate - np.exp(drive)).where(inside).max()) < 0.25


def test_fit_nonlinearity__of_too_little_is_nan():
    drive = linear(np.arange(24.0).reshape(2, 1, 12))
    response = drive.where(drive.neuron.variable == "b0_1_A")
    curve = aa1xr.fit_nonlinearity(drive, response, n_levels=5, during="all")
    assert curve.apply(drive).isnull().all(["stimulus", "time"]).values.tolist() == [False, True]
    few = drive.where((drive.neuron.variable == "b0_1_A") | (drive.time < 0.0099))
    with pytest.warns(aa1xr.UndefinedWarning, match="neuron 'b1_1_A': its response has 2 bins"):
        aa1xr.fit_nonlinearity(drive, few, n_levels=5, during="all")


def test_apply__takes_fewer_neurons_in_any_order():
    drive = linear([[[0, 0, 1, 1, 2, 2]]] * 3)
    rate = linear([[[4, 4, 5, 5, 9, 9]], [[1, 1, 2, 2, 3, 3]], [[7, 7, 8, 8, 9, 9]]])
    curve = aa1xr.fit_nonlinearity(drive, rate, n_levels=3, during="all")
    expected = curve.apply(drive).isel(neuron=[2, 0])
    xr.testing.assert_identical(curve.apply(drive.isel(neuron=[2, 0])), expected)


def test_fit_nonlinearity__uses_the_bins_of_the_stimuli(sample_archive):
    """A longer window, and times that differ by rounding, change nothing."""
    curves = []
    for window in ({}, {"before_ms": 500, "after_ms": 300}):
        ds = aa1xr.open_sample(dt_ms=10, **window).isel(neuron=slice(2), stimulus=slice(4))
        train, validation = ds.stimulus.values[:3], ds.stimulus.values[3:]
        fit = aa1xr.strf(ds, train=train, validation=validation)
        linear = aa1xr.predict(ds, fit, rectify=False)
        rounded = linear.assign_coords(time=("time", linear.time.values + 1e-9, linear.time.attrs))
        for drive in (linear, rounded):
            curve = aa1xr.fit_nonlinearity(drive, ds.psth)
            curves.append(np.stack([curve.drive, curve.rate]))
    raw = aa1xr.smooth(ds.psth, match="deepSTRF")  # 1 at 10 ms: no smoothing
    assert aa1xr.fit_nonlinearity(linear, raw).rate.units == "count/s"
    for curve in curves[1:]:
        np.testing.assert_allclose(curve, curves[0], rtol=1e-4, atol=1e-4)


def test_fit_nonlinearity__is_in_units_of_the_response(sample_archive):
    ds = aa1xr.open_sample(dt_ms=5).isel(neuron=[0, 2], stimulus=slice(3)).compute()
    train, validation = ds.stimulus.values[:2], ds.stimulus.values[2:]
    raw = aa1xr.smooth(ds.psth, match="deepSTRF")
    units = {}
    for drive_is, response in itertools.product((ds.psth, raw), repeat=2):
        fit = aa1xr.strf(ds, train=train, validation=validation, response=drive_is)
        linear = aa1xr.predict(ds, fit, rectify=False)
        rate = aa1xr.fit_nonlinearity(linear, response).apply(linear)
        units[drive_is is raw, response is raw] = (rate.units, rate.attrs.get("kernel_sum"))
    rate, twice = ("count/s", None), ("1", 2)
    assert units == {
        (False, False): rate, (True, False): rate, (False, True): twice, (True, True): twice
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a, b: (a.sel(neuron="b0_1_A"), b.sel(neuron="b1_1_A")), "got b0_1_A and b1_1_A"),
        (lambda a, b: (a, b.sel(neuron="b1_1_A")), "got several and b1_1_A"),
        (lambda a, b: (a, b.assign_attrs(units="1")), "undo a scaling"),
    ],
)
def test_fit_nonlinearity__refuses_other_responses(change, says):
    drive = linear(np.arange(24.0).reshape(2, 1, 12))
    with pytest.raises(ValueError, match=says):
        aa1xr.fit_nonlinearity(*change(drive, drive), n_levels=2)
