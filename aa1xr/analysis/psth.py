"""Peri-stimulus time histograms (PSTH) of a selection of trials."""

from __future__ import annotations

import xarray as xr

from aa1xr import schema
from aa1xr.analysis.smooth import kernel_attrs
from aa1xr.analysis.trial_checks import checked_spikes, mark


def psth(ds: xr.Dataset) -> xr.DataArray:
    """Compute the firing rate over the trials of a selection.

    This function averages `ds.spikes`. `ds.psth` is computed from the spike times instead, so a
    selection of trials by `isel`, `sel` or `where` does not change it. Over all trials the two are
    equal. `aa1xr.take_trials` selects trials in all variables.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (..., trial, time)]: counts, whatever their attributes.

    Returns
    -------
    xarray.DataArray
        Mean over trials divided by the bin width, in spikes/s [shape: (..., time)]; NaN where
        none of the trials was presented. The attribute "trials" lists the trial numbers. Lazy if
        `spikes` is. Of smoothed `spikes`, it is smoothed alike, and says so.

    Raises
    ------
    ValueError
        If `spikes` has the units of a rate.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> first = aa1xr.psth(ds.isel(trial=slice(0, 5)))
    >>> first.dims, first.attrs["trials"]
    (('neuron', 'stimulus', 'time'), '0 1 2 3 4')
    """
    spikes = checked_spikes(ds)
    if "trial" not in spikes.dims:
        spikes = spikes.expand_dims("trial")
    # A mean of nothing is NaN; xarray's would warn of it from the threads of dask.
    mean = spikes.sum("trial", min_count=1) / spikes.count("trial")
    rate = mean.astype(spikes.dtype) / (schema.bin_width_ms(ds) / 1000)
    spec = schema.VARIABLES["psth"]
    attrs = spec.attrs | {"comment": "mean over the trials that were selected"}
    if "smoothed" in spikes.attrs:
        attrs |= {"smoothed": spikes.attrs["smoothed"]} | kernel_attrs(spikes)
    if "trial" in ds.coords:
        attrs |= mark(ds["trial"].values)
    return rate.rename("psth").assign_attrs(attrs)
