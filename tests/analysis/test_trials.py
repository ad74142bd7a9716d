"""Selections of trials: every variable is of them, and what is not is refused."""

import pickle

import numpy as np
import pytest
import xarray as xr
from hypothesis import given

import aa1xr
from aa1xr.dataset import lazy
from aa1xr.export.stimuli import Stimuli
from aa1xr.summary import summarize
from tests.analysis.small_datasets import dataset, ragged_datasets


def check_all_variables(got, ds, positions):
    """Against the counts themselves, in plain NumPy."""
    counts = ds.spikes.values[:, :, positions]
    np.testing.assert_array_equal(got.spikes, counts)
    there = ~np.isnan(counts).all(-1)
    np.testing.assert_array_equal(got.n_trials, there.sum(2))
    np.testing.assert_array_equal(aa1xr.presented(got), there)
    dt, psth = ds.time.attrs["dt_ms"] / 1000, got.psth.values
    for n, s in np.ndindex(there.shape[:2]):
        rows = counts[n, s][there[n, s]]
        expected = rows.mean(0) / dt if len(rows) else np.full(counts.shape[-1], np.nan)
        np.testing.assert_allclose(psth[n, s], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("trials", "positions", "chunks"),
    [
        ("odd", list(range(1, 15, 2)), {}),
        ("even", list(range(0, 15, 2)), {"neuron": 5, "trial": 4}),
        ([12, 3, 4], [12, 3, 4], None),
        ([12, 3, 4], [12, 3, 4], {"neuron": 5, "trial": 4}),
        (slice(-6, None), list(range(9, 15)), {}),
        (slice(-6, None), list(range(9, 15)), None),
        (-1, [14], {}),
        (np.arange(15) < 2, [0, 1], None),
    ],
)
def test_take_trials__takes_them_in_all_variables(sample_archive, chunks, trials, positions):
    ds = aa1xr.open_sample(dt_ms=20, chunks=chunks)
    got = aa1xr.take_trials(ds, trials)
    assert list(got.data_vars) == list(ds.data_vars)
    assert {name: v.dims for name, v in got.items()} == {name: v.dims for name, v in ds.items()}
    np.testing.assert_array_equal(got.trial, ds.trial[positions])
    check_all_variables(got, ds, positions)


@given(ragged_datasets())
def test_take_trials__of_ragged_data(ds):
    ds["n_trials"] = ds.spikes.notnull().any("time").sum("trial")
    ds["psth"] = aa1xr.psth(ds)
    order = np.random.default_rng(0).permutation(ds.sizes["trial"])
    positions = order[: 1 + ds.sizes["trial"] // 2].tolist()
    check_all_variables(aa1xr.take_trials(ds, positions), ds, positions)


def test_take_trials__is_lazy(ds):
    made = aa1xr.take_trials(ds, "odd")
    assert all(variable.chunks is not None for variable in made.data_vars.values())
    assert len(made.psth.__dask_graph__()) < 100


@pytest.mark.parametrize("chunks", [{}, None])
def test_take_trials__psth_comes_straight_from_the_events(sample_archive, chunks, monkeypatch):
    ds = aa1xr.open_sample(chunks=chunks)
    part = ds.sel(area="MLd").isel(stimulus=[4, 0], time=slice(10, 90))
    cases = [ds, part, aa1xr.take_trials(part, [1, 9, 3])]
    taken = [aa1xr.take_trials(case, [0, 2]) for case in cases]
    expected = [aa1xr.psth(case) for case in taken]
    expected = [rate.compute() for rate in expected]

    def refuse(*args):
        raise AssertionError("counts of trials were made")

    monkeypatch.setattr(lazy.Spikes, "compute", refuse)
    for got, rate in zip(taken, expected, strict=True):
        np.testing.assert_allclose(got.psth, rate, rtol=1e-6)


def test_take_trials__of_trials_in_another_order_under_the_same_labels(ds):
    for chunks in ({}, None):
        whole = aa1xr.open_sample(chunks=chunks).isel(neuron=[0], stimulus=[0])  # 15 trials
        turned = whole.spikes.isel(trial=slice(None, None, -1)).variable
        shuffled = whole.assign(spikes=turned)
        got = aa1xr.take_trials(shuffled, [0, 1, 2])
        np.testing.assert_allclose(got.psth, aa1xr.psth(whole.isel(trial=[14, 13, 12])))
        rolled = whole.assign(spikes=whole.spikes.roll(trial=1))
        got = aa1xr.take_trials(rolled, [0, 1])
        np.testing.assert_allclose(got.psth, aa1xr.psth(whole.isel(trial=[14, 0])))


def test_take_trials__again(ds):
    odd = aa1xr.take_trials(ds, "odd")
    check_all_variables(aa1xr.take_trials(odd, [0, 4]), ds, [1, 9])
    check_all_variables(aa1xr.take_trials(odd, odd.trial > 5), ds, [7, 9, 11, 13])


def test_take_trials__odd_is_by_presentation_number(ds):
    late = aa1xr.take_trials(ds, slice(3, None))
    assert aa1xr.take_trials(late, "odd").trial.values.tolist() == [3, 5, 7, 9, 11, 13]


def test_take_trials__leaves_the_dataset_as_it_was(ds):
    before = ds.copy(deep=True)
    ds.aa1.take_trials("odd")
    xr.testing.assert_identical(ds, before)
    assert "trials" not in ds.trial.attrs


@pytest.mark.parametrize("how", ["save", "netcdf", "pickle", "select", "concat", "load"])
def test_take_trials__outlives(ds, tmp_path, how):
    odd = aa1xr.take_trials(ds, "odd")
    if how == "save":
        aa1xr.save(odd, tmp_path / "odd.zarr")
        got = aa1xr.load(tmp_path / "odd.zarr")
    elif how == "netcdf":
        got = xr.open_dataset(bytes(odd.drop_encoding().to_netcdf(engine="scipy")), engine="scipy")
    elif how == "pickle":
        got = pickle.loads(pickle.dumps(odd))
    elif how == "concat":
        areas = [odd.sel(area=area) for area in ("MLd", "Field_L")]
        got = xr.concat(areas, "neuron", data_vars="minimal").sel(neuron=ds.neuron.values)
    else:
        got = odd.isel(time=slice(None)).transpose("time", ...).load()
        got = got.transpose(*ds.dims) if how == "load" else got.sel(neuron=ds.neuron.values)
    got = got.transpose("neuron", "stimulus", "trial", "freq", "time")
    check_all_variables(got, ds, list(range(1, 15, 2)))


def test_take_trials__halves_are_not_one(ds):
    ds = ds.compute()
    odd, even = (aa1xr.take_trials(ds, trials) for trials in ("odd", "even"))
    r = xr.corr(odd.psth, even.psth, ["stimulus", "time"])
    halves = [aa1xr.psth(ds.isel(trial=slice(first, None, 2))) for first in (1, 0)]
    np.testing.assert_allclose(r, xr.corr(*halves, ["stimulus", "time"]), rtol=1e-5)
    assert float(r.max()) < 0.95


def test_take_trials__refuses_rates_that_were_changed(ds):
    smooth = ds.assign(psth=aa1xr.smooth(ds.psth))
    with pytest.raises(ValueError, match="Take trials first"):
        aa1xr.take_trials(smooth, "odd").psth.compute()
    other = ds.assign(spikes=ds.spikes.clip(max=1))
    with pytest.raises(ValueError, match="Take trials first"):
        aa1xr.take_trials(other, "odd").psth.compute()
    changed = aa1xr.take_trials(other.drop_vars("psth"), "odd")
    np.testing.assert_array_equal(changed.spikes, other.spikes.isel(trial=slice(1, None, 2)))


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        (np.zeros(15, bool), "at least one"),
        ([0, -15], "each trial once"),
        (True, "must be 'odd', 'even', positions"),
        (xr.DataArray(np.ones(15, bool), dims="neuron"), "along 'trial'"),
    ],
)
def test_take_trials__refuses(ds, trials, message):
    with pytest.raises(ValueError, match=message):
        aa1xr.take_trials(ds, trials)


def test_take_trials__needs_an_axis_of_trials(ds):
    for bare in (ds.isel(trial=0), ds.drop_vars("trial")):
        with pytest.raises(ValueError, match="axis 'trial'"):
            aa1xr.take_trials(bare, "odd")
    with pytest.raises(ValueError, match="no variable 'spikes'"):
        aa1xr.take_trials(ds[["psth"]], "odd")


def test_trial_halves__have_half_of_each_pair(ds):
    halves = aa1xr.trial_halves(ds, n=20)
    for first, second in halves[:3]:
        assert sorted(first + second) == list(range(15))
        one, other = (aa1xr.take_trials(ds, half).n_trials for half in (first, second))
        assert int(abs(one - other).max()) <= 1
    assert len({tuple(sorted([tuple(a), tuple(b)])) for a, b in halves}) > 15
    assert halves == aa1xr.trial_halves(ds, n=20) != aa1xr.trial_halves(ds, n=20, seed=1)
    with pytest.raises(ValueError, match="at least two trials"):
        aa1xr.trial_halves(ds.isel(trial=[0]))


# Which trials `psth` and `n_trials` are of


def odd(ds):
    return aa1xr.take_trials(ds, "odd")


#: Datasets in which `psth` or `n_trials` is not of the trials that are there.
SELECTED = {
    "isel": lambda ds: ds.isel(trial=slice(0, 2)),
    "sel": lambda ds: ds.sel(trial=[3, 4]),
    "one": lambda ds: ds.isel(trial=3),
    "where": lambda ds: ds.assign(spikes=ds.spikes.where(ds.trial < 2)),
    "where, in memory": lambda ds: ds.assign(spikes=ds.spikes.where(ds.trial < 2)).compute(),
    "taken, then isel": lambda ds: odd(ds).isel(trial=[0, 4]),
    "psth of all": lambda ds: odd(ds).assign(psth=ds.psth),
    "psth without attributes": lambda ds: odd(ds).assign(psth=odd(ds).psth.drop_attrs(deep=False)),
    "isel without n_trials": lambda ds: ds.drop_vars("n_trials").isel(trial=slice(0, 2)),
    "drawn with replacement": lambda ds: ds.isel(trial=[0, 0, 1]),
}


@pytest.mark.parametrize("name", SELECTED)
def test_psth_of_other_trials__is_refused(ds, name):
    other = SELECTED[name](ds)
    train, validation, _ = aa1xr.split(ds, test=2, validation=2)
    with pytest.raises(ValueError, match=r"take_trials|replacement"):
        aa1xr.strf(other, train=train, validation=validation).compute()
    with pytest.raises(ValueError, match=r"take_trials|replacement"):
        aa1xr.plot.psth(other, "sim0000_1_B", "flatrip-00")
    with pytest.raises(ValueError, match=r"trial"):
        aa1xr.take_trials(other, "odd").psth.compute()
    if "n_trials" in other:
        with pytest.raises(ValueError, match=r"take_trials|replacement"):
            Stimuli(other, "psth")


@pytest.mark.parametrize("name", SELECTED)
def test_presented__is_right_or_refused(ds, name):
    other = SELECTED[name](ds)
    if "n_trials" not in other:
        return
    if name.startswith("where"):
        functions = (
            lambda d: aa1xr.presented(d).compute(),
            aa1xr.drop_missing,
            aa1xr.plot.coverage,
        )
        for function in functions:
            with pytest.raises(ValueError, match="contradict"):
                function(other)
        return
    there = other.spikes.isel(time=0).notnull()
    np.testing.assert_array_equal(aa1xr.presented(other), there)


@pytest.mark.parametrize("lost", ["n_trials", "trial", "both"])
def test_take_trials__attributes_that_were_lost(ds, lost):
    odd = aa1xr.take_trials(ds, "odd")
    bare = odd
    if lost != "trial":
        bare = bare.assign(n_trials=(odd.n_trials.dims, odd.n_trials.data))
    if lost != "n_trials":
        bare = bare.assign_coords(trial=odd.trial.values)
    if lost == "both":
        with pytest.raises(ValueError, match="contradict"):
            aa1xr.presented(bare).compute()
        with pytest.raises(ValueError, match="more presentations"):
            aa1xr.take_trials(bare, [0])
    else:
        check_all_variables(bare, ds, list(range(1, 15, 2)))


def test_psth_of_other_trials__the_ways_on(ds):
    ds = ds.isel(neuron=[0, 2], stimulus=[4, 6, 10, 11])
    train, validation, _ = aa1xr.split(ds, test=1, validation=1)
    options = {"train": train, "validation": validation, "lags_ms": 20, "alphas": [1]}
    part = ds.isel(trial=slice(0, 4))
    fits = [
        aa1xr.strf(d, **options).compute()
        for d in (part.assign(psth=aa1xr.psth(part)), aa1xr.take_trials(ds, slice(0, 4)))
    ]
    np.testing.assert_allclose(*(fit.strf for fit in fits), rtol=1e-4, atol=1e-6)
    whole = aa1xr.strf(ds, **options).compute()
    assert float(abs(whole.strf - fits[0].strf).max()) > 0.01


def test_psth_of_all_trials__is_taken(ds):
    part = {"neuron": [0, 2, 3], "stimulus": [4, 10, 11]}
    without = {"neuron": "sim0000_2_A"}  # it was not presented any song
    ds = ds.drop_sel(without).isel(part)
    train, validation, _ = aa1xr.split(ds, test=1, validation=1, stratify=None)
    options = {"train": train, "validation": validation, "lags_ms": 10, "alphas": [1]}
    expected = aa1xr.strf(ds, **options).compute()
    for same in (
        ds.isel(trial=slice(None, None, -1)),
        ds.compute(),
        aa1xr.open_sample(chunks=None).drop_sel(without).isel(part),
        ds[["psth", "spectrogram"]],
        ds.drop_vars("n_trials"),
        ds.drop_vars("spikes"),
        ds.isel(neuron=slice(None), trial=slice(0, 15)),
    ):
        got = aa1xr.strf(same, **options).compute()
        np.testing.assert_allclose(got.strf, expected.strf, rtol=1e-6, atol=1e-9)
    ten = ds.isel(neuron=[1, 2], trial=slice(0, 10))  # these neurons have ten presentations
    aa1xr.strf(ten, **options).compute()


def test_events__of_trials_taken(ds):
    odd = aa1xr.take_trials(ds, "odd")
    got = aa1xr.events(odd)
    np.testing.assert_array_equal(got.n_trials, ds.n_trials)
    there = odd.spikes.isel(time=0).notnull()
    np.testing.assert_array_equal(aa1xr.presented(got), there)
    np.testing.assert_array_equal(
        aa1xr.spike_counts(odd), aa1xr.spike_counts(ds).isel(trial=slice(1, None, 2))
    )


def test_summary__counts_the_trials_taken(ds):
    odd = aa1xr.take_trials(ds, "odd")
    assert summarize(odd)["presentations"]["count"] == int(odd.n_trials.sum())
    part = ds.isel(trial=slice(1, None, 2))
    assert summarize(part)["presentations"] == summarize(odd)["presentations"]


def test_take_trials__of_one_neuron_or_stimulus(ds):
    whole = aa1xr.take_trials(ds, "odd")
    for one in ({"neuron": 3}, {"stimulus": 2}, {"neuron": 3, "stimulus": 2}):
        got = aa1xr.take_trials(ds.isel(one), "odd")
        xr.testing.assert_allclose(got.compute(), whole.isel(one).compute())


def test_summary__of_n_trials_that_are_of_other_trials(ds):
    odd = aa1xr.take_trials(ds, "odd")
    assert "presentations" not in summarize(odd.assign_coords(trial=odd.trial + 1))


def test_take_trials__learning_curve_is_the_closed_form():
    # Poisson cells of known rate: signal power is the variance of the rate, noise power its mean.
    rng = np.random.default_rng(0)
    rate = np.array([0.5, 1, 2])[:, None, None] * rng.gamma(2, 1, (3, 2, 2000))
    counts = rng.poisson(rate[:, :, None], (3, 2, 20, 2000))
    ds = dataset(counts.astype(float), [2000, 2000])
    ds["n_trials"] = (("neuron", "stimulus"), np.full((3, 2), 20))
    ds["psth"] = aa1xr.psth(ds)
    signal, noise = rate.var((1, 2)), rate.mean((1, 2))
    for n in (1, 8):
        found = [
            aa1xr.score(
                aa1xr.take_trials(ds, rest), aa1xr.take_trials(ds, half[:n]).psth
            ).cc_norm.values
            for half, rest in aa1xr.trial_halves(ds, n=2)
        ]
        closed = 1 / np.sqrt(1 + noise / (n * signal))
        np.testing.assert_allclose(np.mean(found, 0), closed, atol=0.02)


def test_take_trials__again_without_n_trials(ds):
    """The rates say of which trials they are; what the store counts does not matter."""
    some = aa1xr.take_trials(ds, slice(10))
    expected = aa1xr.take_trials(some, "even")[["psth", "spikes"]]
    found = aa1xr.take_trials(some[["psth", "spikes"]], "even")
    xr.testing.assert_equal(found, expected)
