from collections import Counter

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from tests.analysis.small_datasets import refuse


def labelled(types):
    """Stimuli of these types; only labels matter."""
    return xr.Dataset(
        coords={
            "stimulus": [f"{type_}-{k:02d}" for k, type_ in enumerate(types)],
            "type": ("stimulus", types),
        }
    )


types = st.lists(st.sampled_from(["conspecific", "flatrip", "other"]), min_size=2, max_size=40)


def parts_of(ds, split):
    assert sorted(np.concatenate(split)) == sorted(ds.stimulus.values)
    order = ds.stimulus.values.tolist()
    for part in split:
        places = [order.index(label) for label in part]
        assert places == sorted(places)


@given(types, st.data())
def test_split__into_parts_in_proportion(types, data):
    ds = labelled(types)
    test = data.draw(st.integers(1, len(types) - 1))
    validation = data.draw(st.integers(0, len(types) - 1 - test))
    got = aa1xr.split(ds, test=test, validation=validation, seed=data.draw(st.integers(0, 5)))
    parts_of(ds, got)
    assert (got.test.size, got.validation.size) == (test, validation)
    for part in got:
        for type_, n in Counter(types).items():
            here = sum(label.startswith(type_) for label in part)
            # Both the type's share and the part's own size are rounded.
            assert abs(here - n * part.size / len(types)) < 2


@given(types, st.data())
def test_split__into_folds(types, data):
    ds = labelled(types)
    n_folds = data.draw(st.integers(2, len(types)))
    validation = data.draw(st.sampled_from([0, 1])) if len(types) > 2 * n_folds else 0
    folds = aa1xr.split(ds, n_folds=n_folds, validation=validation)
    assert len(folds) == n_folds
    for fold in folds:
        parts_of(ds, fold)
        assert fold.validation.size == validation
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == sorted(ds.stimulus.values)


@given(types, st.randoms())
def test_split__does_not_depend_on_order(types, random):
    ds = labelled(types)
    order = list(range(len(types)))
    random.shuffle(order)
    for one, other in zip(aa1xr.split(ds), aa1xr.split(ds.isel(stimulus=order)), strict=True):
        assert set(one) == set(other)


def test_split__is_the_same_tomorrow(ds):
    """What someone has fitted and published on may not change with a version."""
    held_out = ["conspecific-04", "conspecific-05", "flatrip-01"]
    assert aa1xr.split(ds).test.tolist() == held_out
    assert aa1xr.split(ds, seed=1).test.tolist() != held_out


def test_split__labels_select(ds):
    with dask.config.set(scheduler=refuse):
        train, validation, test = aa1xr.split(ds, test=0.2, validation=0.2)
        parts = [ds.sel(stimulus=part) for part in (train, validation, test)]
    assert [part.sizes["stimulus"] for part in parts] == [9, 3, 3]
    assert Counter(parts[2].type.values) == {"conspecific": 2, "flatrip": 1}


def test_split__by_label_keeps_its_neurons_together(ds):
    train, _, test = aa1xr.split(ds, by="animal_id", test=1)
    animals = (ds.animal_id[ds.animal_id.isin(part)] for part in (train, test))
    seen, held_out = (set(of.values) for of in animals)
    assert seen
    assert held_out
    assert not seen & held_out
    got = aa1xr.split(ds, by="neuron", test=4)
    assert got.validation.size == 0
    assert Counter(ds.sel(neuron=got.test).area.values) == {"MLd": 2, "Field_L": 2}
    trials = aa1xr.split(ds, by="trial")
    assert ds.sel(trial=trials.test).sizes["trial"] == 3


def test_split__what_it_gives_by_default_can_be_fitted(ds):
    train, validation, test = aa1xr.split(ds)
    assert (train.size, validation.size, test.size) == (9, 3, 3)
    few = ds.isel(neuron=[0, 6])
    fit = aa1xr.strf(few, train=train, validation=validation, lags_ms=20, alphas=[1]).compute()
    assert np.isfinite(fit.cc_validation).any()
    for fold in aa1xr.split(ds, n_folds=5):
        assert fold.validation.size == 3


def test_split__nothing_leaks(ds):
    """Whatever the held-out stimuli hold, what a model is trained on is the same."""

    def training_data(ds):
        fold = aa1xr.split(ds, n_folds=5, validation=0.2)[2]
        rate = aa1xr.smooth(aa1xr.resample(ds, dt_ms=10).psth)
        rate, _ = aa1xr.normalize(rate, stats_from=rate.sel(stimulus=fold.train))
        sound, scaling = aa1xr.standardize(
            ds.spectrogram,
            over=("stimulus", "time"),
            stats_from=ds.spectrogram.sel(stimulus=fold.train),
        )
        seen = [data.sel(stimulus=fold.train).compute() for data in (rate, sound)]
        return fold, [*seen, scaling.compute()]

    fold, expected = training_data(ds)
    held_out = [*fold.validation, *fold.test]
    spoiled = ds.copy()
    for name in ("psth", "spectrogram"):
        array = ds[name]
        changed = array.where(~array.stimulus.isin(held_out), array * 100 + 1e3)
        spoiled = spoiled.assign({name: changed.transpose(*array.dims).variable})
    assert not spoiled.psth.equals(ds.psth)
    _, got = training_data(spoiled)
    for one, other in zip(got[:2], expected[:2], strict=True):
        xr.testing.assert_equal(one, other)
    xr.testing.assert_equal(got[2].scale, expected[2].scale)
    xr.testing.assert_equal(got[2].offset, expected[2].offset)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 15}, "none for"),
        ({"test": 10, "validation": 0.5}, "none for"),
        ({"test": float("nan")}, "test must be a finite number"),
        ({"n_folds": 1}, "2 to 15"),
        ({"by": "animal_id", "stratify": "area"}, "more than one 'area'"),
    ],
)
def test_split__refuses(ds, options, message):
    with pytest.raises(ValueError, match=message):
        aa1xr.split(ds, **options)
