"""Stimuli and responses as a torch Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from aa1xr.export.optional import import_optional
from aa1xr.export.stimuli import Stimuli

if TYPE_CHECKING:
    from aa1xr.export.torch_dataset import StimulusDataset


def to_torch(ds: xr.Dataset, *, responses: str = "psth", cache: bool = False) -> StimulusDataset:
    """A `torch.utils.data.Dataset` whose items are the stimuli.

    An item is computed when it is asked for, and nothing else is. A slice of it, or a list of
    numbers, gives a `torch.utils.data.Subset`. It ends with the stimulus' own
    window; `.collate` pads a batch:
    `DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=dataset.collate)`.

    Needs torch, the extra `torch`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one.
    responses
        Which variable: "psth" (spikes/s), "spikes" (counts of each trial), or one of your own
        along stimulus and time, say smoothed rates.
    cache
        Keep each item once it was computed, in each worker: from the second epoch on nothing is
        computed, if the workers stay (`persistent_workers=True`). The rates of all of AA1 take
        40 MB at 1 ms, the counts 0.45 GB.

    Returns
    -------
    torch.utils.data.Dataset
        An item, and a batch of them, is a named tuple:

        - `spectrogram` ([batch,] freq, time), padded with silence;
        - `responses` ([batch,] neuron, time) or ([batch,] neuron, trial, time), in the order of
          `ds`; 0 where there is no data;
        - `mask`, of the same shape: True where there is. A loss takes
          `(prediction - item.responses)[item.mask]`;
        - `stimulus`: its label, in a batch a list of them;
        - `silence` ([batch,] freq): the value of each band where there is no sound, in the units
          that the spectrogram of `ds` has, standardized or not. Batches are padded with it.

    Raises
    ------
    ModuleNotFoundError
        If torch is not installed.
    ValueError
        If `ds` has no such variable, or a stimulus that none of its neurons heard. Also if
        trials were selected, and the responses are `ds.psth`, which is over all presentations.

    Notes
    -----
    For single items xarray's own lazy arrays are faster than dask's: open with `chunks=None`.

    With workers and data on object storage, pass `multiprocessing_context="spawn"` to the
    DataLoader: fsspec's connections do not survive a fork, and a forked worker waits for ever.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> songs = aa1xr.drop_missing(aa1xr.open_sample(chunks=None).sel(type="conspecific"))
    >>> dataset = aa1xr.to_torch(songs)
    >>> len(dataset), tuple(dataset[0].spectrogram.shape), tuple(dataset[0].responses.shape)
    (10, (32, 433), (11, 433))
    >>> batch = next(iter(DataLoader(dataset, batch_size=4, collate_fn=dataset.collate)))
    >>> tuple(batch.responses.shape), batch.stimulus[0]
    ((4, 11, 433), 'conspecific-00')
    """
    stimuli = Stimuli(ds, responses)
    import_optional("torch", extra="torch")
    from aa1xr.export.torch_dataset import StimulusDataset

    return StimulusDataset(stimuli, cache=cache)
