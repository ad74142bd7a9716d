"""Lazy arrays, indexed in any way and again, are what the computed ones are."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from tests.small_archives import archives, fewer, open_temporary


def outer(size):
    """Anything along one axis; the empty slice backwards is xarray's own trouble."""
    position = st.integers(-size, size - 1)
    bound = st.one_of(st.none(), st.integers(-size - 1, size + 1))
    step = st.one_of(st.none(), st.integers(-3, 3).filter(bool))
    slices = st.builds(slice, bound, bound, step).filter(
        lambda s: (s.step or 1) > 0 or len(range(*s.indices(size)))
    )
    lists = st.lists(position, max_size=2 * size).map(lambda p: np.array(p, dtype=int))
    masks = st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)
    return st.one_of(position, slices, lists, masks) if size else st.just(slice(None))


def pointwise(data, sizes):
    """Two axes along one new one."""
    dims = data.draw(st.lists(st.sampled_from(sorted(sizes)), min_size=2, max_size=2, unique=True))
    n = data.draw(st.integers(0, 4))
    positions = {
        dim: data.draw(st.lists(st.integers(-sizes[dim], sizes[dim] - 1), min_size=n, max_size=n))
        for dim in dims
    }
    return {dim: xr.DataArray(np.array(p, int), dims="point") for dim, p in positions.items()}


@fewer
@given(
    made=archives(),
    data=st.data(),
    chunks=st.sampled_from([None, None, {}]),
    name=st.sampled_from(["spikes", "psth", "n_trials", "spectrogram"]),
)
def test_getitem__again_and_again(made, data, chunks, name):
    with open_temporary(made, dt_ms=5, chunks=chunks, n_mels=3) as ds:
        lazy, eager = ds[name], ds[name].compute()
        for _ in range(data.draw(st.integers(1, 3))):
            kind = data.draw(st.sampled_from(["outer", "outer", "points", "transpose"]))
            if kind == "points" and "point" not in lazy.dims and min(lazy.shape, default=0) > 0:
                key = pointwise(data, dict(lazy.sizes)) if lazy.ndim > 1 else {}
            elif kind == "transpose":
                order = data.draw(st.permutations(lazy.dims))
                lazy, eager = lazy.transpose(*order), eager.transpose(*order)
                continue
            else:
                dims = [dim for dim in lazy.dims if dim != "point"]
                key = {dim: data.draw(outer(lazy.sizes[dim]), label=str(dim)) for dim in dims}
            lazy, eager = lazy.isel(key), eager.isel(key)
        np.testing.assert_array_equal(lazy.values, eager.values)
        assert lazy.dims == eager.dims
        assert lazy.dtype == eager.dtype


@pytest.mark.parametrize("name", ["spikes", "psth", "n_trials", "spectrogram"])
def test_getitem__nothing_from_back_to_front(sample_archive, name):
    lazy = aa1xr.open_sample(chunks=None)[name]
    assert lazy.isel(stimulus=slice(5, 5, -1)).values.size == 0
