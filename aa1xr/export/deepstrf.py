"""Convert stimuli and responses to the lists of deepSTRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.dataset.options import SpectrogramOptions
from aa1xr.export.stimuli import Stimuli
from aa1xr.optional import import_optional

if TYPE_CHECKING:
    import torch


class DeepSTRFLists(NamedTuple):
    """The attributes of a dataset of deepSTRF 0.1.0."""

    stims: list[torch.Tensor]
    responses: list[list[torch.Tensor]]
    stim_meta: list[dict[str, Any]]
    nrn_meta: list[dict[str, Any]]
    N_neurons: int
    F: int
    return_waveform: bool
    audio_fs: int | None


def to_deepstrf(
    ds: xr.Dataset, *, waveform: bool = False, sample_rate: int | None = None
) -> DeepSTRFLists:
    """Convert a Dataset to the lists of tensors that deepSTRF 0.1.0 uses.

    With these lists, a dataset of deepSTRF works with its loaders, models, metrics and selections:

        peer = AudioNeuralDataset(path="", dt_ms=5)
        vars(peer).update(aa1xr.to_deepstrf(ds)._asdict())
        peer.validate()

    This function computes everything immediately; `aa1xr.to_torch` computes items one by one.

    Needs torch, the extra `torch`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one with the dimensions `neuron` and `trial`.
    waveform
        Whether the stimuli are waveforms, for the `wav2spec` front-ends of deepSTRF, as with its
        own `return_waveform=True`. `ds` then needs no spectrogram.
    sample_rate
        Of the waveforms in Hz, as in `aa1xr.sounds`; the `audio_fs` of deepSTRF. None: 32 kHz, as
        recorded.

    Returns
    -------
    named tuple, with the names of the attributes of deepSTRF's datasets
        - `stims`: the spectrogram (1, F, T) of each stimulus, or its waveform (1, T * hop), where
          `hop` is the number of samples in a bin;
        - `responses`: the counts (R, T) of the selected trials of each stimulus and neuron, or
          (1, 1) NaN if there are none; smoothed if `spikes` is, so do not smooth them again;
        - `stim_meta`, `nrn_meta`: the labels, including those that you added. `neuron` becomes
          "cell_id", and an unknown rig becomes None;
        - `N_neurons`, and `F`, the number of frequency bands (32 if `ds` has none);
        - `return_waveform`, and `audio_fs`, which is None for spectrograms.

        T is the number of bins in the window of the stimulus in `ds`. deepSTRF itself has one more
        if a stimulus is a whole number of bins long. It mirrors the stimulus at its ends, whereas
        aa1xr pads it with silence. deepSTRF pads batches with 0, which is not silence for
        `compression="db"` and for standardised spectrograms.

        Both pad waveforms with silence. At 32 kHz, waveforms are equal to those of deepSTRF, except
        that deepSTRF's have one more bin of silence if T is one more. At other rates deepSTRF
        resamples with a shorter filter, so values differ near half of the lower sample rate.

    Raises
    ------
    ModuleNotFoundError
        If torch is not installed.
    ValueError
        If `ds` lacks a variable or a dimension, or has a stimulus that was not presented to any of
        its neurons. For waveforms, also as in `aa1xr.sounds`.

    Examples
    --------
    >>> lists = aa1xr.to_deepstrf(aa1xr.open_sample())
    >>> tuple(lists.stims[0].shape), tuple(lists.responses[0][0].shape)
    ((1, 32, 433), (15, 433))
    >>> lists.nrn_meta[0]["area"], lists.N_neurons
    ('Field_L', 12)
    """
    arguments.flag("waveform", waveform)
    stimuli = Stimuli(ds, "spikes", waveform=waveform, sample_rate=sample_rate)
    schema.check_dims("'spikes'", ds["spikes"], "neuron", "trial")
    schema.require_coords(ds, "neuron", "rig")
    torch = import_optional("torch", extra="torch")
    stims, responses = [], []
    for number in range(len(stimuli)):
        sound, counts = stimuli.read_waveform(number) if waveform else stimuli.read(number)[:2]
        stims.append(torch.from_numpy(sound[np.newaxis]))
        there = np.asarray(~np.isnan(counts).all(2))
        nothing = np.full((1, 1), np.nan, np.float32)
        responses.append(
            [
                torch.from_numpy(trials[rows] if rows.any() else nothing)
                for trials, rows in zip(counts, there, strict=True)
            ]
        )
    nrn_meta = [
        {"cell_id": cell.pop("neuron"), **cell, "rig": cell["rig"] or None}
        for cell in _metadata(ds, "neuron")
    ]
    return DeepSTRFLists(
        stims,
        responses,
        _metadata(ds, "stimulus"),
        nrn_meta,
        len(nrn_meta),
        ds.sizes.get("freq", SpectrogramOptions().n_mels),
        waveform,
        stimuli.sample_rate if waveform else None,
    )


def _metadata(ds: xr.Dataset, dim: str) -> list[dict[str, Any]]:
    """The labels of each element along `dim`."""
    labels = {str(name): c.values.tolist() for name, c in ds.coords.items() if c.dims == (dim,)}
    return [dict(zip(labels, values, strict=True)) for values in zip(*labels.values(), strict=True)]
