"""Measures of a neuron's responses to all stimuli, one stimulus after the other.

Published figures are about one mean over the concatenated stimuli, so that mean responses which
differ between stimuli count as signal. With equal numbers of trials, signal power is that of
Schoppe et al. (2016, calc_CCnorm.m) for the matrix of trials by concatenated time: the mean
covariance between two different trials. With unequal numbers, every product of two bins is averaged
over the pairs of different trials that the two stimuli have. No trial is dropped, and the
trials of the signal power are those of the PSTH.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aa1xr.analysis.measures import CompleteCounts, positive_or_nan
from aa1xr.analysis.reliability import half_split_ceiling
from aa1xr.typing import Bools, Floats, Ints

#: What varies less than this part of its mean square is constant; so is signal in a PSTH.
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Variances and covariance over time (over T - 1) of a prediction p and a PSTH y."""

    pp: Floats  #: [shape: (neuron, 1 or stimulus)] as the others
    py: Floats
    yy: Floats

    @classmethod
    def over_time(cls, p: Floats, y: Floats, used: Bools) -> Moments:
        """Of each stimulus about its own mean. [shape: (neuron, stimulus, time) each]."""
        n_bins = used.sum(2)
        about = [
            np.where(used, v - (v.sum(2) / np.maximum(n_bins, 1))[..., np.newaxis], 0)
            for v in (np.where(used, p, 0), np.where(used, y, 0))
        ]
        pp, py, yy = (
            (about[i] * about[j]).sum(2) / np.maximum(n_bins - 1, 1)
            for i, j in ((0, 0), (0, 1), (1, 1))
        )
        return cls(_unless_rounding(pp, p, used), py, _unless_rounding(yy, y, used))

    @classmethod
    def concatenated(cls, p: Floats, y: Floats, used: Bools) -> Moments:
        """Of all stimuli about one mean. [shape: (neuron, stimulus, time) each]."""
        shape = (len(p), 1, -1)
        return cls.over_time(p.reshape(shape), y.reshape(shape), used.reshape(shape))

    def with_constant_as_unrelated(self) -> Moments:
        """A constant p has no correlation with y; here it has 0."""
        constant = self.pp <= 0
        return Moments(np.where(constant, 1, self.pp), np.where(constant, 0, self.py), self.yy)


def _unless_rounding(variance: Floats, values: Floats, used: Bools) -> Floats:
    """The variance, zero where it is no more than rounding leaves of constant values."""
    square = (np.where(used, values, 0) ** 2).sum(2) / np.maximum(used.sum(2), 1)
    return np.where(variance > NOTHING * square, variance, 0)


def signal_power(pairs: CompleteCounts, within: Floats, n_bins: Ints) -> Floats:
    """Signal power of the concatenated stimuli, in counts squared. [shape: (neuron, 1)].

    `within` is that of each stimulus about its own mean, and `n_bins` are the bins of stimuli with
    at least two trials, 0 for others [shape: (neuron, stimulus)]. The result is not positive where
    trials agree no more than by chance, and NaN where no stimulus counts.
    """
    counts = n_bins > 0
    total = pairs.counts.sum(3, dtype=np.float64) * counts[..., np.newaxis]
    there = (pairs.presented & counts[..., np.newaxis]).astype(np.float64)
    # Products of the sums of two stimuli, over pairs of different trials.
    each, n_trials = total.sum(2), there.sum(2)
    products = each[:, :, np.newaxis] * each[:, np.newaxis] - total @ total.swapaxes(1, 2)
    n_pairs = n_trials[:, :, np.newaxis] * n_trials[:, np.newaxis] - there @ there.swapaxes(1, 2)
    products /= np.maximum(n_pairs, 1)
    bins = n_bins.sum(1)
    of_means = np.einsum("nss,ns->n", products, 1 / np.maximum(n_bins, 1))
    of_means -= products.sum((1, 2)) / np.maximum(bins, 1)
    of_time = (np.where(counts, within, 0) * np.maximum(n_bins - 1, 0)).sum(1)
    return np.asarray((of_time + of_means) / positive_or_nan(bins - 1))[:, np.newaxis]


def positive(signal: Floats, of_mean: Floats) -> Floats:
    """The signal power where it is more than rounding of the power of the mean, else NaN."""
    with np.errstate(invalid="ignore"):
        return np.where(signal > NOTHING * of_mean, signal, np.nan)


def half_split(pairs: CompleteCounts, n_bins: Ints, *, max_splits: int) -> Floats:
    """CCmax squared of the concatenated stimuli from halves of the trials. [shape: (neuron, 1)].

    The halves are of the trials that all stimuli of the neuron have. They give the noise of one
    trial over the signal, and that gives CCmax of the PSTH, with 1 / n the mean over bins of one
    over the number of trials: CCmax**2 = 1 / (1 + noise / n). NaN where halves do not agree.
    """
    out = np.full((len(pairs.counts), 1), np.nan)
    for neuron, weights in enumerate(n_bins):
        stimuli = np.flatnonzero(weights)
        if not stimuli.size:
            continue
        common = np.flatnonzero(pairs.presented[neuron, stimuli].all(0))
        if common.size < 2:
            continue
        # No stimulus is copied: sums over stimuli of what one matrix product gives.
        counts = pairs.counts[neuron][np.ix_(stimuli, common)].astype(np.float64)
        total = counts.sum((0, 2))
        gram = np.einsum("srt,sqt->rq", counts, counts, optimize=True)
        gram -= np.outer(total, total) / weights.sum()
        ceiling = half_split_ceiling(gram, max_splits)
        noise = common.size * (1 / ceiling - 1)
        n_trials = pairs.presented[neuron, stimuli].sum(1)
        out[neuron] = 1 / (1 + noise * np.average(1 / n_trials, weights=weights[stimuli]))
    return out
