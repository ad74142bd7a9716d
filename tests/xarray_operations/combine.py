"""Align and combine; compute."""

import warnings

import numpy as np
import xarray as xr

from tests.xarray_operations.change import changed
from tests.xarray_operations.parts import Operation, areas, backwards, table, windows


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


COMBINE: dict[str, Operation] = {
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
    "zeros_like": lambda ds: (xr.zeros_like(ds), xr.full_like(ds.psth, np.nan)),
}

COMPUTE: dict[str, Operation] = {
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
    "apply_ufunc vectorize, parallelized": lambda ds: xr.apply_ufunc(
        lambda rate, n: np.nansum(rate) * n,
        ds.psth,
        ds.n_trials,
        input_core_dims=[["time"], []],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[float],
    ),
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
    "idxmax": lambda ds: ds.psth.fillna(0).idxmax("time"),
    "weighted": lambda ds: ds.psth.weighted(ds.n_trials).mean(["neuron", "stimulus"]),
    "weighted by duration": lambda ds: ds.weighted(ds.duration_s.fillna(0)).sum("stimulus"),
    "clip, round, astype": lambda ds: (
        ds.clip(0, 5),
        ds.psth.round(1),
        ds.psth.fillna(0).astype("int16"),
    ),
    "isnull, isin": lambda ds: (ds.psth.isnull(), ds.n_trials.isin([0, 15])),
    "str": lambda ds: (ds.neuron.str.split("split", "_"), ds.area.str[0], ds.name.str.len()),
}
