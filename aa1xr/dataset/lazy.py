"""Arrays that are computed from the store when, and only as far as, they are indexed."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from socket import gethostname
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from aa1xr import messages
from aa1xr.dataset.binning import count, presentations
from aa1xr.dataset.grid import Grid
from aa1xr.dataset.spectrogram import Cached, spectrograms, take
from aa1xr.errors import DataNotFoundError
from aa1xr.store.read import Store
from aa1xr.typing import Positions

_ALL = slice(None)
_BACKWARDS = slice(None, None, -1)


@dataclass(frozen=True, eq=False)
class LazyArray(BackendArray):
    """Turns xarray's indexing into increasing positions on each axis.

    Holds parameters alone (the store is its URL), so it pickles small.
    """

    store: Store
    shape: tuple[int, ...]

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def compute(self, *indices: Positions) -> npt.NDArray[Any]:
        """The values at increasing positions on each axis."""
        raise NotImplementedError

    def __dask_tokenize__(self) -> Any:
        fields = (getattr(self, field.name) for field in dataclasses.fields(self))
        return type(self).__name__, *fields

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        """As `__getitem__`, in a thread: the event loop goes on meanwhile."""
        return await asyncio.to_thread(self.__getitem__, key)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        messages.expect_missing()
        if not isinstance(key, indexing.VectorizedIndexer):
            # The adapter has nothing to add, and fails on a slice like 5:5:-1.
            return self._outer(key.tuple)
        values: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._outer
        )
        return values

    def _outer(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        parts = [_increasing(size, part) for size, part in zip(self.shape, key, strict=True)]
        wanted = [positions for positions, _ in parts]
        if any(positions.size == 0 for positions in wanted):
            values = np.zeros([positions.size for positions in wanted], self.dtype)
        else:
            values = self._computed(wanted)
        for axis, (_, back) in enumerate(parts):
            if isinstance(back, np.ndarray):
                values = values.take(back, axis)
        return values[tuple(_ALL if isinstance(back, np.ndarray) else back for _, back in parts)]

    def _computed(self, wanted: list[Positions]) -> npt.NDArray[Any]:
        try:
            return self.compute(*wanted)
        except DataNotFoundError as error:
            # It was there when the Dataset was opened; but this may be another machine.
            raise DataNotFoundError(
                f"{self.store.url}: not there for {gethostname()}, where it was to be read. If "
                "this is a dask worker: each worker reads the store for itself, so keep it on a "
                "disk or at a URL that all of them reach (aa1xr.open(data_dir=...)). If it was "
                "removed since: open the data again."
            ) from error


def _increasing(size: int, part: Any) -> tuple[Positions, Any]:
    """The positions in a part of an axis, each once and increasing; and which of them it has."""
    positions = np.arange(size)[part]
    if positions.ndim == 0:
        return positions[np.newaxis], 0
    if isinstance(part, slice):  # by far the most, and np.unique would sort them
        backwards = part.step is not None and part.step < 0
        return (positions[::-1], _BACKWARDS) if backwards else (positions, _ALL)
    unique, order = np.unique(positions, return_inverse=True)
    return unique, _ALL if np.array_equal(order, np.arange(unique.size)) else order


@dataclass(frozen=True, eq=False)
class BinnedArray(LazyArray):
    """An array with a time axis of bins."""

    grid: Grid


class Spikes(BinnedArray):
    """Spike counts. [shape: (neuron, stimulus, trial, time)]."""

    def compute(self, *indices: Positions) -> npt.NDArray[Any]:
        """Count the spikes of each trial."""
        return count(self.store, self.grid, *indices)


@dataclass(frozen=True, eq=False)
class Psth(BinnedArray):
    """Mean rate over trials. [shape: (neuron, stimulus, time)]."""

    trials: tuple[int, ...] | None = None  #: which; None for all

    def compute(self, *indices: Positions) -> npt.NDArray[Any]:
        """Count over trials, then divide as `spikes.mean("trial") / dt` does."""
        neurons, stimuli, bins = indices
        n_trials: npt.NDArray[Any] = presentations(self.store, neurons, stimuli)
        trials = None if self.trials is None else np.array(self.trials, np.intp)
        if trials is not None:
            n_trials = (n_trials[:, :, np.newaxis] > trials).sum(2)
        presented = n_trials.astype(np.float32)
        counts = count(self.store, self.grid, neurons, stimuli, trials, bins, total=True)
        # What was never presented is missing, and not silent.
        counts /= np.where(presented == 0, np.nan, presented)[:, :, np.newaxis]
        counts /= np.float32(self.grid.hop / self.grid.sample_rate)
        return counts


class Trials(LazyArray):
    """Number of trials. [shape: (neuron, stimulus)]."""

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int32)

    def compute(self, *indices: Positions) -> npt.NDArray[Any]:
        """Read them."""
        return presentations(self.store, *indices)


@dataclass(frozen=True, eq=False)
class Spectrogram(BinnedArray):
    """Spectrogram, silence where no stimulus plays. [shape: (stimulus, freq, time)]."""

    transform: Cached

    def compute(self, *indices: Positions) -> npt.NDArray[Any]:
        """Take them from the bins in which stimuli play."""
        stimuli, bands, bins = indices
        sound = spectrograms(self.store, self.grid, self.transform, stimuli)
        sound = take(sound, bands, axis=1)
        frames = bins - self.grid.n_before
        playing = (frames >= 0) & (frames < sound.shape[2])
        if playing.all():
            return take(sound, frames, axis=2)
        shape = (stimuli.size, bands.size, bins.size)
        out = np.full(shape, self.transform.silence, np.float32)
        out[:, :, playing] = take(sound, frames[playing], axis=2)
        return out
