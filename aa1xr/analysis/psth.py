"""Peri-stimulus time histograms of a selection."""

from __future__ import annotations

import xarray as xr

from aa1xr import schema


def psth(ds: xr.Dataset) -> xr.DataArray:
    """Firing rate over the trials that are left in a selection.

    `ds.psth` is over all presentations, read straight from the events, and selecting trials
    does not reach it; this averages `ds.spikes`. Over all trials the two are equal.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (..., trial, time)].

    Returns
    -------
    xarray.DataArray
        Mean over trials divided by the bin width, in spikes/s [shape: (..., time)]; NaN where
        none of the trials was presented. Lazy if `spikes` is.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> even = aa1xr.psth(ds.isel(trial=slice(0, None, 2)))
    >>> even.dims
    ('neuron', 'stimulus', 'time')
    """
    spikes = schema.validate(ds, "spikes")["spikes"]
    if "trial" not in spikes.dims:
        spikes = spikes.expand_dims("trial")
    rate = spikes.mean("trial") / (schema.bin_width_ms(ds) / 1000)
    spec = schema.VARIABLES["psth"]
    attrs = spec.attrs | {"comment": "over the presentations selected"}
    return rate.rename("psth").assign_attrs(attrs)
