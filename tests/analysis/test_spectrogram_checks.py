import pickle

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.analysis.spectrogram_checks import PARAMETERS, check_finite, definition
from tests.analysis.linear_neurons import linear_neurons

TRAIN, VALIDATION = ["flatrip-00", "flatrip-01", "flatrip-03"], ["flatrip-02", "flatrip-04"]
DEFAULT = {
    "n_mels": 3,
    "window_ms": 10.0,
    "fmin": 0.0,
    "fmax": 16000.0,
    "compression": "cubic",
    "frames": "centred",
    "dt_ms": 5.0,
    "frame_start_ms": -5.0,
    "frame_stop_ms": 5.0,
    "silence": 0.0,
}


def with_attrs(ds, **changes):
    """`ds` with the attributes that aa1xr.open gives a spectrogram, but for some."""
    return ds.assign(
        spectrogram=ds.spectrogram.drop_attrs(deep=False).assign_attrs(DEFAULT | changes)
    )


def fit_to(ds, **options):
    return aa1xr.strf(ds, train=TRAIN, validation=VALIDATION, lags_ms=20, **options)


# A fit and its sound


def test_predict__refuses_another_spectrogram_and_names_what_differs():
    ds = with_attrs(linear_neurons()[0])
    fit = fit_to(ds)
    aa1xr.predict(ds, fit)
    for name, value, message in (
        ("compression", "none", r"compression='cubic', the Dataset has compression='none'"),
        ("window_ms", 40.0, r"window_ms=10, the Dataset has window_ms=40"),
        ("frames", "causal", r"frames='centred', the Dataset has frames='causal'"),
        ("fmax", 8000.0, "fmax=16000, the Dataset has fmax=8000"),
        ("frame_stop_ms", 9.0, "frame_stop_ms=5, the Dataset has frame_stop_ms=9"),
    ):
        with pytest.raises(ValueError, match=message):
            aa1xr.predict(with_attrs(ds, **{name: value}), fit)


def test_predict__refuses_a_custom_spectrogram_for_a_defined_one_and_the_other_way_round():
    ds = with_attrs(linear_neurons()[0])
    replaced = ds.assign(spectrogram=(ds.spectrogram.dims, ds.spectrogram.values))
    with pytest.raises(ValueError, match="that of the Dataset does not say its parameters"):
        aa1xr.predict(replaced, fit_to(ds))
    with pytest.raises(ValueError, match="that of the fit does not say its parameters"):
        aa1xr.predict(ds, fit_to(replaced))
    aa1xr.predict(replaced, fit_to(replaced)).compute()


@pytest.mark.parametrize("scale", ["standardize", "normalize", "smooth"])
def test_predict__refuses_a_spectrogram_that_was_scaled_or_smoothed(scale):
    ds = with_attrs(linear_neurons()[0])
    changed = {
        "standardize": lambda da: aa1xr.standardize(da, over=...)[0],
        "normalize": lambda da: aa1xr.normalize(da)[0],
        "smooth": lambda da: aa1xr.smooth(da, window_ms=30),
    }[scale](ds.spectrogram)
    other = ds.assign(spectrogram=changed)
    name = "smoothed" if scale == "smooth" else "scaled"
    with pytest.raises(ValueError, match=f"{name}='no', the Dataset has {name}="):
        aa1xr.predict(other, fit_to(ds))
    with pytest.raises(ValueError, match=f"the Dataset has {name}='no'"):
        aa1xr.predict(ds, fit_to(other))
    aa1xr.predict(other, fit_to(other)).compute()


def test_predict__takes_what_was_scaled_and_unscaled():
    ds = with_attrs(linear_neurons()[0])
    scaled, scaling = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
    aa1xr.predict(ds.assign(spectrogram=scaling.undo(scaled)), fit_to(ds)).compute()


@pytest.mark.parametrize("change", [lambda s: (s - s.mean()) / s.std(), lambda s: s - 1])
def test_strf__refuses_values_that_the_attributes_do_not_describe(change):
    # xarray keeps attributes in arithmetic.
    ds = with_attrs(linear_neurons()[0])
    other = ds.assign(spectrogram=change(ds.spectrogram))
    with pytest.raises(ValueError, match="must not be below 0, which is silence"):
        fit_to(other).compute()
    with pytest.raises(ValueError, match="must not be below 0, which is silence"):
        aa1xr.predict(other, fit_to(ds)).compute()


@pytest.mark.parametrize("how", ["save", "netCDF", "pickle", "arithmetic"])
def test_predict__of_a_fit_that_was_saved(tmp_path, how):
    ds = with_attrs(linear_neurons()[0])
    fit = fit_to(ds).compute()
    expected = aa1xr.predict(ds, fit)
    if how == "save":
        aa1xr.save(fit, tmp_path / "fit.zarr")
        fit = aa1xr.load(tmp_path / "fit.zarr")
    elif how == "netCDF":
        fit.to_netcdf(tmp_path / "fit.nc", engine="scipy")
        fit = xr.load_dataset(tmp_path / "fit.nc", engine="scipy")
    elif how == "pickle":
        fit = pickle.loads(pickle.dumps(fit))
    else:
        with xr.set_options(keep_attrs=False):
            fit = xr.concat([fit, fit], "split").mean("split")
    xr.testing.assert_allclose(aa1xr.predict(ds, fit), expected)
    assert definition(fit.lag.attrs) == {name: DEFAULT[name] for name in PARAMETERS}
    with pytest.raises(ValueError, match="compression='cubic'"):
        aa1xr.predict(with_attrs(ds, compression="log1p"), fit)


def test_predict__of_the_sample(sample_archive):
    # End to end: what aa1xr.open says of its spectrograms.
    ds = aa1xr.open_sample()
    train, validation, test = aa1xr.split(ds, test=2, validation=2)
    fit = aa1xr.strf(ds, train=train, validation=validation)
    assert set(PARAMETERS) <= set(fit.lag.attrs)
    test = ds.sel(stimulus=test)
    assert definition(aa1xr.predict(test, fit).attrs) == definition(ds.spectrogram.attrs)
    source = ds.encoding["source"]
    for name, value in {"compression": "none", "window_ms": 40}.items():
        with pytest.raises(ValueError, match=f"the Dataset has {name}="):
            aa1xr.predict(aa1xr.open(source, **{name: value}), fit)
    with pytest.raises(ValueError, match="bins of 5 ms, the spectrogram of 10 ms"):
        aa1xr.predict(aa1xr.resample(ds, dt_ms=10), fit)


def test_fit_nonlinearity__is_for_predictions_from_one_spectrogram():
    ds = with_attrs(linear_neurons()[0])
    linear = aa1xr.predict(ds, fit_to(ds).compute(), rectify=False)
    curve = aa1xr.fit_nonlinearity(linear, ds.psth, n_levels=5)
    curve.apply(linear)
    causal = with_attrs(ds, frames="causal")
    other = aa1xr.predict(causal, fit_to(causal).compute(), rectify=False)
    with pytest.raises(ValueError, match="the nonlinearity has frames='centred', the prediction"):
        curve.apply(other)
    with pytest.raises(ValueError, match="that of the prediction does not say its parameters"):
        curve.apply(linear.drop_attrs(deep=False))


# The first bins of an axis


def test_predict__is_nan_where_the_sound_before_the_axis_is_not_known():
    ds = with_attrs(linear_neurons()[0])
    fit = fit_to(ds).compute()
    whole = aa1xr.predict(ds, fit)
    cut = aa1xr.predict(ds.isel(time=slice(7, None)), fit)
    assert cut.isnull().any(["neuron", "stimulus"]).values.nonzero()[0].tolist() == [0, 1, 2]
    xr.testing.assert_allclose(cut.isel(time=slice(3, None)), whole.isel(time=slice(10, None)))
    # Nothing of it depends on silence where the axis begins after onset: predictions score alike.
    assert whole.notnull().all()


def test_predict__before_onset_there_is_silence_in_the_units_of_the_sound():
    ds = with_attrs(linear_neurons()[0])
    # As decibels, silence is -80; fields and predictions are those of the sound above it.
    level = ds.assign(spectrogram=ds.spectrogram - 80)
    level = with_attrs(level, compression="db", silence=-80.0)
    fits = fit_to(ds).compute(), fit_to(level).compute()
    np.testing.assert_allclose(fits[0].strf, fits[1].strf, atol=1e-9)
    np.testing.assert_allclose(aa1xr.predict(ds, fits[0]), aa1xr.predict(level, fits[1]), atol=1e-9)


def test_strf__of_a_cut_axis_is_the_fit_to_the_bins_whose_sound_is_known():
    ds = with_attrs(linear_neurons()[0])
    cut = ds.isel(time=slice(7, None))
    # The same bins of the response, with the whole sound.
    known = ds.assign(psth=ds.psth.where(ds.time >= cut.time[3]))
    got, expected = fit_to(cut).compute(), fit_to(known).compute()
    np.testing.assert_allclose(got.strf, expected.strf, rtol=1e-9)
    np.testing.assert_allclose(got.intercept, expected.intercept, rtol=1e-9)


def test_strf__of_a_sound_whose_silence_is_not_known_leaves_out_the_first_bins():
    ds, _ = linear_neurons()
    unknown = ds.assign(spectrogram=ds.spectrogram.drop_attrs(deep=False))
    expected = fit_to(ds.assign(psth=ds.psth.where(ds.time >= ds.time[3]))).compute()
    got = fit_to(unknown).compute()
    np.testing.assert_allclose(got.strf, expected.strf, rtol=1e-9)
    assert aa1xr.predict(unknown, got).isel(time=slice(0, 3)).isnull().all()
    # With silence on the axis nothing is lost.
    padding = {"spectrogram": 0, "psth": np.nan}
    later = unknown.pad(time=(3, 0), constant_values=padding)
    time = (np.arange(later.sizes["time"]) - 3) * 5 / 1000
    later = later.assign_coords(time=("time", time, ds.time.attrs))
    np.testing.assert_allclose(fit_to(later).compute().strf, fit_to(ds).compute().strf, rtol=1e-9)


# Values


def test_check_finite__says_where():
    values = np.zeros((2, 3, 4))
    values[1, 2, 0], values[1, 2, 3] = -np.inf, np.nan
    labels = {
        "stimulus": np.array(["a", "b"]),
        "freq": np.array([100.0, 200, 300]),
        "time": np.arange(4) * 0.005,
    }
    message = r"got -inf at stimulus 'b', freq 300 Hz, time 0 s \(and 1 more such values\)"
    with pytest.raises(ValueError, match=message):
        check_finite(values, labels)
    values[1, 2, 0] = 0
    check_finite(values, labels, missing=True)
    with pytest.raises(ValueError, match=r"got nan at stimulus 'b', freq 300 Hz, time 0\.015 s"):
        check_finite(values, labels)


@pytest.mark.parametrize("chunks", [None, {"time": 10, "stimulus": 2}, {"freq": 1}])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values__that_are_not_finite_are_refused_when_they_are_computed(chunks, value):
    ds, _ = linear_neurons()
    ds.spectrogram.values[2, 1, 33] = value
    where = "at stimulus 'flatrip-02', freq 1000 Hz, time 0.165 s"
    good, _ = linear_neurons()
    fit = fit_to(good).compute()
    if chunks is not None:
        ds = ds.chunk(chunks)
        rate = aa1xr.predict(ds, fit)  # lazy, so nothing is known yet
        with pytest.raises(ValueError, match=where):
            rate.compute()
        aa1xr.predict(ds.isel(stimulus=[0, 1]), fit).compute()
    else:
        with pytest.raises(ValueError, match=where):
            aa1xr.predict(ds, fit)
    lazy = fit_to(ds)
    with pytest.raises(ValueError, match=where):
        lazy.compute()


def test_strf__refuses_the_logarithm_of_silence_and_infinite_rates(sample_archive):
    ds = aa1xr.open_sample()
    parts = dict(zip(("train", "validation"), aa1xr.split(ds, test=1, validation=3), strict=False))
    with np.errstate(divide="ignore"):
        log = ds.assign(spectrogram=np.log(ds.spectrogram).compute())
    fit = aa1xr.strf(log, **parts)
    with pytest.raises(ValueError, match="the spectrogram must be finite; got -inf at stimulus"):
        fit.compute()
    good, _ = linear_neurons()
    infinite = good.psth.where(good.time != 0.1, np.inf)
    with pytest.raises(ValueError, match=r"responses to 'flatrip-0[0-4]' must be finite or NaN"):
        fit_to(good, response=infinite).compute()


def test_fit_nonlinearity__refuses_infinite_predictions():
    ds, _ = linear_neurons()
    linear = aa1xr.predict(ds, fit_to(ds).compute(), rectify=False)
    infinite = linear.where(linear.time != 0.1, np.inf)
    message = "the prediction must be finite or NaN; got inf at neuron 'b0_1_A'"
    with pytest.raises(ValueError, match=message):
        aa1xr.fit_nonlinearity(infinite, ds.psth)
    curve = aa1xr.fit_nonlinearity(linear, ds.psth)
    with pytest.raises(ValueError, match=message):
        curve.apply(infinite)
