"""Tables, copies, files, trees, plots; what a Dataset says of itself."""

import copy
import pickle
import warnings
from typing import Any

import matplotlib.pyplot as plt
import xarray as xr
import zarr

from tests.xarray_operations.parts import Operation, areas


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
                    [patch.get_verts() for patch in axes.patches],
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


def tree(ds: xr.Dataset) -> xr.DataTree:
    return xr.DataTree.from_dict({f"/{name}": group for name, group in ds.groupby("area")})


EXPORT: dict[str, Operation] = {
    "to_dataframe": lambda ds: ds[["n_trials"]].to_dataframe(),
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
    "DataTree to_zarr": lambda ds: xr.open_datatree(
        stored(tree(ds[["n_trials"]].drop_encoding())), engine="zarr", consolidated=False, chunks={}
    ),
}

PLOT: dict[str, Operation] = {
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
    "plot scatter": drawn(
        lambda ds: xr.Dataset(
            {"n": ds.n_trials[0].reset_coords(drop=True), "s": ds.duration_s}
        ).plot.scatter(x="s", y="n", add_legend=False)
    ),
}

LOOK: dict[str, Operation] = {
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
