"""The models that the benchmark can fit."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from aa1xr.analysis.nonlinearity import fit_nonlinearity
from aa1xr.analysis.split import Split
from aa1xr.analysis.strf import predict, strf

#: From a Dataset of the training and validation stimuli, which of them are which, a Dataset with
#: the `spectrogram` of the test stimuli alone, and a seed, to a prediction for the latter
#: [shape: (neuron, stimulus, time)]. Test responses are out of reach.
Model = Callable[[xr.Dataset, Split, xr.Dataset, int], xr.DataArray]

#: How far back a field may reach, in ms.
_LAGS_MS = (50, 75, 100)


def ridge(known: xr.Dataset, split: Split, sounds: xr.Dataset, _seed: int) -> xr.DataArray:
    """A linear STRF, rectified.

    The penalty of each neuron, and one number of lags for all, are those of the best
    correlation with the validation responses; then the weights are fitted to training and
    validation stimuli together.
    """
    return predict(_best_fit(known, split), sounds)


def ridge_ln(known: xr.Dataset, split: Split, sounds: xr.Dataset, _seed: int) -> xr.DataArray:
    """The same STRF with an output nonlinearity, estimated on what the STRF was fitted to."""
    known = known[["psth", "spectrogram"]].compute()
    fit = _best_fit(known, split)
    curve = fit_nonlinearity(predict(fit, known, rectify=False), known["psth"])
    return curve.apply(predict(fit, sounds, rectify=False))


def _best_fit(known: xr.Dataset, split: Split) -> xr.Dataset:
    known = known[["psth", "spectrogram"]].compute()
    fits = [
        strf(
            known, train=split.train, validation=split.validation, lags_ms=lags_ms, refit=True
        ).compute()
        for lags_ms in _LAGS_MS
    ]
    return max(fits, key=lambda fit: float(fit["cc_validation"].mean()))


MODELS: dict[str, Model] = {"ridge": ridge, "ridge-ln": ridge_ln}
