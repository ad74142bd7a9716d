"""How well each neuron answers, and how reliably: measures to select neurons by."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.pairs import (
    Bools,
    Floats,
    Ints,
    Pairs,
    bins_during,
    combine,
    complete,
    labelled,
    map_blocks,
    ratio,
    some,
    spikes,
    tell,
)
from aa1xr.analysis.presentations import check_distinct
from aa1xr.analysis.reliability import agreement, covariance, powers, repeated

#: A bin answers if so many spikes come this rarely from the spontaneous rate; two in a row do.
_RARE = 1e-3

_RATE, _POWER = "spikes/s", "(spikes/s)^2"


def _spec(units: str, long_name: str, comment: str = "") -> schema.Spec:
    return schema.Spec(("neuron", "stimulus"), "f", units, long_name, comment)


#: What `quality` measures.
MEASURES: dict[str, schema.Spec] = {
    "rate_spontaneous": _spec(_RATE, "firing rate before onset"),
    "rate_driven": _spec(_RATE, "firing rate while the sound plays"),
    "rate_z": _spec("1", "z-score of the driven over the spontaneous rate"),
    "signal_power": _spec(_POWER, "signal power", "Sahani & Linden (2003)"),
    "noise_power": _spec(_POWER, "noise power of one trial", "Sahani & Linden (2003)"),
    "snr": _spec("1", "signal power over noise power", "Sahani & Linden (2003)"),
    "ccmax": _spec(
        "1", "greatest correlation with the PSTH", "half splits; Hsu, Borst & Theunissen (2004)"
    ),
    "ccmax_closed": _spec(
        "1", "greatest correlation with the PSTH", "closed form; Schoppe et al. (2016)"
    ),
    "ttrc": _spec("1", "trial-to-trial correlation"),
    "fano": _spec("1", "Fano factor of the spike count"),
    "latency": _spec("s", "latency of the response", "left edge of the bin"),
}


def quality(
    ds: xr.Dataset, *, by: Literal["neuron", "stimulus"] = "neuron", max_splits: int = 10_000
) -> xr.Dataset:
    """Measure rate, reliability and latency of the responses.

    The response is what is counted while the sound plays, whatever window `ds` was opened with;
    the spontaneous rate is that of its bins before onset.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (neuron, stimulus, trial, time)], any selection of them.
        For what needs the spontaneous rate, opened with `before_ms` (up to 2000 for AA1).
    by
        "neuron": over all stimuli; "stimulus": for each.
    max_splits
        `ccmax` averages over all complementary halves of the trials, or if there are more, over
        so many of them.

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,) or (neuron, stimulus)] each, lazy, with the labels of `ds`:

        - `rate_spontaneous`, `rate_driven` in spikes/s;
        - `rate_z`: mean over trials of the difference of the two rates, over its standard
          deviation, which is (m1 - m2) / sqrt(v1 + v2 - 2 * cov);
        - `signal_power`, `noise_power` in (spikes/s)^2 and their ratio `snr` (Sahani & Linden
          2003, on signal power): with N trials r and P the variance over time (over T - 1),
          signal = (N * P(mean of r) - mean of P(r)) / (N - 1), noise = mean of P(r) - signal;
        - `ccmax`: the correlation of the mean over trials with the true rate, from r, the
          correlation between the means of two halves of the trials averaged over all splits:
          sqrt(2 * r / (1 + r)) (Hsu, Borst & Theunissen 2004; Spearman-Brown), and its like for
          halves of n and n + 1 trials;
        - `ccmax_closed`: sqrt(signal / P(mean of r)) (Schoppe et al. 2016; their calc_CCnorm.m);
        - `ttrc`: mean correlation between two trials;
        - `fano`: variance over mean of the number of spikes in a trial;
        - `latency` in s: the first of two successive bins after onset, each with a number of
          spikes that the spontaneous rate gives in less than one case of 1000 (Poisson; one
          spike is added to the spontaneous ones, so that silence is no certainty). Sums over
          trials, and `by="neuron"` over stimuli. Suppression is not seen.

        Over stimuli: each is taken about its own mean, powers, covariances, variances and means
        are averaged weighted by number of bins, and ratios, roots and correlations come last.
        Stimuli with fewer than two trials tell of rates alone.
        NaN where there is no data or the measure is not defined; the reason is logged, once.

    Notes
    -----
    At most a block of neurons at a time is in memory for each worker of dask.

    References
    ----------
    Hsu, Borst & Theunissen (2004), Network 15, 91-109. Sahani & Linden (2003), Advances in
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
    arguments.whole("max_splits", max_splits)
    counts = spikes(ds)
    check_distinct(ds)
    dt = schema.bin_width_ms(ds) / 1000
    time = np.atleast_1d(ds["time"].values)
    plays = bins_during(ds, "stimulus")
    if not (time < 0).any():
        tell(
            "rate_spontaneous, rate_z and latency are NaN where there are no bins before onset: "
            "open the data with before_ms=2000"
        )
    arrays = map_blocks(
        _measure,
        counts,
        names=tuple(MEASURES),
        by=by,
        options={
            "time": time,
            "plays": plays,
            "dt": dt,
            "by": by,
            "max_splits": int(max_splits),
        },
    )
    return labelled(ds, arrays, MEASURES)


def with_quality(ds: xr.Dataset, *, max_splits: int = 10_000) -> xr.Dataset:
    """Add the quality of the responses as coordinates of the neurons.

    The measures of `quality` are computed over what `ds` holds, to select neurons by. A neuron
    without a value (NaN) is in no range.

    Parameters
    ----------
    ds, max_splits
        See `quality`.

    Returns
    -------
    xarray.Dataset
        `ds` with a coordinate along `neuron` for each measure.

    Examples
    --------
    >>> ds = aa1xr.with_quality(aa1xr.open_sample().sel(type="conspecific"))
    >>> ds.query(neuron="snr > 0.1").neuron.values.tolist()
    ['sim0000_1_B', 'sim0000_5_B', 'sim0000_3_A']
    """
    measures = quality(ds, max_splits=max_splits).compute()
    return ds.assign_coords({name: array.variable for name, array in measures.items()})


def _measure(
    counts: Floats,
    *,
    time: npt.NDArray[np.float64],
    plays: Bools,
    dt: float,
    by: str,
    max_splits: int,
) -> Floats:
    """All measures for a block of neurons. [shape: (neuron, stimulus or 1, measure)]."""
    pairs = complete(counts, plays)
    before = complete(counts[..., time < 0], np.ones(1, bool))
    n_bins, n_trials = pairs.n_bins, pairs.n_trials
    twice = repeated(n_trials, n_bins)

    def over(values: Floats, weights: Ints) -> Floats:
        if by == "stimulus":
            return np.where(weights > 0, values, np.nan)
        return combine(values, weights)

    driven, spontaneous = _rates(pairs, dt), _rates(before, dt)
    both = np.where(before.n_bins > 0, n_bins, 0)
    both_twice = np.minimum(both, twice)
    difference = driven - spontaneous
    in_trial = pairs.counts.sum(3, dtype=np.float64)

    gram = covariance(pairs)
    power = powers(gram, n_trials).map(lambda each: over(each, twice))
    ceiling, ttrc = agreement(gram, n_trials, twice, by=by, max_splits=max_splits)

    measures = {
        "rate_spontaneous": over(_mean(spontaneous, before.presented), both),
        "rate_driven": over(_mean(driven, pairs.presented), n_bins),
        "rate_z": ratio(
            over(_mean(difference, pairs.presented), both_twice),
            np.sqrt(over(_variance(difference, pairs.presented), both_twice)),
            "rate_z is NaN where trials do not differ",
        ),
        "signal_power": power.signal / dt**2,
        "noise_power": power.noise / dt**2,
        "snr": power.snr,
        "ccmax": np.sqrt(ceiling),
        "ccmax_closed": np.sqrt(power.ceiling),
        "ttrc": ttrc,
        "fano": ratio(
            over(_variance(in_trial, pairs.presented), twice),
            over(_mean(in_trial, pairs.presented), twice),
            "fano is NaN where there is no spike",
        ),
        "latency": _latency(pairs, before, time, by=by),
    }
    return np.stack([measures[name] for name in MEASURES], -1)


def _rates(pairs: Pairs, dt: float) -> Floats:
    """Spikes/s of each trial. [shape: (neuron, stimulus, trial)]."""
    seconds = some(pairs.n_bins) * dt
    return np.asarray(pairs.counts.sum(3, dtype=np.float64) / seconds[..., np.newaxis])


def _mean(values: Floats, presented: Bools) -> Floats:
    """Over trials. [shape: (neuron, stimulus, trial) -> (neuron, stimulus)]."""
    return np.asarray(np.where(presented, values, 0).sum(2) / some(presented.sum(2)))


def _variance(values: Floats, presented: Bools) -> Floats:
    """Over trials, over one less than there are."""
    deviation = np.where(presented, values - _mean(values, presented)[..., np.newaxis], 0)
    return np.asarray((deviation**2).sum(2) / some(presented.sum(2) - 1))


def _latency(pairs: Pairs, before: Pairs, time: npt.NDArray[np.float64], *, by: str) -> Floats:
    from scipy.special import gammainc

    counts = pairs.counts.sum(2, dtype=np.float64)
    exposure = (pairs.used * pairs.n_trials[..., np.newaxis]).astype(np.float64)
    spontaneous = before.counts.sum((2, 3), dtype=np.float64)
    bins = (before.n_bins * before.n_trials).astype(np.float64)
    if by == "neuron":
        counts, exposure, spontaneous, bins = (
            values.sum(1, keepdims=True) for values in (counts, exposure, spontaneous, bins)
        )
    expected = exposure * ((spontaneous + 1) / some(bins))[..., np.newaxis]
    # P(at least k | mean m) of a Poisson distribution is the lower incomplete gamma function.
    chance = np.where(counts > 0, gammainc(np.maximum(counts, 1), expected), 1)
    answers = chance < _RARE
    answers[..., :-1] &= answers[..., 1:]
    answers[..., -1:] = False
    first: Any = answers.argmax(-1)
    return np.where(answers.any(-1), time[first], np.nan)
