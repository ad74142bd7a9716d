"""How well a prediction agrees with the responses at each frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.analysis.pairs import (
    Bools,
    During,
    Floats,
    bins_during,
    complete,
    labelled,
    neuron_names,
    some,
)
from aa1xr.analysis.prediction import match
from aa1xr.analysis.reliability import repeated
from aa1xr.errors import UndefinedWarning

_DIMS = ("neuron", "frequency")

COHERENCE: dict[str, schema.Spec] = {
    "coherence": schema.Spec(_DIMS, "f", "1", "squared coherence of prediction and PSTH"),
    "coherence_max": schema.Spec(
        _DIMS, "f", "1", "greatest squared coherence with the PSTH", "that of the true rate"
    ),
    "information": schema.Spec(("neuron",), "f", "bits/s", "information in the prediction"),
    "information_max": schema.Spec(("neuron",), "f", "bits/s", "information in the true rate"),
}


def coherence(
    prediction: xr.DataArray,
    ds: xr.Dataset,
    *,
    window_ms: float = 256,
    during: During = "stimulus",
) -> xr.Dataset:
    """Coherence of a predicted rate with the PSTH, and what a perfect one would reach.

    Parameters
    ----------
    prediction, ds
        As for `aa1xr.score`.
    window_ms
        Spectra are of stretches of this length (whole bins), half overlapping, about their mean
        and under a Hann window; frequencies are `1000 / window_ms` Hz apart.
    during
        Which bins count: see `aa1xr.score`.

    Returns
    -------
    xarray.Dataset
        Lazy, with the labels of `ds`. With P the spectrum of the prediction, R of a trial, Y of
        the mean over N trials and <> the mean over stretches:

        - `coherence` [shape: (neuron, frequency)]: abs(<P conj(Y)>)**2 / (<PP> * <YY>);
        - `coherence_max`: A / <YY>, where A is the mean of <R conj(R')> over pairs of different
          trials, the spectrum of what trials share. It is what Hsu, Borst & Theunissen (2004)
          derive from the coherence c of the means of two halves of the trials,
          2 * sqrt(c) / (1 + sqrt(c)), with the spectra of all splits averaged, so none is drawn;
          where there is no signal it scatters about zero;
        - `information`, `information_max` [shape: (neuron,)] in bits/s: what the prediction, or
          the true rate, tells of the PSTH: the sum over frequencies of -log2(1 - coherence)
          times their distance, a lower bound for Gaussian signals (Borst & Theunissen 1999,
          Nature Neuroscience 2, 947-957). The ratio of the two is the share that is predicted.

        Stimuli count by their number of stretches; those of fewer than two trials, or shorter
        than one stretch, do not. NaN where nothing is left, or nothing varies.

    Notes
    -----
    A coherence from K stretches is about 1 / K too large.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> even, odd = ds.isel(trial=slice(0, None, 2)), ds.isel(trial=slice(1, None, 2))
    >>> result = aa1xr.coherence(aa1xr.psth(even), odd)
    >>> result.coherence.sel(area="MLd").dims
    ('neuron', 'frequency')
    >>> bool((result.information > 0).all())
    True
    """
    ds, rate, counts = match(prediction, ds)
    schema.bin_numbers(ds)  # spectra need an unbroken axis
    dt = schema.bin_width_ms(ds) / 1000
    length = round(arguments.number("window_ms", window_ms) / 1000 / dt)
    if not 2 <= length <= counts.sizes["time"]:
        raise ValueError(
            f"window_ms={window_ms} is {length} bins of {1000 * dt:g} ms; expected 2 to "
            f"{counts.sizes['time']}"
        )
    frequency = np.fft.rfftfreq(length, dt)[1:]
    stacked = xr.apply_ufunc(
        _coherence,
        counts,
        rate,
        neuron_names(ds, counts),
        kwargs={
            "length": length,
            "inside": bins_during(ds, during),
            "site": messages.call_site(),
        },
        input_core_dims=[["stimulus", "trial", "time"], ["stimulus", "time"], []],
        output_core_dims=[["which", "frequency"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"which": 4, "frequency": frequency.size}},
    )
    bits = stacked.sum("frequency", skipna=False) / (length * dt)
    arrays = {
        "coherence": stacked.isel(which=0),
        "coherence_max": stacked.isel(which=1),
        "information": bits.isel(which=2),
        "information_max": bits.isel(which=3),
    }
    out = labelled(ds, arrays, COHERENCE)
    attrs = {"units": "Hz", "long_name": "frequency"}
    return out.assign_coords(frequency=("frequency", frequency, attrs))


@np.errstate(invalid="ignore")  # a model that diverged predicts inf, and has no score
def _coherence(
    counts: Floats,
    rate: Floats,
    cells: npt.NDArray[np.str_],
    *,
    length: int,
    inside: Bools,
    site: messages.CallSite,
) -> Floats:
    """Coherence, its maximum and the bits of each. [shape: (neuron, 4, frequency)]."""
    pairs = complete(counts, inside & ~np.isnan(rate))
    enough = repeated(pairs.n_trials, pairs.n_bins) > 0
    out = np.empty((counts.shape[0], 4, length // 2))
    # One neuron at a time, since spectra take several times the memory of counts.
    for n, result in enumerate(out):
        which = np.flatnonzero(enough[n])
        predicted = np.where(pairs.used[n, which], rate[n, which], 0)
        whole = np.asarray(_stretches(pairs.used[n, which], length).all(-1))
        trials = _spectra(pairs.counts[n, which], whole[:, np.newaxis], length)
        of_prediction = _spectra(predicted, whole, length)
        n_trials = pairs.n_trials[n, which, np.newaxis, np.newaxis]
        total = trials.sum(1)
        mean = total / n_trials
        shared = (_power(total) - _power(trials).sum(1)) / (n_trials * (n_trials - 1))
        # Over stretches and stimuli at once: each counts by its number of stretches.
        cross = (of_prediction * mean.conj()).sum((0, 1))
        p, y, a = (v.sum((0, 1)) for v in (_power(of_prediction), _power(mean), shared))
        # Rounding alone takes the first beyond 1.
        result[0] = np.minimum(_power(cross) / (some(p) * some(y)), 1)
        result[1] = a / some(y)
    undefined = (pairs.n_bins > 0).any(1) & np.isnan(out[:, :2]).any((1, 2))
    if undefined.any():
        messages.warn(
            f"aa1xr.coherence: undefined (NaN) for {messages.listed(cells[undefined].tolist())}: "
            "the prediction or the response does not vary, or no stimulus has two trials and "
            "lasts a window",
            UndefinedWarning,
            site,
        )
    with np.errstate(divide="ignore"):
        out[:, 2:] = -np.log2(1 - out[:, :2])
    return out


def _stretches(values: Floats | Bools, length: int) -> npt.NDArray[Any]:
    """Half overlapping stretches of time. [shape: (..., time) -> (..., stretch, length)]."""
    windows: npt.NDArray[Any] = np.lib.stride_tricks.sliding_window_view(values, length, axis=-1)
    return windows[..., :: max(1, length // 2), :]


def _spectra(values: Floats, whole: Bools, length: int) -> npt.NDArray[np.complexfloating]:
    """Spectra of whole stretches, zero for others. [shape: (..., stretch, frequency)]."""
    window = np.hanning(length + 2)[1:-1]
    parts = np.asarray(_stretches(values, length), np.float64)
    parts = (parts - parts.mean(-1, keepdims=True)) * window * whole[..., np.newaxis]
    return np.fft.rfft(parts, axis=-1)[..., 1:]


def _power(spectrum: npt.NDArray[np.complexfloating]) -> Floats:
    return np.asarray(spectrum.real**2 + spectrum.imag**2)
