"""How far responses to one stimulus agree, from inner products between trials alone.

The Gram matrix of a pair, the covariance over time of each two of its trials, holds all that the
measures need: powers are sums of its elements, and the correlation between two halves of the
trials is a ratio of sums over its blocks. So a hundred splits cost no more passes over the data
than one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from aa1xr import arguments
from aa1xr.analysis.measures import CompleteCounts, divide, positive_or_nan, weighted_mean
from aa1xr.typing import Bools, Floats, Ints

#: A power this small a part of the one it is taken from is rounding.
_NOTHING = 1e-12

#: Split halves that may be asked for; 10,000 are more than errors of a ceiling need.
_MOST_SPLITS = 10**6


def check_max_splits(max_splits: Any) -> None:
    """Check the argument `max_splits`."""
    arguments.check_integer(
        "max_splits", max_splits, 1, _MOST_SPLITS, "all splits are held in memory"
    )


@dataclass(frozen=True, eq=False)
class Powers:
    """Signal, noise and their sum; about each stimulus' own mean, in counts squared."""

    signal: Floats  #: [shape: (neuron, stimulus or 1)] as the others
    noise: Floats
    mean: Floats  #: power of the mean over trials

    def map(self, function: Callable[[Floats], Floats]) -> Powers:
        """Apply a function to each."""
        return Powers(function(self.signal), function(self.noise), function(self.mean))

    @property
    def snr(self) -> Floats:
        """Signal over noise."""
        noise = np.where(self.noise > _NOTHING * self.mean, self.noise, 0)
        return divide(self.signal, noise)

    @property
    def ceiling(self) -> Floats:
        """CCmax squared: the part of the mean response's power that is signal."""
        return self.positive_signal / positive_or_nan(self.mean)

    @property
    def positive_signal(self) -> Floats:
        """The signal power where there is any."""
        return np.where(self.signal > _NOTHING * self.mean, self.signal, np.nan)


def covariance(pairs: CompleteCounts) -> Floats:
    """Covariance over time between trials. [shape: (neuron, stimulus, trial, trial)].

    Presented trials come first. Zero beyond them, and for fewer than two bins.
    """
    # Counts are whole numbers, whose products single precision adds up exactly.
    gram = (pairs.counts @ pairs.counts.swapaxes(2, 3)).astype(np.float64)
    total = pairs.counts.sum(3, dtype=np.float64)
    n_bins = pairs.n_bins[:, :, np.newaxis, np.newaxis]
    gram -= total[..., np.newaxis] * total[:, :, np.newaxis] / np.maximum(n_bins, 1)
    gram /= np.maximum(n_bins - 1, 1)
    if (pairs.presented[:, :, 1:] > pairs.presented[:, :, :-1]).any():
        order = np.argsort(~pairs.presented, axis=2, kind="stable")
        gram = np.take_along_axis(gram, order[..., np.newaxis], 2)
        gram = np.take_along_axis(gram, order[:, :, np.newaxis], 3)
    return gram


def repeated(n_trials: Ints, n_bins: Ints) -> Ints:
    """Bins of stimuli with two or more trials and bins, else 0. [shape: (neuron, stimulus)]."""
    return np.where((n_trials >= 2) & (n_bins >= 2), n_bins, 0)


def powers(gram: Floats, n_trials: Ints) -> Powers:
    """Signal and noise power of each pair, by Sahani & Linden (2003).

    With P a variance over time (here over T - 1), N trials r and their mean:
    signal = (N * P(mean of r) - mean of P(r)) / (N - 1), noise = mean of P(r) - signal.
    """
    n = positive_or_nan(np.where(n_trials >= 2, n_trials, 0))
    everything, trials = gram.sum((2, 3)), np.trace(gram, axis1=2, axis2=3)
    signal = (everything - trials) / (n * (n - 1))
    return Powers(signal, trials / n - signal, everything / n**2)


def agreement(
    gram: Floats, n_trials: Ints, n_bins: Ints, *, by: str, max_splits: int
) -> tuple[Floats, Floats]:
    """CCmax squared from all half splits, and the trial-to-trial correlation.

    [shape: (neuron, stimulus or 1)] each, of `covariance` and `repeated`. By neuron, covariances
    are combined over stimuli first, so that a half which is silent for one stimulus does no harm.
    Stimuli of unequal trial counts have splits of their own: then each count is combined, and the
    results by bins.
    """
    shape = (n_trials.shape[0], n_trials.shape[1] if by == "stimulus" else 1)
    ceiling, ttrc = np.full(shape, np.nan), np.full(shape, np.nan)
    for neuron, weights in enumerate(n_bins):
        if by == "stimulus":
            for n, stimuli in _by_count(n_trials[neuron], weights):
                trials = gram[neuron, stimuli, :n, :n]
                ceiling[neuron, stimuli] = half_split_ceiling(trials, max_splits)
                ttrc[neuron, stimuli] = trial_correlation(trials)
            continue
        found, bins = [], []
        for n, stimuli in _by_count(n_trials[neuron], weights):
            trials = gram[neuron, stimuli, :n, :n]
            trials = weighted_mean(trials[np.newaxis], weights[np.newaxis, stimuli])[0]
            found.append((half_split_ceiling(trials, max_splits)[0], trial_correlation(trials)[0]))
            bins.append(weights[stimuli].sum())
        if found:
            ceiling[neuron, 0], ttrc[neuron, 0] = np.average(found, axis=0, weights=bins)
    return ceiling, ttrc


def _by_count(n_trials: Ints, n_bins: Ints) -> Iterator[tuple[int, Ints]]:
    for n in np.unique(n_trials[n_bins > 0]):
        yield int(n), np.flatnonzero((n_trials == n) & (n_bins > 0))


def half_split_ceiling(gram: Floats, max_splits: int) -> Floats:
    """CCmax squared of some trials. [shape: (..., trial, trial) -> (...)].

    The correlation between the means of two halves, averaged over splits, says how large noise
    is beside signal; from that follows the correlation of the mean of all trials with the
    signal. For equal halves it is the formula of Spearman and Brown, as Hsu, Borst & Theunissen
    (2004) use it: 2 * r / (1 + r).
    """
    n = gram.shape[-1]
    splits = halves(n, max_splits)
    n_first = int(splits[0].sum())
    r = half_correlation(gram, splits)
    return spearman_brown(np.where(r > _NOTHING, r, np.nan), n_first, n - n_first)


def half_correlation(gram: Floats, splits: Bools) -> Floats:
    """Mean correlation of complementary halves. [shape: (..., trial, trial) -> (...)]."""
    first = splits @ gram
    within_first = (first * splits).sum(-1)
    across = first.sum(-1) - within_first
    within_second = gram.sum((-1, -2))[..., np.newaxis] - within_first - 2 * across
    nothing = _NOTHING * np.trace(gram, axis1=-2, axis2=-1)[..., np.newaxis]
    silent = (within_first <= nothing) | (within_second <= nothing)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(silent, np.nan, across / np.sqrt(within_first * within_second))
    return np.asarray(r.mean(-1))


def spearman_brown(r: Floats, n_first: int, n_second: int) -> Floats:
    """Squared correlation of the mean of all trials with the signal, from that of two parts.

    With x the noise power of one trial over the signal power, parts of n and m trials correlate
    as 1 / r**2 = (1 + x / n) * (1 + x / m). That gives x, and the result is 1 / (1 + x / (n + m)).
    """
    n = n_first + n_second
    x = (np.sqrt(n**2 + 4 * n_first * n_second * (1 / r**2 - 1)) - n) / 2
    return np.asarray(1 / (1 + x / n))


def trial_correlation(gram: Floats) -> Floats:
    """Mean correlation over all pairs of trials. [shape: (..., trial, trial) -> (...)]."""
    variance = np.diagonal(gram, axis1=-2, axis2=-1)
    silent = variance <= 0
    deviation = np.sqrt(np.where(silent, np.nan, variance))
    r = gram / (deviation[..., np.newaxis] * deviation[..., np.newaxis, :])
    above = np.triu_indices(gram.shape[-1], 1)
    return np.asarray(r[..., above[0], above[1]].mean(-1))


@cache
def halves(n_trials: int, max_splits: int) -> Bools:
    """Which trials are in the first half, for each way to split them. [shape: (split, trial)].

    All complementary halves: 126 for 10 trials. For an odd number the second half has one trial
    more, and none is dropped: 6435 for 15 trials. If there are more than `max_splits`, that many
    are drawn, always the same.
    """
    half = n_trials // 2
    # Of an even number, a split and its mirror image are one: that which has the first trial.
    fixed = 1 - n_trials % 2
    if math.comb(n_trials - fixed, half - fixed) <= max_splits:
        rest = itertools.combinations(range(fixed, n_trials), half - fixed)
        chosen = np.array([[*range(fixed), *trials] for trials in rest])
        splits = np.zeros((len(chosen), n_trials), bool)
        np.put_along_axis(splits, chosen, values=True, axis=1)
    else:
        rows = np.broadcast_to(np.arange(n_trials) < half, (max_splits, n_trials))
        splits = np.random.default_rng(0).permuted(rows, axis=1)
    splits.flags.writeable = False
    return splits
