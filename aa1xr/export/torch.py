"""Stimuli and responses as a torch Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import xarray as xr

from aa1xr import arguments
from aa1xr.export.stimuli import Stimuli
from aa1xr.optional import import_optional

if TYPE_CHECKING:
    from aa1xr.export.torch_dataset import StimulusDataset, WaveformDataset


@overload
def to_torch(
    ds: xr.Dataset,
    *,
    responses: str = ...,
    sound: Literal["spectrogram"] = ...,
    sample_rate: None = ...,
    cache: bool = ...,
) -> StimulusDataset: ...
@overload
def to_torch(
    ds: xr.Dataset,
    *,
    responses: str = ...,
    sound: Literal["waveform"],
    sample_rate: int | None = ...,
    cache: bool = ...,
) -> WaveformDataset: ...
def to_torch(
    ds: xr.Dataset,
    *,
    responses: str = "psth",
    sound: Literal["spectrogram", "waveform"] = "spectrogram",
    sample_rate: int | None = None,
    cache: bool = False,
) -> StimulusDataset | WaveformDataset:
    """Convert to a `torch.utils.data.Dataset` whose items are the stimuli.

    Each item is computed on demand, and ends with the window of its stimulus. A slice or a list of
    numbers returns a `torch.utils.data.Subset`. `.collate` pads a batch:
    `DataLoader(dataset, batch_size=4, shuffle=True, collate_fn=dataset.collate)`.

    Needs torch, the extra `torch`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one.
    responses
        The variable: "psth" (spikes/s), "spikes" (counts of each trial), or a variable of your own
        with the dimensions `stimulus` and `time`, such as smoothed rates.
    sound
        "spectrogram": that of `ds`. "waveform": the waveform, for models that begin with a
        front-end of their own; `ds` needs no spectrogram.
    sample_rate
        Of the waveform in Hz, as in `aa1xr.sounds`. None: 32 kHz, as recorded.
    cache
        Keep computed items in the memory of each worker. From the second epoch on, nothing is
        computed if the workers persist (`persistent_workers=True`). For AA1 at 1 ms, rates take
        40 MB, counts take 0.45 GB, and waveforms take 8 MB.

    Returns
    -------
    torch.utils.data.Dataset
        An item, or a batch of items, is a named tuple:

        - `spectrogram` ([batch,] freq, time), padded with silence;
        - `responses` ([batch,] neuron, time) or ([batch,] neuron, trial, time), in the order of
          `ds`; 0 where there are no data;
        - `mask`, of the same shape: True where there are data. Use it in a loss:
          `(prediction - item.responses)[item.mask]`;
        - `stimulus`: its label; for a batch, a list of labels;
        - `silence` ([batch,] freq): the value of each band where no stimulus plays, in the units of
          the spectrogram of `ds`. Batches are padded with it. NaN where it is not known: for
          stimuli that end with the axis of a scaled spectrogram, which are never padded.

        With `sound="waveform"`, the field `waveform` ([batch,] sample) replaces `spectrogram` and
        `silence`. It holds floats in [-1, 1]. Its window is that of the responses: for T bins there
        are T * hop samples, where `hop = sample_rate * dt_ms / 1000`, and bin k is samples k * hop
        to (k + 1) * hop. Before and after the stimulus, and in the padding of a batch, it is 0.

    Raises
    ------
    ModuleNotFoundError
        If torch is not installed.
    ValueError
        If `ds` has no such variable, or a stimulus that was not presented to any of its neurons.
        Also if trials were selected by xarray and the responses are `ds.psth`, which is the mean
        over all trials. For waveforms, also if a bin is not a whole number of samples at
        `sample_rate`, or the bins are not adjacent.

    Notes
    -----
    For single items, xarray's own lazy arrays are faster than dask's: open with `chunks=None`.

    With workers and data on object storage, pass `multiprocessing_context="spawn"` to the
    DataLoader: connections of fsspec do not survive a fork, and a forked worker hangs.

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
    >>> item = aa1xr.to_torch(songs, sound="waveform")[0]  # 160 samples in 5 ms
    >>> tuple(item.waveform.shape), 433 * 160
    ((69280,), 69280)
    """
    arguments.choice("sound", sound, ("spectrogram", "waveform"))
    waveform = sound == "waveform"
    stimuli = Stimuli(ds, responses, waveform=waveform, sample_rate=sample_rate)
    import_optional("torch", extra="torch")
    from aa1xr.export.torch_dataset import StimulusDataset, WaveformDataset

    return (WaveformDataset if waveform else StimulusDataset)(stimuli, cache=cache)
