"""The torch Dataset of `to_torch`; the one module that cannot be imported without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch.nn.functional import pad

from aa1xr.export.stimuli import Stimuli


class Item(NamedTuple):
    """One stimulus and what was answered, or a batch of them; see `aa1xr.to_torch`."""

    spectrogram: torch.Tensor
    responses: torch.Tensor
    mask: torch.Tensor
    stimulus: str | list[str]


class StimulusDataset(torch.utils.data.Dataset[Item]):  # type: ignore[misc]
    """Items over the stimuli of a Dataset; see `aa1xr.to_torch`."""

    def __init__(self, stimuli: Stimuli, *, cache: bool) -> None:
        self._stimuli = stimuli
        self._kept: dict[int, Item] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self._stimuli)

    def __getitem__(self, index: int) -> Item:
        number = range(len(self))[index]  # negative ones too, and the IndexError that ends a loop
        if self._kept is None:
            return self._read(number)
        if number not in self._kept:
            self._kept[number] = self._read(number)
        return self._kept[number]

    def __getstate__(self) -> dict[str, Any]:
        # What was kept stays here: a worker computes its own share.
        return vars(self) | {"_kept": None if self._kept is None else {}}

    def _read(self, number: int) -> Item:
        spectrogram, responses = map(torch.from_numpy, self._stimuli.read(number))
        mask = ~responses.isnan()
        return Item(spectrogram, responses.nan_to_num(0), mask, self._stimuli.labels[number])

    def collate(self, items: Sequence[Item]) -> Item:
        """A batch: each item padded at its end to the longest, the spectrogram with silence.

        Raises
        ------
        ValueError
            If the Dataset has no bin in which no sound plays, which would say what silence is.
        """
        longest = max(item.mask.shape[-1] for item in items)

        def batch(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
            return torch.stack([pad(each, (0, longest - each.shape[-1])) for each in tensors])

        spectrograms, responses, masks, labels = zip(*items, strict=True)
        if any(each.shape[-1] < longest for each in spectrograms):
            # Silence is 0 before a scaling, and any other number after it.
            quiet = self._silence
            spectrograms = tuple(
                torch.cat([each, quiet.expand(-1, longest - each.shape[-1])], 1)
                for each in spectrograms
            )
        return Item(batch(spectrograms), batch(responses), batch(masks), list(labels))

    @cached_property
    def _silence(self) -> torch.Tensor:
        silence = self._stimuli.silence()
        if silence is None:
            raise ValueError(
                "items of different lengths must be padded with silence, and the Dataset does not "
                "say what silence is: it must have the coordinate 'duration_s' and a time axis "
                "that reaches beyond the end of the shortest stimulus"
            )
        return torch.from_numpy(silence)[:, None]
