import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import aa1xr


def by_loops(values):
    """Mean and standard deviation of what is not missing."""
    there = [float(v) for v in np.ravel(values) if not np.isnan(v)]
    if not there:
        return np.nan, np.nan
    mean = sum(there) / len(there)
    spread = (sum((v - mean) ** 2 for v in there) / max(len(there) - 1, 1)) ** 0.5
    return mean, spread if min(there) != max(there) else 1.0


ragged = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6)),
    elements=st.one_of(
        st.integers(0, 50).map(np.float32), st.just(np.float32(0.1)), st.just(np.nan)
    ),
)


@given(ragged, st.data())
def test_standardize__by_loops(values, data):
    da = xr.DataArray(values, dims=("neuron", "stimulus", "time"))
    train = data.draw(st.integers(1, values.shape[1]))
    got, scaling = aa1xr.standardize(
        da, over=("stimulus", "time"), stats_from=da.isel(stimulus=slice(train)), during="all"
    )
    for n, row in enumerate(values):
        mean, spread = by_loops(row[:train])
        np.testing.assert_allclose(scaling.offset[n], mean, rtol=1e-6)
        np.testing.assert_allclose(scaling.scale[n], spread, rtol=1e-6)
        np.testing.assert_allclose(got[n], (row - mean) / spread, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("chunks", [{}, {"neuron": 1}, {"stimulus": 1, "time": 2}])
def test_standardize__of_blocks_without_data(chunks):
    """A neuron without data, one with a single value, and one without some stimuli."""
    values = np.random.default_rng(0).normal(1000, 1, (4, 3, 50))
    values[0] = values[1] = values[2, 1:] = np.nan
    values[1, 0, 7] = 3
    da = xr.DataArray(values, dims=("neuron", "stimulus", "time")).chunk(chunks)
    for over in (("stimulus", "time"), ("neuron", "time"), ...):
        # Warnings are errors here: dask warns of 0/0.
        scaled, scaling = aa1xr.standardize(da, over=over, during="all")
        expected = da.compute().std(over, ddof=1)
        if over == ("stimulus", "time"):
            assert np.isnan(scaled[0]).all().compute()
            expected[1] = 1
        np.testing.assert_allclose(scaling.scale, expected, rtol=1e-9)
        assert scaling.scale.dtype == np.float64


@given(ragged)
def test_normalize__by_loops(values):
    da = xr.DataArray(values, dims=("neuron", "stimulus", "time"))
    got, _ = aa1xr.normalize(da, during="all")
    for n, row in enumerate(values):
        there = [abs(v) for v in row.ravel() if not np.isnan(v)]
        largest = max(there, default=np.nan)
        np.testing.assert_allclose(got[n], row / (largest if largest != 0 else 1), rtol=1e-6)


@pytest.mark.parametrize("over", ["time", ("stimulus", "time"), ...])
def test_standardize__undoes(ds, over):
    got, scaling = aa1xr.standardize(ds.spectrogram, over=over)
    xr.testing.assert_allclose(scaling.undo(got), ds.spectrogram, atol=1e-5)
    assert scaling.undo(got).attrs == ds.spectrogram.attrs
    scaled = {"units": "1", "scaled": "(x - offset) / scale"}
    assert got.attrs == ds.spectrogram.attrs | scaled
    again = scaling.apply(ds.spectrogram)
    xr.testing.assert_identical(again.compute(), got.compute())


def test_normalize__zscore_is_standardize_per_neuron(ds):
    got, _ = aa1xr.normalize(ds.psth, method="zscore")
    same, _ = aa1xr.standardize(ds.psth, over=["stimulus", "time"])
    xr.testing.assert_identical(got.compute(), same.compute())
    one, scaling = aa1xr.normalize(ds.psth.isel(neuron=4))
    assert scaling.scale.ndim == 0
    assert float(one.max()) == 1


def test_scaling__of_training_data_applies_to_other_data(ds):
    train = ds.psth.sel(type="conspecific")
    _, scaling = aa1xr.normalize(train)
    scaling = scaling.compute()
    assert scaling.scale.chunks is None
    test = ds.psth.sel(type="flatrip")
    np.testing.assert_allclose(
        scaling.apply(test), test / train.max(["stimulus", "time"]), rtol=1e-6
    )
    # For any selection and order of neurons, with labels of its own, and for one of them.
    some = test.isel(neuron=[7, 3]).assign_coords(depth=("neuron", [1, 2]))
    np.testing.assert_array_equal(scaling.apply(some), scaling.apply(test).isel(neuron=[7, 3]))
    np.testing.assert_array_equal(
        scaling.apply(test.sel(neuron="sim0000_1_A")),
        scaling.apply(test).sel(neuron="sim0000_1_A"),
    )


def test_scaling__without_training_data_is_missing(ds):
    got, _ = aa1xr.normalize(ds.psth, stats_from=ds.psth.sel(type="conspecific"))
    got = got.compute()
    assert got.sel(neuron="sim0000_2_A").isnull().all()
    assert got.sel(neuron="sim0000_1_A", type="flatrip").notnull().any()
    with pytest.raises(KeyError, match="sim0000_1_B"):
        aa1xr.normalize(ds.psth, stats_from=ds.psth.sel(area="MLd"))


def test_scaling__constants_and_silence():
    silent = xr.DataArray(np.zeros((2, 3), np.float32), dims=("neuron", "time"))
    for method in ("max", "zscore"):
        got, scaling = aa1xr.normalize(silent, method=method, during="all")
        assert (got == 0).all()
        xr.testing.assert_equal(scaling.undo(got), silent)
    tenth, scaling = aa1xr.normalize(silent + np.float32(0.1), method="zscore", during="all")
    assert (tenth == 0).all()
    np.testing.assert_array_equal(scaling.undo(tenth), silent + np.float32(0.1))


@pytest.mark.parametrize("options", [{}, {"before_ms": 500, "after_ms": 300}, {"dt_ms": 20}])
def test_standardize__over_sounds_and_not_over_padding(options):
    ds = aa1xr.open_sample(**options)
    train = ds.stimulus.values[::2]
    _, scaling = aa1xr.standardize(
        ds.spectrogram, over=("stimulus", "time"), stats_from=ds.spectrogram.sel(stimulus=train)
    )
    sound = ds.spectrogram.sel(stimulus=train)
    time, ends = ds.time.values, sound.n_samples.values / sound.sample_rate.values
    parts = [s[:, (time >= 0) & (time < end)] for s, end in zip(sound.values, ends, strict=True)]
    frames = np.concatenate(parts, axis=1).astype(float)
    np.testing.assert_allclose(scaling.offset, frames.mean(1), rtol=1e-9)
    np.testing.assert_allclose(scaling.scale, frames.std(1, ddof=1), rtol=1e-9)


def test_standardize__does_not_depend_on_the_window(ds):
    wide = aa1xr.open_sample(before_ms=1000, after_ms=500)
    for over in (("stimulus", "time"), "time", ...):
        one, other = (aa1xr.standardize(d.spectrogram, over=over)[1] for d in (ds, wide))
        np.testing.assert_allclose(one.offset, other.offset, rtol=1e-9)
        np.testing.assert_allclose(one.scale, other.scale, rtol=1e-9)
    for method in ("max", "zscore"):
        one, other = (aa1xr.normalize(d.psth, method=method)[1] for d in (ds, wide))
        np.testing.assert_allclose(one.offset, other.offset, rtol=1e-6)
        np.testing.assert_allclose(one.scale, other.scale, rtol=1e-6)


def test_standardize__silence_is_the_same_in_and_after_sounds(ds):
    sound, scaling = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
    silence = (-scaling.offset / scaling.scale).values
    after = sound.isel(stimulus=int(ds.n_samples.values.argmin()), time=-1)
    np.testing.assert_allclose(after, silence, rtol=1e-5)


def test_standardize__needs_to_know_when_stimuli_play(ds):
    gone = ds.spectrogram.drop_vars("duration_s")
    for function in (
        lambda da: aa1xr.standardize(da, over=("stimulus", "time")),
        aa1xr.normalize,
    ):
        with pytest.raises(ValueError, match="during='all'"):
            function(gone)
        function(gone.assign_coords(duration_s=ds.duration_s))
    aa1xr.standardize(gone, over="freq")
    every, _ = aa1xr.standardize(gone, over=("stimulus", "time"), during="all")
    assert abs(float(every.mean())) < 1e-3
    with pytest.raises(ValueError, match="during="):
        aa1xr.standardize(gone, over="freq", during="sound")
