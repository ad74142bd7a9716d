"""`aa1xr.sel` against plain Python: every kind of label, alone and together."""

import operator
from collections import deque

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from tests.analysis.small_datasets import refuse


@pytest.mark.parametrize(
    ("labels", "n_neurons", "n_stimuli"),
    [
        ({"area": "MLd"}, 6, 15),
        ({"area": "MLd", "animal_id": "sim0000"}, 5, 15),
        ({"animal_id": ["sim0000", "sim0001"]}, 12, 15),
        ({"cell_seq": [1, 5]}, 6, 15),
        ({"rig": "A", "cell_seq": slice(2, 4), "area": ["MLd"]}, 3, 15),
        ({"type": "conspecific"}, 12, 10),
        ({"duration_s": lambda d: d == 2.0}, 12, 5),
        ({"area": "MLd", "type": "flatrip"}, 6, 5),
        ({"neuron": ["sim0000_2_B"], "area": "Field_L"}, 1, 15),
        ({"neuron": lambda n: [x.endswith("A") for x in n]}, 6, 15),
        ({"n_samples": 64000}, 12, 5),
        ({"neuron": slice("sim0000_1_A", "sim0000_2_A")}, 3, 15),
    ],
)
def test_sel__by_labels(ds, labels, n_neurons, n_stimuli):
    with dask.config.set(scheduler=refuse):
        for obj, select in ((ds, aa1xr.sel), (ds.psth, aa1xr.sel)):
            got = select(obj, **labels)
            assert (got.sizes["neuron"], got.sizes["stimulus"]) == (n_neurons, n_stimuli)
            xr.testing.assert_identical(obj.aa1.sel(**labels).coords, got.coords)


KINDS = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "generator": iter,
    "deque": deque,
    "dict": dict.fromkeys,
    "Series": pd.Series,
    "Index": pd.Index,
    "pandas strings": lambda v: pd.array(v, dtype="string"),
    "Categorical": pd.Categorical,
    "objects": lambda v: np.array(v, object),
    "fixed width": np.array,
    "variable width": lambda v: np.array(v, np.dtypes.StringDType()),
    "DataArray": lambda v: xr.DataArray(v, dims="anything"),
    "Variable": lambda v: xr.Variable("anything", v),
}


@pytest.mark.parametrize("kind", KINDS)
def test_sel__takes_every_kind_of_list(ds, kind):
    got = aa1xr.sel(ds, area=KINDS[kind](["MLd", "Field_L"]), rig="A")
    assert got.neuron.values.tolist() == ds.neuron.values[ds.rig.values == "A"].tolist()
    if "ray" not in kind and kind != "Variable":
        wanted = ["sim0000_1_B", "sim0001_1_A"]
        got = aa1xr.sel(ds, neuron=KINDS[kind](wanted))
        assert set(got.neuron.values.tolist()) == set(wanted)


def test_sel__numbers_of_any_type(ds):
    for number in (5, 5.0, np.int8(5), np.float32(5), np.array(5), xr.DataArray(5)):
        assert aa1xr.sel(ds, cell_seq=number).sizes["neuron"] == 2
    assert aa1xr.sel(ds, cell_seq=range(2, 4)).sizes["neuron"] == 4


def test_sel__one_match_keeps_the_dimension(ds):
    got = aa1xr.sel(ds, animal_id="sim0001", area="MLd")
    assert got.neuron.values.tolist() == ["sim0001_1_A"]
    assert got.psth.dims == ("neuron", "stimulus", "time")


def test_sel__a_scalar_on_the_dimension_drops_it(ds):
    got = aa1xr.sel(ds.psth, neuron="sim0000_2_B", stimulus="flatrip-00")
    xr.testing.assert_identical(got, ds.psth.sel(neuron="sim0000_2_B", stimulus="flatrip-00"))
    assert aa1xr.sel(ds, neuron="sim0000_2_B", area="Field_L").neuron.item() == "sim0000_2_B"
    with pytest.raises(KeyError, match="no neuron of the selection has all of area='MLd'"):
        aa1xr.sel(ds, neuron="sim0000_2_B", area="MLd")


def test_sel__keeps_the_order_asked_for_as_xarray_does(ds):
    wanted = ["sim0001_1_A", "sim0000_1_B", "sim0001_1_A"]
    xr.testing.assert_identical(aa1xr.sel(ds, neuron=wanted), ds.sel(neuron=wanted))
    assert aa1xr.sel(ds, neuron=wanted, rig="A").neuron.values.tolist() == [wanted[0], wanted[2]]


def test_sel__point_by_point_as_xarray_does(ds):
    points = {
        "neuron": xr.DataArray(["sim0001_1_A", "sim0000_1_B"], dims="pair"),
        "stimulus": xr.DataArray(["flatrip-00", "flatrip-01"], dims="pair"),
    }
    xr.testing.assert_identical(aa1xr.sel(ds.psth, **points), ds.psth.sel(points))
    with pytest.raises(ValueError, match="point by point, which cannot be combined with area"):
        aa1xr.sel(ds, neuron=points["neuron"], area="MLd")


def test_sel__ranges_of_values_in_any_order(ds):
    shuffled = ds.isel(stimulus=np.random.default_rng(0).permutation(15))
    got = aa1xr.sel(shuffled, duration_s=slice(1.8, 2.0))
    expected = [d for d in shuffled.duration_s.values.tolist() if 1.8 <= d <= 2.0]
    assert got.duration_s.values.tolist() == expected
    missing = ds.assign_coords(depth=("neuron", [np.nan, *range(11)]))
    assert aa1xr.sel(missing, depth=slice(None, None)).sizes["neuron"] == 12
    assert aa1xr.sel(missing, depth=slice(-np.inf, np.inf)).sizes["neuron"] == 11
    with pytest.raises(KeyError, match=r"no depth is from 20 to None; .* from 0.0 to 10.0"):
        aa1xr.sel(missing, depth=slice(20, None))
    with pytest.raises(ValueError, match="has no step"):
        aa1xr.sel(ds, cell_seq=slice(1, 5, 2))


def test_sel__own_coordinates_and_booleans(ds):
    mine = ds.assign_coords(loud=("neuron", [True] * 3 + [False] * 9))
    mine["depth_um"] = ("neuron", [300, 900] * 6)
    mine = mine.set_coords("depth_um")
    assert aa1xr.sel(mine, depth_um=slice(500, None), loud=True).sizes["neuron"] == 1
    assert aa1xr.sel(mine, loud=[True, False]).sizes["neuron"] == 12
    assert aa1xr.sel(mine, loud=lambda values: ~values).sizes["neuron"] == 9
    # Labels that the user made lazy.
    chunked = mine.chunk(neuron=5)
    assert aa1xr.sel(chunked, area="MLd", depth_um=300).sizes["neuron"] == 3


def test_sel__masks(ds):
    mask = ds.cell_seq > 2
    expected = ds.isel(neuron=mask.values)
    for same in (mask, mask.values, mask.values.tolist(), mask.to_series(), mask.variable):
        xr.testing.assert_identical(aa1xr.sel(ds, neuron=same), expected)
        xr.testing.assert_identical(aa1xr.sel(ds, area=same), expected)
    backwards = mask.isel(neuron=slice(None, None, -1))
    for other in (backwards, backwards.to_series()):
        with pytest.raises(ValueError, match=r"another order.*align it first: mask.sel\(neuron="):
            aa1xr.sel(ds, neuron=other)
    with pytest.raises(ValueError, match="must have 12 elements; got shape"):
        aa1xr.sel(ds, area=mask.values[:3])
    with pytest.raises(KeyError, match="True nowhere"):
        aa1xr.sel(ds, area=np.zeros(12, bool))


def test_sel__of_what_is_there_twice(ds):
    twice = ds.isel(neuron=[0, 0, 1])
    first, other = twice.neuron.values[[0, 2]].tolist()
    assert aa1xr.sel(twice, neuron=first).sizes["neuron"] == 2
    assert aa1xr.sel(twice, neuron=[other, first]).neuron.values.tolist() == [other, first, first]
    assert "neuron" not in aa1xr.sel(twice, neuron=other).dims
    with pytest.raises(ValueError, match=f"ambiguous: neuron {first!r} .* position with isel"):
        aa1xr.sel(twice, neuron=[first, first])


def test_sel__neighbours_are_a_slice_for_dask(ds):
    area = aa1xr.sel(ds, area="MLd", type="flatrip").psth
    assert len(area.__dask_graph__().layers) == len(ds.psth.__dask_graph__().layers) + 1
    xr.testing.assert_identical(area.compute(), ds.psth.compute().sel(area="MLd", type="flatrip"))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ({"area": "MLD"}, KeyError, "no area is 'MLD'; did you mean 'MLd'?"),
        ({"area": ["MLd", "fieldl"]}, KeyError, "no area is 'fieldl'; did you mean 'Field_L'?"),
        ({"neuron": ["sim0000_1_a"]}, KeyError, "did you mean 'sim0000_1_A'"),
        ({"cell_seq": 40}, KeyError, "no cell_seq is 40; did you mean 5 or 4?"),
        ({"cell_seq": "1"}, KeyError, "no cell_seq is '1'; did you mean 1?"),
        ({"neuron": 7}, KeyError, "no neuron is 7; there are "),
        ({"aera": "MLd"}, KeyError, "no coordinate is 'aera'; did you mean 'area'?"),
        ({"area": "MLd", "animal_id": "sim0001", "cell_seq": 5}, KeyError, "has all of area='MLd'"),
        ({"area": [["MLd"], ["MLd", "x"]]}, ValueError, "got nested lists"),
        ({"area": lambda values: values}, TypeError, "must give booleans; got <U7"),
    ],
)
def test_sel__refuses(ds, labels, error, message):
    with pytest.raises(error) as caught:
        aa1xr.sel(ds, **labels)
    assert message in str(caught.value)


def test_sel__refuses_what_has_no_single_dimension(ds):
    with pytest.raises(ValueError, match=r"'area' is a scalar, 'Field_L'.* select with a list"):
        aa1xr.sel(ds.isel(neuron=0), area="MLd")
    with pytest.raises(ValueError, match=r"has dimensions .*; expected one. Select with where"):
        aa1xr.sel(ds.set_coords("n_trials"), n_trials=10)
    with pytest.raises(KeyError, match="has no coordinate; select by position with isel"):
        aa1xr.sel(ds.drop_vars("trial"), trial=0)
    with pytest.raises(TypeError, match="obj must be a Dataset or a DataArray; got list"):
        aa1xr.sel([ds], area="MLd")


class Unfriendly:
    """A value whose comparison and repr raise."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    def __repr__(self):
        raise RuntimeError("no repr")


ODD = [
    None,
    True,
    np.nan,
    np.inf,
    -np.inf,
    10**40,
    1j,
    b"1",
    b"MLd",
    "",
    "x" * 10_000,
    pd.NA,
    pd.NaT,
    pd.Timestamp("2026-01-01"),
    np.datetime64("2026-01-01"),
    np.timedelta64(1, "s"),
    object(),
    Unfriendly(),
    ...,
    int,
    [],
    {},
    set(),
    [None],
    {1, "a"},
    [[1]],
    [b"1", 2, None],
    np.array([[True]]),
    np.array(1j),
    slice(None, "a"),
    slice(None, pd.NA),
    slice(1j, None),
    slice(Unfriendly(), None),
    xr.DataArray([[1, 2]]),
    memoryview(b"ab"),
]


@pytest.mark.parametrize("name", ["area", "cell_seq", "duration_s", "neuron", "time", "trial"])
@pytest.mark.parametrize("number", range(len(ODD)))
def test_sel__odd_labels_match_nothing_or_are_refused(ds, name, number):
    try:
        got = aa1xr.sel(ds, **{name: ODD[number]})
    except (KeyError, ValueError, TypeError) as error:
        # The error is about the question, never out of the search for similar values.
        said = [str(error), *getattr(error, "__notes__", [])]
        assert any(name in text for text in said)
    else:
        # A range that holds all, nothing of nothing, or point by point.
        whole, points = isinstance(ODD[number], slice), isinstance(ODD[number], xr.DataArray)
        assert whole or points or got.sizes[ds[name].dims[0]] == 0


def holds(value, label) -> bool:
    """Whether one value fits a label, in plain Python."""
    if isinstance(label, slice):
        low, high = label.start, label.stop
        return (low is None or value >= low) and (high is None or value <= high)
    if callable(label):
        return bool(label(np.array([value]))[0])
    return value in label if isinstance(label, list) else value == label


NUMBERS = st.integers(0, 4)
LABELS = {
    "area": st.sampled_from(["L", "M"]) | st.lists(st.sampled_from(["L", "M"]), min_size=1),
    "seq": NUMBERS
    | st.lists(NUMBERS, min_size=1)
    | st.builds(slice, st.none() | NUMBERS, st.none() | NUMBERS)
    | st.sampled_from([operator.methodcaller("__gt__", 2), lambda values: values % 2 == 0]),
}


@given(
    areas=st.lists(st.sampled_from(["L", "M"]), min_size=1, max_size=8),
    labels=st.fixed_dictionaries({}, optional=LABELS),
    data=st.data(),
)
def test_sel__is_what_plain_python_selects(areas, labels, data):
    seqs = data.draw(st.lists(NUMBERS, min_size=len(areas), max_size=len(areas)))
    coords = {"area": ("neuron", areas), "seq": ("neuron", seqs)}
    array = xr.DataArray(np.arange(len(areas)), dims="neuron", coords=coords)
    rows = list(zip(areas, seqs, strict=True))
    expected = [
        position
        for position, row in enumerate(rows)
        if all(holds(row[("area", "seq").index(name)], label) for name, label in labels.items())
    ]
    known = {"area": set(areas), "seq": set(seqs)}
    unknown = any(set(v if isinstance(v, list) else [v]) - known[name]
                  for name, v in labels.items() if isinstance(v, list | int | str))  # fmt: skip
    if unknown or not expected:
        with pytest.raises(KeyError):
            aa1xr.sel(array, **labels)
    else:
        assert aa1xr.sel(array, **labels).values.tolist() == expected


def test_sel__refuses_a_label_that_is_no_label_of_the_data(ds):
    depths = pd.Series([300.0, 900.0], pd.Index(ds.neuron.values[:2], name="neuron"))
    # xarray makes a dimension of its own of a Series.
    with pytest.raises(ValueError, match="'depth', which is a dimension of no variable"):
        aa1xr.sel(ds.assign_coords(depth=depths), depth=slice(500, None))
    aligned = ds.assign_coords(depth=depths.to_xarray().reindex(neuron=ds.neuron))
    assert aa1xr.sel(aligned, depth=slice(500, None)).neuron.values == ds.neuron.values[1]
    with pytest.raises(KeyError, match="'depth' is a variable"):
        aa1xr.sel(aligned.reset_coords("depth"), depth=slice(500, None))
