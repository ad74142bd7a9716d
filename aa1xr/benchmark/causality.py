"""Three probe stimuli test whether a model predicts from later bins of the spectrogram.

They cannot show everything: a model that ignores their changes is taken as causal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

#: The labels of the stimuli that are like the first one until they change.
PROBES = ("causality-probe-0", "causality-probe-1", "causality-probe-2")
#: How early the first of them changes, in s.
_EARLY = 0.1
#: Rates are equal if they differ by less than this part of their range, or of the largest rate,
#: since sums may be in another order.
_OF_RANGE, _OF_LARGEST = 1e-4, 1e-6


def with_probes(stimuli: xr.Dataset) -> tuple[xr.Dataset, list[float]]:
    """The stimuli with three probes, and the times from which their sound is another, in s."""
    first = stimuli.isel(stimulus=[0]).compute()
    changes = _changes(first)
    probes = [
        changed(first, change).assign_coords(stimulus=("stimulus", [name], first["stimulus"].attrs))
        for name, change in zip(PROBES, changes, strict=True)
    ]
    every = xr.concat([stimuli, *probes], "stimulus", data_vars="minimal", coords="minimal")
    return every, changes


def changed(stimuli: xr.Dataset, change: float) -> xr.Dataset:
    """The stimuli with another sound from a time on until each ends."""
    sound = stimuli["spectrogram"]
    playing = (sound["time"] >= change) & (sound["time"] < stimuli["duration_s"])
    other = _other(sound).where(playing, sound).transpose(*sound.dims).astype(sound.dtype)
    return stimuli.assign(spectrogram=other.assign_attrs(sound.attrs))


def _other(sound: xr.DataArray) -> xr.DataArray:
    """Upside down and with half the values, so that no sum over bands stays as it is."""
    return sound.copy(data=sound.isel(freq=slice(None, None, -1)).values / 2)


def _changes(first: xr.Dataset) -> list[float]:
    """When the sound changes, in s.

    Early; in the bin of the middle half of the stimulus in which it differs most, so that one more
    bin of look-ahead shows; and a bin later, so that steps of several bins cannot begin at both.
    """
    sound, duration = first["spectrogram"], first["duration_s"].item()
    differs = abs(_other(sound) - sound).sum(["stimulus", "freq"])
    time = sound["time"].values
    after_onset = (time > 0) & (time < min(_EARLY, duration / 4))
    middle = (time >= duration / 4) & (time < 3 * duration / 4)
    early, most = (
        time[int(np.where(part, differs, -1).argmax())] for part in (after_onset, middle)
    )
    next_bin = time[min(int(np.searchsorted(time, most)) + 1, time.size - 1)]
    return [float(early), float(most), float(next_bin)]


def is_causal(rate: xr.DataArray, changes: Sequence[float]) -> xr.DataArray:
    """Whether no rate before a change differs from that of the first stimulus. [shape: (neuron,)].

    Parameters
    ----------
    rate
        A prediction for the stimuli of `with_probes`, in their order [shape: (neuron, stimulus,
        time)].
    changes
        When the sound of each probe changes, in s.
    """
    first, *probes = (rate.isel(stimulus=[k]) for k in (0, *range(-len(changes), 0)))
    same = [same_before(first, *one) for one in zip(probes, changes, strict=True)]
    return xr.DataArray(np.all(same, 0), {"neuron": rate["neuron"].variable}, "neuron")


def same_before(one: xr.DataArray, other: xr.DataArray, change: float) -> npt.NDArray[np.bool_]:
    """Whether two predictions for the same stimuli are equal before a time. [shape: (neuron,)]."""
    a, b = (rate.transpose("neuron", "stimulus", "time").values for rate in (one, other))
    # Of all times: before an early change, there may be nothing but rounding.
    known = np.where(np.isfinite(a), a, 0)
    largest, extent = np.abs(known).max((1, 2)), np.ptp(known, (1, 2))
    limit = np.maximum(_OF_RANGE * extent, _OF_LARGEST * largest)[:, np.newaxis, np.newaxis]
    with np.errstate(invalid="ignore"):  # infinite rates are equal to each other
        differ = (np.abs(a - b) > limit) | (np.isnan(a) != np.isnan(b))
    return np.asarray(~differ[..., one["time"].values < change].any((1, 2)))
