"""Scores of predictions, noise-corrected and not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import deepstrf
from aa1xr.analysis.alignment import align_prediction, check_rate
from aa1xr.analysis.concatenated import Moments, half_split, positive, signal_power
from aa1xr.analysis.measures import (
    During,
    bins_during,
    divide,
    drop_incomplete,
    labelled,
    map_blocks,
    positive_or_nan,
    weighted_mean,
    with_reasons,
)
from aa1xr.analysis.reliability import agreement, check_max_splits, covariance, powers, repeated
from aa1xr.typing import Bools, Floats, Ints

_SCHOPPE, _SAHANI = "Schoppe et al. (2016)", "Sahani & Linden (2003)"
_HSU = "split halves; Hsu, Borst & Theunissen (2004)"
_WITHIN = "each stimulus about its own mean"


def _spec(long_name: str, comment: str = "", units: str = "1") -> schema.Spec:
    return schema.Spec(("neuron",), "f", units, long_name, comment)


#: What `score` gives.
SCORES: dict[str, schema.Spec] = {
    "cc_raw": _spec("correlation with the PSTH"),
    "cc_norm": _spec("noise-corrected correlation", _SCHOPPE),
    "cc_norm_half": _spec("noise-corrected correlation", _HSU),
    "fve": _spec("fraction of the PSTH's variance explained"),
    "spe": _spec("signal power explained", _SAHANI),
    "bits_per_spike": _spec("Poisson log-likelihood gain over a constant rate", "", "bit/count"),
    "cc_raw_within": _spec("correlation with the PSTH", _WITHIN),
    "cc_norm_within": _spec("noise-corrected correlation", f"{_SCHOPPE}; {_WITHIN}"),
    "cc_norm_half_within": _spec("noise-corrected correlation", f"{_HSU}; {_WITHIN}"),
    "fve_within": _spec("fraction of the PSTH's variance explained", _WITHIN),
    "spe_within": _spec("signal power explained", f"{_SAHANI}; {_WITHIN}"),
    "cc_norm_deepstrf": _spec(
        "noise-corrected correlation", "deepSTRF 0.1.0, normalized_corrcoef(method='schoppe')"
    ),
    "cc_norm_half_deepstrf": _spec(
        "noise-corrected correlation", "deepSTRF 0.1.0, normalized_corrcoef(method='hsu')"
    ),
}

#: Why a score is not what a user expects.
_TEXTS = {
    "infinite": "scores are undefined (NaN) for {names}: the prediction has infinite values",
    "gaps": "scores are undefined (NaN) for {names}: the prediction is NaN in bins that have a "
    "response",
    "response": "scores are undefined (NaN) for {names}: the PSTH is constant, as when there are "
    "no spikes",
    "prediction": "correlations are undefined (NaN) for {names}: the prediction is constant",
    "once": "noise-corrected scores are undefined (NaN) for {names}: no stimulus has two trials, "
    "and one trial does not tell signal from noise",
    "signal": "noise-corrected scores are undefined (NaN) for {names}: the signal power is not "
    "positive, trials agree no more than by chance",
    "halves": "noise-corrected scores from split halves are undefined (NaN) for {names}: halves "
    "of the trials are not positively correlated, or one half has no spikes",
    "silent": "bits_per_spike is undefined (NaN) for {names}: there are no spikes",
    "negative": "bits_per_spike is undefined (NaN) for {names}: the predicted rate is negative in "
    "some bins; aa1xr.predict rectifies by default",
    "zero": "bits_per_spike is undefined (NaN) for {names}: the predicted rate is zero in bins "
    "that have spikes; set min_rate above zero",
    "units": "the prediction is taken for spikes/s, but for {names} its mean is that of counts per "
    "bin; divide counts by the bin width in s",
    "left out": "noise-corrected scores leave out stimuli with one trial for {names}: one trial "
    "does not tell signal from noise",
    "bins": "scores leave out bins for {names}: the prediction is NaN there, in stimuli for which "
    "it has other bins",
}


def score(
    ds: xr.Dataset,
    prediction: xr.DataArray,
    *,
    during: During = "stimulus",
    max_splits: int = 10_000,
    min_rate: float = 0.1,
) -> xr.Dataset:
    """Score a predicted firing rate for each neuron.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (neuron, stimulus, trial, time)].
    prediction
        Rate in spikes/s on the same time axis [shape: (neuron, stimulus, time), in any order]; NaN
        where there is no prediction. The function uses the neurons and stimuli that both share.
    during
        Which bins count. "stimulus": those while the stimulus plays, whatever the window of `ds`
        is; "all": all bins of `ds`. Bins where the prediction is NaN do not count.
    max_splits
        For `cc_norm_half`: see `aa1xr.quality`.
    min_rate
        For `bits_per_spike`, in spikes/s: predicted rates are raised to this rate. The likelihood
        of a spike is zero where the predicted rate is zero. 0.1 spikes/s is one spike in five
        stimuli of two seconds, which ten trials cannot distinguish from silence. With 0, such
        neurons are undefined (NaN).

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,)] each, lazy, with the labels of `ds`. p is the prediction, y the PSTH
        (the mean of N trials r), and variances and covariances are over time (divided by T - 1):

        - `cc_raw`: cov(p, y) / sqrt(var(p) * var(y));
        - `cc_norm`: cov(p, y) / sqrt(var(p) * SP), with SP the signal power (Schoppe et al. 2016,
          calc_CCnorm.m). It equals `cc_raw / aa1xr.quality(ds).ccmax_closed`, and may exceed 1
          because of sampling;
        - `cc_norm_half`: `cc_raw / aa1xr.quality(ds).ccmax` (Hsu, Borst & Theunissen 2004);
        - `fve`: 1 - sum((y - p)**2) / sum((y - mean(y))**2);
        - `spe`: (var(y) - var(y - p)) / SP (Sahani & Linden 2003; calc_SPE.m);
        - `bits_per_spike`: log2 of the ratio of two Poisson likelihoods of the counts, under p and
          under their mean rate, divided by the number of spikes;
        - `cc_raw_within`, `cc_norm_within`, `cc_norm_half_within`, `fve_within`, `spe_within`: the
          same with the mean of each stimulus;
        - `cc_norm_deepstrf`, `cc_norm_half_deepstrf`: the values of deepSTRF 0.1.0.

        Without a suffix, stimuli are concatenated and there is one mean, as in published tables:
        differences between the mean responses to stimuli count as signal. With `_within` they do
        not: variances, covariances and powers are averaged over stimuli, weighted by the number of
        bins, and ratios and roots come last.

        Every trial counts, also if stimuli have different numbers of trials: the signal power is an
        average over pairs of different trials. With equal numbers it is that of the papers. Stimuli
        with one trial only count for `cc_raw`, `fve` and `bits_per_spike`.

    Raises
    ------
    ValueError
        If the prediction has other dimensions, other units or another time axis, or shares no
        neuron or stimulus with `ds`.

    Warns
    -----
    UndefinedWarning
        If a computed score is undefined (NaN) for a neuron with data, or leaves out stimuli or
        bins; the warning names the neurons and the reason.

    See Also
    --------
    aa1xr.quality : `ccmax`, `signal_power` and their references.
    aa1xr.mean_score : means over neurons.
    aa1xr.coherence : agreement at each frequency.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5).sel(area="MLd", type="flatrip")
    >>> even, odd = ds.isel(trial=slice(0, None, 2)), ds.isel(trial=slice(1, None, 2))
    >>> scores = aa1xr.score(odd, aa1xr.psth(even))[["cc_raw", "cc_norm"]].compute()
    >>> bool((scores.cc_norm > scores.cc_raw).all())
    True
    """
    return score_by(
        ds,
        prediction,
        tuple(SCORES),
        during=during,
        max_splits=max_splits,
        min_rate=min_rate,
        any_units=False,
        allow_gaps=True,
        caller="aa1xr.score",
    )


def score_by(
    ds: xr.Dataset,
    prediction: xr.DataArray,
    measures: tuple[str, ...],
    *,
    during: During,
    max_splits: int = 10_000,
    min_rate: float = 0.1,
    any_units: bool,
    allow_gaps: bool,
    constant_as_zero: bool = False,
    caller: str,
) -> xr.Dataset:
    """Some of the measures of `score`, as `caller` wants them.

    With `any_units`, the prediction need not be in spikes/s. With `allow_gaps`, bins without a
    prediction are left out; otherwise the neuron has no score. With `constant_as_zero`, the
    `cc_raw`, `cc_norm` and `cc_norm_deepstrf` of a constant prediction are 0; otherwise NaN.
    """
    check_max_splits(max_splits)
    if arguments.number("min_rate", min_rate, "spikes/s") < 0:
        raise ValueError(f"min_rate must be at least 0 spikes/s; got {min_rate}")
    ds, rate, counts = align_prediction(ds, prediction)
    if not any_units:
        check_rate(prediction, ds["spikes"])
    arrays = map_blocks(
        _score,
        counts,
        rate,
        names=measures,
        of=ds,
        options={
            "measures": measures,
            "inside": bins_during(ds, during),
            "dt": schema.bin_width_ms(ds) / 1000,
            "max_splits": int(max_splits),
            "min_rate": float(min_rate),
            "check_units": not any_units,
            "allow_gaps": allow_gaps,
            "constant_as_zero": constant_as_zero,
        },
        texts=_TEXTS,
        caller=caller,
    )
    return labelled(ds, arrays, SCORES)


@np.errstate(invalid="ignore", divide="ignore")
def _score(
    counts: Floats,
    rate: Floats,
    *,
    measures: tuple[str, ...],
    inside: Bools,
    dt: float,
    max_splits: int,
    min_rate: float,
    check_units: bool,
    allow_gaps: bool,
    constant_as_zero: bool,
) -> Floats:
    """Scores of a block of neurons, and the reasons. [shape: (neuron, 1, 2 * score)]."""
    # Smooth responses are not whole numbers, and their products need double precision.
    counts = counts.astype(np.float64)
    missing = np.isnan(rate) & inside & ~np.isnan(counts).all(2)
    pairs = drop_incomplete(counts, inside & ~np.isnan(rate))
    n_trials, n_bins = pairs.n_trials, pairs.n_bins
    used = pairs.used & (n_trials > 0)[..., np.newaxis]
    twice = repeated(n_trials, n_bins)
    both = used & (twice > 0)[..., np.newaxis]
    infinite = _anywhere(np.isinf(rate) & used)
    p = np.where(used & np.isfinite(rate), rate, 0).astype(np.float64)
    total: Any = pairs.counts.sum(2)
    y = total / (np.maximum(n_trials, 1) * dt)[..., np.newaxis]

    gram = covariance(pairs) / dt**2
    every, repeats = Moments.concatenated(p, y, used), Moments.concatenated(p, y, both)
    each = Moments.over_time(p, y, used)
    every_within, repeats_within = (
        _averaged(each, np.where(n_bins > 1, n_bins, 0)),
        _averaged(each, twice),
    )
    of_each = powers(gram, n_trials)
    of_within = of_each.map(lambda power: weighted_mean(power, twice))
    within = of_within.positive_signal
    signal = positive(signal_power(pairs, of_each.signal * dt**2, twice) / dt**2, repeats.yy)
    error = ((y - p) ** 2 * used).sum((1, 2))[:, np.newaxis]
    related, related_repeats = every, repeats
    if constant_as_zero:
        related, related_repeats = (m.with_constant_as_unrelated() for m in (every, repeats))
    scores = {
        "cc_raw": _correlation(related),
        "cc_norm": related_repeats.py / np.sqrt(positive_or_nan(related_repeats.pp) * signal),
        "fve": 1 - divide(error, every.yy * (n_bins.sum(1, keepdims=True) - 1)),
        # The numerator is the variance of y less that of y - p.
        "spe": (2 * repeats.py - repeats.pp) / signal,
        "cc_raw_within": _correlation(every_within),
        "cc_norm_within": repeats_within.py / np.sqrt(positive_or_nan(repeats_within.pp) * within),
        "fve_within": 1
        - divide(error, (each.yy * np.maximum(n_bins - 1, 0)).sum(1, keepdims=True)),
        "spe_within": (2 * repeats_within.py - repeats_within.pp) / within,
        "cc_norm_deepstrf": related.py / np.sqrt(positive_or_nan(related.pp) * within),
    }
    if "cc_norm_half" in measures:
        ceiling = half_split(pairs, twice, max_splits=max_splits)
        scores["cc_norm_half"] = _correlation(repeats) / np.sqrt(ceiling)
    if "cc_norm_half_within" in measures:
        ceiling, _ = agreement(gram, n_trials, twice, by="neuron", max_splits=max_splits)
        scores["cc_norm_half_within"] = _correlation(repeats_within) / np.sqrt(ceiling)
    if "cc_norm_half_deepstrf" in measures:
        scores["cc_norm_half_deepstrf"] = scores["cc_raw"] / deepstrf.ccmax(gram, n_trials, twice)
    expected = np.where((p < min_rate) & (p >= 0), min_rate, p) * dt
    if "bits_per_spike" in measures:
        scores["bits_per_spike"] = _bits_per_spike(
            total, expected, used * n_trials[..., np.newaxis]
        )

    masks = {
        "infinite": infinite,
        "gaps": _anywhere(missing) & (not allow_gaps),
        "response": every.yy <= 0,
        "prediction": every.pp <= 0,
        "once": twice.sum(1, keepdims=True) == 0,
        "silent": ~_anywhere(total > 0),
        "negative": _anywhere(p < 0),
        "zero": _anywhere((expected == 0) & (total > 0)),
        "units": _like_counts(p, y, used, dt) & check_units,
        "left out": ((n_trials == 1) & (n_bins > 0)).any(1, keepdims=True),
        "bins": (missing.any(2) & (n_bins > 0)).any(1, keepdims=True) & allow_gaps,
    }
    undefined = masks["infinite"] | masks["gaps"]
    values = {name: np.where(undefined, np.nan, scores[name]) for name in measures}
    there = n_bins.sum(1, keepdims=True) > 0
    return with_reasons(values, _reasons(values, masks, there), _TEXTS)


#: The reasons that may make each kind of score undefined, in the order in which they are asked.
_UNDEFINED = {
    "cc_raw": ("response", "prediction"),
    "cc_norm": ("response", "prediction", "once", "signal"),
    "cc_norm_half": ("response", "prediction", "once", "halves"),
    "fve": ("response",),
    "spe": ("response", "once", "signal"),
    "bits_per_spike": ("silent", "negative", "zero"),
}


def _reasons(
    values: dict[str, Floats], masks: dict[str, Bools], there: Bools
) -> dict[str, Sequence[tuple[Bools, str]]]:
    reasons: dict[str, Sequence[tuple[Bools, str]]] = {}
    for name, array in values.items():
        kind = name.removesuffix("_within").removesuffix("_deepstrf")
        nan = there & np.isnan(array)
        # The last reason is what is left.
        found = [
            (nan & masks.get(why, True), why) for why in ("infinite", "gaps", *_UNDEFINED[kind])
        ]
        if kind in ("fve", "spe", "bits_per_spike"):
            found.append((there & masks["units"], "units"))
        if kind in ("cc_norm", "cc_norm_half", "spe"):
            found.append((there & masks["left out"], "left out"))
        reasons[name] = [*found, (there & masks["bins"], "bins")]
    return reasons


def _anywhere(mask: Bools) -> Bools:
    """In any bin of the neuron. [shape: (neuron, stimulus, time) -> (neuron, 1)]."""
    return np.asarray(mask.reshape(len(mask), -1).any(1, keepdims=True))


def _averaged(each: Moments, n_bins: Ints) -> Moments:
    """Over stimuli, by their number of bins."""
    return Moments(*(weighted_mean(moment, n_bins) for moment in (each.pp, each.py, each.yy)))


def _correlation(of: Moments) -> Floats:
    return np.asarray(of.py / np.sqrt(positive_or_nan(of.pp) * positive_or_nan(of.yy)))


def _like_counts(p: Floats, y: Floats, used: Bools, dt: float) -> Bools:
    """Whether the mean prediction is about that of the counts in a bin. [shape: (neuron, 1)]."""
    means = [(v * used).sum((1, 2))[:, np.newaxis] for v in (p, y)]
    counts = means[1] * dt
    return np.asarray((means[0] > counts / 3) & (means[0] < 3 * counts) & (10 * dt < 1))


def _bits_per_spike(total: Floats, expected: Floats, n_trials: Ints) -> Floats:
    """The gain from sums over trials and the expected counts of one. [shape: (neuron, 1)].

    The log-likelihood of counts k under means m is sum(k * log(m) - m), but for what does not
    depend on m.
    """
    n_spikes = total.sum((1, 2))
    log = np.where(total > 0, np.log(expected), 0)
    gain = (total * log - n_trials * expected).sum((1, 2))
    constant = n_spikes * (np.log(n_spikes / n_trials.sum((1, 2))) - 1)
    gain = np.where(np.isfinite(gain), gain - constant, np.nan) / np.log(2)
    gain[(expected < 0).any((1, 2))] = np.nan
    return divide(gain, n_spikes)[:, np.newaxis]
