"""Natural lines after which attributes, labels or shapes no longer describe the values.

xarray keeps attributes through arithmetic. Each of these gave a wrong number without a word when
somebody tried it; now it is right, or refused.
"""

import numpy as np
import pytest
import xarray as xr

import aa1xr

pytestmark = pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")


@pytest.fixture(scope="module")
def ds(sample_archive) -> xr.Dataset:
    return aa1xr.open_sample(dt_ms=5).sel(type="flatrip").isel(neuron=[0, 1, 6, 8]).load()


@pytest.fixture(scope="module")
def parts(ds):
    return {"train": ds.stimulus.values[:3], "validation": ds.stimulus.values[3:4]}


# Counts, rates and trials


def test_resample__refuses_a_variable_with_the_attributes_of_another(ds):
    rates = ds.assign(rate=ds.spikes.mean("trial") / 0.005)
    with pytest.raises(ValueError, match="'rate' has the attributes of 'spikes'"):
        aa1xr.resample(rates, dt_ms=20)
    rates.rate.attrs = {"units": "spikes/s"}
    wide = aa1xr.resample(rates, dt_ms=20)
    np.testing.assert_allclose(wide.rate, wide.psth, rtol=1e-5)


def test_resample__refuses_units_that_contradict_a_name(ds):
    counts = ds.assign(psth=ds.spikes.sum("trial", min_count=1))
    with pytest.raises(ValueError, match="'psth' must be in count/s; its units are 'count'"):
        aa1xr.resample(counts, dt_ms=20)
    rates = ds.assign(spikes=(ds.spikes / 0.005).assign_attrs(units="spikes/s"))
    for function in (
        aa1xr.psth,
        aa1xr.quality,
        aa1xr.spike_counts,
        lambda d: aa1xr.resample(d, dt_ms=10),
    ):
        with pytest.raises(ValueError, match="must be in count; its units are 'spikes/s'"):
            function(rates)


@pytest.mark.parametrize("lazy", [False, True])
def test_spikes__filled_with_zeros_are_no_trials(ds, lazy):
    filled = ds.assign(spikes=ds.spikes.fillna(0))
    filled = filled.chunk(neuron=2) if lazy else filled
    for function in (
        aa1xr.psth,
        aa1xr.spike_counts,
        aa1xr.quality,
        lambda d: aa1xr.score(d, ds.psth),
        lambda d: aa1xr.coherence(d, ds.psth),
    ):
        with pytest.raises(ValueError, match="`n_trials` and `spikes` contradict each other"):
            function(filled).compute()


def test_spikes__with_masked_trials_are_those_that_are_left(ds):
    masked = ds.assign(spikes=ds.spikes.where(ds.trial < 5))
    five = ds.isel(trial=slice(5))
    np.testing.assert_array_equal(aa1xr.psth(masked), aa1xr.psth(five))
    np.testing.assert_allclose(aa1xr.quality(masked).snr, aa1xr.quality(five).snr)


@pytest.mark.parametrize("join", ["sum", "mean"])
def test_spikes__of_trials_taken_together_are_not_one_trial(ds, join):
    summed = getattr(ds, join)("trial", keep_attrs=True)
    for function in (aa1xr.psth, aa1xr.quality, aa1xr.spike_counts):
        with pytest.raises(ValueError, match="as after a sum or mean over trials"):
            function(summed)
    pairs = ds.coarsen(trial=3, boundary="trim").sum()
    for function in (aa1xr.psth, aa1xr.quality):
        with pytest.raises(ValueError, match=r"trial must be whole numbers|contradict|more presen"):
            function(pairs).compute()
    one = ds.isel(trial=0)
    assert aa1xr.psth(one).notnull().any()


def test_spike_counts__of_taken_trials_without_spikes(ds):
    odd = aa1xr.take_trials(ds, "odd")
    bare = odd[["psth", "n_trials"]]
    bare.encoding = ds.encoding
    expected = aa1xr.spike_counts(odd, stop=0.5)
    got = aa1xr.spike_counts(bare, stop=0.5)
    np.testing.assert_array_equal(got, expected)
    assert aa1xr.events(bare).sizes["trial"] == odd.sizes["trial"]


# Predictions


def test_score__says_that_a_prediction_looks_like_counts(ds):
    rate = aa1xr.smooth(ds.psth)
    with pytest.warns(aa1xr.UnitsWarning, match="its mean is that of counts per bin"):
        aa1xr.score(ds, rate * 0.005)[["fve"]].compute()
    with pytest.raises(ValueError, match=r"if it is a rate, say so: prediction.attrs\['units'\]"):
        aa1xr.score(ds, ds.spikes.mean("trial") / 0.005)


def test_jackknife__does_not_depend_on_the_order_of_the_data(sample_archive):
    ds = aa1xr.open_sample(dt_ms=5).isel(neuron=[2, 3]).load()
    ds["spikes"] = ds.spikes.where(ds.type != "conspecific")
    ds["n_trials"] = ds.n_trials.where(ds.type != "conspecific", 0)
    prediction = aa1xr.smooth(ds.psth).fillna(0)

    def score(prediction, data):
        return aa1xr.score(data, prediction)[["cc_raw"]]

    one = aa1xr.jackknife(score, prediction, ds, over="stimulus")
    other = aa1xr.jackknife(lambda d, p: score(p, d), ds, prediction, over="stimulus")
    xr.testing.assert_allclose(one, other)


# Spectrograms and fits


def test_strf__refuses_decibels_that_were_scaled_by_hand(sample_archive, parts):
    ds = aa1xr.open(sample_archive, compression="db", after_ms=50)
    ds = ds.sel(type="flatrip").isel(neuron=[0, 6])
    sound = ds.spectrogram
    scaled = ds.assign(spectrogram=(sound - sound.mean()) / sound.std())
    with pytest.raises(ValueError, match="must be, after the end of a sound, -80"):
        aa1xr.strf(scaled, **parts).compute()
    fit = aa1xr.strf(ds, **parts).compute()
    assert aa1xr.predict(ds, fit).notnull().any()
    with pytest.raises(ValueError, match="must be, after the end of a sound, -80"):
        aa1xr.predict(scaled, fit).compute()


def test_strf__refuses_bins_that_were_joined_by_hand(ds, parts):
    wide = ds.coarsen(time=4, boundary="trim", coord_func="min").mean()
    wide.time.attrs["dt_ms"] = 20
    with pytest.raises(ValueError, match="bins of 5 ms by its attributes, and the time axis"):
        aa1xr.strf(wide, **parts)


def test_predict__refuses_fits_that_were_joined_with_a_scale_for_each_neuron(ds, parts):
    one, other = (aa1xr.strf(ds.isel(neuron=part), **parts).compute() for part in ([0, 1], [2, 3]))
    spread = xr.concat([one, other.assign(offset=other.offset + 1)], "neuron", data_vars="all")
    for function in (lambda fit: aa1xr.predict(ds, fit), aa1xr.tuning):
        with pytest.raises(ValueError, match="'offset' of the fit must have the dimension 'freq'"):
            function(spread)
    joined = xr.concat([one, other], "neuron", data_vars="minimal")
    assert aa1xr.predict(ds, joined).sizes["neuron"] == 4


def test_tuning__does_not_depend_on_the_order_of_bands(ds, parts):
    fit = aa1xr.strf(ds, **parts).compute()
    xr.testing.assert_allclose(aa1xr.tuning(fit.sortby("freq", ascending=False)), aa1xr.tuning(fit))


# Labels


def test_sel__true_is_not_one(ds):
    for labels in ([1, True], [True, 2]):
        with pytest.raises(KeyError, match="no trial is True"):
            aa1xr.sel(ds, trial=labels)


def test_load__says_that_a_label_was_not_appended(ds, tmp_path):
    first = ds[["psth"]].isel(neuron=[0, 1]).assign_coords(depth=("neuron", [1.0, 2.0]))
    aa1xr.save(first, tmp_path / "a.zarr")
    second = ds[["psth"]].isel(neuron=[2, 3]).drop_encoding()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # zarr of fixed-width strings
        second.to_zarr(tmp_path / "a.zarr", append_dim="neuron", consolidated=False)
    with pytest.raises(aa1xr.StoreError, match="append Datasets with the same variables"):
        aa1xr.load(tmp_path / "a.zarr")
