"""Operations of xarray that people use, as one table: a name, and a function of a Dataset.

Left out, because the results differ for good reasons: `repr` and `info` (dask arrays beside
arrays in memory), `encoding`, `chunks` and `nbytes` (where the values come from), and
`dask.base.tokenize` (of the graph). An operation may change the Dataset that it gets.
"""

import asyncio
import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
import zarr
from xarray.groupers import BinGrouper, UniqueGrouper

Operation = Callable[[xr.Dataset], Any]


def changed(change: Callable[[xr.Dataset], Any]) -> Operation:
    """The Dataset after a statement that changes it in place."""

    def operation(ds: xr.Dataset) -> xr.Dataset:
        change(ds)
        return ds

    return operation


def drawn(plot: Operation) -> Operation:
    """What is in the figure: titles, labels of the axes, lines, images and points."""

    def operation(ds: xr.Dataset) -> list[Any]:
        try:
            plot(ds)
            return [
                [
                    [axes.get_xlabel(), axes.get_ylabel(), sorted(axes.get_title().split(", "))],
                    [text.get_text() for text in axes.texts],
                    [(line.get_label(), line.get_xydata()) for line in axes.lines],
                    [(image.get_array(), image.get_extent()) for image in axes.images],
                    [(c.get_array(), c.get_offsets()) for c in axes.collections],
                    [patch.get_bbox().bounds for patch in axes.patches],
                ]
                for axes in plt.gcf().axes
            ]
        finally:
            plt.close("all")

    return operation


def stored(ds: xr.Dataset | xr.DataTree, store: Any = None, **options: Any) -> Any:
    """A Zarr store of it in memory."""
    store = zarr.storage.MemoryStore() if store is None else store
    with warnings.catch_warnings():
        # zarr 3.1 warns of the strings of NumPy, whoever writes them.
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification")
        ds.to_zarr(store, consolidated=False, **options)
    return store


def read(store: Any) -> xr.Dataset:
    return xr.open_zarr(store, consolidated=False)


def table(ds: xr.Dataset) -> xr.Dataset:
    """A table that somebody measured: of four of the neurons, one unknown, in another order."""
    neurons = [*ds.neuron.values[[4, 0, 2]], "unknown", ds.neuron.values[1]]
    frame = pd.DataFrame({"depth_um": [400.0, 0.0, 200.0, 900.0, 100.0]}, index=neurons)
    return frame.rename_axis("neuron").to_xarray()


def areas(ds: xr.Dataset) -> list[xr.Dataset]:
    return [ds.sel(area="MLd"), ds.sel(area="Field_L")]


def windows(ds: xr.Dataset) -> list[xr.Dataset]:
    return [ds.sel(time=slice(0.5, 1)), ds.sel(time=slice(0, 0.4999))]


def backwards(ds: xr.Dataset) -> xr.DataArray:
    """Plain data of another order."""
    values = np.arange(ds.sizes["neuron"], dtype=float)
    return xr.DataArray(values, {"neuron": ds.neuron.values[::-1].copy()}, name="plain")


def tree(ds: xr.Dataset) -> xr.DataTree:
    return xr.DataTree.from_dict({f"/{name}": group for name, group in ds.groupby("area")})


def appended(ds: xr.Dataset) -> xr.Dataset:
    one, two = areas(ds[["n_trials"]].drop_encoding())
    return read(stored(two, stored(one), append_dim="neuron"))


def added(ds: xr.Dataset) -> xr.Dataset:
    store = stored(ds[["n_trials"]].drop_encoding())
    return read(stored(ds.psth.mean("time").to_dataset(name="rate"), store, mode="a"))


def in_regions(ds: xr.Dataset) -> xr.Dataset:
    ds = ds[["n_trials"]].drop_encoding()
    store = stored(xr.zeros_like(ds.compute()))
    rows = ds.isel(neuron=slice(2, 4))
    rows = rows.drop_vars([n for n, v in rows.variables.items() if "neuron" not in v.dims])
    return read(stored(rows.compute(), store, region={"neuron": "auto"}))


def in_auto_regions(ds: xr.Dataset) -> xr.Dataset:
    ds = ds[["n_trials"]].drop_encoding().compute()
    rows = (ds * 2).isel(neuron=slice(2, 4))
    return read(stored(rows, stored(ds), region="auto"))


def netcdf(ds: xr.Dataset) -> xr.Dataset:
    return xr.load_dataset(bytes(ds.drop_encoding().to_netcdf(engine="scipy")), engine="scipy")


def one_by_one(ds: xr.Dataset) -> xr.DataArray:
    rate = ds.psth.mean("time")
    parts = [rate.sel(neuron=neuron) for neuron in rate.neuron.values]
    return xr.concat(parts, "neuron", coords="different", compat="equals").sel(area="MLd")


def concat_default(ds: xr.Dataset) -> xr.Dataset:
    """It spreads the spectrogram along neuron, and warns that it will not always do so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return xr.concat(areas(ds), "neuron")


def with_join(join: str) -> Operation:
    def operation(ds: xr.Dataset) -> xr.DataArray:
        with xr.set_options(arithmetic_join=join):
            return ds.psth[[0, 2]] + ds.psth[[2, 1]]

    return operation


def without_attrs(ds: xr.Dataset) -> xr.DataArray:
    with xr.set_options(keep_attrs=False):
        return 2 * ds.psth.mean("time")


OPERATIONS: dict[str, Operation] = {
    # Add, replace and drop
    "item = mean over time": changed(
        lambda ds: ds.__setitem__("rate", ds.psth.mean("time")),
    ),
    "item = dims and values": changed(
        lambda ds: ds.__setitem__("depth", ("neuron", np.arange(6.0), {"units": "um"})),
    ),
    "item = other order": changed(
        lambda ds: ds.__setitem__("back", ds.psth[::-1].mean("time")),
    ),
    "item = some neurons": changed(lambda ds: ds.__setitem__("rate", ds.psth[[4, 1]])),
    "item = plain table": changed(lambda ds: ds.__setitem__("plain", backwards(ds))),
    "item = values of another dtype": changed(
        lambda ds: ds.__setitem__("n_trials", ds.n_trials.astype(float)),
    ),
    "item = where": changed(
        lambda ds: ds.__setitem__("psth", ds.psth.where(ds.area == "MLd", 0)),
    ),
    "item of wrong length": changed(lambda ds: ds.__setitem__("x", ("neuron", [1, 2]))),
    "coords[...] =": changed(
        lambda ds: ds.coords.__setitem__("depth", ("neuron", np.arange(6.0))),
    ),
    "loc[...] =": changed(
        lambda ds: ds.psth.loc.__setitem__({"neuron": ds.neuron.values[[1, 3]]}, 0),
    ),
    "loc[area] =": changed(lambda ds: ds.psth.loc.__setitem__({"area": "MLd"}, 0)),
    "del": changed(lambda ds: ds.__delitem__("spikes")),
    "del coords": changed(lambda ds: ds.coords.__delitem__("rig")),
    "assign": lambda ds: ds.assign(rate=lambda d: d.psth.mean("time"), two=2),
    "assign_coords area": lambda ds: ds.assign_coords(area=("neuron", list("aabbab"))),
    "assign_coords area, and select": lambda ds: ds.assign_coords(
        area=("neuron", list("aabbab"))
    ).sel(area="b"),
    "assign_coords area.str": lambda ds: ds.assign_coords(area=ds.area.str.lower()),
    "assign_coords neuron": lambda ds: ds.assign_coords(neuron=list("fedcba")).sel(neuron="c"),
    "assign_coords computed": lambda ds: ds.assign_coords(rate=ds.psth.mean(["stimulus", "time"])),
    "assign_coords time": lambda ds: ds.assign_coords(time=ds.time * 1000).sel(time=40),
    "assign_coords of another": lambda ds: ds.drop_vars(["area", "rig"]).assign_coords(ds.coords),
    "assign_attrs": lambda ds: ds.assign_attrs(by="me"),
    "update": lambda ds: ds.update({"rate": ds.psth.mean("time")}),
    "drop_vars rig": lambda ds: ds.drop_vars("rig"),
    "drop_vars several": lambda ds: ds.drop_vars(["rig", "area", "name", "spikes"]),
    "drop_vars neuron": lambda ds: ds.drop_vars("neuron"),
    "drop_dims": lambda ds: ds.drop_dims("trial"),
    "drop_indexes": lambda ds: ds.drop_indexes("neuron"),
    "drop_attrs": lambda ds: ds.drop_attrs(),
    "rename label": lambda ds: ds.rename(area="region").sel(region="MLd"),
    "rename dim": lambda ds: ds.rename(neuron="cell").sel(cell=ds.neuron.values[[2, 0]]),
    "rename both": lambda ds: ds.rename(neuron="cell", area="region", psth="rate"),
    "swap_dims": lambda ds: ds.swap_dims(stimulus="name").sel(name=ds.name.values[[3, 1]]),
    "swap_dims area": lambda ds: ds.swap_dims(neuron="area").sel(area="MLd"),
    "set_coords": lambda ds: ds.set_coords("n_trials"),
    "reset_coords": lambda ds: ds.reset_coords("area"),
    "reset_coords drop": lambda ds: ds.psth.reset_coords(drop=True),
    "set_index": lambda ds: ds.set_index(neuron="cell_seq").sel(neuron=1),
    "set_index several": lambda ds: ds.set_index(neuron=["animal_id", "cell_seq", "rig"]).sel(
        rig="A", cell_seq=1
    ),
    "reset_index": lambda ds: ds.reset_index("neuron"),
    "set_xindex": lambda ds: ds.set_xindex("area").sel(area="MLd"),
    # Select
    "sel area": lambda ds: ds.sel(area="MLd"),
    "sel area, type": lambda ds: ds.psth.sel(area="MLd", type="flatrip"),
    "sel label that one has": lambda ds: ds.sel(duration_s=ds.duration_s.values[1]),
    "sel area that no one has": lambda ds: ds.sel(area="CM"),
    "sel two labels of one axis": lambda ds: ds.sel(area="MLd", animal_id="sim0000"),
    "sel list of labels": lambda ds: ds.sel(area=["MLd", "Field_L"]),
    "sel range of unsorted labels": lambda ds: ds.sel(cell_seq=slice(1, 2)),
    "sel neuron": lambda ds: ds.sel(neuron=ds.neuron.values[3]),
    "sel neuron, drop": lambda ds: ds.psth.sel(neuron=ds.neuron.values[3], drop=True),
    "sel missing neuron": lambda ds: ds.sel(neuron="nobody"),
    "sel list of neurons": lambda ds: ds.sel(neuron=list(ds.neuron.values[[5, 0, 0]])),
    "sel slice of neurons": lambda ds: ds.sel(neuron=slice(*ds.neuron.values[[1, 4]])),
    "sel pairs": lambda ds: ds.psth.sel(
        neuron=xr.DataArray(ds.neuron.values[[0, 3]], dims="pair"),
        stimulus=xr.DataArray(ds.stimulus.values[[1, 2]], dims="pair"),
    ),
    "sel time slice": lambda ds: ds.sel(time=slice(0.1, 0.3)),
    "sel nearest": lambda ds: ds.sel(time=0.1234, freq=1000, method="nearest"),
    "sel nearest, tolerance": lambda ds: ds.sel(time=[0.1234], method="nearest", tolerance=1e-3),
    "sel nearest list": lambda ds: ds.spectrogram.sel(freq=[500, 2000], method="nearest"),
    "sel trial": lambda ds: ds.sel(trial=[0, 3]),
    "isel scalar": lambda ds: ds.isel(neuron=1, stimulus=-1),
    "isel backwards": lambda ds: ds.isel(neuron=slice(None, None, -1), time=slice(9, 2, -3)),
    "isel mask": lambda ds: ds.isel(neuron=ds.area == "MLd"),
    "isel isin": lambda ds: ds.isel(neuron=ds.neuron.isin(ds.neuron.values[[1, 5]])),
    "isel numpy mask": lambda ds: ds.isel(neuron=(ds.cell_seq > 1).values),
    "isel missing_dims": lambda ds: ds.n_trials.isel(trial=0, missing_dims="ignore"),
    "[] of positions": lambda ds: ds.psth[1:4, [0, 2], 2:30:5],
    "[] of a mask": lambda ds: ds.psth[ds.animal_id == "sim0001"],
    "loc": lambda ds: ds.psth.loc[ds.neuron.values[2], :, 0.1:0.2],
    "where": lambda ds: ds.psth.where(ds.type == "flatrip"),
    "where, drop": lambda ds: ds.where(ds.area == "MLd", drop=True),
    "where two, drop": lambda ds: ds.psth.where(
        (ds.rig == "A") & (ds.cell_seq == 1) & (ds.type != "flatrip"), drop=True
    ),
    "where n_trials": lambda ds: ds.psth.where(ds.n_trials > 0, -1),
    "query": lambda ds: ds.query(neuron="area == 'MLd' and cell_seq > 1"),
    "query two": lambda ds: ds.query(neuron="rig == 'A'", stimulus="duration_s < 2"),
    "query time": lambda ds: ds.psth.query(time="time > 2"),
    "dropna": lambda ds: ds.psth.dropna("stimulus", how="any"),
    "fillna": lambda ds: ds.fillna(0),
    "fillna by neuron": lambda ds: ds.psth.fillna(backwards(ds)),
    "head, tail, thin": lambda ds: (
        ds.psth.head(neuron=2),
        ds.n_trials.tail(neuron=2),
        ds.psth.thin(time=7),
    ),
    "drop_sel": lambda ds: ds.drop_sel(neuron=ds.neuron.values[[0, 2]]),
    "drop_isel": lambda ds: ds.drop_isel(stimulus=[0, 3]),
    "drop_duplicates": lambda ds: ds.isel(neuron=[0, 1, 0, 1]).drop_duplicates("neuron"),
    "sortby label": lambda ds: ds.sortby("cell_seq", ascending=False),
    "sortby several": lambda ds: ds.sortby(["type", "duration_s"]).sortby(["rig", "animal_id"]),
    "squeeze": lambda ds: ds.isel(neuron=[2]).squeeze("neuron"),
    "expand_dims": lambda ds: ds.sel(neuron=ds.neuron.values[1]).expand_dims("neuron"),
    # Align and combine
    "reindex": lambda ds: ds.psth.reindex(neuron=ds.neuron.values[::-1]),
    "reindex all": lambda ds: ds.reindex(neuron=[*ds.neuron.values[[3, 1]], "nobody"]),
    "reindex nearest": lambda ds: ds.psth.reindex(time=[0.111, 9], method="nearest", tolerance=1),
    "reindex_like": lambda ds: ds.reindex_like(backwards(ds)),
    **{
        f"align {join}": lambda ds, join=join: xr.align(
            ds.isel(neuron=[0, 1, 3]), backwards(ds)[1:], join=join
        )
        for join in ("inner", "outer", "left", "right", "exact")
    },
    "broadcast": lambda ds: xr.broadcast(ds.psth, ds.n_trials.isel(neuron=slice(3))),
    "merge a table": lambda ds: ds.merge(table(ds), join="left"),
    "merge a table, outer": lambda ds: xr.merge([ds.n_trials, table(ds)], join="outer"),
    "merge a label that conflicts": lambda ds: ds.merge(
        {"area": ("neuron", list("abcdef"))}, compat="no_conflicts"
    ),
    "merge areas": lambda ds: xr.merge(
        [group.n_trials for group in areas(ds)], join="outer", compat="no_conflicts"
    ),
    "combine_first": lambda ds: ds.psth.isel(neuron=[0, 1]).combine_first(
        ds.psth.isel(neuron=[4, 1])
    ),
    "combine_by_coords": lambda ds: xr.combine_by_coords(
        [window[["psth"]] for window in windows(ds)], join="exact", compat="no_conflicts"
    ),
    "combine_nested": lambda ds: xr.combine_nested(
        areas(ds), "neuron", data_vars="minimal", coords="minimal", compat="override", join="exact"
    ),
    "concat areas": lambda ds: xr.concat(areas(ds), "neuron", data_vars="minimal"),
    "concat areas, default": concat_default,
    "concat windows": lambda ds: xr.concat(windows(ds), "time", data_vars="minimal"),
    "concat other neurons": lambda ds: xr.concat(
        [ds.psth[:2], ds.psth[1:3]], "half", join="outer", coords="minimal", compat="override"
    ),
    "concat one by one": one_by_one,
    "Dataset of variables": lambda ds: xr.Dataset({"a": ds.psth}, coords={"neuron": ds.neuron}),
    "Dataset of coords": lambda ds: xr.Dataset({"a": ds.psth.mean("time")}, coords=ds.coords),
    "DataArray of coords": lambda ds: xr.DataArray(
        np.ones(ds.n_trials.shape), coords=ds.n_trials.coords, dims=ds.n_trials.dims
    ),
    "zeros_like": lambda ds: (xr.zeros_like(ds), xr.full_like(ds.psth, np.nan)),
    # Compute with it
    "arithmetic": lambda ds: (ds.psth - ds.psth.mean("time")) / 2 + ds.n_trials,
    "arithmetic with a plain table": lambda ds: ds.psth.mean("time") * backwards(ds),
    "arithmetic with fewer": lambda ds: ds * backwards(ds)[1:4],
    "arithmetic of two areas": lambda ds: xr.Dataset.__sub__(*areas(ds)),
    "arithmetic outer": with_join("outer"),
    "arithmetic in place": changed(lambda ds: ds.__imul__(2)),
    "arithmetic without attrs": without_attrs,
    "comparison": lambda ds: (ds.psth > 5) & (ds.area == "MLd") | ~(ds.n_trials == 10),
    "numpy function": lambda ds: (np.sqrt(ds), np.square(ds.psth), abs(-ds.n_trials)),
    "xr.where": lambda ds: xr.where(ds.area == "MLd", ds.psth, 0),
    "corr of all pairs": lambda ds: xr.corr(
        ds.psth.mean("stimulus"), ds.psth.mean("stimulus").rename(neuron="other"), "time"
    ),
    "cov of all pairs": lambda ds: xr.cov(
        ds.n_trials, ds.n_trials.rename(neuron="other"), "stimulus"
    ),
    "dot": lambda ds: xr.dot(ds.psth.fillna(0), ds.spectrogram, dim=["stimulus", "time"]),
    "apply_ufunc": lambda ds: xr.apply_ufunc(
        np.square, ds, dask="allowed", keep_attrs=True, dataset_join="exact"
    ),
    "apply_ufunc core dim": lambda ds: xr.apply_ufunc(
        lambda x: x.max(-1), ds.n_trials, input_core_dims=[["stimulus"]], dask="allowed"
    ),
    "apply_ufunc vectorize, parallelized": lambda ds: xr.apply_ufunc(
        lambda rate, n: np.nansum(rate) * n,
        ds.psth,
        ds.n_trials,
        input_core_dims=[["time"], []],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[float],
    ),
    "map": lambda ds: ds.map(lambda array: array + 1, keep_attrs=True),
    "map_blocks Dataset": lambda ds: xr.map_blocks(lambda block: block * 2, ds[["psth"]]),
    "map_blocks DataArray": lambda ds: ds.psth.map_blocks(
        lambda block: block.max("time"), template=ds.psth.max("time")
    ),
    "pipe": lambda ds: ds.pipe(lambda d: d.psth.sel(area="MLd")),
    "mean of all": lambda ds: (ds.mean(), ds.psth.mean(...)),
    "mean neuron": lambda ds: ds.mean("neuron"),
    "sum min_count": lambda ds: ds.spikes.sum("time", min_count=1),
    "max, min, prod": lambda ds: (ds.psth.max("neuron"), ds.psth.min("time"), ds.n_trials.prod()),
    "any, all, count": lambda ds: (
        ds.psth.isnull().any("time"),
        ds.psth.notnull().all("time"),
        ds.spikes.count("trial"),
    ),
    "quantile": lambda ds: ds.psth.fillna(0).quantile([0.1, 0.5], "time"),
    "quantile, skipna": lambda ds: ds.n_trials.quantile(0.25, "stimulus", skipna=False),
    "idxmax": lambda ds: ds.psth.fillna(0).idxmax("time"),
    "idxmax neuron": lambda ds: ds.psth.fillna(0).idxmax("neuron"),
    "argmax": lambda ds: ds.psth.fillna(0).argmax("time"),
    "argmax, and isel": lambda ds: (lambda rate: rate.isel(rate.argmax(["neuron", "time"])).values)(
        ds.psth.fillna(0).compute().mean("stimulus")
    ),
    "weighted": lambda ds: ds.psth.weighted(ds.n_trials).mean(["neuron", "stimulus"]),
    "weighted by duration": lambda ds: ds.weighted(ds.duration_s.fillna(0)).sum("stimulus"),
    "clip, round, astype": lambda ds: (
        ds.clip(0, 5),
        ds.psth.round(1),
        ds.psth.fillna(0).astype("int16"),
    ),
    "isnull, isin": lambda ds: (ds.psth.isnull(), ds.n_trials.isin([0, 15])),
    "str": lambda ds: (ds.neuron.str.split("split", "_"), ds.area.str[0], ds.name.str.len()),
    # By groups and in windows
    "groupby area": lambda ds: ds.groupby("area").mean(),
    "groupby area map": lambda ds: ds.psth.groupby("area").map(lambda g: g - g.mean("neuron")),
    "groupby area reduce": lambda ds: ds.n_trials.groupby("area").reduce(np.max, "neuron"),
    "groupby area quantile": lambda ds: ds.n_trials.groupby("area").quantile(0.5, dim="neuron"),
    "groupby area first, last": lambda ds: (
        ds.drop_vars("spectrogram").groupby("area").first(),
        ds.psth.groupby("area").last(),
    ),
    "groupby area minus": lambda ds: ds.psth.groupby("area") - ds.psth.groupby("area").mean(),
    "groupby area groups": lambda ds: (dict(ds.groupby("area").groups), list(ds.groupby("area"))),
    "groupby area one": lambda ds: ds.groupby("area")["MLd"],
    "groupby animal_id": lambda ds: ds.n_trials.groupby("animal_id").std(),
    "groupby type": lambda ds: ds.groupby("type").count(),
    "groupby two of one axis": lambda ds: ds.psth.groupby(["area", "animal_id"]).mean(),
    "groupby two axes": lambda ds: ds.psth.groupby(area=UniqueGrouper(), type=UniqueGrouper()).max(
        ...
    ),
    "groupby_bins": lambda ds: ds.psth.groupby_bins("duration_s", [0, 1.9, 3]).mean(),
    "groupby bins of time": lambda ds: ds.psth.groupby(time=BinGrouper([0, 0.5, 1])).sum("time"),
    "groupby neuron": lambda ds: ds.psth.groupby("neuron").mean(...),
    "groupby neuron map": lambda ds: (
        ds[["psth"]].groupby("neuron").map(lambda group: group.max("time"))
    ),
    "groupby stimulus": lambda ds: ds.n_trials.groupby("stimulus").sum(),
    "resample": lambda ds: ds.resample(time="100ms").mean(),
    "coarsen": lambda ds: ds.coarsen(time=5, boundary="trim").mean(),
    "coarsen coord_func": lambda ds: ds.spikes.coarsen(
        time=5, boundary="trim", coord_func="min"
    ).sum(),
    "coarsen construct": lambda ds: ds.psth.coarsen(time=10, boundary="pad").construct(
        time=("window", "within")
    ),
    "rolling": lambda ds: ds.psth.rolling(time=5, center=True).mean(),
    "rolling construct": lambda ds: ds.psth.rolling(time=3).construct("lag").isel(time=[0, 9]),
    "cumsum, cumulative": lambda ds: (
        ds.psth.cumsum("time"),
        ds.n_trials.cumulative("stimulus").sum(),
    ),
    "diff": lambda ds: (ds.diff("time"), ds.psth.diff("stimulus", n=2, label="lower")),
    "shift": lambda ds: ds.shift(time=2, neuron=-1),
    "roll": lambda ds: ds.psth.roll(neuron=2, roll_coords=True),
    "pad": lambda ds: ds.psth.pad(time=(2, 1)),
    "interp": lambda ds: ds.psth.interp(time=[0.105, 0.5]),
    "interp nearest": lambda ds: ds.spectrogram.interp(freq=[500, 1000], method="nearest"),
    "interp Dataset": lambda ds: ds.drop_vars("spikes").interp(time=np.arange(3) / 7),
    "differentiate, integrate": lambda ds: (
        ds.psth.differentiate("time"),
        ds.integrate("time"),
        ds.psth.cumulative_integrate("time"),
    ),
    "polyfit": lambda ds: ds.psth.fillna(0).polyfit("time", 1),
    "curvefit": lambda ds: (
        ds.psth.fillna(0)
        .isel(neuron=[0, 3], stimulus=[0, 1])
        .curvefit("time", lambda time, a, b: a * time + b)
        .curvefit_coefficients.round(3)
    ),
    # Shape
    "transpose": lambda ds: (ds.transpose("time", ..., "neuron"), ds.psth.T),
    "stack": lambda ds: ds.stack(pair=("neuron", "stimulus")),
    "stack, select": lambda ds: ds.psth.stack(pair=("neuron", "stimulus")).sel(
        stimulus=ds.stimulus.values[1]
    ),
    "stack, drop, unstack": lambda ds: (
        ds.psth.mean("time").stack(pair=("neuron", "stimulus")).dropna("pair").unstack("pair")
    ),
    "to_stacked_array": lambda ds: (
        ds.n_trials.to_dataset()
        .assign(half=ds.n_trials / 2)
        .to_stacked_array("feature", sample_dims=["neuron"])
    ),
    "to_array": lambda ds: ds[["n_trials", "psth"]].max("stimulus").to_dataarray("measure"),
    "to_dataset": lambda ds: ds.psth.to_dataset("stimulus"),
    "as_numpy": lambda ds: (ds.as_numpy(), ds.psth.to_numpy(), np.asarray(ds.n_trials)),
    "chunk": lambda ds: ds.chunk(neuron=2, time=50),
    "chunk, unify_chunks": lambda ds: xr.unify_chunks(
        ds.psth.chunk(neuron=2), ds.n_trials.chunk(neuron=1)
    ),
    "persist": lambda ds: ds.persist(),
    "compute, load": lambda ds: (ds.compute(), ds.psth.load()),
    "load_async": lambda ds: asyncio.run(ds.load_async()),
    # Tables
    "to_dataframe": lambda ds: ds[["n_trials"]].to_dataframe(),
    "to_dataframe dim_order": lambda ds: ds.psth[:2, :, :9].to_dataframe(
        dim_order=["time", "stimulus", "neuron"]
    ),
    "to_dataframe of labels": lambda ds: ds.drop_vars(list(ds.data_vars)).area.to_dataframe(),
    "to_dataframe, groupby": lambda ds: (
        ds.n_trials.to_dataframe().groupby(["area", "type"]).sum(numeric_only=True)
    ),
    "to_series": lambda ds: (ds.n_trials.to_series(), ds.area.to_series()),
    "to_pandas": lambda ds: (ds.n_trials.to_pandas(), ds.area.to_pandas()),
    "to_dask_dataframe": lambda ds: ds[["n_trials"]].to_dask_dataframe().compute(),
    "to_masked_array": lambda ds: ds.psth.to_masked_array().filled(-1),
    "to_dict": lambda ds: ds.isel(trial=[0], time=[1, 2]).to_dict(),
    "to_dict, from_dict": lambda ds: xr.Dataset.from_dict(ds.isel(time=slice(5)).to_dict()),
    "to_dataframe, from_dataframe": lambda ds: xr.Dataset.from_dataframe(
        ds[["n_trials"]].to_dataframe()
    ),
    # Copies, files and trees
    "pickle": lambda ds: pickle.loads(pickle.dumps(ds)),
    "copy": lambda ds: (ds.copy(), ds.copy(deep=True), copy.deepcopy(ds.psth)),
    "netCDF": netcdf,
    "to_zarr": lambda ds: read(stored(ds.drop_vars("spikes"))),
    "to_zarr of a selection": lambda ds: read(
        stored(ds[["psth"]].sel(area="MLd").isel(time=slice(3, 50)))
    ),
    "to_zarr append_dim": appended,
    "to_zarr mode a": added,
    "to_zarr region": in_regions,
    "to_zarr region auto": in_auto_regions,
    "DataTree": tree,
    "DataTree child": lambda ds: (tree(ds)["MLd/psth"], tree(ds)["MLd"].to_dataset()),
    "DataTree map": lambda ds: tree(ds).map_over_datasets(lambda node: node.max()),
    "DataTree sel": lambda ds: tree(ds).mean("time"),
    "DataTree item": lambda ds: (
        lambda t: (t.__setitem__("MLd/rate", ds.psth.sel(area="MLd").mean("time")), t)[1]
    )(tree(ds)),
    "DataTree to_zarr": lambda ds: xr.open_datatree(
        stored(tree(ds[["n_trials"]].drop_encoding())), engine="zarr", consolidated=False, chunks={}
    ),
    # Plots
    "plot line": drawn(
        lambda ds: ds.psth.sel(type="conspecific").mean(["neuron", "stimulus"]).plot()
    ),
    "plot line of one": drawn(
        lambda ds: ds.psth.sel(area="MLd")[0, 0].reset_coords(drop=True).plot.line()
    ),
    "plot line hue neuron": drawn(
        lambda ds: ds.psth[:, 0].reset_coords(drop=True).plot.line(x="time", hue="neuron")
    ),
    "plot line by area": drawn(
        lambda ds: (
            ds.psth.groupby("area")
            .mean("neuron")[:, 1]
            .reset_coords(drop=True)
            .plot.line(x="time", hue="area")
        )
    ),
    "plot imshow": drawn(lambda ds: ds.spectrogram[0].reset_coords(drop=True).plot.imshow()),
    "plot pcolormesh": drawn(lambda ds: ds.spectrogram[0].reset_coords(drop=True).plot(x="time")),
    "plot facets": drawn(
        lambda ds: ds.psth.groupby("type").mean("stimulus").plot.imshow(col="type", x="time")
    ),
    "plot hist": drawn(lambda ds: ds.n_trials.plot.hist(bins=3)),
    "plot scatter": drawn(
        lambda ds: xr.Dataset(
            {"n": ds.n_trials[0].reset_coords(drop=True), "s": ds.duration_s}
        ).plot.scatter(x="s", y="n", add_legend=False)
    ),
    # Look at it
    "equals": lambda ds: (
        ds.equals(ds.copy(deep=True)),
        ds.identical(ds.drop_vars("rig")),
        ds.equals(ds + 1),
    ),
    "broadcast_equals": lambda ds: ds.psth.broadcast_equals(ds.psth.T),
    "testing": lambda ds: (
        xr.testing.assert_identical(ds, ds.copy()),
        xr.testing.assert_allclose(ds, ds.compute()),
    ),
    "testing differs": lambda ds: xr.testing.assert_identical(ds, ds.drop_vars("rig")),
    "in, len, iter": lambda ds: (
        "psth" in ds,
        "area" in ds,
        "nothing" in ds,
        "MLd" in ds.area,
        len(ds),
        len(ds.psth),
    ),
    "iterate": lambda ds: (sorted(ds), sorted(ds.coords), [row.mean() for row in ds.n_trials]),
    "attributes": lambda ds: (ds.psth, ds.area, ds.psth.type, ds.title, ds.psth.units, ds.name),
    "unknown attribute": lambda ds: ds.depth,
    "sizes, dtypes": lambda ds: (
        dict(ds.sizes),
        ds.psth.shape,
        {k: str(v) for k, v in ds.dtypes.items()},
    ),
    "dims of coords": lambda ds: {name: coord.dims for name, coord in ds.coords.items()},
    "indexes": lambda ds: dict(ds.indexes),
    "sets of indexes": lambda ds: (
        ds.get_index("neuron").union(["x"]),
        ds.indexes["neuron"].intersection(ds.neuron.values[[3, 1]]),
        ds.indexes["stimulus"].difference(ds.stimulus.values[:2]),
    ),
    "time.attrs": lambda ds: (
        ds.sel(area="MLd").time.attrs,
        ds.psth.sel(time=slice(0.1, 1)).time.attrs,
        ds.mean("neuron").time.attrs,
        ds.transpose().time.attrs,
        ds.psth[..., 3].time.attrs,
    ),
    "item of a scalar": lambda ds: (ds.psth[0, 0, 5].compute().item(), float(ds.n_trials.sum())),
}

#: What xarray itself does not do, with the exception.
REFUSED: dict[str, type[Exception]] = {
    "item of wrong length": ValueError,
    "sel area that no one has": KeyError,
    "sel two labels of one axis": ValueError,
    "sel list of labels": pd.errors.InvalidIndexError,
    "sel range of unsorted labels": KeyError,
    "sel missing neuron": KeyError,
    "sel nearest, tolerance": KeyError,
    "align exact": xr.AlignmentError,
    "merge a label that conflicts": xr.MergeError,
    "resample": TypeError,
    "testing differs": AssertionError,
    "unknown attribute": AttributeError,
}

#: Operations that need a package that need not be there.
NEEDS = {"to_dask_dataframe": "pyarrow"}
