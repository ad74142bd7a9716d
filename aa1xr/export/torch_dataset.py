"""The torch Dataset of `to_torch`; the one module that cannot be imported without torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, SupportsIndex, overload

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


class StimulusDataset(torch.utils.data.Dataset[Item]):  # type: ignore[misc]
    """Items over the stimuli of a Dataset; see `aa1xr.to_torch`."""

    def __init__(self, stimuli: Stimuli, *, cache: bool) -> None:
        self._stimuli = stimuli
        self._kept: dict[int, Item] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self._stimuli)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Item: ...
    @overload
    def __getitem__(self, index: slice | Iterable[int]) -> torch.utils.data.Subset[Item]: ...
    def __getitem__(self, index: Any) -> Item | torch.utils.data.Subset[Item]:
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
        return vars(self) | {"_kept": None if self._kept is None else {}}

    def _read(self, number: int) -> Item:
        spectrogram, responses, silence = map(torch.from_numpy, self._stimuli.read(number))
        label = self._stimuli.labels[number]
        return Item(spectrogram, responses.nan_to_num(0), ~responses.isnan(), label, silence)

    @staticmethod
    def collate(items: Sequence[Item]) -> Item:
        """A batch: each item padded at its end to the longest, the spectrogram with silence."""
        longest = max(item.mask.shape[-1] for item in items)

        def batch(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
            return torch.stack([pad(each, (0, longest - each.shape[-1])) for each in tensors])

        def lengthen(item: Item) -> torch.Tensor:
            n_missing = longest - item.mask.shape[-1]
            after = item.silence.unsqueeze(1).expand(-1, n_missing)
            return torch.cat([item.spectrogram, after], 1)

        _, responses, masks, labels, silences = zip(*items, strict=True)
        return Item(
            torch.stack([lengthen(item) for item in items]),
            batch(responses),
            batch(masks),
            list(labels),
            torch.stack(silences),
        )
