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
    spread = (sum((v - mean) ** 2 for v in there) / len(there)) ** 0.5
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
        da, over=("stimulus", "time"), stats_from=da.isel(stimulus=slice(train))
    )
    for n, row in enumerate(values):
        mean, spread = by_loops(row[:train])
        np.testing.assert_allclose(scaling.offset[n], mean, rtol=1e-6)
        np.testing.assert_allclose(scaling.scale[n], spread, rtol=1e-6)
        np.testing.assert_allclose(got[n], (row - mean) / spread, rtol=1e-3, atol=1e-3)


@given(ragged)
def test_normalize__by_loops(values):
    da = xr.DataArray(values, dims=("neuron", "stimulus", "time"))
    got, _ = aa1xr.normalize(da)
    for n, row in enumerate(values):
        there = [abs(v) for v in row.ravel() if not np.isnan(v)]
        largest = max(there, default=np.nan)
        np.testing.assert_allclose(got[n], row / (largest if largest != 0 else 1), rtol=1e-6)


@pytest.mark.parametrize("over", ["time", ("stimulus", "time"), ...])
def test_standardize__undoes(ds, over):
    got, scaling = aa1xr.standardize(ds.spectrogram, over=over)
    xr.testing.assert_allclose(scaling.undo(got), ds.spectrogram, atol=1e-5)
    assert scaling.undo(got).attrs == ds.spectrogram.attrs
    assert got.attrs == ds.spectrogram.attrs | {"units": "1"}
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


def test_scaling__constants_and_silence():
    silent = xr.DataArray(np.zeros((2, 3), np.float32), dims=("neuron", "time"))
    for method in ("max", "zscore"):
        got, scaling = aa1xr.normalize(silent, method=method)
        assert (got == 0).all()
        xr.testing.assert_equal(scaling.undo(got), silent)
    tenth, scaling = aa1xr.normalize(silent + np.float32(0.1), method="zscore")
    assert (tenth == 0).all()
    np.testing.assert_array_equal(scaling.undo(tenth), silent + np.float32(0.1))


def test_scaling__for_others_is_refused(ds):
    _, scaling = aa1xr.normalize(ds.psth.sel(area="MLd"))
    with pytest.raises(KeyError, match="did you mean"):
        scaling.apply(ds.psth)
    with pytest.raises(KeyError, match="neuron"):
        scaling.apply(ds.spectrogram)
    with pytest.raises(KeyError, match="sim0000_1_B"):
        aa1xr.normalize(ds.psth, stats_from=ds.psth.sel(area="MLd"))


@pytest.mark.parametrize("method", ["max", "zscore"])
def test_normalize__is_lazy_and_keeps_labels(ds, lazily, method):
    with lazily():
        got, scaling = aa1xr.normalize(ds.psth, method=method)
        scaling.undo(scaling.apply(ds.psth.sel(area="MLd")))
    assert got.chunks is not None
    assert got.dtype == np.float32
    assert got.name == "psth"
    assert got.sel(area="MLd", type="flatrip").sizes["neuron"] == 6
    assert scaling.scale.sel(area="MLd").sizes["neuron"] == 6
    assert scaling.scale.attrs["units"] == "spikes/s"
    chunked = ds.chunk(neuron=3).psth
    got, _ = aa1xr.normalize(chunked, method=method)
    assert len(got.__dask_graph__()) <= 20 * len(chunked.__dask_graph__())


def test_scale__refuses(ds):
    with pytest.raises(ValueError, match="no dimension 'freq'"):
        aa1xr.standardize(ds.psth, over="freq")
    with pytest.raises(ValueError, match="'max', 'zscore'"):
        aa1xr.normalize(ds.psth, method="min")
