"""Ridge regression on a lagged spectrogram, from sums over the bins of each stimulus.

The covariance between lagged spectrograms needs no lagged design matrix: what is one bin later on
both sides is the same sum, but for the bins at its two ends. So it costs next to nothing, whatever
the bin width, and can be added up anew for each choice of stimuli. What takes time is one
eigendecomposition, from which every penalty follows. Neurons are fitted in blocks, which bounds
memory and is work for several workers; only the means and scales of the bands are of all blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from aa1xr import messages
from aa1xr.analysis.spectrogram_checks import check_finite
from aa1xr.cluster import one_blas_thread
from aa1xr.errors import UndefinedWarning
from aa1xr.typing import Floats


class OfBands(NamedTuple):
    """Sums over the bins of one stimulus that neurons of one block were presented."""

    stimulus: str
    window: tuple[int, int]  #: first bin, and the one after the last
    x: Floats  #: [shape: (freq,)]
    xx: Floats  #: squares


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the bins of one stimulus: all that a fit of some neurons needs of it."""

    stimulus: str
    window: tuple[int, int]  #: first bin, and the one after the last
    heard: npt.NDArray[np.bool_]  #: [shape: (neuron,)]
    x: Floats  #: lagged spectrogram [shape: (lag, freq)]
    xx: Floats  #: spectrogram by lagged spectrogram [shape: (freq, lag, freq)]
    before: Floats  #: spectrogram backwards from before the first bin [shape: (lag - 1, freq)]
    end: Floats  #: and from the last bin
    xy: Floats  #: lagged spectrogram by response [shape: (lag, freq, neuron)]
    y: Floats  #: [shape: (neuron,)]
    yy: Floats  #: [shape: (neuron,)]

    @property
    def n_bins(self) -> int:
        """0 if no neuron was presented the stimulus."""
        return self.window[1] - self.window[0]

    def of_bands(self) -> OfBands:
        """What the bands are scaled by."""
        return OfBands(self.stimulus, self.window, self.x[0], np.diag(self.xx[:, 0]))


def moments_of(
    sound: npt.NDArray[Any],
    rate: npt.NDArray[Any],
    counted: npt.NDArray[np.bool_],
    n_lags: int,
    *,
    silence: float,
    labels: Mapping[str, npt.NDArray[Any]],
    lowest: float | None,
    after: npt.NDArray[np.bool_] | None = None,
) -> Moments:
    """Add up one stimulus. [shape: (1, freq, time) and (neuron, 1, time)].

    The response is NaN where there is none; the bins `counted` are fitted. `silence` is the
    spectrogram before the first bin; `labels`, `lowest` and `after` are for `check_finite`.
    """
    check_finite(sound, labels, lowest=lowest, after=after)
    stimulus = str(labels["stimulus"][0])
    if np.isinf(rate).any():
        raise ValueError(f"the responses to {stimulus!r} must be finite or NaN; got inf")
    there = ~np.isnan(rate[:, 0]) & counted
    heard, window = there.any(1), there.any(0)
    bins = np.flatnonzero(window)
    start, stop = (int(bins[0]), int(bins[-1]) + 1) if bins.size else (0, 0)
    if bins.size < stop - start or (there[heard] != window).any():
        raise _unequal_windows(stimulus)
    y = np.where(heard[:, np.newaxis], rate[:, 0, start:stop], 0).astype(np.float64)
    before = ((0, 0), (n_lags - 1, 0))
    x = np.pad(sound[0].astype(np.float64), before, constant_values=silence)
    lagged = np.stack([x[:, start + pad : stop + pad] for pad in range(n_lags - 1, -1, -1)])
    features = lagged.reshape(n_lags * len(x), -1)
    with one_blas_thread():
        xx, xy = lagged[0] @ features.T, features @ y.T
    return Moments(
        stimulus=stimulus,
        window=(start, stop),
        heard=heard,
        x=lagged.sum(2),
        xx=xx.reshape(-1, n_lags, len(x)),
        before=x[:, start : start + n_lags - 1][:, ::-1].T,
        end=x[:, stop : stop + n_lags - 1][:, ::-1].T,
        xy=xy.reshape(n_lags, len(x), -1),
        y=y.sum(1),
        yy=(y**2).sum(1),
    )


def _unequal_windows(stimulus: str) -> ValueError:
    return ValueError(
        f"the responses to {stimulus!r} have gaps, or other bins for one neuron than for another; "
        "fit neurons of equal windows together, as aa1xr.open gives them"
    )


@dataclass(frozen=True, eq=False)
class Covariances:
    """Means and covariances over the bins of some stimuli; a feature is a lag and a band."""

    mean_x: Floats  #: [shape: (feature,)]
    mean_y: Floats  #: [shape: (neuron,)]
    xx: Floats  #: [shape: (feature, feature)]
    xy: Floats  #: [shape: (feature, neuron)]
    yy: Floats  #: variances [shape: (neuron,)]

    @classmethod
    def of(cls, parts: list[Moments], neurons: npt.NDArray[np.intp]) -> Covariances:
        """Of neurons that were presented all of these stimuli."""
        n = sum(part.n_bins for part in parts)
        x = np.sum([part.x for part in parts], axis=0).ravel() / n
        y = np.sum([part.y[neurons] for part in parts], axis=0) / n
        # One after the other: this is what grows with the neurons.
        xy = np.zeros((x.size, neurons.size))
        for part in parts:
            xy += part.xy[:, :, neurons].reshape(xy.shape)
        xy /= n
        yy = np.sum([part.yy[neurons] for part in parts], axis=0) / n
        xx = lagged_products(parts)
        xx /= n
        xx -= np.outer(x, x)
        return cls(x, y, xx, xy - np.outer(x, y), yy - y**2)


def lagged_products(parts: list[Moments]) -> Floats:
    """Sums of products of any two lags, from those with lag 0. [shape: (feature, feature)].

    The sum over bins t of x[t - i - 1] * x[t - j - 1] is that of x[t - i] * x[t - j], with what
    comes in before the first bin and without what goes out at the last.
    """
    first = np.sum([part.xx for part in parts], axis=0)
    n_freq, n_lags, _ = first.shape
    edges = np.stack([part.before for part in parts] + [part.end for part in parts])
    signed = edges * np.repeat([1.0, -1.0], len(parts))[:, np.newaxis, np.newaxis]
    out = np.empty((n_lags, n_freq, n_lags, n_freq))
    out[0], out[:, :, 0] = first, first.transpose(1, 2, 0)
    for lag in range(n_lags - 1):
        change = signed[:, lag].T @ edges.reshape(len(edges), -1)
        out[lag + 1, :, 1:] = out[lag, :, :-1] + change.reshape(n_freq, n_lags - 1, n_freq)
    return out.reshape(n_lags * n_freq, -1)


@dataclass(frozen=True, eq=False)
class Bands:
    """Mean, deviation and scale of the bands, over all training stimuli."""

    offset: Floats  #: mean [shape: (freq,)]
    deviation: Floats  #: standard deviation [shape: (freq,)]
    scale: Floats  #: what weights are for; 1 where no band varies [shape: (freq,)]


def bands_of(train: list[list[OfBands]], validation: list[list[OfBands]], floor: float) -> Bands:
    """Over the training stimuli, whose moments are those of each block of neurons.

    `floor` is that of `aa1xr.strf`. Neurons of all blocks must have the same bins.
    """
    parts = [_of_all_blocks(blocks) for blocks in train]
    for blocks in validation:
        _of_all_blocks(blocks)
    n = max(1, sum(part.window[1] - part.window[0] for part in parts))
    mean = np.sum([part.x for part in parts], axis=0) / n
    square = np.sum([part.xx for part in parts], axis=0) / n
    variance = square - mean**2
    # Rounding leaves the variance of a constant just above or below zero.
    deviation = np.sqrt(np.where(variance > 1e-12 * square, variance, 0))
    scale = np.maximum(deviation, floor * deviation.max())
    return Bands(mean, deviation, scale if deviation.any() else np.ones_like(scale))


def _of_all_blocks(blocks: list[OfBands]) -> OfBands:
    """Those of any block that was presented the stimulus."""
    presented = [block for block in blocks if block.window != (0, 0)]
    if len({block.window for block in presented}) > 1:
        raise _unequal_windows(presented[0].stimulus)
    return (presented or blocks)[0]


@dataclass(frozen=True, eq=False)
class Ridge:
    """The weights of every penalty, for features in units of `scale`."""

    values: Floats  #: eigenvalues [shape: (feature,)]
    vectors: Floats
    projected: Floats  #: [shape: (feature, neuron)]
    scale: Floats  #: [shape: (feature, 1)]

    @classmethod
    def of(cls, known: Covariances, bands: Bands) -> Ridge:
        """Scale each band, and decompose."""
        scale = np.tile(bands.scale, known.mean_x.size // bands.scale.size)[:, np.newaxis]
        values, vectors = np.linalg.eigh(known.xx / scale / scale.T)
        return cls(np.maximum(values, 0), vectors, vectors.T @ (known.xy / scale), scale)

    def weights(self, alpha: Floats | float) -> Floats:
        """For one penalty, or one for each neuron. [shape: (feature, neuron)]."""
        shrunk = self.projected / (self.values[:, np.newaxis] + alpha)
        return np.asarray(self.vectors @ shrunk)

    def choose(self, held_out: Covariances, alphas: Floats) -> tuple[Floats, Floats, Floats]:
        """The weights that correlate best with other responses, alpha, and that correlation.

        Where nothing correlates, as with a silent response, it is the largest alpha.
        """
        n_neurons = held_out.yy.size
        xx, xy = held_out.xx / self.scale / self.scale.T, held_out.xy / self.scale
        best = np.full(n_neurons, -np.inf)
        weights, alpha = np.zeros_like(self.projected), np.full(n_neurons, np.nan)
        for penalty in np.sort(alphas)[::-1]:
            tried = self.weights(penalty)
            power = (tried * (xx @ tried)).sum(0)
            # The correlation, but for the deviation of the response, which may be zero.
            found = (tried * xy).sum(0) / np.sqrt(np.where(power > 0, power, np.inf))
            better = found > best
            best, alpha = np.where(better, found, best), np.where(better, penalty, alpha)
            weights[:, better] = tried[:, better]
        return weights, alpha, best / np.sqrt(np.where(held_out.yy > 0, held_out.yy, np.nan))


def fit(
    train: list[Moments],
    validation: list[Moments],
    bands: Bands,
    alphas: Floats,
    *,
    refit: bool,
    cells: list[str],
    site: messages.CallSite,
) -> dict[str, Floats]:
    """Fit the neurons of a block by their patterns of presented stimuli; the results by name.

    Warnings name the neurons by `cells`, and belong to the line `site` of the user.
    """
    heard = np.stack([part.heard for part in train + validation])
    n_lags, n_freq, n_neurons = train[0].xy.shape
    out = {name: np.full(n_neurons, np.nan) for name in ("intercept", "alpha", "cc_validation")}
    out |= {"strf": np.full((n_neurons, n_freq, n_lags), np.nan)}
    patterns, which = np.unique(heard, axis=1, return_inverse=True)
    for k, pattern in enumerate(patterns.T):
        neurons = np.flatnonzero(which.ravel() == k)
        parts = np.split(pattern, [len(train)])
        to_fit = [part for part, there in zip(train, parts[0], strict=True) if there]
        to_choose = [part for part, there in zip(validation, parts[1], strict=True) if there]
        if not to_fit or not to_choose:
            if to_fit or to_choose:  # without any response there is nothing to say
                missing = "validate" if to_fit else "train"
                named = messages.count_names([cells[n] for n in neurons])
                messages.warn(
                    f"aa1xr.strf: undefined (NaN) for {named}: no response to {missing} on",
                    UndefinedWarning,
                    site,
                )
            continue
        with one_blas_thread():
            known = Covariances.of(to_fit, neurons)
            weights, alpha, cc = Ridge.of(known, bands).choose(
                Covariances.of(to_choose, neurons), alphas
            )
            if refit:
                known = Covariances.of(to_fit + to_choose, neurons)
                weights = Ridge.of(known, bands).weights(alpha)
        fields = weights.T.reshape(-1, n_lags, n_freq)
        mean = (known.mean_x.reshape(n_lags, n_freq) - bands.offset) / bands.scale
        out["strf"][neurons] = fields.swapaxes(1, 2)
        out["intercept"][neurons] = known.mean_y - (fields * mean).sum((1, 2))
        out["alpha"][neurons], out["cc_validation"][neurons] = alpha, cc
    return out
