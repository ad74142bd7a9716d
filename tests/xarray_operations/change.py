"""Add, replace, drop and select."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from tests.xarray_operations.parts import Operation, backwards


def changed(change: Callable[[xr.Dataset], Any]) -> Operation:
    """The Dataset after a statement that changes it in place."""

    def operation(ds: xr.Dataset) -> xr.Dataset:
        change(ds)
        return ds

    return operation


CHANGE: dict[str, Operation] = {
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
    "item = where": changed(
        lambda ds: ds.__setitem__("psth", ds.psth.where(ds.area == "MLd", 0)),
    ),
    "item of wrong length": changed(lambda ds: ds.__setitem__("x", ("neuron", [1, 2]))),
    "loc[...] =": changed(
        lambda ds: ds.psth.loc.__setitem__({"neuron": ds.neuron.values[[1, 3]]}, 0),
    ),
    "loc[area] =": changed(lambda ds: ds.psth.loc.__setitem__({"area": "MLd"}, 0)),
    "del": changed(lambda ds: ds.__delitem__("spikes")),
    "del coords": changed(lambda ds: ds.coords.__delitem__("rig")),
    "assign": lambda ds: ds.assign(rate=lambda d: d.psth.mean("time"), two=2),
    "assign_coords area, and select": lambda ds: ds.assign_coords(
        area=("neuron", list("aabbab"))
    ).sel(area="b"),
    "assign_coords neuron": lambda ds: ds.assign_coords(neuron=list("fedcba")).sel(neuron="c"),
    "assign_coords computed": lambda ds: ds.assign_coords(rate=ds.psth.mean(["stimulus", "time"])),
    "assign_coords time": lambda ds: ds.assign_coords(time=ds.time * 1000).sel(time=40),
    "assign_coords of another": lambda ds: ds.drop_vars(["area", "rig"]).assign_coords(ds.coords),
    "update": lambda ds: ds.update({"rate": ds.psth.mean("time")}),
    "drop_vars rig": lambda ds: ds.drop_vars("rig"),
    "drop_vars several": lambda ds: ds.drop_vars(["rig", "area", "name", "spikes"]),
    "drop_vars neuron": lambda ds: ds.drop_vars("neuron"),
    "drop_dims": lambda ds: ds.drop_dims("trial"),
    "drop_indexes": lambda ds: ds.drop_indexes("neuron"),
    "rename label": lambda ds: ds.rename(area="region").sel(region="MLd"),
    "rename dim": lambda ds: ds.rename(neuron="cell").sel(cell=ds.neuron.values[[2, 0]]),
    "swap_dims": lambda ds: ds.swap_dims(stimulus="name").sel(name=ds.name.values[[3, 1]]),
    "set_coords": lambda ds: ds.set_coords("n_trials"),
    "reset_coords": lambda ds: ds.reset_coords("area"),
    "set_index": lambda ds: ds.set_index(neuron="cell_seq").sel(neuron=1),
    "set_index several": lambda ds: ds.set_index(neuron=["animal_id", "cell_seq", "rig"]).sel(
        rig="A", cell_seq=1
    ),
    "reset_index": lambda ds: ds.reset_index("neuron"),
    "set_xindex": lambda ds: ds.set_xindex("area").sel(area="MLd"),
}

SELECT: dict[str, Operation] = {
    "sel area": lambda ds: ds.sel(area="MLd"),
    "sel area, type": lambda ds: ds.psth.sel(area="MLd", type="flatrip"),
    "sel label that one has": lambda ds: ds.sel(duration_s=ds.duration_s.values[1]),
    "sel area that no one has": lambda ds: ds.sel(area="CM"),
    "sel two labels of one axis": lambda ds: ds.sel(area="MLd", animal_id="sim0000"),
    "sel list of labels": lambda ds: ds.sel(area=["MLd", "Field_L"]),
    "sel range of unsorted labels": lambda ds: ds.sel(cell_seq=slice(1, 2)),
    "sel neuron": lambda ds: ds.sel(neuron=ds.neuron.values[3]),
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
    "isel scalar": lambda ds: ds.isel(neuron=1, stimulus=-1),
    "isel backwards": lambda ds: ds.isel(neuron=slice(None, None, -1), time=slice(9, 2, -3)),
    "isel mask": lambda ds: ds.isel(neuron=ds.area == "MLd"),
    "isel isin": lambda ds: ds.isel(neuron=ds.neuron.isin(ds.neuron.values[[1, 5]])),
    "[] of positions": lambda ds: ds.psth[1:4, [0, 2], 2:30:5],
    "[] of a mask": lambda ds: ds.psth[ds.animal_id == "sim0001"],
    "loc": lambda ds: ds.psth.loc[ds.neuron.values[2], :, 0.1:0.2],
    "where": lambda ds: ds.psth.where(ds.type == "flatrip"),
    "where, drop": lambda ds: ds.where(ds.area == "MLd", drop=True),
    "where two, drop": lambda ds: ds.psth.where(
        (ds.rig == "A") & (ds.cell_seq == 1) & (ds.type != "flatrip"), drop=True
    ),
    "query": lambda ds: ds.query(neuron="area == 'MLd' and cell_seq > 1"),
    "query two": lambda ds: ds.query(neuron="rig == 'A'", stimulus="duration_s < 2"),
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
}
