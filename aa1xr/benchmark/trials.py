"""How well other trials of the same stimulus predict a response: what a score means."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import xarray as xr

from aa1xr import arguments
from aa1xr.analysis.psth import psth
from aa1xr.analysis.trials import take_trials
from aa1xr.benchmark.protocols import Protocol
from aa1xr.benchmark.run import SCORES, TYPE, find_protocol, score_prediction


def mean_of_trials(
    ds: xr.Dataset, protocol: Protocol | str, n: Iterable[float] = (1, 5, 10, math.inf)
) -> list[xr.Dataset]:
    """Compute the scores of the mean of n other trials as a prediction, by their formula.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open(source, **protocol.options)`.
    protocol
        As in `run`.
    n
        Numbers of trials. `math.inf` is the noise ceiling: the mean of endlessly many trials, which
        is the true rate.

    Returns
    -------
    list of xarray.Dataset
        For each number, scores as in `run`, for the test stimuli of each split. Not a score of a
        model: it uses other trials of the test stimuli.

    Raises
    ------
    ValueError
        If the protocol is unknown, `ds` was not opened for it, or a number of trials is not above
        0.

    Notes
    -----
    A trial is a signal with power SP, the same in each trial, plus noise with power NP, independent
    of other trials (Sahani & Linden 2003). The mean p of n trials has the variance SP + NP/n, and
    its covariance with the mean y of other trials is SP. So CCnorm = cov(p, y) / sqrt(var(p) SP)
    (Schoppe et al. 2016) is

        CCnorm(n) = 1 / sqrt(1 + NP / (n SP)).

    The noise follows from the noise ceiling CCmax of N trials, since var(y) = SP + NP/N = SP /
    CCmax**2: NP / SP = N (1 / CCmax**2 - 1), as `aa1xr.quality(ds).ccmax_closed` has it. N is the
    harmonic mean over stimuli. CCraw is CCnorm(n) * CCmax. The ceiling is CCnorm = 1 by definition,
    and CCraw = CCmax.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5).sel(area="MLd")
    >>> one, ceiling = aa1xr.benchmark.mean_of_trials(ds, "cv10", [1, float("inf")])
    >>> one.attrs["model"], ceiling.attrs["model"]
    ('mean of 1 other trial (formula)', 'endless trials (noise ceiling)')
    >>> bool(one.cc_norm.mean() < ceiling.cc_norm.mean())
    True
    """
    protocol = find_protocol(protocol)
    numbers = arguments.listed("n", n, 1000)
    for number in numbers:
        if number != math.inf and arguments.number("n", number, "") <= 0:
            raise ValueError(f"n must be above 0 trials; got {number}")
    prepared = protocol.prepare(ds)
    # As a prediction, the PSTH itself has cc_norm = sqrt(var(y) / SP) = 1 / CCmax.
    own = score_prediction(ds, _for_each_split(prepared["psth"], protocol), protocol)
    n_trials = _trials_of_tests(prepared, protocol, own[TYPE])
    noise = n_trials * (own["cc_norm"] ** 2 - 1)  # over the signal power
    found = []
    for number in numbers:
        power = 1 + noise / number
        # Where the noise power of one trial is estimated as less than that of none, no score.
        cc_norm = 1 / np.sqrt(power.where(power > 0))
        values = {
            "cc_norm": cc_norm,
            "cc_norm_deepstrf": cc_norm * own["cc_norm_deepstrf"] / own["cc_norm"],
            "cc_raw": cc_norm / own["cc_norm"],
        }
        name = (
            "endless trials (noise ceiling)"
            if math.isinf(number)
            else f"{_named(number)} (formula)"
        )
        found.append(own.assign({k: v.transpose(*own[k].dims) for k, v in values.items()}))
        found[-1].attrs["model"] = name
    return found


def measured_mean_of_trials(
    ds: xr.Dataset, protocol: Protocol | str, n: int = 1, *, seeds: Iterable[int] = (0,)
) -> xr.Dataset:
    """Measure the scores of the mean of n trials as a prediction of the other trials.

    Parameters
    ----------
    ds, protocol
        As in `mean_of_trials`.
    n
        How many trials are drawn. At least two must be left for each stimulus.
    seeds
        Of the draws, one for each seed.

    Returns
    -------
    xarray.Dataset
        `cc_norm` and `cc_norm_deepstrf` as in `run`. `cc_raw` is NaN, because it is for fewer
        trials than that of a model.

    Raises
    ------
    ValueError
        If fewer than two trials are left, or a seed is not a whole number.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5).sel(area="MLd")
    >>> measured = aa1xr.benchmark.measured_mean_of_trials(ds, "cv10", 5, seeds=range(2))
    >>> (formula,) = aa1xr.benchmark.mean_of_trials(ds, "cv10", [5])
    >>> bool(abs(measured.cc_norm.mean() - formula.cc_norm.mean()) < 0.03)
    True
    """
    protocol = find_protocol(protocol)
    presented = ds["n_trials"].where(ds["n_trials"] > 0)
    fewest = int(presented.min())
    if fewest < 3:
        raise ValueError(f"each stimulus must have at least three trials; one has {fewest}")
    n = arguments.check_integer("n", n, 1, fewest - 2, "two trials of each must be left")
    results = []
    for each in arguments.listed("seeds", seeds, 1000):
        seed = arguments.check_integer("seeds", each, 0)
        drawn = np.random.default_rng(seed).permutation(fewest)[:n]
        rest = np.setdiff1d(np.arange(ds.sizes["trial"]), drawn)
        smooth = protocol.smooth(psth(take_trials(ds, drawn)))
        rate = _for_each_split(smooth, protocol)
        scores = score_prediction(take_trials(ds, rest), rate, protocol)
        results.append(scores.assign_coords(seed=[seed]))
    result = xr.concat(results, "seed", data_vars="minimal")
    result["cc_raw"] = result["cc_raw"].where(False)
    return result.transpose(*results[0][SCORES[0]].dims).assign_attrs(
        model=f"{_named(n)} (measured)"
    )


def _named(n: float) -> str:
    return f"mean of {n:g} other trial{'s' * (n != 1)}"


def _for_each_split(rate: xr.DataArray, protocol: Protocol) -> xr.DataArray:
    return rate.expand_dims(split=protocol.n_splits)


def _trials_of_tests(prepared: xr.Dataset, protocol: Protocol, types: xr.DataArray) -> xr.DataArray:
    """The harmonic mean of the numbers of trials. [shape: (split, stimulus_type, neuron)]."""
    per_trial = (1 / prepared["n_trials"].where(prepared["n_trials"] > 1)).compute()
    of_split = []
    for split in protocol.splits(prepared):
        test = per_trial.sel(stimulus=split.test)
        # A type of no stimulus is that of all of them together.
        chosen = [(test["type"] == type_) | ~(test["type"] == type_).any() for type_ in types]
        of_split.append(xr.concat([test.where(one).mean("stimulus") for one in chosen], types))
    return 1 / xr.concat(of_split, "split")
