"""Reliability over splits and pairs of trials, in plain loops over rows of counts."""

from itertools import combinations

import numpy as np

from tests.analysis.small_datasets import weighted


def by_count(rows_of_stimuli):
    """The stimuli of each trial count."""
    for n in sorted({len(rows) for rows in rows_of_stimuli}):
        yield n, [rows for rows in rows_of_stimuli if len(rows) == n]


def split_ceiling(rows_of_stimuli):
    """CCmax squared: each split's covariances over stimuli, their correlation, its average."""
    found, bins = [], []
    for n, stimuli in by_count(rows_of_stimuli):
        weights = [len(rows[0]) for rows in stimuli]
        correlations, seen = [], set()
        for first in combinations(range(n), n // 2):
            second = tuple(k for k in range(n) if k not in first)
            if second in seen:
                continue
            seen.add(first)
            c = [
                np.cov(np.mean([rows[k] for k in first], 0), np.mean([rows[k] for k in second], 0))
                for rows in stimuli
            ]
            c = weighted(c, weights)
            defined = min(c[0, 0], c[1, 1]) > 1e-10
            correlations.append(c[0, 1] / (c[0, 0] * c[1, 1]) ** 0.5 if defined else np.nan)
        r = np.mean(correlations)
        found.append(ceiling(r, n // 2, n - n // 2) if r > 1e-12 else np.nan)
        bins.append(sum(weights))
    return weighted(found, bins)


def ceiling(r, n, m):
    """Find by bisection the reliability of n + m trials, given that of n beside m."""
    low, high = 0.0, 1e12
    for _ in range(200):
        x = (low + high) / 2
        low, high = (x, high) if 1 / r**2 > (1 + x / n) * (1 + x / m) else (low, x)
    return 1 / (1 + low / (n + m))


def trial_correlation(rows_of_stimuli):
    """The mean over pairs of trials, each over all stimuli."""
    found, bins = [], []
    for n, stimuli in by_count(rows_of_stimuli):
        weights = [len(rows[0]) for rows in stimuli]
        r = []
        for i, j in combinations(range(n), 2):
            c = weighted([np.cov(rows[i], rows[j]) for rows in stimuli], weights)
            defined = min(c[0, 0], c[1, 1]) > 0
            r.append(c[0, 1] / (c[0, 0] * c[1, 1]) ** 0.5 if defined else np.nan)
        found.append(np.mean(r))
        bins.append(sum(weights))
    return weighted(found, bins)
