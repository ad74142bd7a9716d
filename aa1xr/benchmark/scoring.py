"""Scores of a benchmark: CCnorm in the two conventions that published figures mix."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.pairs import Floats, Pairs, combine, complete, labelled, map_blocks, some, tell
from aa1xr.analysis.prediction import match
from aa1xr.analysis.reliability import covariance, powers, repeated


def _spec(long_name: str, comment: str) -> schema.Spec:
    return schema.Spec(("neuron",), "f", "1", long_name, comment)


#: What `score` gives.
SCORES: dict[str, schema.Spec] = {
    "cc_norm": _spec(
        "correlation, noise discounted", "signal power of the concatenated test stimuli"
    ),
    "cc_norm_by_stimulus": _spec(
        "correlation, noise discounted",
        "signal power of each test stimulus, weighted by duration, as in deepSTRF 0.1.0",
    ),
    "cc_raw": _spec("correlation with the PSTH", "over the concatenated test stimuli"),
}


def score(prediction: xr.DataArray, ds: xr.Dataset) -> xr.Dataset:
    """Score predictions of the test stimuli, as the benchmark does.

    Correlations are over the time of all stimuli one after the other, about one mean, as is
    usual with this benchmark. (`aa1xr.score` takes each stimulus about its own mean, so that
    mean responses to different stimuli do not count.)

    Parameters
    ----------
    prediction
        Rate in any unit [shape: (neuron, stimulus, time)].
    ds
        Responses, prepared by the protocol, on the same time axis; what both have is scored.

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,)] each, lazy, with the labels of `ds`. With p the prediction, y the PSTH,
        and covariances over concatenated time:

        - `cc_norm`: cov(p, y) / sqrt(var(p) * signal power), after Schoppe et al. (2016), where
          the signal power (Sahani & Linden 2003) is that of the concatenated presentations: those
          that all stimuli of a neuron had;
        - `cc_norm_by_stimulus`: the same with the signal power of each stimulus about its own mean,
          averaged by duration. That is what deepSTRF 0.1.0 computes; it leaves out of the signal
          what differs between the means of stimuli, though the covariance has it, and so is higher;
        - `cc_raw`: cov(p, y) / sqrt(var(p) * var(y)).

        NaN where it is not defined: no response, no signal power, a constant prediction; and
        for a prediction with gaps, since nobody chooses the bins that are scored.

    Examples
    --------
    >>> protocol = aa1xr.benchmark.PROTOCOLS["cv10"]
    >>> ds = protocol.prepare(aa1xr.open_sample(dt_ms=protocol.dt_ms))
    >>> test = ds.sel(stimulus=protocol.splits(ds)[0].test)
    >>> scores = aa1xr.benchmark.score(test.psth, test)
    >>> float(scores.cc_raw.min().round(6))
    1.0
    """
    ds, rate, counts = match(prediction, ds)
    arrays = map_blocks(_score, counts, rate, names=tuple(SCORES), options={})
    return labelled(ds, arrays, SCORES)


@np.errstate(invalid="ignore")  # a model that diverged predicts inf, and has no score
def _score(counts: Floats, rate: Floats) -> Floats:
    """All scores for a block of neurons. [shape: (neuron, 1, score)]."""
    each = complete(counts.astype(np.float64), ~np.isnan(rate))
    whole = _concatenate(each)
    total: Any = each.counts.sum(2)
    psth = total / np.maximum(each.n_trials, 1)[..., np.newaxis]
    p, y = (_about_mean(v.reshape(whole.used.shape), whole) for v in (rate, psth))
    pp, py, yy = (
        (a * b).sum(2) / np.maximum(whole.n_bins - 1, 1) for a, b in ((p, p), (p, y), (y, y))
    )
    twice = repeated(each.n_trials, each.n_bins)
    of_each = powers(covariance(each), each.n_trials).map(lambda power: combine(power, twice))
    of_whole = powers(covariance(whole), whole.n_trials)
    if (pp <= 0).any():
        tell("correlations are NaN where the prediction is constant")
    gaps = (np.isnan(rate) & ~np.isnan(counts).all(2)).any((1, 2))
    if gaps.any():
        tell("neurons whose prediction is NaN where there is a response have no score")
    py[gaps] = np.nan
    scores = {
        "cc_norm": py / np.sqrt(some(pp) * of_whole.positive_signal),
        "cc_norm_by_stimulus": py / np.sqrt(some(pp) * of_each.positive_signal),
        "cc_raw": py / np.sqrt(some(pp) * some(yy)),
    }
    return np.stack([scores[name] for name in SCORES], -1)


def _concatenate(each: Pairs) -> Pairs:
    """All stimuli as one, of the presentations that each of them had."""
    n_neurons, _, n_trials, _ = each.counts.shape
    heard: Any = each.presented.any(2)
    common: Any = (each.presented | ~heard[..., np.newaxis]).all(1, keepdims=True)
    common &= heard.any(1)[:, np.newaxis, np.newaxis]
    counts = each.counts.swapaxes(1, 2).reshape(n_neurons, 1, n_trials, -1)
    used = (each.used & heard[..., np.newaxis]).reshape(n_neurons, 1, -1)
    return Pairs(counts * common[..., np.newaxis], common, used)


def _about_mean(values: Floats, whole: Pairs) -> Floats:
    values = np.where(whole.used, values, 0).astype(np.float64)
    mean = values.sum(2) / np.maximum(whole.used.sum(2), 1)
    return np.where(whole.used, values - mean[..., np.newaxis], 0)
