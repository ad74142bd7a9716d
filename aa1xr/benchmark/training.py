"""Fit a network to the responses of a population, and predict with it; needs torch."""

from __future__ import annotations

import contextlib
import inspect
import math
import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from aa1xr import schema
from aa1xr.analysis.concatenated import NOTHING
from aa1xr.analysis.split import Split
from aa1xr.atomic import atomic_write, is_regular
from aa1xr.benchmark.identity import data_digest
from aa1xr.benchmark.networks import Network, spread
from aa1xr.export.torch import to_torch
from aa1xr.export.torch_dataset import Item, StimulusDataset
from aa1xr.printable import one_line


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; chosen by validation scores, see docs/guide/model-scores.md."""

    n_epochs: int = 60
    patience: int = 20  #: epochs without a better validation score, after which it stops
    learning_rate: float = 3e-3
    falling: bool = True  #: along half a cosine to zero; otherwise the rate is constant
    weight_decay: float = 0.01
    batch_size: int = 2  #: whole stimuli: the recurrent layer gains from what was long ago
    #: What is validated and kept is a running mean of the weights; None: the weights themselves.
    averaging: float | None = 0.98
    #: The error of each neuron is in units of its standard deviation; otherwise in spikes per bin.
    scaled: bool = True
    clipping: float = 1.0  #: of the norm of the gradient
    #: Of the validation responses, what chooses the epoch.
    criterion: Literal["correlation", "loss"] = "correlation"


def fit(
    kind: type[nn.Module],
    known: xr.Dataset,
    split: Split,
    *,
    seed: int,
    recipe: Recipe | None = None,
    checkpoint: Path | None = None,
    n_epochs: int | None = None,
) -> nn.Module:
    """Train on training stimuli for as long as validation stimuli are predicted better.

    On a GPU if there is one. The network is that of the epoch with the best correlation with the
    validation responses, averaged over neurons, or with the least error (see `Recipe.criterion`).
    Its attribute `n_epochs` is this epoch.

    Parameters
    ----------
    kind, known, split
        Which network (see `make`), and a Dataset of training and validation stimuli.
    seed
        Of weights, order and dropout. On one kind of CPU the same seed gives the same network.
    recipe
        Default: that of the benchmark.
    checkpoint
        A file that keeps the state after each epoch. If it is there, training goes on from it, to
        the same network; `ValueError` if it is of something else.
    n_epochs
        Train for so many epochs of the recipe on training and validation stimuli together, and take
        the last network: a refit, once another fit has chosen the number.
    """
    recipe = recipe or Recipe()
    if n_epochs is not None:
        known_labels = np.concatenate([split.train, split.validation])
        split = split._replace(train=known_labels, validation=known_labels[:0])
    known = known[["psth", "n_trials", "spectrogram"]].compute()
    train = to_torch(known.sel(stimulus=split.train), cache=True)
    # A refit holds nothing out.
    validation = to_torch(known.sel(stimulus=split.validation if n_epochs is None else split.train))
    held_out = validation.collate(list(validation))
    with contextlib.ExitStack() as stack:
        stack.enter_context(one_thread())
        stack.enter_context(torch.random.fork_rng())
        bar = tqdm(total=recipe.n_epochs, unit="epoch", leave=False, disable=None)
        stack.enter_context(bar)
        torch.manual_seed(seed)
        dt_ms = schema.bin_width_ms(known)
        network = make(kind, known.sizes["freq"], known.sizes["neuron"], dt_ms=dt_ms)
        rates = torch.cat([item.responses.where(item.mask, math.nan) for item in train], 1)
        if isinstance(network, Network):
            network.calibrate(
                torch.cat([item.spectrogram for item in train], 1),
                rates,
                # In the units of the spectrogram: the shortest sound is followed by silence.
                # Unknown where all end with the axis of a scaled one, whose mean is 0.
                min(train, key=lambda item: item.mask.shape[-1]).silence.nan_to_num(0),
            )
        check_shape(network, held_out)
        scale = spread(rates) if recipe.scaled else torch.full((len(rates), 1), 1000 / dt_ms)
        training = _Training(network, train, recipe, scale)
        parts = [known["neuron"].values.tolist(), *(part.tolist() for part in split)]
        label = f"{kind.__name__}, seed {seed}, {dt_ms:g} ms, {recipe}, {parts}"
        label += "" if n_epochs is None else f", {n_epochs} epochs"
        label += f", data {data_digest(known)[:16]}"
        if checkpoint is not None and os.path.lexists(checkpoint):
            training.restore(checkpoint, label)
        last = recipe.n_epochs if n_epochs is None else n_epochs
        while training.epoch < min(last, training.best_epoch + recipe.patience):
            # From the seed and the epoch alone, so that there is no other state to keep.
            torch.manual_seed(seed * 100_003 + training.epoch + 1)
            training.run_epoch()
            if n_epochs is None:
                training.validate(held_out)
            else:
                training.keep()
            if checkpoint is not None:
                training.save(checkpoint, label)
            bar.set_postfix(validation=f"{training.best_score:.3f}", refresh=False)
            bar.update(training.epoch - bar.n)
    if training.best_epoch == 0 < training.epoch:
        raise ValueError(
            f"the network {kind.__name__} was not trained: in no epoch did its rates have a finite "
            f"{recipe.criterion} with the validation responses. Its rates are not finite, or no "
            "neuron has such responses"
        )
    network.load_state_dict(training.best)
    network.n_epochs = training.best_epoch
    return network


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread of torch.

    Many small steps gain nothing from threads that wait for each other, and lose much on a busy
    machine.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def make(kind: type[nn.Module], n_freq: int, n_neurons: int, *, dt_ms: float) -> nn.Module:
    """A network from (batch, freq, time) to (batch, neuron, time).

    `kind` takes the numbers of bands and neurons, and by its name `dt_ms` if it wants to.
    """
    try:
        takes = inspect.signature(kind).parameters
        options = {"dt_ms": dt_ms} if "dt_ms" in takes else {}
        inspect.signature(kind).bind(n_freq, n_neurons, **options)
    except TypeError as error:
        raise TypeError(
            f"the network {kind.__name__} must be made by {kind.__name__}(n_freq, n_neurons), and "
            f"may take dt_ms=; {error}"
        ) from None
    return kind(n_freq, n_neurons, **options)


def check_shape(network: nn.Module, item: Item) -> None:
    """Check that a network has weights, and gives rates of the right shape."""
    if not any(each.requires_grad for each in network.parameters()):
        raise ValueError(f"the network {type(network).__name__} has no weights to train")
    network.eval()
    with torch.no_grad():
        rates = network(item.spectrogram)
    wanted = tuple(item.responses.shape)
    if not isinstance(rates, Tensor) or tuple(rates.shape) != wanted:
        got = tuple(rates.shape) if isinstance(rates, Tensor) else type(rates).__name__
        raise ValueError(
            f"the network {type(network).__name__} must give rates [shape: (batch, neuron, time)], "
            f"here {wanted}, of a spectrogram (batch, freq, time) of shape "
            f"{tuple(item.spectrogram.shape)}; got {got}"
        )


def predict(network: nn.Module, sounds: xr.Dataset) -> Tensor:
    """Rates for the `spectrogram` of a Dataset. [shape: (neuron, stimulus, time)].

    `ValueError` if its time axis begins after onset: the sound before is not known.
    """
    if (first := schema.bin_numbers(sounds)[0]) > 0:
        raise ValueError(
            f"the time axis must begin at onset or before, since a network starts in silence; got "
            f"{first} bins after it"
        )
    spectrograms = sounds["spectrogram"].transpose("stimulus", "freq", "time").values
    network.eval()
    with torch.no_grad():
        rates = network(torch.from_numpy(spectrograms).to(next(network.parameters()).device))
    return rates.transpose(0, 1).cpu()


class _Training:
    """A network on its way: what an epoch changes, and a checkpoint keeps."""

    def __init__(
        self, network: nn.Module, train: StimulusDataset, recipe: Recipe, scale: Tensor
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device)
        self.scale = scale.to(self.device)
        self.recipe = recipe
        self.average = None
        if recipe.averaging is not None:
            mean = get_ema_multi_avg_fn(recipe.averaging)
            self.average = AveragedModel(network, multi_avg_fn=mean)
        self.optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
        self.batches = DataLoader(train, recipe.batch_size, shuffle=True, collate_fn=train.collate)
        self.epoch, self.best_epoch, self.best_score = 0, 0, -math.inf
        self.best: dict[str, Any] = deepcopy(network.state_dict())

    def run_epoch(self) -> None:
        """Once through the training stimuli."""
        self.network.train()
        done = self.epoch / self.recipe.n_epochs if self.recipe.falling else 0
        fraction = (1 + math.cos(math.pi * done)) / 2
        self.optimizer.param_groups[0]["lr"] = self.recipe.learning_rate * fraction
        for item in self.batches:
            sound, responses, mask = (tensor.to(self.device) for tensor in item[:3])
            error = loss(self.network(sound), responses, mask, self.scale)
            self.optimizer.zero_grad()
            error.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clipping)
            self.optimizer.step()
            if self.average is not None:
                self.average.update_parameters(self.network)
        self.epoch += 1

    def validate(self, held_out: Item) -> None:
        """Keep the weights if they are the best so far."""
        network = self.network if self.average is None else self.average.module
        network.eval()
        with torch.no_grad():
            rates = network(held_out.spectrogram.to(self.device)).cpu()
        of = (rates, held_out.responses, held_out.mask)
        if self.recipe.criterion == "loss":
            score = -float(loss(*of, self.scale.cpu()))
        else:
            score = float(correlation(*of).nanmean())
        if score > self.best_score:
            self.best_score = score
            self.keep()

    def keep(self) -> None:
        """Take the present weights, or their running mean, as the best."""
        network = self.network if self.average is None else self.average.module
        self.best_epoch, self.best = self.epoch, deepcopy(network.state_dict())

    _KEPT = ("epoch", "best_epoch", "best_score", "best")

    @property
    def _parts(self) -> dict[str, Any]:
        """What has a state of its own."""
        parts = {"network": self.network, "average": self.average, "optimizer": self.optimizer}
        return {name: part for name, part in parts.items() if part is not None}

    def save(self, path: Path, label: str) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {name: getattr(self, name) for name in self._KEPT}
        state |= {name: part.state_dict() for name, part in self._parts.items()}
        with atomic_write(path, replace=True) as partial:
            torch.save(state | {"label": label}, partial)

    def restore(self, path: Path, label: str) -> None:
        """Go back to where a checkpoint was written."""
        if not is_regular(path):
            raise ValueError(f"{one_line(path)} must be a regular file (a checkpoint); remove it")
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            found = state["label"]
        except OSError:
            raise
        except Exception as error:  # torch raises what it likes about what it will not load
            raise ValueError(
                f"{one_line(path)} must be a checkpoint of a network; it cannot be loaded "
                f"({type(error).__name__}). Remove it"
            ) from error
        if found != label:
            raise ValueError(f"{one_line(path)} is of {found}, and this is {label}; remove it")
        for name in self._KEPT:
            setattr(self, name, state[name])
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def loss(rates: Tensor, responses: Tensor, mask: Tensor, scale: Tensor) -> Tensor:
    """Mean squared error where the mask is True, in units that make all neurons count alike."""
    return ((rates - responses) / scale)[mask].square().mean()


def correlation(rates: Tensor, responses: Tensor, mask: Tensor) -> Tensor:
    """Of each neuron, where the mask is True, from (stimulus, neuron, time); NaN for none.

    0 for constant rates, as in the scores: a network must not gain by neurons that it gives up.
    """
    count = mask.sum((0, 2), keepdim=True)
    x, y = (values.double() for values in (rates, responses))
    square = (x * x * mask).sum((0, 2))
    x, y = ((v - (v * mask).sum((0, 2), keepdim=True) / count) * mask for v in (x, y))
    xx, xy, yy = (x * x).sum((0, 2)), (x * y).sum((0, 2)), (y * y).sum((0, 2))
    constant = xx <= NOTHING * square
    return xy.where(~constant, 0) / (xx.where(~constant, 1) * yy).sqrt()
