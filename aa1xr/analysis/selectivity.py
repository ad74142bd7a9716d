"""Selectivity of neurons for stimuli, and a test for responses, from spike counts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.analysis.counts import spike_counts
from aa1xr.errors import UndefinedWarning
from aa1xr.typing import Floats

#: Seconds before onset from which AA1 was recorded.
_RECORDED_S = 2.0
_SAMPLES = ("stimulus", "trial")

RESPONSIVENESS: dict[str, schema.Spec] = {
    "rate_change": schema.Spec(
        ("neuron",), "f", schema.RATE, "mean rate after onset less that before onset"
    ),
    "n_presentations": schema.Spec(("neuron",), "f", "1", "number of trials compared"),
    "p_value": schema.Spec(("neuron",), "f", "1", "p-value", "Wilcoxon signed-rank, two-sided"),
    "q_value": schema.Spec(
        ("neuron",), "f", "1", "p-value adjusted over neurons", "Benjamini & Hochberg (1995)"
    ),
}


def dprime(
    ds: xr.Dataset, other: xr.Dataset, *, start: float = 0.0, stop: float | None = None
) -> xr.DataArray:
    """Measure the selectivity of each neuron for one set of stimuli over another.

    d' = 2 * (mean of A - mean of B) / sqrt(variance of A + variance of B)

    A are the firing rates in all trials of one set, B those of the other. This is the definition of
    the birdsong literature (Solis & Doupe 1997; Theunissen & Doupe 1998; Janata & Margoliash
    1999; Grace et al. 2003), after Green & Swets (1966). The d' of signal detection theory, the
    difference of the means over the root of the mean variance, is smaller by a factor of sqrt(2).

    Parameters
    ----------
    ds, other
        A and B: two selections of one Dataset with the same neurons, such as
        `ds.sel(type="conspecific")` and `ds.sel(type="flatrip")`.
    start, stop
        The counting window, in s from onset: see `aa1xr.spike_counts`. `stop=None` is the end of
        each stimulus.

    Returns
    -------
    xarray.DataArray
        d' [shape: (neuron,)], positive for neurons that fire more to `ds`; lazy if the data are.
        NaN for a neuron with fewer than two trials in either set, or whose rates do not vary in
        either.

    Raises
    ------
    ValueError
        If the two do not have the same neurons; see also `aa1xr.spike_counts`.

    Notes
    -----
    The variances are over trials (ddof=1), within and between the stimuli of a set: d' measures how
    well a single trial distinguishes the *sets*. For two single stimuli, it is the usual d' over
    trials. The spontaneous rate is not subtracted: it cancels in the numerator, and its noise would
    add to the variances. Responses that differ only in their time course have d' = 0.

    For few trials, the estimate is slightly too far from zero (by the factor 1 + 3 / (4 * n - 1)
    for equal variances and n degrees of freedom; Hedges 1981). `aa1xr.jackknife` estimates errors
    over trials and over stimuli.

    References
    ----------
    Grace, Amin, Singh & Theunissen (2003), Journal of Neurophysiology 89, 472-487. Green & Swets
    (1966), Signal Detection Theory and Psychophysics. Hedges (1981), Journal of Educational
    Statistics 6, 107-128. Janata & Margoliash (1999), Journal of Neuroscience 19, 5108-5118.
    Solis & Doupe (1997), Journal of Neuroscience 17, 6447-6462. Theunissen & Doupe (1998),
    Journal of Neuroscience 18, 3786-3802.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> d = aa1xr.dprime(ds.sel(type="conspecific"), ds.sel(type="flatrip"))
    >>> d.dims, int(d.isnull().sum())  # one neuron was not presented songs
    (('neuron',), 1)
    """
    rates = [_rate(each, start, stop) for each in (ds, other)]
    names = [schema.values_along(rate, "neuron") for rate in rates]
    if names[0].shape != names[1].shape or (names[0] != names[1]).any():
        raise ValueError(
            "both Datasets must have the same neurons in the same order; select stimuli alone, "
            'as in ds.sel(type="conspecific") and ds.sel(type="flatrip")'
        )
    means, variances = [], []
    for rate in rates:
        dims = [dim for dim in _SAMPLES if dim in rate.dims]
        n = rate.count(dims)
        mean = rate.sum(dims) / n.where(n > 0)
        means.append(mean)
        # One trial has no variance.
        variances.append(((rate - mean) ** 2).sum(dims) / (n - 1).where(n > 1))
    spread = variances[0] + variances[1]
    coords = {n: c for n, c in ds.coords.items() if c.dims == ("neuron",) or n == "neuron"}
    d = 2 * (means[0] - means[1]) / np.sqrt(spread.where(spread > 0))
    out = d.drop_vars([name for name in d.coords if name not in coords]).assign_coords(coords)
    out.attrs = {"units": "1", "long_name": "selectivity d' for one set of stimuli over another"}
    return out.rename("dprime")


def _rate(ds: xr.Dataset, start: float, stop: float | None) -> xr.DataArray:
    """Spikes/s of each trial. [shape: (neuron, stimulus, trial)]."""
    counts = spike_counts(ds, start=start, stop=stop)
    if stop is not None:
        return counts / (stop - start)
    seconds: xr.DataArray = counts / (_durations(ds, "stop") - start)
    return seconds


def _durations(ds: xr.Dataset, instead: str) -> xr.DataArray:
    if "duration_s" not in ds.coords:
        raise ValueError(
            "the Dataset must have the coordinate 'duration_s', which says how long each stimulus "
            f"is; or give {instead}"
        )
    return ds["duration_s"]


def responsiveness(ds: xr.Dataset, *, window_s: float | None = None) -> xr.Dataset:
    """Test whether each neuron responds to sound, and correct for the number of neurons.

    The test compares the number of spikes in a window after onset with that in a window of the same
    length just before onset, trial by trial (two-sided Wilcoxon signed-rank test, so suppression
    counts too). If a neuron does not respond, the two counts of a trial are exchangeable, whatever
    their distribution. So the test is valid for bursting neurons.

    Parameters
    ----------
    ds
        As for `aa1xr.spike_counts`. The test uses its stimuli and trials.
    window_s
        Length of both windows in s, at most 2, the recorded time before onset. The default is the
        duration of the shortest stimulus in whole bins, and at most 2 s. A short window, such as
        0.1, also finds neurons that only respond to onsets.

    Returns
    -------
    xarray.Dataset
        Computed, with the labels of the neurons [shape: (neuron,)]:

        - `rate_change`: mean rate after onset minus mean rate before onset, in spikes/s;
        - `n_presentations`: number of compared trials;
        - `p_value`: of the test of each neuron;
        - `q_value`: adjusted over the neurons of `ds` (Benjamini & Hochberg 1995). Of the
          neurons with `q_value < 0.05`, at most 5 % are expected not to respond.

        `p_value` and `q_value` are NaN for neurons without trials, and 1 if no trial has a
        difference.

    Raises
    ------
    ValueError
        If `window_s` is longer than 2 s; see also `aa1xr.spike_counts`.

    Warns
    -----
    UndefinedWarning
        If a neuron has no trials; the warning names the neurons.

    References
    ----------
    Benjamini & Hochberg (1995), Journal of the Royal Statistical Society B 57, 289-300, by
    `scipy.stats.false_discovery_control`. Wilcoxon (1945), Biometrics Bulletin 1, 80-83, by
    `scipy.stats.wilcoxon`.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> test = aa1xr.responsiveness(ds)
    >>> responsive = ds.isel(neuron=(test.q_value < 0.05).values)
    >>> responsive.sizes["neuron"] <= ds.sizes["neuron"]
    True
    """
    from scipy import stats

    window = _window(ds, window_s)
    after = spike_counts(ds, start=0.0, stop=window).compute()
    before = spike_counts(ds, start=-window, stop=0.0).compute()
    difference = after - before
    if "neuron" not in difference.dims:
        difference = difference.expand_dims("neuron")
    rows = difference.transpose("neuron", ...).values.reshape(difference.sizes["neuron"], -1)
    n = (~np.isnan(rows)).sum(1)
    p = np.array([_signed_rank(row[~np.isnan(row)]) for row in rows])
    there = n > 0
    q = np.full(p.shape, np.nan)
    if there.any():
        q[there] = stats.false_discovery_control(p[there])
    if not there.all():
        names = schema.values_along(difference, "neuron")[~there]
        messages.warn(
            f"aa1xr.responsiveness: undefined (NaN) for {messages.count_names(names.tolist())}: no "
            "presentation of these stimuli",
            UndefinedWarning,
        )
    change = np.where(there, np.where(np.isnan(rows), 0, rows).sum(1), np.nan)
    values = {
        "rate_change": change / np.maximum(n, 1) / window,
        "n_presentations": n.astype(np.float64),
        "p_value": p,
        "q_value": q,
    }
    coords = {name: c for name, c in difference.coords.items() if c.dims == ("neuron",)}
    out = xr.Dataset(coords=coords, attrs={"window_s": window})
    return out.assign(
        {name: (("neuron",), array, RESPONSIVENESS[name].attrs) for name, array in values.items()}
    )


def _window(ds: xr.Dataset, window_s: float | None) -> float:
    if window_s is not None:
        if not 0 < arguments.number("window_s", window_s, "s") <= _RECORDED_S:
            raise ValueError(
                f"window_s={window_s} must be greater than 0 and at most {_RECORDED_S:g} s, the "
                "time that AA1 was recorded before each onset"
            )
        return float(window_s)
    schema.require(ds)
    shortest = min(_RECORDED_S, float(_durations(ds, "window_s").min()))
    if "time" not in ds.coords:
        return shortest
    # In whole bins, so that the counts do not need the store where `ds` has these bins.
    width_ms = schema.bin_width_ms(ds)
    n_bins = int(1000 * shortest / width_ms + 1e-6)
    return n_bins * width_ms / 1000 if n_bins else shortest


def _signed_rank(differences: Floats) -> float:
    """Two-sided p-value of the signed-rank test."""
    from scipy import stats

    if not differences.size:
        return np.nan
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)
