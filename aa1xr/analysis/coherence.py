"""Coherence of a prediction with the responses, corrected for small-sample bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.analysis.alignment import align_prediction
from aa1xr.analysis.measures import (
    During,
    bins_during,
    drop_incomplete,
    labelled,
    neuron_names,
    positive_or_nan,
)
from aa1xr.analysis.reliability import repeated
from aa1xr.errors import UndefinedWarning
from aa1xr.typing import Bools, Floats

_DIMS = ("neuron", "frequency")

_NEURON = ("neuron",)
#: The quantities, in the order in which `_coherence` returns them; each has a `_se`.
_NAMES = ("", "_max", "_psth", "_psth_max")
#: A squared coherence within this of 1 is 1: the rest is rounding.
_ROUNDING = 1e-12


def _specs() -> dict[str, schema.Spec]:
    rates, responses = ("prediction", "true rate"), ("one trial", "PSTH")
    of = [f"{rate} and {response}" for response in responses for rate in rates]
    specs = {}
    for name, pair in zip(_NAMES, of, strict=True):
        long_name = f"squared coherence of {pair}"
        specs["coherence" + name] = schema.Spec(_DIMS, "f", "1", long_name)
        specs[f"coherence{name}_se"] = schema.Spec(_DIMS, "f", "1", f"standard error, {long_name}")
        long_name = f"information of {pair}"
        specs["information" + name] = schema.Spec(_NEURON, "f", "bit/s", long_name)
        specs[f"information{name}_se"] = schema.Spec(
            _NEURON, "f", "bit/s", f"standard error, {long_name}"
        )
    return specs


COHERENCE: dict[str, schema.Spec] = _specs()


def coherence(
    ds: xr.Dataset, prediction: xr.DataArray, *, window_ms: float = 256, during: During = "stimulus"
) -> xr.Dataset:
    """Estimate the coherence of a prediction, and of the true rate, with the responses.

    Parameters
    ----------
    ds, prediction
        As for `aa1xr.score`. The prediction must not be computed from these trials.
    window_ms
        Length of the segments, rounded to whole bins. Segments overlap by half, have their mean
        subtracted, and are multiplied by a Hann window. Frequencies are `1000 / window_ms` Hz
        apart.
    during
        Which bins count: see `aa1xr.score`.

    Returns
    -------
    xarray.Dataset
        Lazy, with the labels of `ds`. P is the spectrum of the prediction, R that of one trial,
        Y that of the mean over N trials, S that of the true rate, and <> the mean over segments.

        Squared coherence [shape: (neuron, frequency)]:

        - `coherence`: of the prediction and one trial, abs(<P conj(Y)>)**2 / (<PP> * <RR>);
        - `coherence_max`: of the true rate and one trial, <SS> / <RR>, where <SS> is the mean of
          <R conj(R')> over pairs of different trials. This is the upper bound for predictions;
        - `coherence_psth`: of the prediction and the PSTH, abs(<P conj(Y)>)**2 / (<PP> * <YY>);
        - `coherence_psth_max`: of the true rate and the PSTH, <SS> / <YY>. Hsu, Borst &
          Theunissen (2004) derive it from the coherence c between split halves of the trials, as
          2 * sqrt(c) / (1 + sqrt(c)). This function averages the spectra of all splits.

        Information in bits/s [shape: (neuron,)]: the sum over frequencies of
        -log2(1 - coherence), times the frequency spacing, from half the spacing to the Nyquist
        frequency (with an even number of bins, the highest frequency counts half). It is a lower
        bound for Gaussian signals (Borst & Theunissen 1999):

        - `information`, `information_max`: what the prediction, or the true rate, tells about one
          trial. They do not depend on the number of trials. Report these;
        - `information_psth`, `information_psth_max`: the same about the PSTH. They grow with N,
          because the noise of the PSTH decreases. Compare them only at equal N.

        Each value has a standard error with the suffix `_se`. A 95 % confidence interval is the
        estimate plus and minus 1.96 standard errors. Estimates are unbiased and may be negative:
        without signal, or for an unrelated prediction, they scatter about zero, and `information`
        may exceed `information_max` within their errors.

        Stimuli are weighted by their number of segments. Stimuli with fewer than two trials, or
        shorter than one segment, do not count. Values are NaN if fewer than three segments remain,
        or if at most one segment varies.

    Raises
    ------
    ValueError
        If the prediction has other bins, or no neuron or stimulus of `ds`, if bins are missing
        within the time axis, or if `window_ms` is less than two bins or longer than all stimuli.

    Notes
    -----
    For K segments, the plain estimate of -ln(1 - coherence) is too large by 1 / (K - 1) at each
    frequency, whatever the coherence (for Gaussian signals and independent segments), and an
    estimated coherence of 0 is too large by 1 / K. The jackknife over segments (Efron & Tibshirani
    1993, chapter 10; Thomson & Chave 1991 for spectra) removes this bias and gives the standard
    errors. Overlapping segments are not independent, so both corrections are multiplied by
    1 + 2 * c**2, where c is the correlation due to the overlap of the windows (Welch 1967). Hsu,
    Borst & Theunissen (2004) instead count only the frequencies up to the one where the confidence
    interval reaches 0. This keeps the bias at the counted frequencies and loses the information at
    all others. For 60 simulated neurons with Gaussian signals (3 stimuli, 10 trials), whose PSTH
    has 7.1 bits/s of information, the uncorrected sum is 10.5 bits/s, the sum up to this frequency
    is 5.3 bits/s, and the jackknife gives 6.6 bits/s (`tests/analysis/test_coherence.py`).

    References
    ----------
    Borst & Theunissen (1999), Nature Neuroscience 2, 947-957. Efron & Tibshirani (1993), An
    Introduction to the Bootstrap. Hsu, Borst & Theunissen (2004), Network 15, 91-109. Thomson &
    Chave (1991), in Haykin, Advances in Spectrum Analysis and Array Processing 1, 58-113. Welch
    (1967), IEEE Transactions on Audio and Electroacoustics 15, 70-73.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> even, odd = aa1xr.take_trials(ds, "even"), aa1xr.take_trials(ds, "odd")
    >>> result = aa1xr.coherence(odd, even.psth)
    >>> result.coherence.sel(area="MLd").dims
    ('neuron', 'frequency')
    >>> below = result.information < result.information_max + 2 * result.information_max_se
    >>> bool(below.all())
    True
    """
    ds, rate, counts = align_prediction(ds, prediction)
    schema.bin_numbers(ds)  # spectra need an unbroken axis
    dt = schema.bin_width_ms(ds) / 1000
    length = round(arguments.number("window_ms", window_ms) / 1000 / dt)
    inside = bins_during(ds, during)
    longest = int(inside.any(0).sum())
    if not 2 <= length <= longest:
        raise ValueError(
            f"window_ms={window_ms} is {length} bins of {1000 * dt:g} ms; expected 2 to {longest}"
        )
    frequency = np.fft.rfftfreq(length, dt)[1:]
    stacked = xr.apply_ufunc(
        _coherence,
        counts,
        rate,
        neuron_names(ds, counts),
        kwargs={"length": length, "inside": inside, "site": messages.call_site()},
        input_core_dims=[["stimulus", "trial", "time"], ["stimulus", "time"], []],
        output_core_dims=[["which", "moment", "column"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {"which": len(_NAMES), "moment": 2, "column": frequency.size + 1}
        },
    )
    arrays = {}
    for which, name in enumerate(_NAMES):
        for moment, suffix in enumerate(("", "_se")):
            columns = stacked.isel(which=which, moment=moment)
            at_frequencies = columns.isel(column=slice(None, -1)).rename(column="frequency")
            arrays[f"coherence{name}{suffix}"] = at_frequencies
            arrays[f"information{name}{suffix}"] = columns.isel(column=-1) / (length * dt)
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
    """Coherences, and last their bits. [shape: (neuron, 4, estimate or error, frequency + 1)]."""
    # Segments are counted from the first bin wanted, so that they are the same in every window.
    onset = int(inside.any(0).argmax())
    counts, rate, inside = counts[..., onset:], rate[..., onset:], inside[:, onset:]
    pairs = drop_incomplete(counts, inside & ~np.isnan(rate))
    enough = repeated(pairs.n_trials, pairs.n_bins) > 0
    out = np.empty((counts.shape[0], len(_NAMES), 2, length // 2 + 1))
    # One neuron at a time, since spectra take several times the memory of counts.
    for n, result in enumerate(out):
        which = np.flatnonzero(enough[n])
        predicted = np.where(pairs.used[n, which], rate[n, which], 0)
        whole = np.asarray(_segments(pairs.used[n, which], length).all(-1))
        trials = _spectra(pairs.counts[n, which], length)
        p = _spectra(predicted, length)
        n_trials = pairs.n_trials[n, which, np.newaxis, np.newaxis]
        total = trials.sum(1)
        mean = total / n_trials
        of_trials = _power(trials).sum(1)
        shared = (_power(total) - of_trials) / (n_trials * (n_trials - 1))
        # Segments of all stimuli side by side: each counts alike.
        spectra = [
            spectrum[whole]
            for spectrum in (p * mean.conj(), _power(p), of_trials / n_trials, _power(mean), shared)
        ]
        result[:] = _jackknife(spectra, length)
    undefined = (pairs.n_bins > 0).any(1) & np.isnan(out[:, :, 0]).any((1, 2))
    if undefined.any():
        named = messages.count_names(cells[undefined].tolist())
        messages.warn(
            f"aa1xr.coherence: undefined (NaN) for {named}: "
            "the prediction or the response does not vary, or the stimuli with two trials are "
            "fewer than three windows long",
            UndefinedWarning,
            site,
        )
    return out


def _jackknife(spectra: list[npt.NDArray[Any]], length: int) -> Floats:
    """Estimates without their bias, and their standard errors. [shape: (4, 2, frequency + 1)].

    `spectra` are P conj(Y), PP, RR, YY and SS, each [shape: (segment, frequency)].
    """
    n = spectra[0].shape[0]
    if n < 3:
        return np.full((len(_NAMES), 2, length // 2 + 1), np.nan)
    totals = [spectrum.sum(0, keepdims=True) for spectrum in spectra]
    every = _quantities(totals, length)[:, 0]
    without = _quantities([t - s for t, s in zip(totals, spectra, strict=True)], length)
    window = _window(length)
    overlap = (window[length // 2 :] * window[: length - length // 2]).sum() / (window**2).sum()
    scale = 1 + 2 * overlap**2
    bias = (n - 1) * (without.mean(1) - every) * scale
    variance = (n - 1) * without.var(1) * scale
    # A prediction that is the PSTH tells everything about it, with no error to estimate.
    estimate = np.where(np.isinf(every), every, every - bias)
    return np.stack([estimate, np.sqrt(variance)], 1)


@np.errstate(divide="ignore", invalid="ignore")
def _quantities(spectra: list[npt.NDArray[Any]], length: int) -> Floats:
    """The four coherences, and last their bits. [shape: (4, sample, frequency + 1)]."""
    cross, p, r, y, shared = spectra
    # A sum without one segment may be rounding, where the others hold nothing.
    p, r, y = (positive_or_nan(np.where(v > _ROUNDING * v.max(), v, 0)) for v in (p, r, y))
    predicted = _power(cross)
    squared = np.stack([predicted / (p * r), shared / r, predicted / (p * y), shared / y])
    squared = np.where(squared > 1 - _ROUNDING, 1, squared)
    bits = -np.log2(1 - squared)
    if length % 2 == 0:
        bits[..., -1] /= 2  # half of this band lies beyond the Nyquist frequency
    return np.concatenate([squared, bits.sum(-1, keepdims=True)], -1)


def _segments(values: Floats | Bools, length: int) -> npt.NDArray[Any]:
    """Half overlapping segments of time. [shape: (..., time) -> (..., segment, length)]."""
    windows: npt.NDArray[Any] = np.lib.stride_tricks.sliding_window_view(values, length, axis=-1)
    return windows[..., :: max(1, length // 2), :]


def _window(length: int) -> Floats:
    """Hann window without its zeros."""
    return np.hanning(length + 2)[1:-1]


def _spectra(values: Floats, length: int) -> npt.NDArray[np.complexfloating]:
    """Spectra of segments about their means. [shape: (..., segment, frequency)]."""
    parts = np.asarray(_segments(values, length), np.float64)
    parts = (parts - parts.mean(-1, keepdims=True)) * _window(length)
    return np.fft.rfft(parts, axis=-1)[..., 1:]


def _power(spectrum: npt.NDArray[np.complexfloating]) -> Floats:
    return np.asarray(spectrum.real**2 + spectrum.imag**2)
