"""Tuning of receptive fields: best frequency, latency, bandwidth and modulations."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from aa1xr import messages, schema
from aa1xr.analysis.delays import (
    bands_with_sound,
    click_responses,
    clicks_seen,
    delays,
    filter_delays,
)
from aa1xr.analysis.measures import labelled
from aa1xr.analysis.modulation import Bands, even_bands, modulations, transfer
from aa1xr.analysis.spectrogram_checks import check_fit
from aa1xr.errors import UndefinedWarning
from aa1xr.typing import Bools, Floats

#: Delays are found to this part of a lag.
_PER_LAG = 20


def _spec(units: str, long_name: str, comment: str = "") -> schema.Spec:
    return schema.Spec(("neuron",), "f", units, long_name, comment)


#: What `tuning` measures.
TUNING: dict[str, schema.Spec] = {
    "best_frequency": _spec("Hz", "frequency at the peak of the STRF"),
    "latency": _spec("s", "delay from sound to response at the peak of the STRF"),
    "latency_min": _spec("s", "shortest delay that the peak of the STRF can mean"),
    "latency_max": _spec("s", "longest delay that the peak of the STRF can mean"),
    "bandwidth": _spec("Hz", "width at half the peak of the STRF, at its lag"),
    "bandwidth_min": _spec("Hz", "the part of the bandwidth within the bands that have sound"),
    "best_temporal_modulation": _spec("Hz", "temporal modulation that the STRF passes best"),
    "best_spectral_modulation": _spec(
        "cycles/kHz", "spectral modulation that the STRF passes best"
    ),
}


def tuning(strfs: xr.Dataset) -> xr.Dataset:
    """Measure what each receptive field is tuned to.

    All measures use the weights per unit of the spectrogram (`strf / scale`), in the bands that
    contained sound during training: those whose `deviation` is at least 1 % of the largest one. If
    the Dataset has no `scale` or `deviation`, its weights are taken as per unit, and all bands
    count.

    Parameters
    ----------
    strfs
        A Dataset with `strf` [shape: (neuron, freq, lag)], from `aa1xr.strf` or from
        `aa1xr.simulate_archive`.

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,)] each, lazy if `strf` is, with the labels of `strfs`:

        - `best_frequency` in Hz: the band of the excitatory peak;
        - `latency` in s: the delay from sound to response at the peak. NaN if the peak is at the
          first or last lag, because the receptive field may be larger outside;
        - `latency_min`, `latency_max` in s: a response in bin k may be caused by any sound in the
          frame of bin k - lag, so a lag stands for an interval of delays, as wide as a bin and a
          frame together. With `start` and `stop` the attributes `frame_start_ms` and
          `frame_stop_ms` of `lag`, it extends from `lag - stop` (at least 0) to
          `lag + dt - start`. The latency is its middle. `latency_min` is 0 if the peak is at the
          first lag, and `latency_max` is NaN if the peak is at the last lag;
        - `bandwidth` in Hz: the range around the best frequency in which the receptive field
          exceeds half its peak, at the lag of the peak, with linear interpolation between bands.
          NaN if it reaches the first or last band, or a band without sound; `bandwidth_min` is the
          width up to there;
        - `best_temporal_modulation` in Hz and `best_spectral_modulation` in cycles/kHz: the peak of
          the modulation transfer function (Woolley et al. 2005), which is
          `aa1xr.modulation_spectrum(strfs, scale="linear")`. Upward and downward sweeps count
          alike.

        NaN if the receptive field is NaN or has no excitatory part.

    Raises
    ------
    ValueError
        If `strf` has fewer than two bands or lags, or lacks their labels or attributes.

    Notes
    -----
    A frame is longer than a narrow bin, so a click is part of several frames, and a fit may use any
    of them. So the weights alone do not determine the delay. All measures use the predicted
    response to a click in one band, as a function of the delay after the click: the receptive field
    over lags, convolved with the response of a frame to a click, averaged over a bin. If the
    attributes do not say what a frame covers, the receptive field is used as it is, and latencies
    are NaN.

    The filters of a gammatone spectrogram delay the sound themselves, the more the lower the band.
    The response to a click includes them, so latencies are counted from the sound, and
    `latency_min` and `latency_max` include the delays between which the filter of the best band
    passes 90 % of a click. Bands are compared, and modulations measured, with the peaks of their
    filters at the same delay.

    For latencies and modulations, fit to responses that are not smoothed, at narrow bins. A
    smoothed response starts before the sound that causes it: the peak becomes broad, and moves if
    the response is asymmetric, in the end to the first lag.

    Frequencies are proportional to cycles/kHz only on a linear axis, and mel bands are not linear.
    A sum of overlapping triangular bands, each with its weight, equals the spectrum weighted by
    linear interpolation between the centres. So the receptive field on a linear axis is this
    interpolation, in steps of 50 Hz; bands at equal steps stay as they are. The transform is padded
    to four times the length of the receptive field, so the peak is accurate to a quarter of the
    resolution that the lags allow (10 Hz for 100 ms).

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
    check_fit(strfs)
    strfs = strfs.sortby("freq")
    field = strfs["strf"]
    schema.check_dims("'strf'", field, "freq", "lag", allowed=("neuron", "freq", "lag"))
    if min(field.sizes["freq"], field.sizes["lag"]) < 2:
        raise ValueError("'strf' has one band or one lag; expected several to measure between")
    lag, attrs = strfs["lag"].values, strfs["lag"].attrs
    seen: Floats
    if (found := delays(lag, attrs)) is None:
        messages.warn(
            "aa1xr.tuning: latencies are undefined (NaN), since the attributes of the coordinate "
            "'lag' do not say what of the sound a frame covers; set dt_ms, frame_start_ms and "
            "frame_stop_ms, as in ds.spectrogram.attrs",
            UndefinedWarning,
        )
        fine, seen = lag, np.eye(lag.size)[np.newaxis]
    else:
        middles = found[1]
        fine = np.linspace(middles[0], middles[-1], (lag.size - 1) * _PER_LAG + 1)
        seen = clicks_seen(strfs["freq"].values, middles, attrs, per_lag=_PER_LAG)
    ones = xr.Variable("freq", np.ones(field.sizes["freq"]))
    scale, deviation = (
        strfs[name].variable if name in strfs else ones for name in ("scale", "deviation")
    )
    cells = strfs["neuron"].variable.astype(str) if "neuron" in strfs.coords else "0"
    stacked: xr.DataArray = xr.apply_ufunc(
        _measure_all,
        xr.DataArray(field.variable / scale),
        deviation,
        cells,
        kwargs={
            "freq": strfs["freq"].values,
            "dt": float(lag[1] - lag[0]),
            "delay": fine,
            "seen": seen,
            "own": filter_delays(strfs["freq"].values, attrs),
            "reach": 0.0 if found is None else float(found[2][-1] - found[1][-1]),
            "site": messages.call_site(),
        },
        input_core_dims=[["freq", "lag"], ["freq"], []],
        output_core_dims=[["measure"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": {"measure": len(TUNING)}},
        output_dtypes=[np.float64],
    )
    arrays = {name: stacked.isel(measure=k) for k, name in enumerate(TUNING)}
    return labelled(strfs, arrays, TUNING)


_CUT = (
    "bandwidth is undefined (NaN): the STRF is above half its peak in the first or last band that "
    "has sound; bandwidth_min is the width up to there"
)


def _measure_all(
    fields: Floats, deviation: Floats, cells: Any, *, site: messages.CallSite, **of_field: Any
) -> Floats:
    """All measures of some fields. [shape: (..., freq, lag) -> (..., measure)]."""
    flat = fields.reshape(-1, *fields.shape[-2:])
    found = np.stack([_measure(field, deviation, **of_field) for field in flat])
    names = np.broadcast_to(cells, fields.shape[:-2]).ravel()
    values = dict(zip(TUNING, found.T, strict=True))
    known = ~np.isnan(values["best_frequency"])
    at_first = known & np.isnan(values["latency"]) & (values["latency_min"] == 0)
    at_last = known & np.isnan(values["latency"]) & (values["latency_min"] > 0)
    cut = known & np.isnan(values["bandwidth"])
    for which, reason in (
        (at_first, "latency is undefined (NaN): the STRF peaks at its first lag"),
        (at_last, "latency is undefined (NaN): the STRF peaks at its last lag; fit more lags"),
        (cut, _CUT),
    ):
        if which.any():
            message = f"aa1xr.tuning: for {messages.count_names(names[which])} {reason}"
            messages.warn(message, UndefinedWarning, site)
    return found.reshape(*fields.shape[:-2], -1)


def _measure(
    field: Floats,
    deviation: Floats,
    *,
    freq: Floats,
    dt: float,
    delay: Floats,
    seen: Floats,
    own: Floats,
    reach: float,
) -> Floats:
    """All measures of one field. [shape: (freq, lag) and (freq,) -> (measure,)].

    Parameters
    ----------
    delay
        After a click [shape: (delay,)], in s.
    seen
        From `clicks_seen`.
    own
        First, peak and last delay of the filter of each band [shape: (3, freq)], in s.
    reach
        Half the interval of delays that a lag can mean, in s; 0 where that is not known.
    """
    has_sound = bands_with_sound(deviation)
    response = click_responses(np.where(has_sound[:, np.newaxis], field, 0), seen)
    if not (response > 0).any():
        return np.full(len(TUNING), np.nan)
    band, peak = np.unravel_index(response.argmax(), response.shape)
    by_lag = response[:, :: (delay.size - 1) // (field.shape[1] - 1)]
    return np.array(
        [
            freq[band],
            *(_latency(int(peak), delay, reach, own[:, band]) if reach else (np.nan,) * 3),
            *_width(response[:, peak], int(band), freq, has_sound),
            *_best_modulations(by_lag, even_bands(freq, "linear"), dt),
        ]
    )


def _latency(peak: int, delay: Floats, reach: float, own: Floats) -> tuple[float, float, float]:
    """Estimate, shortest and longest delay."""
    shortest, longest = max(0.0, delay[peak] - reach) + own[0], delay[peak] + reach + own[2]
    if peak < _PER_LAG / 2:  # nearest to the first lag
        return np.nan, 0.0, longest
    if peak > delay.size - 1 - _PER_LAG / 2:
        return np.nan, shortest, np.nan
    return delay[peak] + own[1], shortest, longest


def _width(profile: Floats, peak: int, freq: Floats, has_sound: Bools) -> tuple[float, float]:
    """Width at half the peak, and the part of it within bands that have sound, in Hz."""
    half = profile[peak] / 2
    edges, seen = [], True
    for step in (-1, 1):
        band = peak
        while 0 <= band + step < freq.size and has_sound[band + step]:
            band += step
            if profile[band] < half:
                inside = profile[band - step] - half
                part = inside / (profile[band - step] - profile[band])
                edges.append(freq[band - step] + part * (freq[band] - freq[band - step]))
                break
        else:
            edges.append(freq[band])
            seen = False
    width = float(edges[1] - edges[0])
    return width if seen else np.nan, width


def _best_modulations(field: Floats, bands: Bands, dt: float) -> tuple[Any, Any]:
    """Temporal (Hz) and spectral (cycles/kHz) modulation of the greatest energy."""
    energy = transfer(field, bands, dt)
    n_freq, n_time = 2 * (energy.shape[0] - 1), energy.shape[1] - 1
    spectral, temporal = modulations(n_freq, n_time, bands.step, dt)
    best = np.unravel_index(energy.argmax(), energy.shape)
    return abs(temporal[best[1]]), spectral[best[0]]
