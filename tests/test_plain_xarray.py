"""The Dataset is plain xarray: each operation does what it does on a Dataset built by hand.

Every operation of `xarray_operations` runs on the sample in each form that a user has it in,
and on a Dataset made of NumPy arrays with no code of ours. Both must give identical results, or
raise the same exception.
"""

from __future__ import annotations

import math
import os
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

#: `quality` warns of what it cannot measure in so few trials.
pytestmark = pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning")

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
    "with quality": ("with measures", lambda folder: aa1xr.with_quality(sample({"neuron": 6}))),
    "rechunked": ("rechunked", lambda folder: sample().chunk(neuron=3)),
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
        hand.assign_coords(by_hand(aa1xr.quality(sample(None))).data_vars), neuron=3
    ),
    "rechunked": lambda hand: hand.chunk(neuron=3),
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


def test_open_zarr__needs_nothing_of_aa1xr(twin, tmp_path):
    aa1xr.save(sample(), tmp_path / "saved.zarr")
    check(xr.open_zarr(tmp_path / "saved.zarr").compute(), twin("in memory"))


def test_operation__is_mostly_possible_in_blocks(expected):
    """Xarray refuses masks and groups by labels that are dask arrays, and little else."""
    results = [expected("in blocks", operation) for operation in OPERATIONS]
    assert sum(isinstance(result, Exception) for result in results) < 0.2 * len(results)


DEEP = os.environ.get("AA1XR_HYPOTHESIS") == "deep"
OTHER_FORMS = [name for name in FORMS if name != "lazy"]


@pytest.mark.parametrize(("number", "operation"), [*enumerate(OPERATIONS)], ids=OPERATIONS)
def test_operation__as_on_a_dataset_by_hand(number, operation, form, expected):
    """Of the lazy Dataset; and of the other forms in turn (`AA1XR_HYPOTHESIS=deep`: of all)."""
    if operation in NEEDS:
        pytest.importorskip(NEEDS[operation])
    # Two exceptions are not taken for agreement: `REFUSED` says where they are expected.
    result = expected("in memory", operation)
    assert (type(result) if isinstance(result, Exception) else None) == REFUSED.get(operation)
    for name in ("lazy", *(OTHER_FORMS if DEEP else OTHER_FORMS[number % 5 :: 5])):
        right = expected(FORMS[name][0], operation)
        got = outcome(operation, form(name))
        if isinstance(got, Exception) or isinstance(right, Exception):
            assert type(got) is type(right), f"{name}: expected {right!r}, got {got!r}"
        else:
            check(got, right)


def outcome(operation: str, ds: xr.Dataset) -> Any:
    """What is lazy in the result, and all values in it; or the exception."""
    try:
        result = OPERATIONS[operation](ds.copy(deep=True))
        return each(in_dask, result), each(in_memory, result)
    except Exception as error:  # noqa: BLE001 - whichever it is, both must raise it
        return error


def each(function: Callable[[Any], Any], result: Any) -> Any:
    """The function of each part of what an operation gave."""
    if isinstance(result, tuple | list):
        return [each(function, part) for part in result]
    if isinstance(result, xr.DataTree):
        return {node.path: function(node.to_dataset()) for node in result.subtree}
    if isinstance(result, Mapping) and not isinstance(result, xr.Dataset):
        return {name: each(function, part) for name, part in result.items()}
    return function(result)


def in_dask(part: Any) -> list[str]:
    return sorted(str(name) for name, array in variables(part).items() if array.chunks)


def in_memory(part: Any) -> Any:
    return part.compute() if isinstance(part, xr.Dataset | xr.DataArray) else part


def variables(part: Any) -> dict[Any, Any]:
    if isinstance(part, xr.Dataset):
        return dict(part.variables)
    if isinstance(part, xr.DataArray):
        return {None: part.variable, **{name: c.variable for name, c in part.coords.items()}}
    return {}


def check(got: Any, expected: Any) -> None:
    """Assert that two results are the same in all that a user sees.

    Two things are not compared. The order of names is no part of a Dataset for xarray, and a Zarr
    store gives them by the alphabet. Sums may differ by rounding, since NumPy adds numbers in
    the order in which they lie in memory.
    """
    assert type(got) is type(expected), f"expected {expected!r}, got {got!r}"
    match expected:
        case list() | tuple():
            assert len(got) == len(expected)
            for one, other in zip(got, expected, strict=True):
                check(one, other)
        case dict():
            assert set(got) == set(expected)
            for name in expected:
                check(got[name], expected[name])
        case xr.Dataset() | xr.DataArray():
            check_xarray(got, expected)
        case pd.DataFrame() | pd.Series() | pd.Index():
            check_pandas(got, expected)
        case np.ndarray() | np.generic() | float():
            check_values(np.asarray(got), np.asarray(expected))
        case str() | int() | slice() | None:
            assert got == expected
        case _:
            raise NotImplementedError(f"cannot compare {expected!r}")


def check_pandas(got: Any, expected: Any) -> None:
    match expected:
        case pd.DataFrame():
            pd.testing.assert_frame_equal(got.sort_index(axis=1), expected.sort_index(axis=1))
        case pd.Series():
            pd.testing.assert_series_equal(got, expected)
        case _:
            pd.testing.assert_index_equal(got, expected, exact=True)


def check_xarray(got: Any, expected: Any) -> None:
    """Values, dimensions, coordinates, names, attributes, types and indexes."""
    ours, theirs = variables(got), variables(expected)
    for name in set(ours) & set(theirs):
        if ours[name].dims == theirs[name].dims:
            check_values(ours[name].values, theirs[name].values)
    xr.testing.assert_identical(with_data_of(got, expected), expected)
    indexes = ({name: type(i) for name, i in part.xindexes.items()} for part in (got, expected))
    assert next(indexes) == next(indexes)


def check_values(got: Any, expected: Any) -> None:
    assert got.dtype == expected.dtype
    if expected.dtype.kind == "f":
        size = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * size)
    else:
        # Labels that are missing are NaN among strings.
        both_missing = (got != got) & (expected != expected)  # noqa: PLR0124
        assert got.shape == expected.shape
        assert ((got == expected) | both_missing).all()


def with_data_of(got: Any, expected: Any) -> Any:
    """So that `identical` sees all but rounding, which has been checked before."""
    if isinstance(got, xr.DataArray):
        return got.copy(data=expected.values) if got.dims == expected.dims else got
    data = {
        name: expected[name].values
        if name in expected and expected[name].dims == array.dims
        else array.values
        for name, array in got.data_vars.items()
    }
    return got.copy(data=data)


DATASET = xr.Dataset(
    {"rate": (("neuron", "time"), np.arange(6.0).reshape(2, 3), {"units": "Hz"})},
    {"neuron": ["a", "b"], "area": ("neuron", ["x", "y"]), "time": [0.0, 0.1, 0.2]},
    {"title": "t"},
)
FRAME = DATASET.to_dataframe()
DIFFERENT: dict[str, tuple[Any, Any]] = {
    "value": (DATASET, DATASET.assign(rate=DATASET.rate * 1.001)),
    "missing value": (DATASET, DATASET.where(DATASET.rate > 0)),
    "type of values": (DATASET, DATASET.astype("float32")),
    "variable": (DATASET, DATASET.assign(more=1)),
    "name of a variable": (DATASET, DATASET.rename(rate="rates")),
    "shape": (DATASET.rate, DATASET.rate[:1]),
    "order of dimensions": (DATASET.rate, DATASET.rate.T),
    "name of an array": (DATASET.rate, DATASET.rate.rename("r")),
    "attribute": (DATASET, DATASET.assign_attrs(title="u")),
    "attribute of a variable": (DATASET, DATASET.drop_attrs(deep=True).assign_attrs(title="t")),
    "coordinate": (DATASET, DATASET.drop_vars("area")),
    "coordinate's value": (DATASET, DATASET.assign_coords(time=[0.0, 0.1, 0.20001])),
    "label": (DATASET.rate, DATASET.rate.assign_coords(area=("neuron", ["x", "z"]))),
    "coordinate or variable": (DATASET, DATASET.reset_coords("area")),
    "index": (DATASET, DATASET.drop_indexes("neuron")),
    "kind of index": (DATASET, DATASET.set_xindex("area")),
    "Dataset or DataArray": (DATASET.rate.to_dataset(), DATASET.rate),
    "table": (FRAME, FRAME.assign(rate=FRAME.rate + 1)),
    "column": (FRAME, FRAME.drop(columns="area")),
    "index of a table": (FRAME, FRAME[::-1]),
    "series": (FRAME.rate, FRAME.rate + 1),
    "pandas index": (FRAME.index, FRAME.index[::-1]),
    "array": (np.arange(3), np.arange(3) + 1),
    "type of an array": (np.arange(3), np.arange(3.0)),
    "shape of an array": (np.ones(1), np.ones((1, 1))),
    "number": (1.0, 1.1),
    "not a number": (1.0, math.nan),
    "type of a number": (1.0, 1),
    "string": ("a", "b"),
    "nothing": (None, 0),
    "length": ([1], [1, 1]),
    "part": ([1, "a"], [1, "b"]),
    "key": ({"a": 1}, {"b": 1}),
    "value of a key": ({"a": 1}, {"a": 2}),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_check__tells_apart(one, other):
    check(one, one)
    check(other, other)
    with pytest.raises(AssertionError):
        check(one, other)
    with pytest.raises(AssertionError):
        check(other, one)


def test_check__takes_rounding_and_the_order_of_names():
    check(DATASET, DATASET.assign(rate=DATASET.rate * (1 + 1e-8)))
    check(FRAME, FRAME[FRAME.columns[::-1]])
    check({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_each__takes_trees_apart_and_says_what_is_lazy():
    tree = xr.DataTree.from_dict({"/a": DATASET, "/b": DATASET.chunk()})
    got = each(in_dask, (tree, {"x": DATASET.rate.chunk()}, "text"))
    assert got == [{"/": [], "/a": [], "/b": ["area", "rate"]}, {"x": ["None", "area"]}, []]
    check(each(in_memory, tree), {"/": xr.Dataset(), "/a": DATASET, "/b": DATASET})


def test_outcome__is_the_exception():
    assert isinstance(outcome("resample", DATASET), TypeError)
