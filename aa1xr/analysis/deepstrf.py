"""What deepSTRF 0.1.0 computes where its conventions differ from the published ones.

Its `normalized_corrcoef` divides by a signal power, or a CCmax, that is found for each stimulus
and averaged by number of bins, while its covariance is over the concatenated stimuli.
"""

from __future__ import annotations

import itertools

import numpy as np

from aa1xr.analysis.measures import weighted_mean
from aa1xr.analysis.reliability import half_correlation
from aa1xr.typing import Bools, Floats, Ints

#: The most splits that it averages over, in the order of itertools.combinations.
_MOST_SPLITS = 126


def ccmax(gram: Floats, n_trials: Ints, n_bins: Ints) -> Floats:
    """Its `_ccmax_per_neuron`, of `reliability.covariance` and `repeated`. [shape: (neuron, 1)].

    Of an odd number of trials the last is dropped. Stimuli whose halves do not correlate
    positively are left out; one with a silent half makes the neuron NaN.
    """
    each = np.full(n_trials.shape, np.nan)
    weights = n_bins.copy()
    for n in np.unique(n_trials[n_bins > 0]):
        even = int(n) - int(n) % 2
        where = (n_trials == n) & (n_bins > 0)
        r = half_correlation(gram[where][:, :even, :even], _splits(even))
        with np.errstate(invalid="ignore"):
            weights[where] *= ~(r <= 0)
            each[where] = np.sqrt(2 * r / (1 + r))
    return weighted_mean(each, weights)


def _splits(n_trials: int) -> Bools:
    """Its splits of an even number of trials. [shape: (split, trial)]."""
    firsts = itertools.combinations(range(n_trials), n_trials // 2)
    # The second half of all combinations are the complements of the first.
    chosen = [first for first in itertools.islice(firsts, _MOST_SPLITS) if first[0] == 0]
    splits = np.zeros((len(chosen), n_trials), bool)
    np.put_along_axis(splits, np.array(chosen), values=True, axis=1)
    return splits
