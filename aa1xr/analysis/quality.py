"""Measures of firing rate, reliability and latency, for the selection of neurons."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.analysis import concatenated
from aa1xr.analysis.latency import WIDEST_S, latency
from aa1xr.analysis.measures import (
    CompleteCounts,
    bins_during,
    divide,
    drop_incomplete,
    labelled,
    map_blocks,
    positive_or_nan,
    spikes,
    weighted_mean,
    with_reasons,
)
from aa1xr.analysis.reliability import agreement, check_max_splits, covariance, powers, repeated
from aa1xr.analysis.smooth import kernel_sum
from aa1xr.errors import UnitsWarning
from aa1xr.typing import Bools, Floats, Ints

_RATE, _POWER = schema.RATE, "count^2/s^2"


def _spec(units: str, long_name: str, comment: str = "") -> schema.Spec:
    return schema.Spec(("neuron", "stimulus"), "f", units, long_name, comment)


#: What `quality` measures.
MEASURES: dict[str, schema.Spec] = {
    "rate_spontaneous": _spec(_RATE, "firing rate before onset"),
    "rate_driven": _spec(_RATE, "firing rate while the stimulus plays"),
    "rate_z": _spec("1", "z-score of the driven over the spontaneous rate"),
    "signal_power": _spec(_POWER, "signal power", "Sahani & Linden (2003)"),
    "noise_power": _spec(_POWER, "noise power of one trial", "Sahani & Linden (2003)"),
    "snr": _spec("1", "signal power over noise power", "Sahani & Linden (2003)"),
    "ccmax": _spec("1", "noise ceiling (CCmax)", "split halves; Hsu, Borst & Theunissen (2004)"),
    "ccmax_closed": _spec("1", "noise ceiling (CCmax)", "closed form; Schoppe et al. (2016)"),
    "ccmax_within": _spec("1", "noise ceiling (split halves), each stimulus about its own mean"),
    "ccmax_closed_within": _spec(
        "1", "noise ceiling (closed form), each stimulus about its own mean"
    ),
    "ttrc": _spec("1", "trial-to-trial correlation"),
    "fano": _spec("1", "Fano factor of the spike count"),
    "latency": _spec("s", "latency of the response", "Friedman & Priebe (1998)"),
}


#: Why a measure is not what a user expects.
_TEXTS = {
    "before": "rates before onset and latencies are undefined (NaN): there are no bins "
    "before onset; open the data with before_ms=2000",
    "wide": "latencies are undefined (NaN) for {names}: bins of more than 10 ms do not resolve "
    "them; open the data with dt_ms=5",
    "once": "reliability is undefined (NaN) for {names}: no stimulus has two trials, and one trial "
    "does not tell signal from noise",
    "signal": "the noise ceiling is undefined (NaN) for {names}: the signal power is not positive, "
    "trials agree no more than by chance",
    "halves": "the noise ceiling from split halves is undefined (NaN) for {names}: halves of the "
    "trials are not positively correlated, or one half has no spikes",
    "noise": "the signal-to-noise ratio is undefined (NaN) for {names}: the noise power is not "
    "positive",
    "silent trial": "the trial-to-trial correlation is undefined (NaN) for {names}: a trial has "
    "no variance, as when it has no spikes",
    "silent": "the Fano factor is undefined (NaN) for {names}: there are no spikes",
    "alike": "rate_z is undefined (NaN) for {names}: the difference of the rates is the same in "
    "every trial",
    "left out": "stimuli with one trial are left out for {names}: one trial does not tell signal "
    "from noise",
}


def quality(
    ds: xr.Dataset, *, by: Literal["neuron", "stimulus"] = "neuron", max_splits: int = 10_000
) -> xr.Dataset:
    """Measure rate, reliability and latency of the responses.

    The response is counted while the stimulus plays, whatever the window of `ds` is. The
    spontaneous rate is counted in the bins before onset.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (neuron, stimulus, trial, time)], or a selection of one.
        Measures that use the spontaneous rate need `before_ms` (up to 2000 for AA1).
    by
        "neuron": over all stimuli; "stimulus": for each stimulus.
    max_splits
        Maximum number of split halves for `ccmax`. If there are more, a random sample is used.

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,) or (neuron, stimulus)] each, lazy, with the labels of `ds`:

        - `rate_spontaneous`, `rate_driven` in spikes/s: before onset, and while the stimulus
          plays (the spontaneous rate is not subtracted);
        - `rate_z`: mean over trials of the difference of the two rates, divided by its standard
          deviation: (m1 - m2) / sqrt(v1 + v2 - 2 * cov);
        - `signal_power`, `noise_power` in (spikes/s)^2 and their ratio `snr` (Sahani & Linden
          2003): for N trials r, with P the variance over time (divided by T - 1),
          signal = (N * P(mean of r) - mean of P(r)) / (N - 1), noise = mean of P(r) - signal;
        - `ccmax`: the noise ceiling, the correlation between the mean over trials and the true
          rate. From the correlation r between the means of split halves, averaged over all splits:
          sqrt(2 * r / (1 + r)) (Hsu, Borst & Theunissen 2004; Spearman-Brown). For odd numbers of
          trials, the corresponding formula for halves of n and n + 1 trials;
        - `ccmax_closed`: sqrt(signal / P(mean of r)) (Schoppe et al. 2016; their calc_CCnorm.m);
        - `ttrc`: mean correlation between two trials;
        - `fano`: variance over mean of the number of spikes in a trial;
        - `latency` in s: the time from onset at which the rate rises above the spontaneous rate;
          see the notes.

        Over several stimuli, `ccmax` and `ccmax_closed` are for the concatenated stimuli with one
        mean: they are the noise ceilings of `aa1xr.score(...).cc_raw`. `ccmax_within`,
        `ccmax_closed_within` and all other measures use the mean of each stimulus. Powers,
        covariances, variances and means are averaged over stimuli, weighted by the number of bins;
        ratios, roots and correlations come last. Stimuli with fewer than two trials only count for
        rates. Values are NaN where there are no data or the measure is undefined.

    Warns
    -----
    UndefinedWarning
        If a computed measure is undefined for a neuron with data; the warning names the neurons
        and the reason.
    UnitsWarning
        If `spikes` was smoothed with `match="deepSTRF"`, whose kernel is not normalised.

    Raises
    ------
    ValueError
        If `ds` lacks `spikes`, its trials or `duration_s`, if a trial occurs twice, or if `spikes`
        has trials that `n_trials` does not count.

    Notes
    -----
    Each dask worker holds at most one block of neurons in memory.

    A mean of `ccmax` over neurons is biased if some neurons do not respond: see
    `aa1xr.mean_score`.

    A latency is NaN unless three conditions hold:

    - There is a significant response within 0.25 s. The test counts the trials with a spike in
      windows of 10, 20, 40 or 80 ms (one ends every 5 ms), and compares them with the windows
      before onset (p < 0.001 for each neuron, or pair, Bonferroni-corrected over all windows). It
      counts trials and not spikes, because the spikes of a burst are not independent.
    - The standard deviation of the time of the change is at most 6 ms. The time is the mean over
      the likelihood of the change of a Poisson rate (Friedman & Priebe 1998).
    - Bins are at most 10 ms wide.

    With `by="neuron"`, the trials of all stimuli count together. A suppressed rate has no latency.

    References
    ----------
    Friedman & Priebe (1998), Journal of Neuroscience Methods 83, 185-194. Hsu, Borst &
    Theunissen (2004), Network 15, 91-109. Sahani & Linden (2003), Advances in
    Neural Information Processing Systems 15. Schoppe, Harper, Willmore, King & Schnupp (2016),
    Frontiers in Computational Neuroscience 10, 10, and https://github.com/OSchoppe/CCnorm, whose
    variances of means are over T, not T - 1.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5, before_ms=1000)
    >>> measures = aa1xr.quality(ds.sel(type="conspecific"))
    >>> measures.snr.sel(area="MLd").dims
    ('neuron',)
    >>> aa1xr.quality(ds, by="stimulus").ccmax.dims
    ('neuron', 'stimulus')
    """
    arguments.choice("by", by, ("neuron", "stimulus"))
    check_max_splits(max_splits)
    counts = spikes(ds)
    if (total := kernel_sum(ds["spikes"])) != 1:
        messages.warn(
            f"aa1xr.quality: a kernel of sum {total:g} smoothed 'spikes', so rates and the Fano "
            f"factor are {total:g} times, and powers {total**2:g} times, those of a normalised "
            "one; latencies differ, too",
            UnitsWarning,
        )
    dt = schema.bin_width_ms(ds) / 1000
    numbers = np.round(np.atleast_1d(ds["time"].values) / dt).astype(np.int64)
    plays = bins_during(ds, "stimulus")
    arrays = map_blocks(
        _measure,
        counts,
        names=tuple(MEASURES),
        of=ds,
        by=by,
        texts=_TEXTS,
        caller="aa1xr.quality",
        options={
            "numbers": numbers,
            "plays": plays,
            "dt": dt,
            "by": by,
            "max_splits": int(max_splits),
        },
    )
    return labelled(ds, arrays, MEASURES)


def with_quality(ds: xr.Dataset, *, max_splits: int = 10_000) -> xr.Dataset:
    """Add the quality of the responses as coordinates of the neurons.

    The coordinates are the measures of `aa1xr.quality` over the data in `ds`. Comparisons with <,
    > or == never select a neuron whose measure is NaN.

    Parameters
    ----------
    ds, max_splits
        See `aa1xr.quality`.

    Returns
    -------
    xarray.Dataset
        `ds` with a coordinate along `neuron` for each measure.

    Raises
    ------
    ValueError
        As `aa1xr.quality`.

    Examples
    --------
    >>> songs = aa1xr.open_sample(before_ms=500).sel(type="conspecific", area="MLd")
    >>> ds = aa1xr.with_quality(songs)
    >>> ds.query(neuron="snr > 0.08").neuron.values.tolist()
    ['sim0000_3_A', 'sim0000_4_A', 'sim0000_5_A']
    """
    measures = quality(ds, max_splits=max_splits).compute()
    return ds.assign_coords({name: array.variable for name, array in measures.items()})


def _measure(
    counts: Floats,
    *,
    numbers: npt.NDArray[np.int64],
    plays: Bools,
    dt: float,
    by: str,
    max_splits: int,
) -> Floats:
    """All measures for a block of neurons. [shape: (neuron, stimulus or 1, measure)]."""
    pairs = drop_incomplete(counts, plays)
    before = drop_incomplete(counts[..., numbers < 0], np.ones(1, bool))
    n_bins, n_trials = pairs.n_bins, pairs.n_trials
    twice = repeated(n_trials, n_bins)

    def over(values: Floats, weights: Ints) -> Floats:
        if by == "stimulus":
            return np.where(weights > 0, values, np.nan)
        return weighted_mean(values, weights)

    driven, spontaneous = _rates(pairs, dt), _rates(before, dt)
    both = np.where(before.n_bins > 0, n_bins, 0)
    both_twice = np.minimum(both, twice)
    difference = driven - spontaneous
    in_trial = pairs.counts.sum(3, dtype=np.float64)

    gram = covariance(pairs)
    power = powers(gram, n_trials).map(lambda each: over(each, twice))
    within, ttrc = agreement(gram, n_trials, twice, by=by, max_splits=max_splits)
    ceiling, closed = within, power.ceiling
    if by == "neuron":
        ceiling, closed = _concatenated_ceilings(pairs, gram, twice, max_splits=max_splits)

    measures = {
        "rate_spontaneous": over(_mean(spontaneous, before.presented), both),
        "rate_driven": over(_mean(driven, pairs.presented), n_bins),
        "rate_z": divide(
            over(_mean(difference, pairs.presented), both_twice),
            np.sqrt(over(_variance(difference, pairs.presented), both_twice)),
        ),
        "signal_power": power.signal / dt**2,
        "noise_power": power.noise / dt**2,
        "snr": power.snr,
        "ccmax": np.sqrt(ceiling),
        "ccmax_closed": np.sqrt(closed),
        "ccmax_within": np.sqrt(within),
        "ccmax_closed_within": np.sqrt(power.ceiling),
        "ttrc": ttrc,
        "fano": divide(
            over(_variance(in_trial, pairs.presented), twice),
            over(_mean(in_trial, pairs.presented), twice),
        ),
        "latency": latency(pairs, before, numbers, dt, pooled=by == "neuron"),
    }
    values = {name: measures[name] for name in MEASURES}
    once = over(n_trials == 1, n_bins) > 0
    reasons = _reasons(values, no_time=not before.used.any(), once=once)
    reasons["latency"].append((~np.isnan(values["rate_driven"]) & (dt > WIDEST_S), "wide"))
    return with_reasons(values, reasons, _TEXTS)


#: The reason that makes each measure undefined where stimuli have two trials.
_UNDEFINED = {
    "signal_power": "once",
    "noise_power": "once",
    "snr": "noise",
    "ccmax": "halves",
    "ccmax_within": "halves",
    "ccmax_closed": "signal",
    "ccmax_closed_within": "signal",
    "ttrc": "silent trial",
    "fano": "silent",
    "rate_z": "alike",
}


def _reasons(values: dict[str, Floats], *, no_time: bool, once: Bools) -> dict[str, Any]:
    """Why measures are not defined where the neuron was presented a stimulus."""
    nan = {name: np.isnan(array) for name, array in values.items()}
    there = ~nan["rate_driven"]
    unrepeated = there & nan["noise_power"]
    reasons: dict[str, Any] = {
        name: [(unrepeated, "once"), (there & nan[name], why), (there & once, "left out")]
        for name, why in _UNDEFINED.items()
    }
    for name in ("rate_spontaneous", "rate_z", "latency"):
        reasons[name] = [(there & no_time, "before"), *reasons.get(name, ())]
    return reasons


def _concatenated_ceilings(
    pairs: CompleteCounts, gram: Floats, twice: Ints, *, max_splits: int
) -> tuple[Floats, Floats]:
    """CCmax squared of all stimuli as one, from split halves and in closed form."""
    n_trials = np.maximum(pairs.n_trials, 1)[..., np.newaxis]
    psth = pairs.counts.sum(2, dtype=np.float64) / n_trials
    used = pairs.used & (twice > 0)[..., np.newaxis]
    power = concatenated.Moments.concatenated(psth, psth, used).yy
    within = powers(gram, pairs.n_trials).signal
    signal = concatenated.signal_power(pairs, within, twice)
    closed = concatenated.positive(signal, power) / positive_or_nan(power)
    return concatenated.half_split(pairs, twice, max_splits=max_splits), closed


def _rates(pairs: CompleteCounts, dt: float) -> Floats:
    """Spikes/s of each trial. [shape: (neuron, stimulus, trial)]."""
    seconds = positive_or_nan(pairs.n_bins) * dt
    return np.asarray(pairs.counts.sum(3, dtype=np.float64) / seconds[..., np.newaxis])


def _mean(values: Floats, presented: Bools) -> Floats:
    """Over trials. [shape: (neuron, stimulus, trial) -> (neuron, stimulus)]."""
    return np.asarray(np.where(presented, values, 0).sum(2) / positive_or_nan(presented.sum(2)))


def _variance(values: Floats, presented: Bools) -> Floats:
    """Over trials, over one less than there are."""
    deviation = np.where(presented, values - _mean(values, presented)[..., np.newaxis], 0)
    return np.asarray((deviation**2).sum(2) / positive_or_nan(presented.sum(2) - 1))
