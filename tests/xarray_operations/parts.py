"""Data that operations put together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

Operation = Callable[[xr.Dataset], Any]


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
