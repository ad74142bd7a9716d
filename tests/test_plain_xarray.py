"""The Dataset is plain xarray: everyday operations do what they do on a Dataset built by hand.

xarray's own indexes promise most of that, and random selections are in `test_selection_chains.py`.
Here is what could break it: our lazy arrays, encoding, attributes and labels.
"""

import copy
import os
import pickle
from functools import cache

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import aa1xr

#: `quality` warns of what it cannot measure in so few trials; zarr 3.1 of the strings of NumPy.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aa1xr.AA1Warning"),
    pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification"),
]


def by_hand(ds):
    """The same values in a Dataset that knows nothing of aa1xr."""
    variables = {
        name: (variable.dims, np.array(variable.values), dict(variable.attrs))
        for name, variable in ds.variables.items()
    }
    coords = {name: variables.pop(name) for name in ds.coords}
    return xr.Dataset(variables, coords, dict(ds.attrs))


def sample(chunks={}):  # noqa: B006 - as in aa1xr.open
    """Cells of two areas and animals, one without songs; songs and ripples of unequal lengths."""
    ds = aa1xr.open_sample(dt_ms=20, chunks=chunks)
    return ds.isel(neuron=[0, 1, 5, 6, 7, 11], stimulus=[0, 3, 10, 12])


def saved(folder):
    aa1xr.save(sample(), folder / "saved.zarr")
    return aa1xr.load(folder / "saved.zarr")


FORMS = {
    "lazy": lambda folder: sample(),
    "without dask": lambda folder: sample(None),
    "saved": saved,
    "with quality": lambda folder: aa1xr.with_quality(sample({"neuron": 6})),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads cost more than they save on so little, and their order would change rounding."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def form(data_dir, tmp_path_factory):
    return cache(lambda name: FORMS[name](tmp_path_factory.mktemp("form")))


@pytest.fixture(scope="module")
def hand(form):
    return cache(lambda name: by_hand(form(name)))


@pytest.mark.parametrize("name", FORMS)
def test_form__has_the_indexes_of_xarray_and_labels_in_memory(name, form, hand):
    ds = form(name)
    assert set(ds.xindexes) == {"neuron", "stimulus", "trial", "time", "freq"}
    assert {type(index) for index in ds.xindexes.values()} == {xr.indexes.PandasIndex}
    assert [label for label, coord in ds.coords.items() if not coord.variable._in_memory] == []
    measures = set(ds.coords) - set(hand("lazy").coords)
    xr.testing.assert_identical(ds.drop_vars(measures).compute(), hand("lazy"))


def test_open_zarr__needs_nothing_of_aa1xr(hand, tmp_path):
    aa1xr.save(sample(), tmp_path / "saved.zarr")
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "saved.zarr").compute(), hand("lazy"))


def changed(change):
    """The Dataset after a statement that changes it in place."""
    return lambda ds: (change(ds), ds)[1]


def backwards(ds):
    """Plain data of another order."""
    values = np.arange(ds.sizes["neuron"], dtype=float)
    return xr.DataArray(values, {"neuron": ds.neuron.values[::-1].copy()}, name="plain")


def table(ds):
    """A table that somebody measured: of some of the neurons and one unknown, in another order."""
    neurons = [*ds.neuron.values[[4, 0, 2]], "unknown"]
    frame = pd.DataFrame({"depth_um": [400.0, 0.0, 200.0, 900.0]}, index=neurons)
    return frame.rename_axis("neuron").to_xarray()


def areas(ds):
    return [ds.sel(area=area) for area in ("MLd", "Field_L")]


def windows(ds):
    return [ds.sel(time=slice(0.5, 1)), ds.sel(time=slice(0, 0.4999))]


def stored(ds, store=None, **options):
    """A Zarr store of it in memory."""
    store = zarr.storage.MemoryStore() if store is None else store
    ds.to_zarr(store, consolidated=False, **options)
    return store


def read(store):
    return xr.open_zarr(store, consolidated=False)


def in_a_region(ds):
    ds = ds[["n_trials"]].drop_encoding().compute()
    return read(stored((ds * 2).isel(neuron=slice(2, 4)), stored(ds), region="auto"))


def netcdf(ds):
    return xr.load_dataset(bytes(ds.drop_encoding().to_netcdf(engine="scipy")), engine="scipy")


def tree(ds):
    return xr.DataTree.from_dict({f"/{name}": group for name, group in ds.groupby("area")})


OPERATIONS = {
    # Add, replace and rename.
    "a new variable": changed(lambda ds: ds.__setitem__("rate", ds.psth.mean("time"))),
    "a new variable of some neurons": changed(lambda ds: ds.__setitem__("rate", ds.psth[[4, 1]])),
    "a new variable from a table": changed(lambda ds: ds.__setitem__("plain", backwards(ds))),
    "loc[area] =": changed(lambda ds: ds.n_trials.load().loc.__setitem__({"area": "MLd"}, 0)),
    "a new label": lambda ds: ds.assign_coords(area=("neuron", list("aabbab"))).sel(area="b"),
    "drop_vars": lambda ds: ds.drop_vars(["neuron", "rig", "spikes"]),
    "rename": lambda ds: ds.rename(neuron="cell", area="region").sel(region="MLd"),
    "swap_dims": lambda ds: ds.swap_dims(stimulus="name").sel(name=ds.name.values[[3, 1]]),
    "set_index": lambda ds: ds.set_index(neuron=["animal_id", "cell_seq", "rig"]).sel(rig="A"),
    "set_xindex": lambda ds: ds.set_xindex("area").sel(area="MLd"),
    # Select.
    "sel of two labels": lambda ds: ds.psth.sel(area="MLd", type="flatrip"),
    "sel of pairs": lambda ds: ds.psth.sel(
        neuron=xr.DataArray(ds.neuron.values[[0, 3]], dims="pair"),
        stimulus=xr.DataArray(ds.stimulus.values[[1, 2]], dims="pair"),
    ),
    "sel nearest": lambda ds: ds.sel(time=0.1234, freq=1000, method="nearest"),
    "[]": lambda ds: (ds.psth[1:4, [0, 2], 2:30:5], ds.psth[ds.animal_id == "sim0001"]),
    "where, drop": lambda ds: ds.where(ds.area == "MLd", drop=True),
    "query": lambda ds: ds.query(neuron="area == 'MLd'", stimulus="duration_s < 2"),
    "dropna": lambda ds: ds.psth.dropna("stimulus", how="any"),
    "sortby": lambda ds: ds.sortby(["type", "duration_s"]).sortby("rig", ascending=False),
    # Align and combine.
    "reindex": lambda ds: ds.reindex(neuron=[*ds.neuron.values[[3, 1]], "nobody"]),
    "reindex_like": lambda ds: ds.reindex_like(backwards(ds)),
    "align": lambda ds: xr.align(ds.isel(neuron=[0, 1, 3]), backwards(ds)[1:], join="outer"),
    "merge a table": lambda ds: ds.merge(table(ds), join="left"),
    "concat areas": lambda ds: xr.concat(areas(ds), "neuron", data_vars="minimal"),
    "concat windows": lambda ds: xr.concat(windows(ds), "time", data_vars="minimal"),
    "combine_by_coords": lambda ds: xr.combine_by_coords(
        [window[["psth"]] for window in windows(ds)], join="exact", compat="no_conflicts"
    ),
    "combine_first": lambda ds: ds.psth[[0, 1]].combine_first(ds.psth[[4, 1]]),
    # Compute.
    "arithmetic": lambda ds: (ds.psth - ds.psth.mean("time")) / 2 + ds.n_trials,
    "arithmetic with a table": lambda ds: ds * backwards(ds)[1:4],
    "corr of all pairs": lambda ds: xr.corr(
        ds.psth.mean("stimulus"), ds.psth.mean("stimulus").rename(neuron="other"), "time"
    ),
    "dot": lambda ds: xr.dot(ds.psth.fillna(0), ds.spectrogram, dim=["stimulus", "time"]),
    "apply_ufunc": lambda ds: xr.apply_ufunc(
        lambda rate, n: np.nansum(rate, -1) * n, ds.psth, ds.n_trials,
        input_core_dims=[["time"], []], dask="parallelized", output_dtypes=[float],
    ),
    "map_blocks": lambda ds: ds[["psth"]].map_blocks(lambda block: block * 2),
    "weighted": lambda ds: ds.psth.weighted(ds.n_trials).mean(["neuron", "stimulus"]),
    "quantile": lambda ds: ds.psth.fillna(0).quantile([0.1, 0.5], "time"),
    # Group and reshape.
    "groupby area": lambda ds: ds.groupby("area").mean(),
    "groupby area minus": lambda ds: ds.psth.groupby("area") - ds.psth.groupby("area").mean(),
    "groupby two of one axis": lambda ds: ds.psth.groupby(["area", "animal_id"]).mean(),
    "groupby_bins": lambda ds: ds.psth.groupby_bins("duration_s", [0, 1.9, 3]).mean(),
    "coarsen": lambda ds: ds.coarsen(time=5, boundary="trim").mean(),
    "rolling": lambda ds: ds.psth.rolling(time=5, center=True).mean(),
    "stack": lambda ds: ds.psth.stack(pair=("neuron", "stimulus")).dropna("pair").unstack("pair"),
    "transpose, chunk": lambda ds: ds.transpose("time", ...).chunk(neuron=2, time=50),
    # Tables, copies, files and trees.
    "to_dataframe": lambda ds: ds[["n_trials"]].to_dataframe().sort_index(axis=1),
    "to_pandas": lambda ds: (ds.n_trials.to_pandas(), ds.area.to_pandas()),
    "to_dict": lambda ds: xr.Dataset.from_dict(ds.isel(time=slice(5)).to_dict()),
    "copies": lambda ds: (pickle.loads(pickle.dumps(ds)), copy.deepcopy(ds)),
    "netCDF": netcdf,
    "to_zarr": lambda ds: read(stored(ds)),
    "to_zarr of a selection": lambda ds: read(stored(ds[["psth"]].sel(area="MLd")[{"time": [3]}])),
    "to_zarr, appended": lambda ds: read(
        stored(areas(ds[["n_trials"]].drop_encoding())[1],
               stored(areas(ds[["n_trials"]].drop_encoding())[0]), append_dim="neuron")
    ),
    "to_zarr, in a region": in_a_region,
    "DataTree": lambda ds: (tree(ds)["MLd/psth"], tree(ds).map_over_datasets(xr.Dataset.max)),
    "DataTree to_zarr": lambda ds: xr.open_datatree(
        stored(tree(ds[["n_trials"]].drop_encoding())), engine="zarr", consolidated=False, chunks={}
    ),
    # What it says of itself.
    "attributes": lambda ds: [part.attrs for part in (ds.psth, ds.sel(area="MLd").time, ds.area)],
    "sizes, dtypes": lambda ds: (dict(ds.sizes), dict(ds.dtypes), ds.psth.type.attrs),
}  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation__as_on_a_dataset_by_hand(operation, form, hand):
    # Of the lazy Dataset, and in turn of one other form; of all where it is asked for.
    first, *others = FORMS
    if os.environ.get("AA1XR_HYPOTHESIS") != "deep":
        others = [others[list(OPERATIONS).index(operation) % len(others)]]
    for name in (first, *others):
        expected = OPERATIONS[operation](hand(name).copy(deep=True))
        check(OPERATIONS[operation](form(name).copy(deep=True)), expected)


def check(got, expected):
    """Assert the same in all that a user sees, but for the rounding of sums in another order."""
    assert type(got) is type(expected)
    match expected:
        case list() | tuple():
            for one, other in zip(got, expected, strict=True):
                check(one, other)
        case xr.DataTree():
            for one, other in zip(got.leaves, expected.leaves, strict=True):
                check(one.to_dataset(), other.to_dataset())
        case xr.Dataset() | xr.DataArray():
            xr.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
            assert described(got) == described(expected)
        case pd.DataFrame():
            pd.testing.assert_frame_equal(got, expected)
        case pd.Series():
            pd.testing.assert_series_equal(got, expected)
        case _:
            assert got == expected


def described(part):
    """All but the values and the order of names, which is no part of a Dataset."""
    ds = part.to_dataset(name=f"{part.name} ") if isinstance(part, xr.DataArray) else part
    kinds = {name: (v.dims, v.dtype, v.attrs) for name, v in ds.variables.items()}
    return kinds, ds.attrs, {name: type(index) for name, index in ds.xindexes.items()}
