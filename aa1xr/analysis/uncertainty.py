"""Errors of any result, by the jackknife and the bootstrap over trials, stimuli or neurons.

A result depends on the trials, stimuli and neurons that were recorded. Both functions estimate its
error by computing it again for other selections of them. Neither assumes a distribution.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.sel import sel
from aa1xr.analysis.trials import take_trials
from aa1xr.typing import Positions

Data = xr.Dataset | xr.DataArray

_REPLICATE = "replicate"


def jackknife(
    function: Callable[..., Any],
    *data: Data,
    over: Literal["trial", "stimulus", "neuron"],
    level: float = 0.95,
) -> Any:
    """Estimate the error of a result by leaving out each trial, stimulus or neuron.

    Parameters
    ----------
    function
        Takes `data` and returns a Dataset, a DataArray or a number, without the dimension
        `over`: `aa1xr.quality`, `aa1xr.score`, or `lambda ds: aa1xr.quality(ds).snr.mean()`.
    data
        One or more Datasets or DataArrays. Those with the dimension `over` must have the same
        labels along it, and lose the same ones; others are passed unchanged.
    over
        "trial": how much would the result change with other trials of the same stimuli?
        "stimulus": with other stimuli? "neuron": with other neurons?
    level
        Coverage of the interval.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The result of `function`, computed, with the dimension `statistic`:

        - "estimate": the result from all of `data`;
        - "bias": the bias of the estimate; positive if the estimate is too large;
        - "standard_error";
        - "low", "high": the estimate minus and plus the standard error times the quantile of
          Student's t distribution.

        For results with a dimension `neuron`, only the trials or stimuli of each neuron count.
        Values are NaN if one of these results is NaN, or if there are fewer than two.

    Raises
    ------
    ValueError
        If the result has the dimension `over`; if `over` is "trial" and the stimuli of a neuron
        (for a result without the dimension `neuron`: all pairs) have different numbers of trials.

    Notes
    -----
    For n results r, each without one element, and their mean m:
    bias = (n - 1) * (m - estimate) and
    standard error = sqrt((n - 1) / n * sum((r - m)**2)) (Efron & Tibshirani 1993, chapter 11).
    This is valid for smooth functions of means. It is not valid for medians and quantiles: use
    `aa1xr.bootstrap` over stimuli or neurons.

    Measures of signal (SNR, CCmax, CCnorm, information) are functions of pairs of trials. For
    these, the variance above counts the noise of pairs twice (Efron & Stein 1981), and the error of
    a noisy neuron would be up to 1.5 times too large. So over trials, the function also computes
    the result without each pair of trials, and subtracts (n - 3) / (n * (n - 1) * (n - 2)) * sum
    over pairs of (n * estimate - (n - 1) * (r_i + r_j) + (n - 2) * r_ij)**2 from the variance. This
    makes it nearly unbiased for means over pairs. `function` is called n * (n + 1) / 2 + 1 times:
    56 times for 10 trials.

    Some measures depend on the number of trials by definition (`ccmax`, `cc_raw`,
    `information_psth`). Their "bias" over trials only reflects this; their standard error is valid.

    Trials are left out at the same position for all stimuli and neurons.

    References
    ----------
    Efron & Stein (1981), Annals of Statistics 9, 586-596. Efron & Tibshirani (1993), An
    Introduction to the Bootstrap.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="flatrip", area="MLd")
    >>> ds = aa1xr.take_trials(ds, slice(5)).compute()
    >>> snr = aa1xr.jackknife(lambda ds: aa1xr.quality(ds).snr, ds, over="trial")
    >>> snr.dims, snr.statistic.values.tolist()
    (('statistic', 'neuron'), ['estimate', 'bias', 'standard_error', 'low', 'high'])
    """
    from scipy import stats

    size = _check(function, data, over, level)
    estimate = _call(function, data, over)
    positions = range(size)

    def without(*left_out: int) -> Any:
        kept = np.delete(np.arange(size), left_out)
        return _call(function, [_take(each, over, kept) for each in data], over)

    results = _concat([without(k) for k in positions])
    counts = _counts(data, over, estimate)
    n = counts.sum(_REPLICATE)
    n = n.where(n > 1)
    mean = _sum(results, counts) / n
    bias = (n - 1) * (mean - estimate)
    variance = (n - 1) / n * _sum((results - mean) ** 2, counts)
    if over == "trial" and size > 3:
        pairs = list(itertools.combinations(positions, 2))
        without_two = _concat([without(*pair) for pair in pairs])
        variance = _pairs_once(variance, estimate, results, without_two, counts, pairs)
    error = variance**0.5
    t = xr.apply_ufunc(stats.t.ppf, (1 + level) / 2, n - 1)
    return _statistics(estimate, bias, error, estimate - t * error, estimate + t * error)


def bootstrap(
    function: Callable[..., Any],
    *data: Data,
    over: Literal["stimulus", "neuron", "trial"],
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Any:
    """Estimate the error of a result by drawing stimuli or neurons with replacement.

    Parameters
    ----------
    function, data
        As for `aa1xr.jackknife`. Load the data first (`ds.compute()`), or compute a measure of
        each neuron once and resample it: `aa1xr.bootstrap(np.mean, snr, over="neuron")`.
    over
        "stimulus" or "neuron". If a stimulus or neuron is drawn twice, its second label ends in
        " (2)". The store does not have such a label, so `function` must not need spike times, as
        `aa1xr.events`, `dprime` and `responsiveness` do.
    n
        Number of samples.
    seed
        Seed of the samples. Results are the same on every machine.
    level
        Coverage of the interval.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The result of `function`, computed, with the dimension `statistic`: "estimate", "bias",
        "standard_error", "low" and "high". NaN if one of the `n` results is NaN.

    Raises
    ------
    ValueError
        If `over` is "trial": a trial that is drawn twice is not independent of itself, so its noise
        would count as signal, and the SNR would be several times too large. Use
        `aa1xr.jackknife(..., over="trial")`. Also if the result has the dimension `over`.

    Notes
    -----
    For k stimuli or neurons, the standard deviation over samples is too small by a factor of sqrt(k
    / (k - 1)), which is corrected. The interval is corrected too: it has the quantiles of the
    samples at Phi(-/+ sqrt(k / (k - 1)) * t), where Phi is the normal distribution and t the
    quantile of Student's t (the expanded percentile interval; Hesterberg 2015). For few and skewed
    values, its coverage is still below `level`.

    Neurons of one animal, and simultaneously recorded neurons, are treated as independent.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap. Hesterberg (2015), The American
    Statistician 69, 371-386.

    Examples
    --------
    >>> snr = aa1xr.quality(aa1xr.open_sample()).snr.compute()
    >>> median = aa1xr.bootstrap(lambda snr: snr.median(), snr, over="neuron", n=200)
    >>> bool(median.sel(statistic="low") <= median.sel(statistic="estimate"))
    True
    """
    from scipy import stats

    if isinstance(over, str) and over == "trial":
        raise ValueError(
            "over='trial': trials drawn with replacement are not independent, and would count "
            "noise as signal; use aa1xr.jackknife(..., over='trial')"
        )
    size = _check(function, data, over, level)
    arguments.check_integer(
        "n", n, 2, 100_000, "function is called for each, and all results are kept"
    )
    arguments.check_integer("seed", seed, 0, arguments.LARGEST_SEED)
    estimate = _call(function, data, over)
    draws = np.random.default_rng(seed).integers(0, size, (n, size))
    results = _concat([_call(function, [_take(d, over, p) for d in data], over) for p in draws])
    k = _counts(data, over, estimate).sum(_REPLICATE)
    k = k.where(k > 1)
    widen = (k / (k - 1)) ** 0.5
    z = widen * xr.apply_ufunc(stats.t.ppf, (1 + level) / 2, k - 1)
    limits = [_quantile(results, xr.apply_ufunc(stats.norm.cdf, sign * z)) for sign in (-1, 1)]
    mean = results.mean(_REPLICATE, skipna=False)
    error = widen * results.std(_REPLICATE, ddof=1, skipna=False)
    return _statistics(estimate, mean - estimate, error, *limits)


def _pairs_once(
    variance: Any,
    estimate: Any,
    without_one: Any,
    without_two: Any,
    counts: xr.DataArray,
    pairs: list[tuple[int, int]],
) -> Any:
    """The variance without what the jackknife counts twice: see the notes of `jackknife`."""
    first, second = (list(each) for each in zip(*pairs, strict=True))
    n = counts.sum(_REPLICATE)
    n = n.where(n > 3)
    ones = without_one.isel({_REPLICATE: first}) + without_one.isel({_REPLICATE: second})
    both = counts.isel({_REPLICATE: first}) & counts.isel({_REPLICATE: second})
    interaction = n * estimate - (n - 1) * ones + (n - 2) * without_two
    twice = (n - 3) / (n * (n - 1) * (n - 2)) * _sum(interaction**2, both)
    least = (n - 2) / (2 * (n - 1)) * variance
    corrected = xr.where(variance - twice > least, variance - twice, least)  # type: ignore[no-untyped-call]
    # Of fewer than four trials there is nothing to tell the parts apart.
    return corrected.where(n.notnull(), variance)


def _check(function: Any, data: Sequence[Data], over: str, level: float) -> int:
    """The size of the dimension `over`."""
    arguments.choice("over", over, ("trial", "stimulus", "neuron"))
    if not callable(function):
        raise TypeError(
            f"function must be a function, such as aa1xr.quality; got {type(function).__name__}"
        )
    if not 0 < arguments.number("level", level, "") < 1:
        raise ValueError(f"level={level} must be between 0 and 1")
    labels = None
    for each in data:
        if not isinstance(each, xr.Dataset | xr.DataArray):
            raise TypeError(f"data must be Datasets or DataArrays; got {type(each).__name__}")
        if over not in each.dims:
            continue
        found = schema.values_along(each, over)
        if labels is not None and not np.array_equal(labels, found):
            raise ValueError(
                f"data must have the same labels along {over!r}; select both alike, as in "
                f"a.sel({over}=b.{over})"
            )
        labels = found
    if labels is None:
        raise ValueError(f"data must have the dimension {over!r}; select with a list to keep it")
    if len(np.unique(labels)) < len(labels):
        raise ValueError(f"data must have each {over} once")
    if len(labels) < 2:
        raise ValueError(f"data must have at least two along {over!r}; got {len(labels)}")
    return len(labels)


def _take(data: Data, over: str, positions: Positions) -> Data:
    if over not in data.dims:
        return data
    if over == "trial" and isinstance(data, xr.Dataset) and {"psth", "n_trials"} & set(data):
        return take_trials(data, positions)
    taken = data.isel({over: positions})
    labels, seen = [], dict[str, int]()
    for label in taken[over].values.tolist():
        seen[label] = seen.get(label, 0) + 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    if max(seen.values()) == 1:
        return taken
    return taken.assign_coords({over: (over, np.array(labels), data[over].attrs)})


def _call(function: Callable[..., Any], data: Sequence[Data], over: str) -> Any:
    result = function(*data)
    if isinstance(result, int | float | np.number):
        result = xr.DataArray(float(result))
    if not isinstance(result, xr.Dataset | xr.DataArray):
        raise TypeError(
            f"function must return a Dataset, a DataArray or a number; got {type(result).__name__}"
        )
    if over in result.dims:
        raise ValueError(
            f"the result of function must not have the dimension {over!r}; average over it"
        )
    return result.compute()


def _concat(results: list[Any]) -> Any:
    try:
        return xr.concat(results, _REPLICATE, join="exact", coords="minimal", compat="override")
    except ValueError as error:
        raise ValueError(
            "function must return the same labels each time, whatever is left out or drawn"
        ) from error


def _counts(data: Sequence[Data], over: str, estimate: Data) -> xr.DataArray:
    """Whether a neuron has each trial or stimulus. [shape: (replicate,) or (replicate, neuron)]."""
    first = next(each for each in data if over in each.dims)
    ones = xr.DataArray(np.ones(first.sizes[over], bool), dims=_REPLICATE)
    there = None if over == "neuron" else _presented(data, over)
    if there is None:
        return ones
    if "neuron" in estimate.dims and "neuron" in there.dims:
        if "neuron" in there.coords:
            there = sel(there, neuron=estimate["neuron"].values)
        if over == "stimulus":
            return there.rename({over: _REPLICATE}).drop_vars(_REPLICATE, errors="ignore")
    if over == "stimulus":
        return ones
    return _even(there, each_neuron="neuron" in estimate.dims)


def _presented(data: Sequence[Data], over: str) -> xr.DataArray | None:
    """Which trials were presented, by the first of `data` that says so."""
    # A prediction is not NaN where there are no responses: the Datasets say more.
    for each in sorted(data, key=lambda each: isinstance(each, xr.DataArray)):
        if over not in each.dims:
            continue
        if isinstance(each, xr.DataArray):
            array = each
        else:
            if over == "stimulus" and "n_trials" in each:
                return _without_labels(each["n_trials"] > 0).compute()
            if "spikes" not in each:
                continue
            array = each["spikes"]
        there: xr.DataArray = array.notnull()
        keep = ("neuron", "stimulus", "trial") if over == "trial" else ("neuron", over)
        dims = [dim for dim in there.dims if dim not in keep]
        return _without_labels(there.any(dims)).compute()
    return None


def _without_labels(array: xr.DataArray) -> xr.DataArray:
    return array.drop_vars([name for name in array.coords if name not in array.dims])


def _even(there: xr.DataArray, *, each_neuron: bool) -> xr.DataArray:
    """Trials of neurons, or of all, that have the same trials for all of their stimuli."""
    stimuli = [dim for dim in there.dims if dim not in ("trial", "neuron")]
    others = stimuli if each_neuron else [dim for dim in there.dims if dim != "trial"]
    some = there.any(others)
    heard = there.any("trial")
    uneven = (there != some) & heard
    if uneven.any():
        raise ValueError(
            "over='trial': the numbers of trials must be equal, so that each trial can be left "
            "out of all stimuli and neurons at once; keep the trials that all have, such as "
            "aa1xr.take_trials(ds, slice(10))"
        )
    return some.rename(trial=_REPLICATE).drop_vars(_REPLICATE, errors="ignore")


def _sum(values: Any, counts: xr.DataArray) -> Any:
    return values.where(counts, 0).sum(_REPLICATE, skipna=False)


def _quantile(results: Any, q: xr.DataArray) -> Any:
    """Quantiles over replicates, which may differ between neurons; NaN if one replicate is."""

    def quantile(array: xr.DataArray) -> xr.DataArray:
        out: xr.DataArray = xr.apply_ufunc(
            _at_quantile,
            array,
            q,
            input_core_dims=[[_REPLICATE], []],
            vectorize=True,
            output_dtypes=[np.float64],
        )
        return out

    return results.map(quantile) if isinstance(results, xr.Dataset) else quantile(results)


def _at_quantile(values: npt.NDArray[np.float64], q: float) -> float:
    return np.nan if np.isnan(values).any() or np.isnan(q) else float(np.quantile(values, q))


def _statistics(estimate: Any, *others: Any) -> Any:
    """All of them along a dimension `statistic`, as `function` labelled its result."""
    out = xr.concat(
        [estimate, *others],
        xr.Variable("statistic", ["estimate", "bias", "standard_error", "low", "high"]),
        coords="minimal",
        compat="override",
        join="exact",
    )
    if isinstance(estimate, xr.Dataset):
        for name, array in estimate.items():
            dims = ("statistic", *array.dims)
            out[name] = out[name].transpose(*dims).assign_attrs(array.attrs)
        return out.assign_attrs(estimate.attrs)
    return out.transpose("statistic", *estimate.dims).assign_attrs(estimate.attrs)
