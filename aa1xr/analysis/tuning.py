"""What receptive fields say: best frequency, latency, bandwidth and modulation tuning."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.pairs import labelled

Floats = npt.NDArray[np.float64]

#: Distance of the frequencies that bands are interpolated to, in Hz.
_STEP = 50.0


def _spec(units: str, long_name: str) -> schema.Spec:
    return schema.Spec(("neuron",), "f", units, long_name)


#: What `tuning` measures.
TUNING: dict[str, schema.Spec] = {
    "best_frequency": _spec("Hz", "frequency at the peak of the STRF"),
    "latency": _spec("s", "lag at the peak of the STRF"),
    "bandwidth": _spec("Hz", "width at half the peak of the STRF, at its lag"),
    "best_temporal_modulation": _spec("Hz", "temporal modulation that the STRF passes best"),
    "best_spectral_modulation": _spec(
        "cycles/kHz", "spectral modulation that the STRF passes best"
    ),
}


def tuning(strfs: xr.Dataset) -> xr.Dataset:
    """Measure what each receptive field is tuned to.

    Parameters
    ----------
    strfs
        A Dataset with `strf` [shape: (neuron, freq, lag)]: of `aa1xr.strf`, or the truth of
        `aa1xr.simulate_archive`.

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,)] each, lazy if `strf` is, with the labels of `strfs`:

        - `best_frequency` in Hz and `latency` in s: where the field is greatest, its excitatory
          peak; a latency is that of the left edge of a bin before the left edge of the other;
        - `bandwidth` in Hz: how far the field stays above half its peak, at that lag, around the
          best frequency, with straight lines between bands;
        - `best_temporal_modulation` in Hz and `best_spectral_modulation` in cycles/kHz: where the
          modulation transfer function is greatest, the amplitude of the two-dimensional Fourier
          transform of the field (Woolley et al. 2005). Modulations that sweep up and down
          count alike.

        NaN where the field is, or where it has no excitatory part.

    Notes
    -----
    Fit to responses that are not smoothed, at narrow bins, for latencies and modulations: a
    smooth response begins before the sound can have caused it, and its field peaks at lag 0.

    Frequencies are in proportion to cycles/kHz only on a linear axis, which mel bands are not. A
    sum of overlapping triangular bands, each with its weight, is the spectrum weighted by straight
    lines from one centre to the next; so that is the field on a linear axis, at steps of 50 Hz.
    The transform is padded to four times the length of the field: the peak is found to a
    quarter of the resolution that the lags allow (10 Hz for 100 ms).

    References
    ----------
    Woolley, Fremouw, Hsu & Theunissen (2005), Nature Neuroscience 8, 1371-1379,
    doi:10.1038/nn1536.

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "cells.zip", n_neurons=20, n_songs=1, n_ripples=1)
    >>> latency = aa1xr.tuning(truth).latency
    >>> bool(latency.sel(area="MLd").median() < latency.sel(area="Field_L").median())
    True
    """
    schema.require(strfs, "strf", name="strfs", of="aa1xr.strf")
    field = strfs["strf"]
    schema.check_dims("'strf'", field, "freq", "lag", allowed=("neuron", "freq", "lag"))
    if min(field.sizes["freq"], field.sizes["lag"]) < 2:
        raise ValueError("'strf' has one band or one lag; expected several to measure between")
    stacked: xr.DataArray = xr.apply_ufunc(
        _measure,
        xr.DataArray(field.variable),
        kwargs={"freq": strfs["freq"].values, "lag": strfs["lag"].values},
        input_core_dims=[["freq", "lag"]],
        output_core_dims=[["measure"]],
        vectorize=True,
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": {"measure": len(TUNING)}},
        output_dtypes=[np.float64],
    )
    arrays = {name: stacked.isel(measure=k) for k, name in enumerate(TUNING)}
    return labelled(strfs, arrays, TUNING)


def _measure(field: Floats, *, freq: Floats, lag: Floats) -> Floats:
    """All measures of one field. [shape: (freq, lag) -> (measure,)]."""
    if not (field > 0).any():
        return np.full(len(TUNING), np.nan)
    band, delay = np.unravel_index(field.argmax(), field.shape)
    linear = np.arange(freq[0], freq[-1], _STEP)
    weights = np.stack([np.interp(linear, freq, column) for column in field.T], 1)
    return np.array(
        [
            freq[band],
            lag[delay],
            _width(np.interp(linear, freq, field[:, delay]), float(freq[band] - freq[0])),
            *_best_modulations(weights, float(lag[1] - lag[0])),
        ]
    )


def _width(profile: Floats, at: float) -> float:
    """Hz around `at` in which a profile in steps stays above half of what it is there."""
    centre = min(round(at / _STEP), profile.size - 1)
    below = np.flatnonzero(profile < profile[centre] / 2)
    lower, upper = below[below < centre], below[below > centre]
    first = lower[-1] + 1 if lower.size else 0
    last = upper[0] if upper.size else profile.size
    return float((last - first) * _STEP)


def _best_modulations(weights: Floats, dt: float) -> tuple[Any, Any]:
    """Temporal (Hz) and spectral (cycles/kHz) modulation of the greatest amplitude."""
    n_freq, n_lag = (4 * size for size in weights.shape)
    amplitude = np.abs(np.fft.rfft2(weights, (n_lag, n_freq), axes=(1, 0)))
    spectral, temporal = np.unravel_index(amplitude.argmax(), amplitude.shape)
    return (
        abs(np.fft.fftfreq(n_lag, dt)[temporal]),
        np.fft.rfftfreq(n_freq, _STEP / 1000)[spectral],
    )
