"""Combining stimuli in plain loops: of pairs (prediction, rows of counts), one a stimulus."""

import itertools

import numpy as np

from tests.analysis.small_datasets import DT, weighted
from tests.analysis.splits_by_loops import split_ceiling


def psth(rows):
    return np.mean(rows, axis=0) / DT


def averaged(pairs):
    """[[var(p), cov(p, y)], [cov(p, y), var(y)]] and signal power, about each stimulus' mean."""
    long = [(p, rows) for p, rows in pairs if len(p) >= 2]
    if not long:
        return np.zeros((2, 2)), np.nan
    weights = [len(p) for p, _ in long]
    c = weighted([np.cov(p, psth(rows)) for p, rows in long], weights)
    return c, weighted([signal_power([rows]) for _, rows in long], weights)


def concatenated(pairs):
    """The same about one mean of all stimuli."""
    if sum(len(p) for p, _ in pairs) < 2:
        return np.zeros((2, 2)), np.nan
    p, y = (
        np.concatenate([of(pair) for pair in pairs])
        for of in (lambda a: a[0], lambda a: psth(a[1]))
    )
    return np.cov(p, y), signal_power([rows for _, rows in pairs])


def signal_power(rows_of_stimuli):
    """Every product of two bins is averaged over pairs of different trials."""
    if min(len(rows) for rows in rows_of_stimuli) < 2:
        return np.nan

    def average(some, other):
        pairs = itertools.product(enumerate(some), enumerate(other))
        return np.mean([np.sum(a * b) for (n, a), (m, b) in pairs if n != m]) / DT**2

    n_bins = sum(len(rows[0]) for rows in rows_of_stimuli)
    same = sum(average(rows, rows) for rows in rows_of_stimuli)
    totals = [[row.sum() for row in rows] for rows in rows_of_stimuli]
    means = sum(average(a, b) for a, b in itertools.product(totals, totals)) / n_bins
    return (same - means) / (n_bins - 1) if n_bins > 1 else np.nan


def ceiling(pairs, way):
    """CCmax squared from split halves."""
    rows = [rows for _, rows in pairs]
    if way is averaged or not rows:
        return split_ceiling(rows)
    n = min(map(len, rows))
    of_common = split_ceiling([np.concatenate([each[:n] for each in rows], 1)])
    noise = n * (1 / of_common - 1)
    return 1 / (1 + noise * weighted([1 / len(r) for r in rows], [len(r[0]) for r in rows]))


def correlation(c):
    return c[0, 1] / (c[0, 0] * c[1, 1]) ** 0.5 if min(c[0, 0], c[1, 1]) > 1e-9 else np.nan
