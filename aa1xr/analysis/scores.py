"""How well a prediction agrees with the responses, beside how well it could."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.pairs import (
    Bools,
    Floats,
    Ints,
    combine,
    complete,
    labelled,
    map_blocks,
    ratio,
    some,
    tell,
)
from aa1xr.analysis.prediction import match
from aa1xr.analysis.reliability import agreement, covariance, powers, repeated

#: What varies less than this part of its mean square is constant.
_NOTHING = 1e-12

_SILENT = "cc_raw and fve are NaN where the response is constant (as when it is silent)"


def _spec(units: str, long_name: str, comment: str = "") -> schema.Spec:
    return schema.Spec(("neuron",), "f", units, long_name, comment)


#: What `score` gives.
SCORES: dict[str, schema.Spec] = {
    "cc_raw": _spec("1", "correlation with the PSTH"),
    "cc_norm": _spec("1", "correlation, noise discounted", "Schoppe et al. (2016)"),
    "cc_norm_half": _spec(
        "1", "correlation over ccmax from half splits", "Hsu, Borst & Theunissen (2004)"
    ),
    "fve": _spec("1", "fraction of the PSTH's variance explained"),
    "spe": _spec("1", "signal power explained", "Sahani & Linden (2003)"),
    "bits_per_spike": _spec("bits/spike", "Poisson log-likelihood gain over a constant rate"),
}


def score(prediction: xr.DataArray, ds: xr.Dataset, *, max_splits: int = 10_000) -> xr.Dataset:
    """Score a predicted firing rate for each neuron.

    Parameters
    ----------
    prediction
        Rate in spikes/s [shape: (neuron, stimulus, time), in any order], NaN where nothing is
        predicted. Neurons and stimuli are those that it and `ds` both have, by their names.
    ds
        A Dataset with `spikes` [shape: (neuron, stimulus, trial, time)], on the same time axis.
    max_splits
        For `cc_norm_half`: see `aa1xr.quality`.

    Returns
    -------
    xarray.Dataset
        [shape: (neuron,)] each, lazy, with the labels of `ds`. With p the prediction, N trials r
        and their mean y (the PSTH), variances and covariances over time (over T - 1):

        - `cc_raw`: cov(p, y) / sqrt(var(p) * var(y));
        - `cc_norm`: cov(p, y) / sqrt(var(p) * signal power) (Schoppe et al. 2016),
          which is `cc_raw / ccmax_closed`; sampling may take it beyond 1;
        - `cc_norm_half`: `cc_raw / ccmax`, from half splits (Hsu, Borst & Theunissen 2004);
        - `fve`: 1 - sum((y - p)**2) / sum((y - mean(y))**2);
        - `spe`: (var(y) - var(y - p)) / signal power (Sahani & Linden 2003);
        - `bits_per_spike`: log2 of the Poisson likelihood of the counts under p over that under
          their own mean rate, by the number of spikes; -inf if p is zero where there are spikes.

        Over stimuli: each is taken about its own mean, covariances, variances and powers are
        averaged weighted by number of bins, and ratios and roots come last; so what differs
        between the mean responses to two stimuli alone counts for `bits_per_spike` only, and
        unequal trial counts need no dropping of trials. Stimuli with fewer than two trials do
        not count for `cc_norm`, `cc_norm_half` and `spe`.
        NaN where a score is not defined (no signal power, a constant prediction, a negative
        rate for `bits_per_spike`); the reason is logged, once.

    Raises
    ------
    ValueError
        If the prediction has other dimensions or another time axis, or no neuron or stimulus
        in common with `ds`.

    See Also
    --------
    aa1xr.quality : `signal_power`, `ccmax` and their references.
    aa1xr.mean_score : means over neurons.
    aa1xr.coherence : agreement at each frequency.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> even, odd = ds.isel(trial=slice(0, None, 2)), ds.isel(trial=slice(1, None, 2))
    >>> scores = aa1xr.score(aa1xr.psth(even), odd)
    >>> bool((scores.cc_norm > scores.cc_raw).sel(area="MLd").all())
    True
    """
    arguments.whole("max_splits", max_splits)
    ds, rate, counts = match(prediction, ds)
    if (units := prediction.attrs.get("units")) in ("spikes", "1"):
        raise ValueError(
            f"the prediction is in units of {units!r}; expected spikes/s: divide counts by the bin "
            "width in s, and undo a scaling: scaling.undo(prediction)"
        )
    arrays = map_blocks(
        _score,
        counts,
        rate,
        names=tuple(SCORES),
        options={"dt": schema.bin_width_ms(ds) / 1000, "max_splits": int(max_splits)},
    )
    return labelled(ds, arrays, SCORES)


def mean_score(scores: xr.Dataset, *, dim: str = "neuron") -> xr.Dataset:
    """Average scores or measures over neurons, and say how many had none.

    Parameters
    ----------
    scores
        Of `aa1xr.score` or `aa1xr.quality`, any selection of them. Computed.
    dim
        Over what.

    Returns
    -------
    xarray.Dataset
        Means over those that are defined; the attributes `n` and `n_left_out` of each say over
        how many, and how many were NaN.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> means = aa1xr.mean_score(aa1xr.score(ds.psth, ds))
    >>> float(means.cc_raw.round(3)), means.cc_raw.attrs["n_left_out"]
    (1.0, 0)
    """
    schema.require(scores, name="scores", of="aa1xr.score")
    arguments.choice("dim", dim, list(map(str, scores.dims)))
    scores = scores.compute()
    out = scores.mean(dim, keep_attrs=True)
    for name, array in scores.items():
        left_out = int(array.isnull().sum())
        out[name].attrs |= {"n": array.size - left_out, "n_left_out": left_out}
    return out


@np.errstate(invalid="ignore")  # a model that diverged predicts inf, and has no score
def _score(counts: Floats, rate: Floats, *, dt: float, max_splits: int) -> Floats:
    """All scores for a block of neurons. [shape: (neuron, 1, score)]."""
    pairs = complete(counts, ~np.isnan(rate))
    n_trials, n_bins = pairs.n_trials, pairs.n_bins
    twice = repeated(n_trials, n_bins)
    used = pairs.used & (n_trials > 0)[..., np.newaxis]
    total = pairs.counts.sum(2, dtype=np.float64)
    predicted = np.where(used, rate, 0).astype(np.float64)
    psth = total / (np.maximum(n_trials, 1) * dt)[..., np.newaxis]

    gram = covariance(pairs) / dt**2
    power = powers(gram, n_trials).map(lambda each: combine(each, twice))
    signal = power.positive_signal
    ceiling, _ = agreement(gram, n_trials, twice, by="neuron", max_splits=max_splits)

    each = _Moments.of(predicted, psth, used)
    every, repeats = each.combine(np.where(n_bins > 1, n_bins, 0)), each.combine(twice)
    unexplained = ((psth - predicted) ** 2).sum((1, 2))[:, np.newaxis]
    variation = (each.yy * np.maximum(n_bins - 1, 0)).sum(1, keepdims=True)
    scores = {
        "cc_raw": every.py / np.sqrt(every.varying * every.responding),
        "cc_norm": repeats.py / np.sqrt(repeats.varying * signal),
        "cc_norm_half": repeats.py / np.sqrt(repeats.varying * repeats.responding * ceiling),
        "fve": 1 - ratio(unexplained, variation, _SILENT),
        # The numerator is the variance of y less that of y - p.
        "spe": (2 * repeats.py - repeats.pp) / signal,
        "bits_per_spike": _bits_per_spike(total, predicted * dt, used * n_trials[..., np.newaxis]),
    }
    return np.stack([scores[name] for name in SCORES], -1)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Variances and covariance over time of prediction p and PSTH y."""

    pp: Floats  #: [shape: (neuron, stimulus or 1)] as the others
    py: Floats
    yy: Floats

    @classmethod
    def of(cls, p: Floats, y: Floats, used: Bools) -> _Moments:
        """Of each pair; p and y are zero where not `used`."""
        n_bins = used.sum(2)
        about = [
            np.where(used, v - (v.sum(2) / np.maximum(n_bins, 1))[..., np.newaxis], 0)
            for v in (p, y)
        ]
        pp, py, yy = (
            (about[i] * about[j]).sum(2) / np.maximum(n_bins - 1, 1)
            for i, j in ((0, 0), (0, 1), (1, 1))
        )
        return cls(_unless_rounding(pp, p), py, _unless_rounding(yy, y))

    def combine(self, n_bins: Ints) -> _Moments:
        """Over stimuli."""
        return _Moments(*(combine(moment, n_bins) for moment in (self.pp, self.py, self.yy)))

    @property
    def varying(self) -> Floats:
        """The variance of the prediction where there is any."""
        if (self.pp <= 0).any():
            tell("correlations are NaN where the prediction is constant")
        return some(self.pp)

    @property
    def responding(self) -> Floats:
        """The variance of the PSTH where there is any."""
        if (self.yy <= 0).any():
            tell(_SILENT)
        return some(self.yy)


def _unless_rounding(variance: Floats, values: Floats) -> Floats:
    """The variance, zero where it is no more than rounding leaves of constant values."""
    return np.where(variance > _NOTHING * (values**2).mean(2), variance, 0)


def _bits_per_spike(total: Floats, expected: Floats, n_trials: Ints) -> Floats:
    """The gain from sums over trials and the expected counts of one. [shape: (neuron, 1)].

    The log-likelihood of counts k under means m is sum(k * log(m) - m), but for what does not
    depend on m.
    """
    negative = (expected < 0).any((1, 2))
    if negative.any():
        tell("bits_per_spike is NaN where the predicted rate is negative")
    n_spikes = total.sum((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(total > 0, np.log(expected), 0)
        gain = (total * log - n_trials * expected).sum((1, 2))
        constant = n_spikes * (np.log(n_spikes / n_trials.sum((1, 2))) - 1)
    gain = np.where(negative, np.nan, gain - constant) / np.log(2)
    silent = "bits_per_spike is NaN where there is no spike"
    return ratio(gain, n_spikes, silent)[:, np.newaxis]


def cc_raw(prediction: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Correlation with the PSTH; see `aa1xr.score`. [shape: (neuron,)]."""
    return score(prediction, ds)["cc_raw"]


def cc_norm(prediction: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Correlation by Schoppe et al. (2016); see `aa1xr.score`. [shape: (neuron,)]."""
    return score(prediction, ds)["cc_norm"]


def cc_norm_half(
    prediction: xr.DataArray, ds: xr.Dataset, *, max_splits: int = 10_000
) -> xr.DataArray:
    """Correlation over `ccmax` from half splits; see `aa1xr.score`. [shape: (neuron,)]."""
    return score(prediction, ds, max_splits=max_splits)["cc_norm_half"]


def fve(prediction: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Fraction of the PSTH's variance explained; see `aa1xr.score`. [shape: (neuron,)]."""
    return score(prediction, ds)["fve"]


def spe(prediction: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Signal power explained; see `aa1xr.score`. [shape: (neuron,)]."""
    return score(prediction, ds)["spe"]


def bits_per_spike(prediction: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Poisson log-likelihood gain over a constant rate; see `aa1xr.score`. [shape: (neuron,)]."""
    return score(prediction, ds)["bits_per_spike"]
