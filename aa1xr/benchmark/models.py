"""The models of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from aa1xr.analysis.nonlinearity import fit_nonlinearity
from aa1xr.analysis.predict import predict
from aa1xr.analysis.split import Split
from aa1xr.analysis.strf import strf
from aa1xr.optional import import_optional
from aa1xr.typing import Floats

#: From a Dataset of the training and validation stimuli, which of them are which, and a Dataset
#: with the `spectrogram` of the test stimuli alone, to a prediction for the latter
#: [shape: (neuron, stimulus, time)]. Test responses are out of reach. By their names, it may also
#: take `seed`, and `checkpoint`, a path or None: a model that takes long may keep its state, to
#: go on from, in files whose names begin so.
Model = Callable[..., xr.DataArray]

#: How far back a field may reach, in ms.
_LAGS_MS = (50, 75, 100)
#: Every band has a scale of its own: the choice of the validation responses in every split, though
#: not the default of `aa1xr.strf`. docs/guide/model-scores.md has both, and why they differ.
_SCALE_FLOOR = 1e-4


def ridge(known: xr.Dataset, split: Split, sounds: xr.Dataset) -> xr.DataArray:
    """A linear receptive field, rectified.

    The penalty of each neuron, and one number of lags for all neurons, maximise the correlation
    with the validation responses. Then the weights are fitted to the training and validation
    stimuli together.
    """
    return predict(sounds, _best_fit(known, split))


def ridge_ln(known: xr.Dataset, split: Split, sounds: xr.Dataset) -> xr.DataArray:
    """The model `ridge` with an output nonlinearity, estimated on the same stimuli."""
    known = known[["psth", "spectrogram"]].compute()
    fit = _best_fit(known, split)
    curve = fit_nonlinearity(predict(known, fit, rectify=False), known["psth"])
    return curve.apply(predict(sounds, fit, rectify=False))


def with_networks(model: Model, kinds: Sequence[type[Any] | str]) -> Model:
    """A model that says which classes it trains, its own or by name: see `count_parameters`."""
    model.networks = lambda: [_class_of(kind) for kind in kinds]  # type: ignore[attr-defined]
    return model


def _class_of(kind: type[Any] | str) -> Any:
    """A class of networks; by its name, one of `networks` or `published`, which need torch."""
    if not isinstance(kind, str):
        return kind
    from aa1xr.benchmark import networks

    if hasattr(networks, kind):
        return getattr(networks, kind)
    from aa1xr.benchmark import published

    return getattr(published, kind)


def from_network(kind: type[Any] | str, recipe: Any = None) -> Model:
    """The model that trains a class of torch.nn.Module, by name one of this package.

    `recipe` is a `training.Recipe`; None for that of the benchmark.
    """
    return _mean_of((kind,), 1, recipe=recipe)


def _mean_of(
    kinds: Sequence[type[Any] | str], n_members: int, *, refit: bool = False, recipe: Any = None
) -> Model:
    """The mean prediction of networks: of each kind, `n_members` with different seeds.

    With five members, seed 0 uses seeds 0 to 4, the next one 5 to 9. With `refit`, each is trained
    again, on training and validation stimuli, for the epochs that its first training chose.
    """

    def fit_and_predict(
        known: xr.Dataset, split: Split, sounds: xr.Dataset, seed: int, checkpoint: Path | None
    ) -> xr.DataArray:
        import_optional("torch", extra="torch")
        from aa1xr.benchmark import training

        seeds = range(seed * n_members, (seed + 1) * n_members)
        members = [(kind, member) for kind in kinds for member in seeds]
        n_fits = len(members) * (1 + refit)
        paths = iter(_checkpoints(checkpoint, seed, n_fits))
        rates = []
        for kind, member in members:
            train = partial(training.fit, _class_of(kind), known, split, seed=member, recipe=recipe)
            network = train(checkpoint=next(paths))
            if refit:
                network = train(checkpoint=next(paths), n_epochs=network.n_epochs)
            rates.append(training.predict(network, sounds).numpy())
        return as_prediction(np.mean(rates, 0), known, sounds)

    return with_networks(fit_and_predict, [*kinds] * n_members)


def as_prediction(rates: Floats, known: xr.Dataset, sounds: xr.Dataset) -> xr.DataArray:
    """What a model returns, from rates for these neurons and sounds."""
    labels = {"neuron": known["neuron"], "stimulus": sounds["stimulus"], "time": sounds["time"]}
    coords = {name: label.variable for name, label in labels.items()}
    return xr.DataArray(rates, coords, tuple(coords))


def from_published(kind: str) -> Model:
    """The model that trains one of `published`, from the input and by the recipe of the paper."""

    def fit_and_predict(
        known: xr.Dataset, split: Split, sounds: xr.Dataset, seed: int, checkpoint: Path | None
    ) -> xr.DataArray:
        import_optional("torch", extra="torch")
        from aa1xr.benchmark import published

        model = from_network(kind, published.RECIPE)
        known, sounds = (published.with_log_power(ds) for ds in (known, sounds))
        return model(known, split, sounds, seed=seed, checkpoint=checkpoint)

    return with_networks(fit_and_predict, [kind])


def _checkpoints(path: Path | None, seed: int, n_fits: int) -> list[Path | None]:
    """One for each network that a model trains."""
    if path is None or n_fits == 1:
        return [path] * n_fits
    numbers = range(seed * n_fits, (seed + 1) * n_fits)
    return [path.with_name(f"{path.name}-{number}") for number in numbers]


def _best_fit(known: xr.Dataset, split: Split) -> xr.Dataset:
    known = known[["psth", "spectrogram"]].compute()
    fits = [
        strf(
            known,
            train=split.train,
            validation=split.validation,
            lags_ms=lags_ms,
            refit=True,
            scale_floor=_SCALE_FLOOR,
        ).compute()
        for lags_ms in _LAGS_MS
    ]
    return max(fits, key=lambda fit: float(fit["cc_validation"].mean()))


#: Networks of all neurons of an area: the classes of `aa1xr.benchmark.networks` in the mean, and
#: those of the published table, `aa1xr.benchmark.published`.
_NETWORKS: dict[str, Model] = {
    "gru": from_network("GRU"),
    "gru-ensemble": _mean_of(["GRU"], 5),
    "mamba": from_network("Mamba"),
    "transformer": from_network("Transformer"),
    "cnn": from_network("CNN"),
    "gru-small": from_network("GRUSmall"),
    "mamba-small": from_network("MambaSmall"),
    "transformer-small": from_network("TransformerSmall"),
    "ensemble": _mean_of(["GRU", "Mamba", "Transformer"], 1),
    "ensemble-refit": _mean_of(["GRU", "Mamba", "Transformer"], 1, refit=True),
    "statenet-gru": from_published("StateNetGRU"),
    "statenet-mamba": from_published("StateNetMamba"),
    "transformer-2025": from_published("Transformer2025"),
    "cnn-2025-field-l": from_published("CNN2025FieldL"),
    "cnn-2025-mld": from_published("CNN2025MLd"),
}

MODELS: dict[str, Model] = {"ridge": ridge, "ridge-ln": ridge_ln, **_NETWORKS}

NEEDS_TORCH = frozenset(_NETWORKS)
