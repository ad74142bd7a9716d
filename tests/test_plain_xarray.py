"""The Dataset is plain xarray: each operation does what it does on a Dataset built by hand.

Every operation of `xarray_operations.py` runs on the sample in each form that a user has it in,
and on a Dataset made of NumPy arrays with no code of ours. Both must give identical results, or
raise the same exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import aa1xr
from tests.xarray_operations import NEEDS, OPERATIONS, REFUSED

#: Two areas, two animals, cells recorded together, one with more trials, one without songs.
NEURONS = [0, 1, 5, 6, 7, 11]
#: Two songs and two ripples, of different lengths.
STIMULI = [0, 3, 10, 12]


def by_hand(ds: xr.Dataset) -> xr.Dataset:
    """The same values in a Dataset that knows nothing of aa1xr."""
    variables = {
        name: (variable.dims, np.array(variable.values), dict(variable.attrs))
        for name, variable in ds.variables.items()
    }
    coords = {name: variables.pop(name) for name in ds.coords}
    return xr.Dataset(variables, coords, dict(ds.attrs))


def sample(chunks: Any = {}) -> xr.Dataset:  # noqa: B006 - as in aa1xr.open
    ds = aa1xr.open_sample(dt_ms=20, chunks=chunks)
    return ds.isel(neuron=NEURONS, stimulus=STIMULI)


def saved(folder: Path) -> xr.Dataset:
    aa1xr.save(sample(), folder / "saved.zarr")
    return aa1xr.load(folder / "saved.zarr")


#: How a user has the Dataset, and the twin that it is held against.
FORMS: dict[str, tuple[str, Callable[[Path], xr.Dataset]]] = {
    "lazy": ("in blocks", lambda folder: sample()),
    "without dask": ("in memory", lambda folder: sample(None)),
    "loaded": ("in memory", lambda folder: sample().load()),
    "saved": ("in blocks", saved),
    "with quality": ("with measures", lambda folder: aa1xr.with_quality(sample({"neuron": 4}))),
    "rechunked": ("rechunked", lambda folder: sample().chunk(neuron=4, time=60)),
}


def chunked(ds: xr.Dataset, **sizes: int) -> xr.Dataset:
    """Its variables as dask arrays, and the labels in memory, as `aa1xr.open` gives them."""
    return ds.assign(
        {name: array.chunk(sizes) for name, array in ds.variables.items() if name in ds.data_vars}
    )


#: Datasets by hand. When all of one is rechunked, its labels are dask arrays too.
TWINS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "in memory": lambda hand: hand,
    "in blocks": chunked,
    "with measures": lambda hand: chunked(
        hand.assign_coords(by_hand(aa1xr.quality(sample(None))).data_vars), neuron=4
    ),
    "rechunked": lambda hand: hand.chunk(neuron=4, time=60),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads cost more than they save on so little, and their order would change rounding."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def form(data_dir, tmp_path_factory):
    return cache(lambda name: FORMS[name][1](tmp_path_factory.mktemp("form")))


@pytest.fixture(scope="module")
def twin(data_dir):
    hand = by_hand(sample())
    return cache(lambda name: TWINS[name](hand))


@pytest.fixture(scope="module")
def expected(twin):
    """What an operation gives on a twin."""
    return cache(lambda name, operation: outcome(operation, twin(name)))


@pytest.mark.parametrize("name", FORMS)
def test_form__has_the_indexes_of_xarray(name, form, twin):
    ds = form(name)
    assert set(ds.xindexes) == {"neuron", "stimulus", "trial", "time", "freq"}
    assert {type(index) for index in ds.xindexes.values()} == {xr.indexes.PandasIndex}
    check(ds.compute(), twin(FORMS[name][0]).compute())


@pytest.mark.parametrize("name", [name for name in FORMS if name != "rechunked"])
def test_form__has_its_labels_in_memory(name, form):
    coords = form(name).coords
    assert [name for name, coord in coords.items() if not coord.variable._in_memory] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation__is_possible(operation, expected):
    """So that two exceptions are not taken for agreement; `REFUSED` says where they are."""
    if operation in NEEDS:
        pytest.importorskip(NEEDS[operation])
    result = expected("in memory", operation)
    assert (type(result) if isinstance(result, Exception) else None) == REFUSED.get(operation)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FORMS)
def test_operation__as_on_a_dataset_by_hand(name, operation, form, expected):
    if operation in NEEDS:
        pytest.importorskip(NEEDS[operation])
    right = expected(FORMS[name][0], operation)
    got = outcome(operation, form(name))
    errors = [result for result in (got, right) if isinstance(result, Exception)]
    if errors:
        assert type(got) is type(right), f"expected {right!r}, got {got!r}"
    else:
        check(got, right)


def outcome(operation: str, ds: xr.Dataset) -> Any:
    """The computed result of an operation on a copy, or its exception."""
    try:
        return compute(OPERATIONS[operation](ds.copy(deep=True)))
    except Exception as error:  # noqa: BLE001 - whichever it is, both must raise it
        return error


def compute(result: Any) -> Any:
    """With all that is lazy computed."""
    if isinstance(result, tuple | list):
        return [compute(part) for part in result]
    if isinstance(result, Mapping) and not isinstance(result, xr.Dataset | xr.DataTree):
        return {name: compute(part) for name, part in result.items()}
    if isinstance(result, xr.Dataset | xr.DataArray | xr.DataTree):
        return result.compute()
    return result


def check(got: Any, expected: Any) -> None:
    """Assert that two results are the same in all that a user sees."""
    assert type(got) is type(expected), f"expected {expected!r}, got {got!r}"
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            check(one, other)
    elif isinstance(expected, dict):
        check(list(got), list(expected))
        check(list(got.values()), list(expected.values()))
    elif isinstance(expected, xr.Dataset | xr.DataArray):
        check_xarray(got, expected)
    elif isinstance(expected, xr.DataTree):
        xr.testing.assert_identical(got, expected)
        for one, other in zip(got.subtree, expected.subtree, strict=True):
            check_xarray(one.to_dataset(), other.to_dataset())
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(got, expected, check_exact=True)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(got, expected, check_exact=True)
    elif isinstance(expected, pd.Index):
        pd.testing.assert_index_equal(got, expected, exact=True)
    elif isinstance(expected, np.ndarray | np.generic):
        np.testing.assert_array_equal(got, expected, strict=True)
    elif isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(got)
    else:
        assert isinstance(expected, str | int | float | slice | None), (
            f"cannot compare {expected!r}"
        )
        assert got == expected


def check_xarray(got: Any, expected: Any) -> None:
    """Values, dimensions, coordinates, names, attributes, types and indexes."""
    xr.testing.assert_identical(without_rounding(got, expected), expected)
    assert list(got.dims) == list(expected.dims)
    kinds = [
        {name: index.__class__ for name, index in each.xindexes.items()} for each in (got, expected)
    ]
    assert kinds[0] == kinds[1]
    dtypes = [
        {name: array.dtype for name, array in _arrays(each).items()} for each in (got, expected)
    ]
    assert dtypes[0] == dtypes[1]


def without_rounding(got: Any, expected: Any) -> Any:
    """With the expected data where it differs by rounding: sums depend on the layout in memory."""
    if isinstance(expected, xr.DataArray):
        near = is_near(got.values, expected.values)
        return got.copy(data=expected.values) if near else got
    data = {name: array.values for name, array in got.data_vars.items()}
    for name, array in expected.data_vars.items():
        if name in data and is_near(data[name], array.values):
            data[name] = array.values
    return got.copy(data=data)


def is_near(got: Any, expected: Any) -> bool:
    if got.dtype.kind != "f" or expected.dtype.kind != "f" or got.shape != expected.shape:
        return False
    size = np.nanmax(np.abs(expected), initial=0, where=np.isfinite(expected))
    return np.allclose(got, expected, rtol=1e-6, atol=1e-6 * size, equal_nan=True)


def _arrays(result: xr.Dataset | xr.DataArray) -> dict[Any, Any]:
    if isinstance(result, xr.Dataset):
        return dict(result.variables)
    return {None: result, **result.coords}
