"""The torch Datasets of `to_torch`; the one module that cannot be imported without torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, SupportsIndex, TypeVar, overload

import numpy as np
import torch
from torch.nn.functional import pad

from aa1xr.export.stimuli import Stimuli


class Item(NamedTuple):
    """One stimulus and the responses to it, or a batch of them; see `aa1xr.to_torch`."""

    spectrogram: torch.Tensor
    responses: torch.Tensor
    mask: torch.Tensor
    stimulus: str | list[str]
    silence: torch.Tensor


class WaveformItem(NamedTuple):
    """The same with the waveform of the stimulus."""

    waveform: torch.Tensor
    responses: torch.Tensor
    mask: torch.Tensor
    stimulus: str | list[str]


ItemT = TypeVar("ItemT", Item, WaveformItem)


class _Items(torch.utils.data.Dataset[ItemT], Generic[ItemT]):  # type: ignore[misc]
    """Items over the stimuli of a Dataset."""

    def __init__(self, stimuli: Stimuli, *, cache: bool) -> None:
        self._stimuli = stimuli
        self._kept: dict[int, ItemT] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self._stimuli)

    @overload
    def __getitem__(self, index: SupportsIndex) -> ItemT: ...
    @overload
    def __getitem__(self, index: slice | Iterable[int]) -> torch.utils.data.Subset[ItemT]: ...
    def __getitem__(self, index: Any) -> ItemT | torch.utils.data.Subset[ItemT]:
        """An item; for a slice or a list of numbers, a `torch.utils.data.Subset` of them."""
        numbers = range(len(self))  # negative ones too, and the IndexError that ends a loop
        if isinstance(index, slice):
            return torch.utils.data.Subset(self, numbers[index])
        if np.ndim(index):
            return torch.utils.data.Subset(self, [numbers[number] for number in index])
        number = numbers[index]
        if self._kept is None:
            return self._read(number)
        if number not in self._kept:
            self._kept[number] = self._read(number)
        return self._kept[number]

    def __getstate__(self) -> dict[str, Any]:
        # What was kept stays here: a worker computes its own share.
        state: dict[str, Any] = vars(self) | {"_kept": None if self._kept is None else {}}
        return state

    def _read(self, number: int) -> ItemT:
        raise NotImplementedError


class StimulusDataset(_Items[Item]):
    """Items with spectrograms; see `aa1xr.to_torch`."""

    def _read(self, number: int) -> Item:
        spectrogram, responses, silence = map(torch.from_numpy, self._stimuli.read(number))
        label = self._stimuli.labels[number]
        return Item(spectrogram, responses.nan_to_num(0), ~responses.isnan(), label, silence)

    @staticmethod
    def collate(items: Sequence[Item]) -> Item:
        """A batch: each item padded at its end to the longest, the spectrogram with silence."""
        sounds, responses, masks, labels, silences = zip(*items, strict=True)
        longest = max(sound.shape[1] for sound in sounds)

        def lengthen(sound: torch.Tensor, silence: torch.Tensor) -> torch.Tensor:
            after = silence.unsqueeze(1).expand(-1, longest - sound.shape[1])
            return torch.cat([sound, after], 1)

        return Item(
            torch.stack([lengthen(*each) for each in zip(sounds, silences, strict=True)]),
            _pad_with_zeros(responses),
            _pad_with_zeros(masks),
            list(labels),
            torch.stack(silences),
        )


class WaveformDataset(_Items[WaveformItem]):
    """Items with waveforms; see `aa1xr.to_torch`."""

    def _read(self, number: int) -> WaveformItem:
        waveform, responses = map(torch.from_numpy, self._stimuli.read_waveform(number))
        label = self._stimuli.labels[number]
        return WaveformItem(waveform, responses.nan_to_num(0), ~responses.isnan(), label)

    @staticmethod
    def collate(items: Sequence[WaveformItem]) -> WaveformItem:
        """A batch: each item padded at its end with zeros, to the longest."""
        waveforms, responses, masks, labels = zip(*items, strict=True)
        waveform, response, mask = map(_pad_with_zeros, (waveforms, responses, masks))
        return WaveformItem(waveform, response, mask, list(labels))


def _pad_with_zeros(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    longest = max(each.shape[-1] for each in tensors)
    return torch.stack([pad(each, (0, longest - each.shape[-1])) for each in tensors])
