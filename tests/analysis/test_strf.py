import dask
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback

import aa1xr
from tests.analysis.linear_neurons import design, linear_neurons, rows

TRAIN, VALIDATION = ["flatrip-00", "flatrip-01", "flatrip-03"], ["flatrip-02", "flatrip-04"]
ALPHAS = (0.01, 0.3, 10)


def fit_to(ds, **options):
    parts = {"train": TRAIN, "validation": VALIDATION, "lags_ms": 20, "alphas": ALPHAS}
    return aa1xr.strf(ds, **(parts | options))


def by_solving(ds, neuron, n_lags, *, refit, floor):
    """Field, intercept, alpha and validation correlation, from explicit design matrices."""
    all_heard, _ = zip(*[rows(ds, 0, [s], n_lags) for s in TRAIN], strict=True)
    bands = np.concatenate(all_heard).reshape(-1, ds.sizes["freq"], n_lags)[:, :, 0]
    offset = np.repeat(bands.mean(0), n_lags)
    scale = np.repeat(np.maximum(bands.std(0), floor * bands.std(0).max()), n_lags)
    (x, y), (xv, yv) = (rows(ds, neuron, part, n_lags) for part in (TRAIN, VALIDATION))
    x, xv = ((v - offset) / scale for v in (x, xv))

    def solve(x, y, alpha):
        about = x - x.mean(0)
        gram = about.T @ about / len(x) + alpha * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, about.T @ (y - y.mean()) / len(x))
        return weights, y.mean() - x.mean(0) @ weights

    found = []
    for alpha in ALPHAS:
        weights, intercept = solve(x, y, alpha)
        found.append((np.corrcoef(xv @ weights, yv)[0, 1], alpha, weights, intercept))
    cc, alpha, weights, intercept = max(found, key=lambda each: each[0])
    if refit:
        weights, intercept = solve(np.concatenate([x, xv]), np.concatenate([y, yv]), alpha)
    return weights.reshape(-1, n_lags), intercept, alpha, cc


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("noise", [0.5, 20])
@pytest.mark.parametrize("floor", [1.0, 0.7, 1e-3])
def test_strf__is_ridge_regression_on_the_lagged_spectrogram(noise, refit, floor):
    ds, _ = linear_neurons(noise=noise)
    fit = fit_to(ds, refit=refit, scale_floor=floor).compute()
    for n in range(4):
        field, intercept, alpha, cc = by_solving(ds, n, 4, refit=refit, floor=floor)
        np.testing.assert_allclose(fit.strf[n], field, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(fit.intercept[n], intercept, rtol=1e-8)
        np.testing.assert_allclose(fit.cc_validation[n], cc, rtol=1e-8)
        assert fit.alpha[n] == alpha


def test_strf__takes_another_response_and_a_window_before_onset():
    ds, _ = linear_neurons()
    # Shifted by two bins of silence, nothing changes but the times.
    later = ds.pad(time=(2, 0), constant_values={"spectrogram": 0, "psth": np.nan})
    time = (np.arange(later.sizes["time"]) - 2) * 5 / 1000
    later = later.assign_coords(time=("time", time, ds.time.attrs))
    later.spectrogram.attrs = ds.spectrogram.attrs
    expected = fit_to(ds).compute()
    xr.testing.assert_allclose(fit_to(later).compute(), expected)
    twice = fit_to(ds, response=2 * ds.psth + 1).compute()
    np.testing.assert_allclose(twice.strf, 2 * expected.strf)
    np.testing.assert_allclose(twice.intercept, 2 * expected.intercept + 1)
    one = fit_to(ds, response=ds.psth.isel(neuron=2)).compute()
    np.testing.assert_allclose(one.strf, expected.strf[2])
    assert one.strf.dims == ("freq", "lag")


def test_strf__recovers_known_fields():
    ds, fields = linear_neurons(n_bins=(1000,) * 5, n_freq=8, n_lags=10, noise=20)
    fit = fit_to(ds, lags_ms=50, alphas=(1e-4, 1e-2, 1)).compute()
    for n in range(4):
        truth = fields[n] * fit.scale.values[:, np.newaxis]
        assert np.corrcoef(truth.ravel(), fit.strf[n].values.ravel())[0, 1] > 0.95


def test_strf__recovers_the_fields_of_simulated_cells(tmp_path):
    truth = aa1xr.simulate_archive(
        tmp_path / "a.zip", n_neurons=2, n_songs=0, n_ripples=5, n_trials=150, seed=1
    )
    ds = aa1xr.open(tmp_path / "a.zip", data_dir=tmp_path)
    train, validation, _ = aa1xr.split(ds, test=1, validation=1)
    fit = aa1xr.strf(ds, train=train, validation=validation).compute()
    for n in range(2):
        field = truth.strf[n].values * fit.scale.values[:, np.newaxis]
        assert np.corrcoef(field.ravel(), fit.strf[n].values.ravel())[0, 1] > 0.85


def test_strf__of_missing_pairs():
    ds, _ = linear_neurons()
    psth = ds.psth.values.copy()
    psth[2, [2, 4]] = np.nan  # nothing to validate on
    psth[3, ~np.isnan(psth[3])] = 0
    with pytest.warns(aa1xr.UndefinedWarning, match=r"1 neuron \('b2_1_A'\): no response to valid"):
        fit = fit_to(ds.assign(psth=(ds.psth.dims, psth))).compute()
    assert fit.strf.isnull().all(["freq", "lag"]).values.tolist() == [False, False, True, False]
    # A silent neuron has the zero field of the largest alpha, and correlates with nothing.
    assert (fit.strf[3] == 0).all()
    assert fit.alpha[3] == 10
    assert np.isnan(fit.cc_validation[3])
    others = ["b0_1_A", "b1_1_A"]
    xr.testing.assert_allclose(fit.sel(neuron=others), fit_to(ds).compute().sel(neuron=others))


@pytest.mark.parametrize("refit", [False, True])
def test_strf__is_the_same_in_blocks_of_neurons(refit, monkeypatch):
    ds, _ = linear_neurons(noise=5)
    psth = ds.psth.values.copy()
    psth[2, [0, 1]] = np.nan  # the first block lacks stimuli that scale the bands of all
    psth[:2, [3, 2]] = np.nan
    ds = ds.assign(psth=(ds.psth.dims, psth))
    together = fit_to(ds, refit=refit).compute()
    monkeypatch.setattr("aa1xr.analysis.strf.BLOCK", 2)
    xr.testing.assert_allclose(fit_to(ds, refit=refit).compute(), together, rtol=1e-9)
    one = fit_to(ds.isel(neuron=[0, 1])).compute()
    assert not np.allclose(one.offset, together.offset)  # blocks of their own would have these


def test_strf__refuses_other_bins_in_another_block(monkeypatch):
    ds, _ = linear_neurons()
    later = ds.psth.values.copy()
    later[3, 1, :7] = np.nan
    monkeypatch.setattr("aa1xr.analysis.strf.BLOCK", 2)
    for stimulus in TRAIN, TRAIN[::-1]:
        with pytest.raises(ValueError, match=r"'flatrip-01' have .* other bins for one neuron"):
            fit_to(ds.assign(psth=(ds.psth.dims, later)), train=stimulus).compute()


def test_strf__reads_each_stimulus_once_for_all_folds(ds):
    ds = ds.sel(type="conspecific")
    fits = [
        aa1xr.strf(ds, train=fold.train, validation=fold.validation, lags_ms=20)
        for fold in aa1xr.split(ds, n_folds=5)
    ]
    with Callback(pretask=lambda key, *_: done.append(str(key))):
        done = []
        together = dask.compute(*fits)
    assert sum(key.startswith("moments_of-") for key in done) == ds.sizes["stimulus"]
    xr.testing.assert_identical(together[3], fits[3].compute())


def test_strf__on_a_cluster(ds):
    distributed = pytest.importorskip("distributed")
    lists = {"train": ds.stimulus.values[10:12], "validation": ds.stimulus.values[12:13]}
    options = {**lists, "lags_ms": 20, "alphas": [1]}
    expected = aa1xr.strf(ds, **options).compute(scheduler="synchronous")
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0"):
        xr.testing.assert_allclose(aa1xr.strf(ds, **options).compute(), expected)


@pytest.mark.parametrize("rectify", [False, True])
def test_predict__by_design_matrices(rectify):
    ds, _ = linear_neurons(noise=20)
    fit = fit_to(ds).compute()
    rate = aa1xr.predict(ds[["spectrogram"]], fit, rectify=rectify)
    assert rate.dims == ("neuron", "stimulus", "time")
    for s in range(5):
        sound = (ds.spectrogram[s] - fit.offset) / fit.scale
        silence = np.repeat((-fit.offset / fit.scale).values[:, np.newaxis], 3, 1)
        x = design(np.concatenate([silence, sound.transpose("freq", "time").values], 1), 4)[3:]
        for n in range(4):
            expected = fit.intercept[n].item() + x @ fit.strf[n].values.ravel()
            if rectify:
                expected = np.maximum(expected, 0)
            np.testing.assert_allclose(rate[n, s], expected, rtol=1e-9, atol=1e-9)


def test_predict__of_one_neuron_or_sound_and_of_nan():
    ds, _ = linear_neurons()
    fit = fit_to(ds).compute()
    expected = aa1xr.predict(ds, fit)
    one = aa1xr.predict(ds, fit.isel(neuron=2))
    np.testing.assert_allclose(one, expected[2])
    assert one.dims == ("stimulus", "time")
    one = aa1xr.predict(ds.isel(stimulus=3), fit)
    np.testing.assert_allclose(one, expected[:, 3])
    strf = fit.strf.where(fit.neuron.variable != "b2_1_A")
    unknown = fit.assign(strf=strf.variable)
    assert aa1xr.predict(ds, unknown).isnull().all(["stimulus", "time"]).sum() == 1


def test_predict__is_scored_as_it_is(ds):
    songs = aa1xr.take_trials(ds.sel(type="conspecific", area="MLd"), slice(10))
    songs = songs.isel(neuron=slice(4))
    train, validation, test = aa1xr.split(songs, test=2, validation=2)
    fit = aa1xr.strf(songs, train=train, validation=validation, lags_ms=60)
    rate = aa1xr.predict(songs.sel(stimulus=test), fit)
    with dask.config.set(scheduler="synchronous"):
        scores = aa1xr.mean_score(aa1xr.score(songs, rate))
        spectra = aa1xr.coherence(songs, rate).compute()
    assert scores.cc_norm > 0.85
    assert scores.n_left_out.sel(measure="cc_norm") == 1
    assert spectra.information.notnull().sum() == 3


@pytest.mark.parametrize("window", [{"before_ms": 300}, {"after_ms": 1000}])
def test_strf__counts_the_stimulus_own_time_whatever_the_window(sample_archive, window):
    def fit(**options):
        ds = aa1xr.open_sample(dt_ms=20, **{k: v for k, v in options.items() if k in window})
        ds = ds.sel(type="flatrip", area="MLd").isel(neuron=[0, 2])
        parts = {"train": ds.stimulus.values[:3], "validation": ds.stimulus.values[3:]}
        parts |= {k: v for k, v in options.items() if k not in window}
        return aa1xr.strf(ds, **parts).compute()

    xr.testing.assert_allclose(fit(**window), fit(), rtol=1e-9)
    # All bins are another fit: the mean rate has silence in it.
    assert abs(fit(**window, during="all").offset - fit().offset).max() > 0.01


def test_strf__needs_to_know_when_the_stimulus_plays():
    ds = linear_neurons()[0].drop_vars("duration_s")
    with pytest.raises(ValueError, match="duration_s"):
        fit_to(ds)
    xr.testing.assert_allclose(
        fit_to(ds, during="all").compute(), fit_to(linear_neurons()[0]).compute()
    )


@pytest.mark.parametrize("floor", [1.0, 0.1])
def test_predict__is_bounded_where_a_band_was_silent_in_training(floor):
    ds, _ = linear_neurons(noise=20)
    quiet = ds.copy(deep=True)
    quiet.spectrogram.values[:, 0] = 1e-9 * np.random.default_rng(0).random((5, 63))
    fit = fit_to(quiet, scale_floor=floor, alphas=[0.1]).compute()
    assert fit.deviation[0] < 1e-8
    np.testing.assert_allclose(fit.scale.min(), floor * fit.deviation.max())
    rate = aa1xr.predict(ds, fit, rectify=False)
    # Cauchy-Schwarz, with the whole lagged sound as one vector.
    for s in range(5):
        about = ((ds.spectrogram[s] - fit.offset) / fit.scale).transpose("freq", "time").values
        silence = np.repeat((-fit.offset / fit.scale).values[:, np.newaxis], 3, 1)
        norm = np.linalg.norm(design(np.concatenate([silence, about], 1), 4)[3:], axis=1)
        for n in range(4):
            spread = np.concatenate(
                [rows(ds, n, [t], 4)[1] for t in TRAIN if n != 1 or t != TRAIN[0]]
            )
            bound = spread.std() / (2 * np.sqrt(0.1)) * norm
            assert (abs(rate[n, s] - fit.intercept[n]) <= bound).all()
    assert abs(rate).max() < 1000


@pytest.mark.parametrize("floor", [0, -1, 1.5, float("nan")])
def test_strf__refuses_a_scale_floor_out_of_range(floor):
    with pytest.raises(ValueError, match="scale_floor"):
        fit_to(linear_neurons()[0], scale_floor=floor)


def test_strf__refuses_gaps_in_a_response():
    ds, _ = linear_neurons()
    gap = ds.psth.values.copy()
    gap[0, 1, 7] = np.nan
    with pytest.raises(ValueError, match=r"responses to 'flatrip-01' have gaps"):
        fit_to(ds.assign(psth=(ds.psth.dims, gap))).compute()


def test_predict__refuses_a_fit_with_some_of_its_lags():
    ds, _ = linear_neurons()
    fit = fit_to(ds)
    for lags in (slice(1, None), slice(None, None, 2)):
        with pytest.raises(ValueError, match="lags of fit must be all bins from lag 0 on"):
            aa1xr.predict(ds, fit.isel(lag=lags))
