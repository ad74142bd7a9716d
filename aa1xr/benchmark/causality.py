"""Whether a model predicts from later sound: one more stimulus to predict tells."""

from __future__ import annotations

import numpy as np
import xarray as xr

#: The label of the stimulus that is like the first one until half of its duration.
PROBE = "causality-probe"
#: Rates that differ by less than this part of the largest rate are equal: sums may be in another
#: order.
_ROUNDING = 1e-4


def with_probe(stimuli: xr.Dataset) -> xr.Dataset:
    """`stimuli`, and the first one again, with another sound in its second half."""
    first = stimuli.isel(stimulus=[0]).compute()
    later = (first["time"] >= first["duration_s"].item() / 2) & (
        first["time"] < first["duration_s"].item()
    )
    sound = first["spectrogram"]
    # Both upside down and fainter, so that no sum over bands stays as it is.
    changed = sound.where(~later, sound.isel(freq=slice(None, None, -1)).values / 2)
    changed = changed.transpose(*sound.dims).assign_attrs(sound.attrs)
    probe = first.assign(spectrogram=changed.astype(sound.dtype)).assign_coords(
        stimulus=("stimulus", [PROBE], first["stimulus"].attrs)
    )
    return xr.concat([stimuli, probe], "stimulus", data_vars="minimal", coords="minimal")


def is_causal(rate: xr.DataArray, stimuli: xr.Dataset) -> xr.DataArray:
    """Whether the rate before the change is that of the first stimulus. [shape: (neuron,)].

    Parameters
    ----------
    rate
        A prediction for `stimuli` [shape: (neuron, stimulus, time)].
    stimuli
        From `with_probe`.
    """
    first = stimuli["stimulus"].values[0]
    before = stimuli["time"].values < float(stimuli["duration_s"].values[0]) / 2
    one, other = (
        rate.sel(stimulus=label, drop=True).transpose("neuron", "time").values[:, before]
        for label in (first, PROBE)
    )
    largest = np.nanmax(np.abs(np.where(np.isfinite(one), one, 0)), axis=1, initial=0)
    differ = np.abs(one - other) > _ROUNDING * largest[:, np.newaxis]
    differ |= np.isnan(one) != np.isnan(other)
    return xr.DataArray(~differ.any(1), {"neuron": rate["neuron"].variable}, "neuron")
