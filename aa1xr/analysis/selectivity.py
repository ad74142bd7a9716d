"""Which sounds a neuron prefers, and whether it responds to sound at all, from spike counts."""

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
    "n_presentations": schema.Spec(("neuron",), "f", "1", "number of presentations compared"),
    "p_value": schema.Spec(("neuron",), "f", "1", "p-value", "Wilcoxon signed-rank, two-sided"),
    "q_value": schema.Spec(
        ("neuron",), "f", "1", "p-value adjusted over neurons", "Benjamini & Hochberg (1995)"
    ),
}


def dprime(
    ds: xr.Dataset, other: xr.Dataset, *, start: float = 0.0, stop: float | None = None
) -> xr.DataArray:
    """Selectivity of each neuron for one set of stimuli over another.

    d' = 2 * (mean of A - mean of B) / sqrt(variance of A + variance of B)

    A are the firing rates in all presentations of one set, B those of the other. This is the form
    of the birdsong literature (Solis & Doupe 1997; Theunissen & Doupe 1998; Janata & Margoliash
    1999; Grace et al. 2003), after Green & Swets (1966). The d' of signal detection theory, the
    difference of the means over the root of the mean variance, is smaller by sqrt(2).

    Parameters
    ----------
    ds, other
        A and B: two selections of one Dataset with the same neurons, such as
        `ds.sel(type="conspecific")` and `ds.sel(type="flatrip")`.
    start, stop
        Where spikes count, in s from onset: see `aa1xr.spike_counts`. `stop=None` is the end of
        each sound.

    Returns
    -------
    xarray.DataArray
        d' [shape: (neuron,)], positive for neurons that fire more to `ds`; lazy if the data are.
        NaN for a neuron with fewer than two presentations in either, or whose rates vary in
        neither.

    Raises
    ------
    ValueError
        If the two do not have the same neurons; see also `aa1xr.spike_counts`.

    Notes
    -----
    The variances are those over presentations (ddof=1), within and between the stimuli of a
    set: d' is about telling the *sets* apart from one presentation. For two single stimuli it is
    the usual d' over trials. The spontaneous rate is not subtracted: in the numerator it cancels,
    and in the variances it would add the noise of a second measurement. Two responses can differ
    in time alone, with d' = 0.

    The estimate is slightly too far from zero for few presentations (by the factor
    1 + 3 / (4 * n - 1) for equal variances and n degrees of freedom; Hedges 1981); errors over
    trials and over stimuli: `aa1xr.jackknife`.

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
    >>> d.dims, int(d.isnull().sum())  # one simulated cell heard no song
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
        # One presentation has no variance.
        variances.append(((rate - mean) ** 2).sum(dims) / (n - 1).where(n > 1))
    spread = variances[0] + variances[1]
    coords = {n: c for n, c in ds.coords.items() if c.dims == ("neuron",) or n == "neuron"}
    d = 2 * (means[0] - means[1]) / np.sqrt(spread.where(spread > 0))
    out = d.drop_vars([name for name in d.coords if name not in coords]).assign_coords(coords)
    out.attrs = {"units": "1", "long_name": "selectivity d' for one set of stimuli over another"}
    return out.rename("dprime")


def _rate(ds: xr.Dataset, start: float, stop: float | None) -> xr.DataArray:
    """Spikes/s of each presentation. [shape: (neuron, stimulus, trial)]."""
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

    The number of spikes in a window after onset is compared with that in a window of the same
    length just before onset, presentation by presentation, with the Wilcoxon signed-rank test
    (two-sided, so suppression counts). For a neuron that does not respond the two counts of a
    presentation are exchangeable, whatever their distribution: bursts do no harm.

    Parameters
    ----------
    ds
        As for `aa1xr.spike_counts`; the stimuli and trials that it has are compared.
    window_s
        Length of both windows in s, at most 2, the time that was recorded before onset. By
        default as long as the shortest stimulus in whole bins, and at most 2 s. A short window,
        such as 0.1, finds neurons that respond to onsets alone.

    Returns
    -------
    xarray.Dataset
        Computed, with the labels of the neurons [shape: (neuron,)]:

        - `rate_change`: mean rate after onset less that before onset, in spikes/s;
        - `n_presentations`: how many were compared;
        - `p_value`: of the test, for the neuron alone;
        - `q_value`: adjusted over the neurons of `ds` (Benjamini & Hochberg 1995). Of the
          neurons with `q_value < 0.05`, on average at most 5 % do not respond.

        `p_value` and `q_value` are NaN for neurons without a presentation, and 1 where no
        presentation has a difference.

    Raises
    ------
    ValueError
        If `window_s` is longer than 2 s, or see `aa1xr.spike_counts`.

    Warns
    -----
    UndefinedWarning
        If a neuron has no presentation; the warning names the neurons.

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
            f"aa1xr.responsiveness: undefined (NaN) for {messages.listed(names.tolist())}: no "
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
        if not 0 < arguments.number("window_s", window_s, "seconds") <= _RECORDED_S:
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
