"""Selecting by labels, and the index surviving what users do to a Dataset."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from aa1xr.dataset.labels import LabelIndex


@pytest.fixture(scope="module")
def ds(sample_archive) -> xr.Dataset:
    return aa1xr.open_sample()


def indexed(obj, dim="neuron") -> bool:
    """Whether all labels of the axis are in one LabelIndex that says what the coordinates say."""
    index = obj.xindexes.get(dim)
    return isinstance(index, LabelIndex) and all(
        obj.xindexes[name] is index and np.array_equal(obj[name].values, values)
        for name, values in index.values.items()
    )


# Selecting


@pytest.mark.parametrize(
    ("labels", "n_neurons", "n_stimuli"),
    [
        ({"area": "MLd"}, 6, 15),
        ({"area": "MLd", "animal_id": "sim0000"}, 5, 15),
        ({"animal_id": ["sim0000", "sim0001"]}, 12, 15),
        ({"cell_seq": [1, 5]}, 6, 15),
        ({"rig": "A", "cell_seq": slice(2, 4), "area": ["MLd"]}, 3, 15),
        ({"type": "conspecific"}, 12, 10),
        ({"type": "conspecific", "duration_s": slice(1.8, 2.0)}, 12, None),
        ({"duration_s": lambda d: d == 2.0}, 12, 5),
        ({"area": "MLd", "type": "flatrip"}, 6, 5),
        ({"neuron": ["sim0000_2_B"], "area": "Field_L"}, 1, 15),
        ({"neuron": lambda n: [x.endswith("A") for x in n]}, 6, 15),
        ({"n_samples": 64000}, 12, 5),
        ({"neuron": slice("sim0000_1_A", "sim0000_2_A")}, 3, 15),
    ],
)
def test_sel__by_labels(ds, labels, n_neurons, n_stimuli):
    for obj in (ds, ds.psth):
        got = obj.sel(labels)
        assert got.sizes["neuron"] == n_neurons
        if n_stimuli is not None:
            assert got.sizes["stimulus"] == n_stimuli
        assert indexed(got, "neuron")
        assert indexed(got, "stimulus")


def test_sel__one_match_keeps_the_dimension(ds):
    got = ds.sel(animal_id="sim0001", area="MLd")
    assert got.neuron.values.tolist() == ["sim0001_1_A"]
    assert got.psth.dims == ("neuron", "stimulus", "time")
    name = ds.name.values[3]
    assert ds.sel(name=name).stimulus.values.tolist() == ["conspecific-03"]


def test_sel__a_scalar_on_the_dimension_drops_it(ds):
    got = ds.psth.sel(neuron="sim0000_2_B", stimulus="flatrip-00")
    assert got.dims == ("time",)
    assert got.area.item() == "Field_L"
    assert got.neuron.item() == "sim0000_2_B"


def test_sel__keeps_the_order_asked_for(ds):
    wanted = ["sim0001_1_A", "sim0000_1_B", "sim0001_1_A"]
    got = ds.sel(neuron=wanted, rig=["A", "B"])
    assert got.neuron.values.tolist() == wanted
    assert got.sel(neuron="sim0000_1_B").area.item() == "Field_L"
    # Repeats are there as often as they were asked for.
    assert got.sel(neuron=["sim0001_1_A"]).sizes["neuron"] == 2


def test_sel__where_a_neuron_is_there_twice(ds):
    twice = ds.isel(neuron=[0, 0, 1])
    first, other = twice.neuron.values[[0, 2]].tolist()
    assert twice.sel(neuron=first).sizes["neuron"] == 2
    # What is there once is dropped from the axis, as pandas and xarray do it.
    assert "neuron" not in twice.sel(neuron=other).dims
    pairs = {"stimulus": xr.DataArray(["flatrip-00", "flatrip-01"], dims="pair")}
    others = xr.DataArray([other, other], dims="pair")
    expected = ds.psth.sel(neuron=other, **pairs)
    np.testing.assert_array_equal(twice.psth.sel(neuron=others, **pairs), expected)
    # Which of the two is meant cannot be said, and rows and columns crossed are no pairs.
    with pytest.raises(ValueError, match=rf"{first!r}, asked for along \('pair',\), is there more"):
        twice.psth.sel(neuron=xr.DataArray([first, other], dims="pair"), **pairs)
    # As pandas does it, this would be all pairs of the two: four.
    with pytest.raises(ValueError, match=f"{first!r}, asked for twice, is there more than once"):
        twice.sel(neuron=[first, first])
    with pytest.raises(ValueError, match="isel"):
        twice.drop_sel(neuron=other)


def test_sel__a_number_is_no_text(ds):
    numbered = ds.assign_coords(ds.coords).drop_indexes(list(ds.xindexes["neuron"].values))
    numbered = aa1xr.index_labels(numbered, neuron=("neuron", [str(k) for k in range(12)]))
    assert numbered.sel(neuron=["7"]).sizes["neuron"] == 1
    for wrong in (7, [7]):
        with pytest.raises(KeyError, match="no neuron is 7"):
            numbered.sel(neuron=wrong)


def test_sel__a_label_of_booleans(ds):
    loud = aa1xr.index_labels(ds, loud=("neuron", [True] * 3 + [False] * 9))
    assert loud.sel(loud=True).sizes["neuron"] == 3
    assert loud.sel(loud=[True, False]).sizes["neuron"] == 12
    assert loud.sel(loud=lambda values: ~values).sizes["neuron"] == 9
    with pytest.raises(KeyError, match="no loud is True in the mask"):
        loud.sel(loud=lambda values: values & ~values)


def test_sel__by_another_array(ds):
    mld = ds.neuron[(ds.area == "MLd").values]
    assert ds.sel(neuron=mld).sizes["neuron"] == 6
    assert ds.sel(neuron=(ds.area == "MLd").values).sizes["neuron"] == 6
    pairs = ds.psth.sel(
        neuron=xr.DataArray(["sim0000_1_A", "sim0000_1_B"], dims="pair"),
        stimulus=xr.DataArray(["flatrip-00", "flatrip-01"], dims="pair"),
    )
    assert pairs.dims == ("pair", "time")


def test_sel__method_is_for_the_other_axes(ds):
    got = ds.sel(time=0.101, area="MLd", method="nearest")
    assert float(got.time) == 0.1
    assert got.sizes["neuron"] == 6


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"area": "MLD"}, "did you mean 'MLd'"),
        ({"area": "field L"}, "did you mean 'Field_L'"),
        ({"area": ["MLd", "CM"]}, "no area is 'CM'; there are 'Field_L', 'MLd'"),
        ({"neuron": "sim0000_2"}, "did you mean 'sim0000_2_"),
        ({"neuron": ["sim0000_2_B", "x"]}, "no neuron is 'x'"),
        ({"type": "conspecifics"}, "did you mean 'conspecific'"),
        ({"duration_s": slice(5, 6)}, "no duration_s from 5 to 6; there are 1.7"),
        ({"duration_s": 7.0}, "no duration_s is 7.0; did you mean 2.16"),
        ({"area": "MLd", "rig": "B"}, "no neuron has area='MLd', rig='B'"),
        ({"neuron": ["sim0000_2_B"], "area": "MLd"}, "no neuron has area='MLd'"),
        ({"neuron": "sim0000_2_B", "area": "MLd"}, "no neuron has area='MLd'"),
        ({"area": slice("N", None)}, "no area from N to None; there are Field_L to MLd"),
        ({"area": 3}, "no area is 3; there are 'Field_L', 'MLd'"),
        ({"cell_seq": "3"}, "no cell_seq is '3'; did you mean 3"),
        ({"duration_s": lambda d: d > 9}, "no duration_s is True"),
    ],
)
def test_sel__no_match_raises(ds, labels, message):
    for obj in (ds, ds.psth):
        with pytest.raises(KeyError, match=message):
            obj.sel(labels)


def test_sel__misuse(ds):
    with pytest.raises(KeyError, match="region"):
        ds.sel(region="MLd")
    with pytest.raises(ValueError, match="12 elements"):
        ds.sel(area=np.array([True, False]))
    with pytest.raises(TypeError, match="booleans"):
        ds.sel(area=lambda values: values)
    with pytest.raises(ValueError, match="no step"):
        ds.sel(cell_seq=slice(1, 4, 2))
    with pytest.raises(IndexError, match="multi-dimensional"):
        ds.sel(neuron=[["sim0000_1_A"]])
    with pytest.raises(TypeError, match=r"cell_seq from 'a' to 'b': cannot be compared .* \[1\]"):
        ds.sel(cell_seq=slice("a", "b"))


@given(data=st.data())
def test_sel__equals_a_pandas_query(ds, data):
    table = pd.DataFrame({name: ds[name].values for name in ds.xindexes["neuron"].values})
    keep = np.ones(len(table), bool)
    labels = {}
    for name in data.draw(st.lists(st.sampled_from(sorted(table)), min_size=1, unique=True)):
        values = st.sampled_from(sorted(set(table[name])))
        kind = data.draw(st.sampled_from(["scalar", "list", "slice"]))
        if kind == "scalar" and name != "neuron":
            labels[name] = data.draw(values)
            keep &= (table[name] == labels[name]).to_numpy()
        elif kind == "slice":
            low, high = sorted((data.draw(values), data.draw(values)))
            labels[name] = slice(low, high)
            keep &= table[name].between(low, high).to_numpy()
        else:
            labels[name] = sorted(set(data.draw(st.lists(values, min_size=1))))
            keep &= table[name].isin(labels[name]).to_numpy()
    expected = table.neuron[keep].tolist()
    if not expected:
        with pytest.raises(KeyError):
            ds.sel(labels)
        return
    assert sorted(ds.sel(labels).neuron.values) == sorted(expected)


# Surviving: everything in facts.md that must work


def mld(ds):
    return ds.sel(area="MLd")


def first(ds):
    return ds.sel(animal_id="sim0000")


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.isel(neuron=[7, 1], stimulus=slice(9, 12)),
        lambda ds: ds.psth * 2,
        lambda ds: ds.merge({"double": ds.psth * 2}),
        lambda ds: ds.assign(double=(ds.psth * 2).variable),
        lambda ds: xr.Dataset({"a": ds.psth, "b": ds.psth * 2}),
        lambda ds: xr.merge([ds[["psth"]], ds[["n_trials"]]]),
        lambda ds: ds.copy(),
        lambda ds: ds.copy(deep=True),
        copy.deepcopy,
        lambda ds: pickle.loads(pickle.dumps(ds)),
        lambda ds: ds.chunk(neuron=2),
        lambda ds: ds.compute(),
        lambda ds: ds.sortby("cell_seq"),
        lambda ds: ds.sortby(["rig", "neuron"], ascending=False),
        lambda ds: ds.where(ds.area == "MLd", drop=True),
        lambda ds: ds.where(ds.area == "MLd"),
        lambda ds: ds.transpose("time", ...),
        lambda ds: ds.groupby("area").map(lambda group: group),
        lambda ds: ds.psth.groupby("area") - ds.psth.groupby("area").mean(),
        lambda ds: ds.assign_coords(depth=("neuron", np.arange(12))),
        lambda ds: ds.drop_sel(neuron="sim0000_1_A"),
        lambda ds: ds.dropna("neuron", how="all", subset=["psth"]),
        lambda ds: ds.roll(neuron=2, roll_coords=True),
        lambda ds: ds.mean("trial"),
        lambda ds: ds.squeeze(),
        lambda ds: xr.apply_ufunc(np.sqrt, ds.psth, dask="parallelized"),
        lambda ds: ds.reindex_like(mld(ds)),
    ],
)
def test_index__survives(ds, change):
    changed = change(ds)
    assert indexed(changed, "neuron")
    assert indexed(changed, "stimulus")
    assert changed.sel(area="MLd", type="flatrip").sizes["neuron"] >= 1


def test_index__arithmetic_between_selections(ds):
    both = mld(ds).psth - first(ds).psth
    assert both.neuron.values.tolist() == [f"sim0000_{k}_A" for k in range(1, 6)]
    assert indexed(both)
    assert float(np.abs(both).max()) == 0


def test_index__align(ds):
    for join, size in (("inner", 5), ("outer", 11), ("left", 6), ("right", 10)):
        a, b = xr.align(mld(ds).psth, first(ds).psth, join=join)
        assert a.sizes["neuron"] == b.sizes["neuron"] == size
        assert indexed(a)
        assert (a.area.values == b.area.values).all()
    # What only one of them had is missing in the other, under the right label.
    a, _ = xr.align(mld(ds).psth, first(ds).psth, join="outer")
    assert a.sel(area="Field_L").isnull().all()
    np.testing.assert_array_equal(a.sel(neuron="sim0001_1_A"), ds.psth.sel(neuron="sim0001_1_A"))
    with pytest.raises(ValueError, match=r"cannot be aligned|cannot align"):
        xr.align(mld(ds), first(ds), join="exact")


def test_index__concat(ds):
    joined = xr.concat([mld(ds).psth, ds.psth.sel(area="Field_L")], "neuron")
    assert indexed(joined)
    assert joined.sizes["neuron"] == 12
    np.testing.assert_array_equal(joined.sel(area="Field_L"), ds.psth.sel(area="Field_L"))
    stacked = xr.concat([ds.psth, ds.psth], "twice")
    assert indexed(stacked)


def test_index__groupby_and_iteration(ds):
    means = ds.psth.groupby("area").mean()
    assert means.area.values.tolist() == ["Field_L", "MLd"]
    expected = mld(ds).psth.mean("neuron")
    np.testing.assert_allclose(means.sel(area="MLd"), expected, rtol=1e-6)
    for animal, group in ds.groupby("animal_id"):
        assert indexed(group)
        assert set(group.animal_id.values) == {animal}


def test_index__rename(ds):
    renamed = ds.rename(neuron="cell", area="region")
    assert renamed.sel(region="MLd", cell=["sim0000_1_A"]).sizes["cell"] == 1
    assert indexed(renamed, "cell")


@pytest.mark.parametrize(
    "rename", [{"rename_dims": {"neuron": "cell"}}, {"rename_vars": {"neuron": "cell"}}]
)
def test_index__rename_of_the_dimension_or_the_coordinate_alone(ds, rename):
    ((method, names),) = rename.items()
    renamed = getattr(ds, method)(names)
    (dim,) = renamed.area.dims
    repr(renamed)
    some = renamed.sel(area="MLd", animal_id="sim0000")
    assert some.sizes[dim] == 5
    difference = some.psth - renamed.psth
    assert difference.sizes[dim] == 5
    assert difference.sel(rig="A").sizes[dim] == 5


def test_index__swap_dims(ds):
    """xarray does not tell the index, which then gives way rather than speak of another axis."""
    swapped = ds.swap_dims(neuron="area")
    assert swapped.isel(area=[0, 7]).area.values.tolist() == ["Field_L", "MLd"]
    again = aa1xr.index_labels(swapped)
    assert again.sel(area=["MLd"], rig="A").sizes["area"] == 6


def test_index__stack(ds):
    stacked = ds.psth.stack(pair=("neuron", "stimulus"))
    assert stacked.sizes["pair"] == 12 * 15
    one = stacked.sel(neuron="sim0000_1_A", stimulus="flatrip-00")
    np.testing.assert_array_equal(
        one.squeeze(), ds.psth.sel(neuron="sim0000_1_A", stimulus="flatrip-00")
    )
    back = stacked.unstack("pair")
    assert back.sizes["neuron"] == 12


def test_index__to_dataframe(ds):
    frame = mld(ds).n_trials.to_dataframe()
    assert len(frame) == 6 * 15
    assert frame.loc[("sim0000_2_A", "conspecific-00"), "n_trials"] == 0
    # pandas leaves out whatever is in an index; as plain coordinates the labels are columns.
    plain = mld(ds).reset_index(list(ds.xindexes["neuron"].values))
    assert set(plain.n_trials.to_dataframe()["area"]) == {"MLd"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        # xarray's rule for any index of several coordinates; it says what to do instead.
        (lambda ds: ds.drop_vars("area"), ValueError, "aa1xr.index_labels"),
        (lambda ds: ds.assign_coords(area=("neuron", ["x"] * 12)), ValueError, "index_labels"),
        (lambda ds: ds.assign(double=ds.psth * 2), ValueError, r"ds.merge\(\{name: array\}\)"),
        # A plain index of another length cannot be aligned with a LabelIndex.
        (
            lambda ds: ds.psth + xr.DataArray(np.ones(2), {"neuron": ["a", "b"]}, "neuron"),
            xr.AlignmentError,
            "conflicting indexes",
        ),
        (
            lambda ds: ds.reindex(neuron=["sim0000_1_A"]),
            xr.AlignmentError,
            "conflicting indexes",
        ),
        (
            lambda ds: ds.psth - aa1xr.index_labels(ds, rig=("neuron", ["?"] * 12)).psth,
            ValueError,
            "label 'rig' differs",
        ),
        (
            lambda ds: ds.isel(neuron=[0, 0]).psth - ds.psth,
            ValueError,
            "cannot align along 'neuron': 'sim0000_1_B' is there more than once",
        ),
        (
            lambda ds: xr.concat([ds.psth, aa1xr.index_labels(ds, rig=None).psth], "neuron"),
            ValueError,
            r"only some of the Datasets have the labels \['rig'\]",
        ),
    ],
)
def test_index__refuses(ds, change, error, message):
    with pytest.raises(error, match=message):
        change(ds)


# index_labels


def test_index_labels__adds_replaces_and_drops(ds):
    own = aa1xr.index_labels(
        ds, depth=("neuron", np.arange(12.0)), rig=("neuron", ["r"] * 12), cell_seq=None
    )
    assert indexed(own)
    assert own.sel(depth=slice(3, 5), rig="r").sizes["neuron"] == 3
    assert "cell_seq" not in own.coords
    assert own.area.attrs == ds.area.attrs
    # The first Dataset is as it was.
    assert "depth" not in ds.coords
    assert set(ds.rig.values) == {"A", "B"}


def test_index_labels__of_a_plain_dataset(ds):
    names = [*ds.xindexes["neuron"].values, *ds.xindexes["stimulus"].values]
    plain = ds.drop_indexes(names)
    lazy = plain.assign_coords(depth=("neuron", np.arange(12))).chunk(neuron=3)
    again = aa1xr.index_labels(lazy)
    assert indexed(again)
    assert again.depth.chunks is None
    difference = again.drop_vars([]).psth.sel(area="MLd", depth=slice(6, 7))
    assert difference.sizes["neuron"] == 2
    assert indexed(aa1xr.index_labels(plain) - ds)


def test_index_labels__of_a_renamed_axis(ds):
    renamed = ds.rename(neuron="cell", stimulus="sound")
    own = aa1xr.index_labels(renamed, depth=("cell", np.arange(12)))
    assert own.sel(depth=slice(6, None), area="MLd", type="flatrip").sizes["cell"] == 6
    assert indexed(own, "cell")
    assert indexed(own, "sound")


def test_index_labels__beside_a_stacked_axis(ds):
    stacked = ds.stack(pair=("neuron", "trial"))
    own = aa1xr.index_labels(stacked, loud=("stimulus", [True, False, False] * 5))
    assert own.sel(loud=True).sizes["stimulus"] == 5
    assert own.indexes["pair"].equals(stacked.indexes["pair"])


def test_index_labels__leaves_other_datasets_alone():
    other = xr.Dataset({"x": ("time", [1.0])})
    xr.testing.assert_identical(aa1xr.index_labels(other), other)


def test_label_index__needs_its_dimension():
    area = xr.Variable("neuron", ["MLd"])
    with pytest.raises(ValueError, match="'neuron'"):
        LabelIndex.from_variables({"area": area}, options={})
    two = xr.Variable(("neuron", "stimulus"), [[1]])
    with pytest.raises(ValueError, match="one and the same dimension"):
        LabelIndex.from_variables({"neuron": two}, options={})
    with pytest.raises(ValueError, match="takes no options"):
        LabelIndex.from_variables({"neuron": area}, options={"x": 1})


def test_sel__nan_is_in_no_range_and_near_nothing(ds):
    snr = np.where(np.arange(12) < 10, np.arange(12) / 10, np.nan)
    some = aa1xr.index_labels(ds, snr=("neuron", snr), none=("neuron", np.full(12, np.nan)))
    assert some.sel(snr=slice(None, None, None)).sizes["neuron"] == 12
    assert some.sel(snr=slice(-np.inf, np.inf)).sizes["neuron"] == 10
    with pytest.raises(KeyError, match=r"no snr from 2 to None; there are 0\.0 to 0\.9"):
        some.sel(snr=slice(2, None))
    with pytest.raises(KeyError, match="there are none"):
        some.sel(none=slice(0, None))
    with pytest.raises(KeyError, match=r"did you mean 0\.9 or 0\.8\?"):
        some.sel(snr=5)


def test_sel__says_what_it_cannot_compare(ds):
    with pytest.raises(ValueError, match=r"stimulus: lists of unequal lengths; .* as split.train"):
        ds.sel(stimulus=aa1xr.split(ds, test=2))
    with pytest.raises(TypeError, match="duration_s from '1' to '2': cannot be compared"):
        ds.sel(duration_s=slice("1", "2"))
    with pytest.raises(KeyError, match="no neuron is 'a': nothing is selected along 'neuron'"):
        ds.isel(neuron=[]).sel(neuron="a")


@pytest.mark.parametrize("depth", [[1] * 12, np.arange(12), pd.Series(range(12))])
def test_index_labels__wants_to_know_the_axis(ds, depth):
    with pytest.raises(ValueError, match=r"depth: say along which axis: depth=\('neuron', "):
        aa1xr.index_labels(ds, depth=depth)
