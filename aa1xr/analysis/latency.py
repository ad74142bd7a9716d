"""When a neuron begins to respond to a stimulus.

First a test: is there a response at all? It counts the *trials* with a spike in a window of fixed
length, since trials are independent of each other, and spikes of one trial (bursts) are not. Then
an estimate: at what time did the rate change?
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr.analysis.measures import CompleteCounts
from aa1xr.typing import Bools, Floats, Ints

#: Windows in s that the test looks through, whatever the bin width; they end every `_STEP_S`.
_WINDOWS_S = (0.01, 0.02, 0.04, 0.08)
_STEP_S = 0.005
#: A response that begins later than this is not a response to the onset of the stimulus.
_LATEST_S = 0.25
#: The chance, over all windows together, that a neuron without a response gets a latency.
_RARE = 1e-3
#: The rate of the response is estimated up to this long after the test has found it.
_AFTER_S = 0.02
#: A latency that is known less well (standard deviation) is not given.
_UNSURE_S = 0.006
#: Wider bins do not resolve a latency; a little more than 10 ms, since widths are rounded.
WIDEST_S = 0.010001
#: The likelihood of a latency is computed at points this far apart.
_GRID_S = 0.0005


def latency(
    pairs: CompleteCounts,
    before: CompleteCounts,
    numbers: npt.NDArray[np.int64],
    dt: float,
    *,
    pooled: bool,
) -> Floats:
    """When the rate of each pair leaves its spontaneous value. [shape: (neuron, stimulus or 1)].

    In s; see `aa1xr.quality` for what it is, and for when it is NaN. `pairs` has the counts while
    the stimulus plays, on all bins, which are `numbers` from onset; `before` those before onset.
    With `pooled`, the trials of all stimuli count together, as far as the shortest stimulus.
    """
    shape = (pairs.counts.shape[0], 1 if pooled else pairs.counts.shape[1])
    out = np.full(shape, np.nan)
    before = _without_gaps(before, numbers[numbers < 0])
    onset = np.flatnonzero(numbers >= 0)
    onset = onset[numbers[onset] == np.arange(onset.size)][: round(_LATEST_S / dt)]
    if dt > WIDEST_S or not onset.size or not before.counts.shape[3]:
        return out
    counts = pairs.counts[..., onset]
    # Bins from onset without a gap. [shape: (neuron, stimulus)].
    n_bins = np.cumprod(pairs.used[..., onset], axis=-1, dtype=np.int64).sum(-1)
    n_bins = np.where(before.n_bins > 0, n_bins, 0)
    presented = pairs.presented & before.presented & (n_bins > 0)[..., np.newaxis]
    n_trials = presented.sum(2)
    if pooled:
        there = n_trials > 0
        shortest = np.where(there, n_bins, onset.size).min(1, keepdims=True)
        n_bins = np.where(there.any(1, keepdims=True), shortest, 0)
    found = _found(counts, before, presented, n_bins, dt, pooled=pooled)
    spontaneous = np.where(n_trials > 0, before.counts.sum((2, 3), dtype=np.float64), 0)
    trial_bins = n_trials * before.n_bins
    total = np.where(presented[..., np.newaxis], counts, 0).sum(2, dtype=np.float64)
    if pooled:
        each: Any = (total, spontaneous, trial_bins, n_trials)
        total, spontaneous, trial_bins, n_trials = (v.sum(1, keepdims=True) for v in each)
    for at in zip(*np.nonzero(found), strict=True):
        # One spike more than there was, so that silence is not a certainty.
        rate = (spontaneous[at] + 1) / trial_bins[at] * n_trials[at]
        stop = min(n_bins[at], found[at] + max(2, round(_AFTER_S / dt)))
        out[at] = _change(total[at][:stop], rate, dt)
    return out


def _without_gaps(before: CompleteCounts, numbers: npt.NDArray[np.int64]) -> CompleteCounts:
    """The bins before onset that are adjacent to it, and to each other."""
    n = int(np.cumprod(numbers[::-1] == -1 - np.arange(numbers.size), dtype=np.int64).sum())
    first = numbers.size - n
    return CompleteCounts(before.counts[..., first:], before.presented, before.used[..., first:])


def _found(
    counts: Floats,
    before: CompleteCounts,
    presented: Bools,
    n_bins: Ints,
    dt: float,
    *,
    pooled: bool,
) -> Ints:
    """The bin at which the first window ends that holds a response; 0 where none does.

    With h of n windows before onset holding a spike, the number of trials with a spike in a window
    after onset, if nothing has changed, has a beta-binomial distribution: what is predicted for
    a binomial one whose probability is known from so many observations (flat prior). The bound
    is divided by the number of windows (Bonferroni).
    """
    step = max(1, round(_STEP_S / dt))
    lengths = sorted({max(1, round(length / dt)) for length in _WINDOWS_S})
    n_windows = sum(np.maximum(0, (n_bins - length) // step + 1) for length in lengths)
    best = np.full(n_bins.shape, np.iinfo(np.int64).max)
    for length in lengths:
        if length > min(before.counts.shape[3], counts.shape[3]):
            continue
        whole = _windows(before.used, length) == length
        there = whole[:, :, np.newaxis] & presented[..., np.newaxis]
        observed = there.sum((2, 3)).astype(np.float64)
        hits = ((_windows(before.counts, length) > 0) & there).sum((2, 3)).astype(np.float64)
        # Windows overlap; as many are independent as fit side by side.
        n = np.asarray((before.n_bins // length) * presented.sum(2), dtype=np.float64)
        ends = np.arange(length, counts.shape[3] + 1, step)
        spiked = _windows(counts, length)[..., ends - length] > 0
        k = (spiked & presented[..., np.newaxis]).sum(2)
        n_trials = presented.sum(2)
        if pooled:
            each: Any = (k, observed, hits, n, n_trials)
            k, observed, hits, n, n_trials = (v.sum(1, keepdims=True) for v in each)
        h = n * hits / np.maximum(observed, 1)
        bound = _RARE / np.maximum(n_windows, 1)
        rare = (k >= _rare_count(n_trials, h, n, bound)[..., np.newaxis]) & (
            ends <= n_bins[..., np.newaxis]
        )
        best = np.where(rare.any(-1), np.minimum(best, ends[rare.argmax(-1)]), best)
    return np.where(best < np.iinfo(np.int64).max, best, 0)


def _windows(counts: Floats | Bools, length: int) -> Ints:
    """Sums over all windows of so many bins. [shape: (..., time) -> (..., time - length + 1)]."""
    total = np.cumsum(counts, axis=-1, dtype=np.int32)
    total[..., length:] -= total[..., :-length].copy()
    return np.asarray(total[..., length - 1 :])


def _rare_count(n_trials: Ints, h: Floats, n: Floats, bound: Floats) -> Ints:
    """The least number of trials that is rarer than the bound; more than there are if none is."""
    from scipy.special import betaln, gammaln

    k = np.arange(int(n_trials.max(initial=0)) + 1)
    m, a, b = (values[..., np.newaxis] for values in (n_trials, h + 1, n - h + 1))
    rest = np.maximum(m - k, 0)
    log_choose = gammaln(m + 1) - gammaln(k + 1) - gammaln(rest + 1)
    log_p = log_choose + betaln(k + a, rest + b) - betaln(a, b)
    p = np.where(k <= m, np.exp(log_p), 0)
    tail = np.flip(np.cumsum(np.flip(p, -1), -1), -1)
    # The tail falls with k, and beyond all trials it is 0: there is no such k.
    return np.asarray((tail >= bound[..., np.newaxis]).sum(-1))


def _change(counts: Floats, spontaneous: float, dt: float) -> float:
    """The time at which the rate of a Poisson process changes, or NaN if it is not known well.

    The likelihood of each time, with the spontaneous rate before and the mean rate of what
    follows after, as in Friedman & Priebe (1998); the mean over it is the estimate. Its maximum
    would lie at the first spike of the response, so one interval between spikes too late.
    `counts` are of all trials together from onset; `spontaneous` is expected in a bin.
    """
    from scipy.special import xlogy

    n = counts.size
    if n < 2:
        return np.nan
    total = np.cumsum(counts)
    n_after = np.arange(n - 1, 0, -1)
    after = total[-1] - total[:-1]
    driven = np.maximum(after / n_after, spontaneous)
    # The time is in bin j: bins before it are spontaneous, bins after it driven, itself a mixture.
    n_parts = max(1, round(dt / _GRID_S))
    part = (np.arange(n_parts) + 0.5) / n_parts
    mixture = spontaneous * part + driven[:, np.newaxis] * (1 - part)
    quiet = np.cumsum(xlogy(counts, spontaneous) - spontaneous)
    quiet = np.concatenate([[0], quiet[:-2]])
    log_likelihood = quiet + xlogy(after, driven) - n_after * driven
    log_likelihood = log_likelihood[:, np.newaxis] + xlogy(counts[:-1, np.newaxis], mixture)
    log_likelihood -= mixture
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    time = (np.arange(n - 1)[:, np.newaxis] + part) * dt
    mean = float((weight * time).sum())
    deviation = float(np.sqrt((weight * (time - mean) ** 2).sum()))
    return mean if deviation <= _UNSURE_S else np.nan
