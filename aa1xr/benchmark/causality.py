"""Whether a model predicts from later sound: one more stimulus to predict tells.

One probe cannot show everything: a model that ignores this change is taken as causal.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

#: The label of the stimulus that is like the first one until it changes.
PROBE = "causality-probe"
#: Rates are equal if they differ by less than this part of their range, or of the largest rate,
#: since sums may be in another order.
_OF_RANGE, _OF_LARGEST = 1e-4, 1e-6


def with_probe(stimuli: xr.Dataset) -> tuple[xr.Dataset, float]:
    """The stimuli, and the first one again with another sound from a time on; that time, in s."""
    first = stimuli.isel(stimulus=[0]).compute()
    sound = first["spectrogram"]
    change, other = _change(first)
    playing = (first["time"] >= change) & (first["time"] < first["duration_s"].item())
    changed = other.where(playing, sound).transpose(*sound.dims).assign_attrs(sound.attrs)
    probe = first.assign(spectrogram=changed.astype(sound.dtype)).assign_coords(
        stimulus=("stimulus", [PROBE], first["stimulus"].attrs)
    )
    both = xr.concat([stimuli, probe], "stimulus", data_vars="minimal", coords="minimal")
    return both, change


def _change(first: xr.Dataset) -> tuple[float, xr.DataArray]:
    """When the sound changes, in s, and the other sound.

    That is upside down and fainter, so that no sum over bands stays as it is. It begins in the bin
    in which it differs most, of the middle half of the stimulus: one more bin of look-ahead shows.
    """
    sound = first["spectrogram"]
    other = sound.copy(data=sound.isel(freq=slice(None, None, -1)).values / 2)
    quarter = first["duration_s"].item() / 4
    middle = (sound["time"] >= quarter) & (sound["time"] < 3 * quarter)
    differs = abs(other - sound).sum(["stimulus", "freq"]).where(middle, -1)
    return float(sound["time"][int(differs.argmax("time"))]), other


def is_causal(rate: xr.DataArray, change: float) -> xr.DataArray:
    """Whether the rate before the change is that of the first stimulus. [shape: (neuron,)].

    Parameters
    ----------
    rate
        A prediction for the stimuli of `with_probe`, in their order [shape: (neuron, stimulus,
        time)].
    change
        When the sound changes, in s.
    """
    before = rate.transpose("neuron", "stimulus", "time").values[..., rate["time"].values < change]
    one, other = before[:, 0], before[:, -1]
    known = np.where(np.isfinite(one), one, 0)
    largest = np.abs(known).max(1, initial=0)
    extent = known.max(1, initial=-np.inf) - known.min(1, initial=np.inf)
    limit = np.maximum(_OF_RANGE * extent, _OF_LARGEST * largest)
    differ = np.abs(one - other) > limit[:, np.newaxis]
    differ |= np.isnan(one) != np.isnan(other)
    return xr.DataArray(~differ.any(1), {"neuron": rate["neuron"].variable}, "neuron")
